"""Exercise 4.2: principal components by hand."""

from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from emovec_lite.course.exercise import Exercise
from emovec_lite.models import DEFAULT_MODEL
from emovec_lite.stories import load_corpus
from emovec_lite.extraction import shipped_path
from emovec_lite.vectors import EmotionVectors


def principal_scores(vectors: Float[np.ndarray, "emotion d_model"], k: int) -> Float[np.ndarray, "emotion component"]:
    u, s, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    return (u * s)[:, :k]


def some_vectors(rng: np.random.Generator, emotions: int, d_model: int) -> np.ndarray:
    """Far off the origin; they vary along directions that lie askew, along each clearly less than along the last."""
    width = min(emotions - 1, d_model, 10)
    directions, _ = np.linalg.qr(rng.normal(size=(d_model, width)))
    places = rng.normal(size=(emotions, width)) * 1.7 ** -rng.permutation(width)
    return places @ directions.T + 2 * rng.normal(size=d_model)


@cache
def the_courses_own() -> np.ndarray:
    vectors = EmotionVectors.load(shipped_path(DEFAULT_MODEL, load_corpus()))
    return vectors.at(vectors.main_layer).double().numpy()


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    return {
        "the first component": (some_vectors(rng, 5, 3), 1),
        "two emotions": (some_vectors(rng, 2, 4), 1),
        "as many components as dimensions": (some_vectors(rng, 8, 4), 4),
        "as many emotions as dimensions": (some_vectors(rng, 5, 5), 2),
        "six components": (some_vectors(rng, 9, 12), 6),
        "more emotions than dimensions": (some_vectors(rng, 60, 5), 3),
        "the course's own vectors": (the_courses_own(), 5),
    }


def draw(rng: np.random.Generator) -> tuple[np.ndarray, int]:
    emotions, d_model = (int(n) for n in rng.integers(3, 13, size=2))
    return some_vectors(rng, emotions, d_model), int(rng.integers(1, min(emotions - 1, d_model) + 1))


def view(value: Any) -> Any:
    """Each component turned so that the first emotion well off its middle is positive: of two as far out as each
    other, the furthest one would be decided by rounding. What is wider than tall holds components as its rows."""
    if not isinstance(value, np.ndarray) or value.ndim != 2 or not value.size:
        return value
    if value.shape[0] < value.shape[1]:
        return view(value.T).T
    far = np.abs(value) >= 0.5 * np.abs(value).max(axis=0)
    return value * np.where(value[far.argmax(axis=0), np.arange(value.shape[1])] < 0, -1, 1)


def centred(vectors):
    return vectors - vectors.mean(axis=0)


def svd(x):
    return np.linalg.svd(x, full_matrices=False)


def of_the_gram_matrix(vectors, k):
    size, places = np.linalg.eigh(centred(vectors) @ centred(vectors).T)
    return (places * np.sqrt(np.clip(size, 0, None)))[:, ::-1][:, :k]


def by_sklearn(vectors, k):
    from sklearn.decomposition import PCA

    return PCA(n_components=k).fit_transform(vectors)


def directions_by_sklearn(vectors, k):
    from sklearn.decomposition import PCA

    return PCA(n_components=k).fit(vectors).components_


def by_covariance(vectors, k):
    size, directions = np.linalg.eigh(np.cov(vectors, rowvar=False))
    return centred(vectors) @ directions[:, np.argsort(size)[::-1][:k]]


def by_torch(vectors, k):
    x = torch.as_tensor(vectors)
    _, _, v = torch.svd(x - x.mean(0))
    return (x - x.mean(0)) @ -v[:, :k]


exercise = Exercise(
    "4.2", "Principal components by hand", difficulty=3, importance=5, minutes=8, returns="array tensor",
    axes="emotion component", view=view, reference=principal_scores, edges=edges, draw=draw,
    tolerance=0.02,  # scikit-learn's solver for wide matrices is a random one, and off by up to 0.003
    mistakes={
        "The mean is not subtracted: your first component points at the mean.": lambda vectors, k: (
            (found := svd(vectors))[0] * found[1]
        )[:, :k],
        "The mean is subtracted from the vectors that you project, but the directions are those of the uncentred "
        "ones.": lambda vectors, k: centred(vectors) @ svd(vectors)[2][:k].T,
        "You projected the *uncentred* vectors: everything is shifted.": lambda vectors, k: (
            vectors @ svd(centred(vectors))[2][:k].T
        ),
        "You subtracted each emotion's own mean. Subtract the mean *emotion*, the mean of the rows: "
        "`vectors.mean(axis=0)`.": lambda vectors, k: (
            (found := svd(vectors - vectors.mean(axis=1, keepdims=True)))[0] * found[1]
        )[:, :k],
        "You subtracted one number, the mean of all entries. Each dimension has a mean of its own: "
        "`axis=0`.": lambda vectors, k: ((found := svd(vectors - vectors.mean()))[0] * found[1])[:, :k],
        "You scaled every dimension to equal spread. Components are wanted of the vectors as they are, with only the "
        "mean taken off.": lambda vectors, k: principal_scores(centred(vectors) / vectors.std(axis=0), k),
        "Those are the columns of U: every component is as wide as the next. Multiply by the singular values, or "
        "project the centred vectors on the directions.": lambda vectors, k: svd(centred(vectors))[0][:, :k],
        "You multiplied U by the squares of the singular values.": lambda vectors, k: (
            (found := svd(centred(vectors)))[0] * found[1] ** 2
        )[:, :k],
        "You divided by the spread: every component is as wide as the next. Its width says how much the emotions vary "
        "along it: leave it.": lambda vectors, k: svd(centred(vectors))[0][:, :k] * (len(vectors) - 1) ** 0.5,
        "Those are the directions (rows of Vh). What is wanted is each emotion's place along "
        "them.": lambda vectors, k: svd(centred(vectors))[2][:k],
        "Those are the directions, as columns. What is wanted is each emotion's place along "
        "them.": lambda vectors, k: svd(centred(vectors))[2][:k].T,
        "Those are the directions. What is wanted is each emotion's place along them: `fit_transform`, not "
        "`components_`.": directions_by_sklearn,
        "The emotions should be the rows: transpose.": lambda vectors, k: principal_scores(vectors, k).T,
        "All components. Return the first k.": lambda vectors, k: principal_scores(vectors, None),
        "Those are the components with the *least* variance. `eigh` returns them in rising order: the last k, turned "
        "round.": lambda vectors, k: centred(vectors) @ np.linalg.eigh(np.cov(vectors.T))[1][:, :k],
        "The components are in the wrong order: the one with most variance comes first.": lambda vectors, k: (
            principal_scores(vectors, k)[:, ::-1]
        ),
        "You return one component too few: `[:, :k]` has k columns.": lambda vectors, k: principal_scores(vectors, k - 1),
        "That is the k-th component only. The first k are wanted: `[:, :k]`.": lambda vectors, k: (
            principal_scores(vectors, k)[:, -1]
        ),
    },
    right=[of_the_gram_matrix, by_sklearn, by_covariance, by_torch],
    discuss="You have read both ends of PC1 and found a name for it. Cover the figure, draw eight words at random and "
    "find a name for those. What does it say about the first name?",
)  # fmt: skip
