"""Do the vectors mean it? Emotions of stories on topics that the vectors have not seen, against three baselines."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from emovec_lite.errors import CorpusError
from emovec_lite.geometry import permutation_p
from emovec_lite.stories import Corpus, word_count, words_of

SHRINKAGE = 0.5  # of the stories' covariance towards a sphere; fixed on an earlier draft of the corpus
SHUFFLES = 200


@dataclass(frozen=True)
class HeldOut:
    """Accuracy on held-out topics, with what it has to beat."""

    right: Bool[np.ndarray, " text"]
    chance: float
    word_counts: float  # accuracy of unigram naive Bayes on the same folds
    shuffled: Float[np.ndarray, " shuffle"]  # accuracies with the labels shuffled within each topic

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def p(self) -> float:
        return permutation_p(self.accuracy, self.shuffled)


def held_out(
    activations: Float[np.ndarray, "text d_model"], corpus: Corpus, shuffles: int = SHUFFLES, seed: int = 0
) -> HeldOut:
    """Name the emotion of each topic's stories by vectors built from all the other topics.

    A story goes to the emotion whose vector has the highest cosine with it, after whitening by the covariance of
    the training stories: without that, what all stories vary in together (length, tense, dialogue) swamps the
    emotion. Raises `CorpusError` for a corpus without at least two topics that share their emotions: stories of
    one topic have more in common than what they feel.
    """
    from tqdm.auto import tqdm

    emotions, labels, folds = _folds(corpus)
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
    return HeldOut(right[0], 1 / len(emotions), float(word_count_hits(corpus).mean()), right[1:].mean(axis=1))


def word_count_hits(corpus: Corpus) -> Bool[np.ndarray, " text"]:
    """Which stories unigram naive Bayes gets right on held-out topics: how far words alone betray the emotion."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    _, labels, folds = _folds(corpus)
    counts = CountVectorizer(analyzer=words_of).fit_transform(corpus.texts)
    right = np.zeros(len(labels), dtype=bool)
    for fold in np.unique(folds):
        test = folds == fold
        right[test] = MultinomialNB().fit(counts[~test], labels[~test]).predict(counts[test]) == labels[test]
    return right


def _folds(corpus: Corpus) -> tuple[list[str], Int[np.ndarray, " text"], Int[np.ndarray, " text"]]:
    if len(corpus.topics) < 2:
        raise CorpusError(
            f"{corpus.name}: {len(corpus.topics)} topic(s). Holding topics out needs stories on at least two; give "
            "each line of the corpus a 'topic'."
        )
    emotions, topics = corpus.emotions, ["", *corpus.topics]
    labels = np.array([emotions.index(s.emotion) for s in corpus])
    folds = np.array([topics.index(s.topic) for s in corpus])
    for fold in np.unique(folds):
        if missing := set(labels) - set(labels[folds != fold]):
            raise CorpusError(
                f"{corpus.name}: all stories of {emotions[min(missing)]!r} are on the topic {topics[fold]!r}; with "
                "it held out nothing is left to learn from. Every emotion needs stories on two topics."
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
    for emotion in [*corpus.emotions, "all"]:
        rows = [i for i, s in enumerate(corpus) if emotion in (s.emotion, "all")]
        stories = [corpus.stories[i] for i in rows]
        words = np.mean([word_count(s.text) for s in stories])
        first = sum(s.narrator == "first" for s in stories)
        names = len({n for s in stories for n in s.names})
        lines.append(f"| {emotion} | {len(rows)} | {first} | {words:.1f} | {names} | {hits[rows].mean():.2f} |")
    return "\n".join(lines)
