"""Do the vectors mean it? Emotions of stories on topics that the vectors have not seen, against three baselines; of
messages that only imply them; of numbers that only grade them; and the words that a direction makes likelier."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from emovec_lite.activations import (
    Layer,
    MeanActivations,
    as_layer,
    prompt_activations,
    text_of,
    token_activations,
    tokenize,
)
from emovec_lite.errors import CorpusError, UnknownName
from emovec_lite.geometry import BOOTSTRAPS, CONFIDENCE, PERMUTATIONS, max_corrected_null, permutation_p
from emovec_lite.stories import Corpus, word_count, words_of
from emovec_lite.vectors import Direction, EmotionVectors

if TYPE_CHECKING:
    from emovec_lite.models import Subject

SHRINKAGE = 0.5  # of the stories' covariance towards a sphere; fixed on an earlier draft of the corpus
SHUFFLES = 200
RANDOM_DIRECTIONS = 200

Fold = Literal["topic", "register"]


@dataclass(frozen=True)
class HeldOut:
    """Accuracy on held-out topics, with what it has to beat."""

    right: Bool[np.ndarray, " text"]
    chance: float
    word_counts: float  # accuracy of unigram naive Bayes on the same folds
    shuffled: Float[np.ndarray, " shuffle"]  # accuracies with the labels shuffled within each fold
    topics: Int[np.ndarray, " text"]  # a number for each story's topic

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def p(self) -> float:
        return permutation_p(self.accuracy, self.shuffled)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the accuracy, whole topics drawn anew.

        Topics and not stories: the claim is about topics not seen, and a topic's stories share their writer, their
        register and the vectors that they were judged by.
        """
        return topic_interval(self.right, self.topics)


def topic_interval(
    right: Bool[np.ndarray, " text"], topics: Int[np.ndarray, " text"], samples: int = BOOTSTRAPS, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of a share of stories, whole topics drawn anew; a little narrow for few topics."""
    names, place = np.unique(topics, return_inverse=True)
    hits, sizes = np.bincount(place, right), np.bincount(place)
    drawn = np.random.default_rng(seed).integers(len(names), size=(samples, len(names)))
    shares = hits[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(shares, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def held_out(
    activations: Float[np.ndarray, "text d_model"],
    corpus: Corpus,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    by: Fold = "topic",
) -> HeldOut:
    """Name the emotion of each topic's stories by vectors built from all the other topics.

    With `by="register"` each register's stories by vectors of the other register: does what was learnt from plain
    telling carry over to oblique telling, and back?

    A story goes to the emotion whose vector has the highest cosine with it, after whitening by the covariance of
    the training stories: without that, what all stories vary in together (length, tense, dialogue) swamps the
    emotion. Raises `CorpusError` for a corpus without at least two topics that share their emotions: stories of
    one topic have more in common than what they feel.
    """
    from tqdm.auto import tqdm

    emotions, labels, folds = _folds(corpus, by)
    activations = np.asarray(activations, dtype=np.float64)
    rng = np.random.default_rng(seed)
    rows = np.stack([labels, *(_shuffled_within(folds, labels, rng) for _ in range(shuffles))])
    right = np.zeros(rows.shape, dtype=bool)
    for fold in tqdm(
        np.unique(folds), desc="Held-out topics", unit=" topics", file=sys.stderr, disable=shuffles < 10
    ):
        test = folds == fold
        train, new = (x.astype(np.float32) for x in _whiten(activations[~test], activations[test]))
        for row, y in enumerate(rows):
            right[row, test] = _nearest(train, y[~test], new, len(emotions)) == y[test]
    topics = np.unique([s.topic for s in corpus], return_inverse=True)[1]
    counted = float(word_count_hits(corpus, by).mean())
    return HeldOut(right[0], 1 / len(emotions), counted, right[1:].mean(axis=1), topics)


def word_count_hits(corpus: Corpus, by: Fold = "topic") -> Bool[np.ndarray, " text"]:
    """Which stories unigram naive Bayes gets right on held-out topics: how far words alone betray the emotion."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    _, labels, folds = _folds(corpus, by)
    counts = CountVectorizer(analyzer=words_of).fit_transform(corpus.texts)
    right = np.zeros(len(labels), dtype=bool)
    for fold in np.unique(folds):
        test = folds == fold
        right[test] = MultinomialNB().fit(counts[~test], labels[~test]).predict(counts[test]) == labels[test]
    return right


def _folds(
    corpus: Corpus, by: Fold = "topic"
) -> tuple[list[str], Int[np.ndarray, " text"], Int[np.ndarray, " text"]]:
    values = [getattr(s, by) for s in corpus]
    known = sorted({*values} - {""})
    if len(known) < 2:
        raise CorpusError(
            f"{corpus.name}: {len(known)} {by}(s). Holding {by}s out needs stories on at least two; give "
            f"each line of the corpus a {by!r}."
        )
    emotions, names = corpus.emotions, ["", *known]
    labels = np.array([emotions.index(s.emotion) for s in corpus])
    folds = np.array([names.index(value) for value in values])
    for fold in np.unique(folds):
        if missing := set(labels) - set(labels[folds != fold]):
            raise CorpusError(
                f"{corpus.name}: all stories of {emotions[min(missing)]!r} are on the {by} {names[fold]!r}; with "
                f"it held out nothing is left to learn from. Every emotion needs stories on two {by}s."
            )
    return emotions, labels, folds


def _whiten(
    train: Float[np.ndarray, "train d_model"], new: Float[np.ndarray, "new d_model"]
) -> tuple[Float[np.ndarray, "train d_model"], Float[np.ndarray, "new d_model"]]:
    center = train.mean(axis=0)
    train, new = train - center, new - center
    covariance = train.T @ train / len(train)
    sphere = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    root = np.linalg.cholesky(np.linalg.inv((1 - SHRINKAGE) * covariance + SHRINKAGE * sphere))
    return train @ root, new @ root


def _nearest(
    train: Float[np.ndarray, "train d_model"],
    labels: Int[np.ndarray, " train"],
    new: Float[np.ndarray, "new d_model"],
    n: int,
) -> Int[np.ndarray, " new"]:
    member = np.eye(n, dtype=train.dtype)[labels]
    vectors = member.T @ train / member.sum(axis=0)[:, None]
    vectors -= vectors.mean(axis=0)
    return (new @ (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).T).argmax(axis=1)


def _shuffled_within(
    folds: Int[np.ndarray, " text"], labels: Int[np.ndarray, " text"], rng: np.random.Generator
) -> Int[np.ndarray, " text"]:
    shuffled = labels.copy()
    for fold in np.unique(folds):
        shuffled[folds == fold] = rng.permutation(labels[folds == fold])
    return shuffled


def leak_report(corpus: Corpus) -> str:
    """A markdown table of what each emotion's stories are like, and how often words alone betray them.

    Columns: stories, told in the first person, mean words, distinct character names, and the share that unigram
    naive Bayes gets right with topics held out.
    """
    hits = word_count_hits(corpus)
    lines = [
        "| emotion | stories | first person | mean words | names | betrayed by words |",
        "|---|---|---|---|---|---|",
    ]
    groups = {emotion: [i for i, s in enumerate(corpus) if s.emotion == emotion] for emotion in corpus.emotions}
    for name, rows in [*groups.items(), ("all", [*range(len(corpus))])]:
        stories = [corpus.stories[i] for i in rows]
        words = np.mean([word_count(s.text) for s in stories])
        first = sum(s.narrator == "first" for s in stories)
        names = len({n for s in stories for n in s.names})
        name = re.sub(r"([\\|<$*_`])", r"\\\1", name)  # or markdown would read it as its own
        lines.append(f"| {name} | {len(rows)} | {first} | {words:.1f} | {names} | {hits[rows].mean():.2f} |")
    return "\n".join(lines)


# --- Logit lens ------------------------------------------------------------------------------------------


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
