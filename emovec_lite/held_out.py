"""Do the vectors name the emotion of stories that they have not seen: on new topics, and told in another way?"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from emovec_lite.errors import CorpusError
from emovec_lite.nulls import permutation_p
from emovec_lite.resampling import BOOTSTRAPS, CONFIDENCE
from emovec_lite.stories import Corpus, word_count, words_of

SHRINKAGE = 0.5  # of the stories' covariance towards a sphere; fixed on an earlier draft of the corpus
SHUFFLES = 200


@dataclass(frozen=True)
class HeldOut:
    """Accuracy on stories that were held out, with what it has to beat."""

    right: Bool[np.ndarray, " text"]
    chance: float
    word_counts: float  # accuracy of unigram naive Bayes on the same stories
    shuffled: Float[np.ndarray, " shuffle"]  # accuracies with the labels shuffled within each topic
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
    activations: Float[np.ndarray, "text d_model"], corpus: Corpus, shuffles: int = SHUFFLES, seed: int = 0
) -> HeldOut:
    """Name the emotion of each topic's stories by vectors built from all the other topics.

    A story goes to the emotion whose vector has the highest cosine with it, after whitening by the covariance of
    the training stories: without that, what all stories vary in together (length, tense, dialogue) swamps the
    emotion. Raises `CorpusError` for a corpus without at least two topics that share their emotions: stories of
    one topic have more in common than what they feel.
    """
    from tqdm.auto import tqdm

    labels, topics = _topics(corpus)
    activations = np.asarray(activations, dtype=np.float64)
    rows = _with_shuffled(labels, topics, shuffles, seed)
    right = np.zeros(rows.shape, dtype=bool)
    for topic in tqdm(
        np.unique(topics), desc="Held-out topics", unit=" topics", file=sys.stderr, disable=shuffles < 10
    ):
        test = topics == topic
        train, new = (x.astype(np.float32) for x in _whiten(activations[~test], activations[test]))
        for row, y in enumerate(rows):
            right[row, test] = _nearest(train, y[~test], new, len(corpus.emotions)) == y[test]
    counted = float(word_count_hits(corpus).mean())
    return HeldOut(right[0], 1 / len(corpus.emotions), counted, right[1:].mean(axis=1), topics)


def carried_over(
    activations: Float[np.ndarray, "text d_model"],
    corpus: Corpus,
    new: Float[np.ndarray, "new d_model"],
    new_corpus: Corpus,
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> HeldOut:
    """Name the emotion of stories of one corpus by vectors built from another: told in another way, by other topics.

    As `held_out`, but for this: what all stories of a corpus share is taken off each by itself. It is their manner,
    and in a corpus of every emotion it tells none. Raises `CorpusError` for a new story of an emotion that the first
    corpus has not, and as `held_out` does.
    """
    labels, topics = _topics(corpus)
    _, new_topics = _topics(new_corpus)
    if strange := sorted({*new_corpus.emotions} - {*corpus.emotions}):
        raise CorpusError(
            f"{new_corpus.name} has stories of {', '.join(map(repr, strange))}; {corpus.name} has none. "
            "Take corpora of the same emotions."
        )
    truth = np.array([corpus.emotions.index(s.emotion) for s in new_corpus])
    first, other = (np.asarray(x, dtype=np.float64) for x in (activations, new))
    train, test = (x.astype(np.float32) for x in _whiten(first, other - other.mean(axis=0) + first.mean(axis=0)))
    n = len(corpus.emotions)
    hits = [_nearest(train, y, test, n) == truth for y in _with_shuffled(labels, topics, shuffles, seed)]
    right = np.stack(hits)
    counted = float(word_count_hits(corpus, new_corpus).mean())
    return HeldOut(right[0], 1 / n, counted, right[1:].mean(axis=1), new_topics)


def word_count_hits(corpus: Corpus, new: Corpus | None = None) -> Bool[np.ndarray, " text"]:
    """Which stories unigram naive Bayes gets right, on held-out topics or of another corpus: what words betray."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    labels, topics = np.array(corpus.labels), np.array([s.topic for s in corpus])
    vectorizer = CountVectorizer(analyzer=words_of)
    counts = vectorizer.fit_transform(corpus.texts)
    if new is not None:
        return MultinomialNB().fit(counts, labels).predict(vectorizer.transform(new.texts)) == np.array(new.labels)
    right = np.zeros(len(labels), dtype=bool)
    for topic in np.unique(topics):
        test = topics == topic
        right[test] = MultinomialNB().fit(counts[~test], labels[~test]).predict(counts[test]) == labels[test]
    return right


def _topics(corpus: Corpus) -> tuple[Int[np.ndarray, " text"], Int[np.ndarray, " text"]]:
    """A number for each story's emotion and for its topic; refuses topics that cannot be held out."""
    known = corpus.topics
    if len(known) < 2:
        raise CorpusError(
            f"{corpus.name}: {len(known)} topic(s). Holding topics out needs stories on at least two; give "
            "each line of the corpus a 'topic'."
        )
    emotions, names = corpus.emotions, ["", *known]
    labels = np.array([emotions.index(s.emotion) for s in corpus])
    topics = np.array([names.index(s.topic) for s in corpus])
    for topic in np.unique(topics):
        if missing := set(labels) - set(labels[topics != topic]):
            raise CorpusError(
                f"{corpus.name}: all stories of {emotions[min(missing)]!r} are on the topic {names[topic]!r}; with "
                "it held out nothing is left to learn from. Every emotion needs stories on two topics."
            )
    return labels, topics


def _with_shuffled(
    labels: Int[np.ndarray, " text"], topics: Int[np.ndarray, " text"], shuffles: int, seed: int
) -> Int[np.ndarray, "row text"]:
    """The labels, and under them as many rows in which each topic's are shuffled among its stories."""
    rng = np.random.default_rng(seed)
    return np.stack([labels, *(_shuffled_within(topics, labels, rng) for _ in range(shuffles))])


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
