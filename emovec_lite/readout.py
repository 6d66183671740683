"""Reading a direction: the words it makes likelier, where it stands in messages, token by token, and by degree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from emovec_lite.activations import (
    Layer,
    MeanActivations,
    as_layer,
    prompt_activations,
    text_of,
    token_activations,
    tokenize,
)
from emovec_lite.errors import UnknownName
from emovec_lite.nulls import PERMUTATIONS, max_corrected_null, permutation_p
from emovec_lite.stories import Corpus
from emovec_lite.vectors import Direction, EmotionVectors

if TYPE_CHECKING:
    from emovec_lite.models import Subject

RANDOM_DIRECTIONS = 200


@dataclass(frozen=True)
class Lens:
    """The tokens that a direction makes likeliest and unlikeliest, with the logits that a unit of it adds."""

    top: tuple[tuple[str, float], ...]
    bottom: tuple[tuple[str, float], ...]


def logit_lens(subject: Subject, direction: Direction, k: int = 8) -> Lens:
    """What a direction says if it goes straight to the unembedding (Sofroniew et al. 2026, Table 1).

    Through the scale of the final norm, then the unembedding matrix; the norm's division by the residual's size is
    left out, for a direction has no size. Tokens are shown as they are, word pieces and all.
    """
    import torch

    size = subject.d_model**0.5
    x = direction.unit().vector.to(subject.device, subject.dtype)[None] * size
    head = subject.hf.get_output_embeddings().weight
    with torch.inference_mode():
        # Half the difference cancels a bias, and asks the norm itself for its scale: Gemma's is one plus its weight.
        scaled = (subject.final_norm(x) - subject.final_norm(-x))[0].float() / (2 * size)
        logits = head.float() @ scaled
    order = logits.argsort(descending=True)

    def tokens(ids) -> tuple[tuple[str, float], ...]:
        return tuple((text_of(subject, [i], marks=True), float(logits[i])) for i in ids.tolist())

    return Lens(tokens(order[:k]), tokens(order.flip(0)[:k]))


# --- Implied emotion -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Implied:
    """Where the right emotion stands among all for each message, layer by layer, with the max-corrected null."""

    layers: tuple[Layer, ...]
    ranks: Int[np.ndarray, "layer text"]  # 1 is best
    n_emotions: int
    null: Float[np.ndarray, " permutation"]  # lowest mean rank over the layers, emotions of the messages permuted

    @property
    def mean_rank(self) -> Float[np.ndarray, " layer"]:
        return self.ranks.mean(axis=1)

    @property
    def best(self) -> tuple[Layer, float]:
        """Layer and mean rank where the right emotions stand highest."""
        i = int(np.argmin(self.mean_rank))
        return self.layers[i], float(self.mean_rank[i])

    @property
    def p(self) -> float:
        return permutation_p(-self.best[1], -self.null)

    def top(self, k: int) -> Int[np.ndarray, " layer"]:
        """For how many messages the right emotion is among the first `k`."""
        return (self.ranks <= k).sum(axis=1)


def implied(
    prompts: MeanActivations,
    vectors: EmotionVectors,
    messages: Corpus,
    layers: Sequence[Layer] | None = None,
    centred: bool = True,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Implied:
    """Rank all emotions for messages that imply one, by cosine with the denoised vectors (Sofroniew et al. 2026).

    `prompts` are the messages' `prompt_activations`; `layers` defaults to all. Centred, the mean over the messages is
    taken off first; without that, what all prompts share at their last token outweighs what tells them apart. Raises
    `UnknownName` for a message of an emotion without a vector.
    """
    layers = vectors.layers if layers is None else tuple(map(as_layer, layers))
    for emotion in messages.emotions:
        if emotion not in vectors.emotions:
            raise UnknownName("emotion", emotion, vectors.emotions)
    wanted = np.array([vectors.emotions.index(label) for label in messages.labels])
    ranks = np.stack([_ranks(prompts.at(layer), vectors.at(layer), centred) for layer in layers])
    text = np.arange(len(wanted))

    def minus_mean_rank(rows: Int[np.ndarray, "row text"]) -> Float[np.ndarray, "row layer"]:
        return -ranks[:, text, rows].mean(axis=-1).T

    null = -max_corrected_null(minus_mean_rank, wanted, permutations, seed)
    return Implied(layers, ranks[:, text, wanted], len(vectors.emotions), null)


def _ranks(messages, vectors, centred: bool) -> Int[np.ndarray, "text emotion"]:
    """The rank of each emotion for each message; equal cosines share the worse rank, so that a tie earns nothing."""
    messages, vectors = messages.double().numpy(), vectors.double().numpy()
    if centred:
        messages = messages - messages.mean(axis=0)
    # A message's own length does not change the order of its cosines.
    score = messages @ (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).T
    return (score[:, None, :] >= score[:, :, None]).sum(axis=-1)


# --- Token by token --------------------------------------------------------------------------------------


def token_projections(
    subject: Subject, vectors: EmotionVectors, text: str, emotion: str, layer: int
) -> tuple[list[str], Float[np.ndarray, " token"]]:
    """How far each token of a text lies along an emotion's direction, in percent of the mean residual norm there.

    Measured from the mean of the stories (`vectors.center`). NaN for the first token: its activations are giants in
    most models, whatever it says (Sun et al. 2024). The pieces of text join up to the text; a mark of the beginning
    is empty, and of a letter that takes several tokens all but the last. Raises `UnknownName` for the emotion and the
    layer, `ActivationError` for an empty text.
    """
    direction = vectors.direction(emotion, layer)
    residuals = token_activations(subject, text)[layer] - vectors.center[vectors.layers.index(layer)]
    values = (residuals @ direction.vector).double().numpy() / direction.residual_norm * 100
    values[0] = np.nan
    (ids,) = tokenize(subject, [text])
    tokens, shown = [], ""
    for i in range(len(ids)):
        whole = text_of(subject, ids[: i + 1])
        if whole.endswith("\ufffd") and i + 1 < len(ids):  # the first bytes of a letter
            whole = shown
        tokens.append(whole[len(shown) :])
        shown = whole
    return tokens, values


# --- Graded emotion --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sweep:
    """A message with a number in it, and which emotions should rise and fall with the number."""

    message: str  # with {x} for the number
    values: tuple[int, ...]
    rises: tuple[str, ...]
    falls: tuple[str, ...]


SWEEPS = (
    Sweep(
        "The lump on my neck has grown by {x} millimetres since last month.",
        (1, 3, 6, 12, 25, 50), ("afraid", "worried"), ("calm",),
    ),
    Sweep(
        "My train home is running {x} minutes late and nobody tells us why.",
        (2, 10, 30, 75, 150, 300), ("frustrated",), ("content",),
    ),
    Sweep(
        "I have just learnt that my raffle ticket wins {x} pounds.",
        (1, 20, 150, 1000, 8000, 60000), ("delighted", "excited"), ("bored",),
    ),
    Sweep(
        "It has been {x} days since anyone last spoke to me.",
        (1, 4, 10, 21, 45, 90), ("lonely",), ("happy",),
    ),
    Sweep(
        "Over the last three nights I slept {x} hours altogether.",
        (2, 5, 9, 14, 19, 25), ("peaceful",), ("tired", "weary"),
    ),
    Sweep(
        "This month my neighbour has blocked my drive {x} times, although I asked him not to.",
        (1, 3, 6, 10, 16, 28), ("angry",), ("patient",),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Graded:
    """Signs of the rank correlations between a message's number and its projections on emotions, at one layer."""

    checks: tuple[tuple[Sweep, str, int], ...]  # sweep, emotion, and the sign that is expected
    rho: Float[np.ndarray, " check"]
    random_rho: Float[np.ndarray, "random check"]  # with random directions in place of the emotions

    @property
    def right(self) -> int:
        """How many have the expected sign: only that counts, for on six points random directions reach |rho| = 1."""
        return int(self._right(self.rho))

    @property
    def random_right(self) -> Int[np.ndarray, " random"]:
        return self._right(self.random_rho)

    @property
    def p(self) -> float:
        return permutation_p(self.right, self.random_right)

    def _right(self, rho):
        return (np.sign(rho) == [sign for *_, sign in self.checks]).sum(axis=-1)


def graded(
    subject: Subject,
    vectors: EmotionVectors,
    layer: Layer,
    sweeps: Sequence[Sweep] = SWEEPS,
    randoms: int = RANDOM_DIRECTIONS,
    seed: int = 0,
) -> Graded:
    """Does "afraid" rise with the size of the lump? (Sofroniew et al. 2026, with messages of our own.)

    Each message is read at its last prompt token with each of its numbers and projected on the denoised unit vector.
    A random direction stands for one emotion in all messages, as a vector does. Raises `UnknownName` for an emotion
    without a vector.
    """
    from scipy.stats import spearmanr

    checks = [
        (s, emotion, sign) for s in sweeps for sign, names in ((1, s.rises), (-1, s.falls)) for emotion in names
    ]
    texts = [sweep.message.format(x=value) for sweep in sweeps for value in sweep.values]
    read = iter(prompt_activations(subject, texts).at(layer).double().numpy())
    activations = {sweep: np.stack([next(read) for _ in sweep.values]) for sweep in sweeps}
    rng = np.random.default_rng(seed)
    randomly = {e: rng.normal(size=(randoms, subject.d_model)) for e in dict.fromkeys(e for _, e, _ in checks)}
    rho, random_rho = [], []
    for sweep, emotion, _ in checks:
        directions = np.vstack([vectors.direction(emotion, layer).vector.numpy(), randomly[emotion]])
        found = [spearmanr(sweep.values, column).statistic for column in (activations[sweep] @ directions.T).T]
        rho.append(found[0])
        random_rho.append(found[1:])
    return Graded(tuple(checks), np.array(rho), np.array(random_rho).T)
