"""Exercise 2.6: emotion vectors by hand."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from sklearn.decomposition import PCA
from torch import Tensor

from emovec_lite.course.chapters.c02_stories_to_vectors.centre import centre, means_of
from emovec_lite.course.chapters.c02_stories_to_vectors.neutral_basis import neutral_basis
from emovec_lite.course.chapters.c02_stories_to_vectors.remove import remove
from emovec_lite.course.chapters.c02_stories_to_vectors.stories import SCALED, labels_of, passages_of, stories_of
from emovec_lite.course.exercise import Exercise


def emotion_vectors(
    stories: Float[Tensor, "text d_model"], labels: Sequence[str], neutral: Float[Tensor, "passage d_model"]
) -> Float[Tensor, "emotion d_model"]:
    return remove(centre(stories, labels), neutral_basis(neutral, 0.5))


# What the neutral components hold: half is reached with the first, the second, the third, or the sixth.
SHARES = {
    "one": (0.56, 0.2, 0.14, 0.1),
    "two": (0.37, 0.25, 0.2, 0.18),
    "three": (0.2, 0.18, 0.17, 0.16, 0.15, 0.14),
    "six": (0.12, 0.1, 0.095, 0.09, 0.085, 0.08, 0.075, 0.07, 0.065, 0.06, 0.055, 0.05, 0.03, 0.025),
}


def some(rng: np.random.Generator, components: str, passages: int, d_model: int) -> tuple[Tensor, list[str], Tensor]:
    labels = labels_of(rng)
    return stories_of(rng, labels, d_model), labels, passages_of(rng, passages, d_model, SHARES[components])


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    made = {f"{n} neutral component{'s' * (n != 'one')}": some(rng, n, 18, 15) for n in SHARES}
    labels = ["sad", "calm", "sad", "proud", "calm", "sad"]
    many = stories_of(rng, labels, 40), labels, passages_of(rng, 70, 40, np.linspace(1.4, 0.6, 26) / 26)
    return made | {
        "eleven neutral components, 70 passages": many,
        "as many passages as stories and dimensions": (
            stories_of(rng, labels, 6), labels, passages_of(rng, 6, 6, SHARES["two"])
        ),
    }  # fmt: skip


def draw(rng: np.random.Generator) -> tuple[Tensor, list[str], Tensor]:
    return some(rng, str(rng.choice(["one", "two", "three"])), int(rng.integers(7, 20)), int(rng.integers(6, 12)))


def denoised(vectors: Tensor, neutral: Tensor, share: float = 0.5) -> Tensor:
    return remove(vectors, neutral_basis(neutral, share))


def without(which: slice):
    """Denoised of some of the components only."""
    return lambda stories, labels, neutral: remove(centre(stories, labels), neutral_basis(neutral, 0.5)[which])


def of_uncentred_passages(stories: Tensor, labels: Sequence[str], neutral: Tensor) -> Tensor:
    _, s, vh = torch.linalg.svd(neutral, full_matrices=False)
    share = (s**2).cumsum(0) / (s**2).sum()
    return remove(centre(stories, labels), vh[: int((share < 0.5).sum()) + 1])


def in_order_of_appearance(stories: Tensor, labels: Sequence[str], neutral: Tensor) -> Tensor:
    means = means_of(stories, labels, list(dict.fromkeys(labels)))
    return denoised(means - means.mean(dim=0), neutral)


def denoised_first(stories: Tensor, labels: Sequence[str], neutral: Tensor) -> Tensor:
    return centre(remove(stories, neutral_basis(neutral, 0.5)), labels)


def in_one_piece(stories: Tensor, labels: Sequence[str], neutral: Tensor) -> Tensor:
    stories, neutral = stories.double().numpy(), neutral.double().numpy()
    pca = PCA(n_components=0.5, svd_solver="full").fit(neutral)
    means = np.stack([stories[np.array(labels) == emotion].mean(axis=0) for emotion in np.unique(labels)])
    means -= means.mean(axis=0)
    return torch.from_numpy(means - pca.inverse_transform(pca.transform(means + pca.mean_)) + pca.mean_)


def _compose(basis, stories, labels, neutral):
    return remove(centre(values=stories, labels=labels), basis=basis(neutral))


exercise = Exercise(
    "2.6", "Emotion vectors by hand", difficulty=3, importance=5, minutes=8, axes="emotion d_model",
    reference=emotion_vectors, edges=edges, draw=draw,
    mistakes={
        "Centred, but not denoised: what neutral text varies in is still there.": lambda stories, labels, neutral: (
            centre(stories, labels)
        ),
        "Denoised, but not centred: what all stories share is still there.": lambda stories, labels, neutral: (
            denoised(means_of(stories, labels), neutral)
        ),
        "You kept what should go: those are the parts along the neutral components.": lambda stories, labels, neutral: (
            (vectors := centre(stories, labels)) - denoised(vectors, neutral)
        ),
        "You found the components in the *stories* and removed those: that throws away the emotions themselves. Find them "
        "in the neutral passages.": lambda stories, labels, neutral: denoised(centre(stories, labels), stories),
        "You subtracted the neutral passages' mean. The centre is the mean over emotions; the neutral passages give only "
        "the components.": lambda stories, labels, neutral: (
            denoised(means_of(stories, labels) - neutral.mean(dim=0), neutral)
        ),
        "You removed the components that hold .9 of the neutral variance. The recipe takes "
        "half.": lambda stories, labels, neutral: denoised(centre(stories, labels), neutral, 0.9),
        "You removed only the first component. Take as many as hold half of the neutral variance.": without(slice(1)),
        "You removed only the first two components. Take as many as hold half of the neutral variance.": without(slice(2)),
        "You removed all the components but the last of those that hold half of the neutral variance.": without(slice(-1)),
        SCALED: lambda *args: torch.nn.functional.normalize(emotion_vectors(*args), dim=1),
        "You subtracted the mean over *stories*: the centre is the mean of the emotions' "
        "means.": lambda stories, labels, neutral: denoised(means_of(stories, labels) - stories.mean(dim=0), neutral),
        "The rows are in the order in which the emotions appear. Sort them.": in_order_of_appearance,
        "The neutral passages' mean must go before the components are found, or it becomes the first of "
        "them.": of_uncentred_passages,
    },
    right=[denoised_first, in_one_piece, partial(_compose, partial(neutral_basis, variance=0.5))],
    discuss="Which of the three steps (pooling, centring, denoising) would you leave out first if you had to, and by "
    "which experiment would you defend the choice?",
)  # fmt: skip
