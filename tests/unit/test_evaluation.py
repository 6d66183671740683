"""Held-out accuracy finds what is there, nothing where there is nothing, and nothing that only a topic betrays."""

import numpy as np
import pytest

from emovec_lite.errors import CorpusError
from emovec_lite.evaluation import held_out, word_count_hits
from emovec_lite.stories import Corpus, Story

EMOTIONS, TOPICS = [f"e{i}" for i in range(8)], [f"t{i}" for i in range(6)]


def crossed(text=lambda e, t: f"{e} {t}"):
    return Corpus("toy", tuple(Story(text(e, t), e, t) for e in EMOTIONS for t in TOPICS))


def activations(corpus, emotion=0.0, topic=0.0, noise=1.0, d=40, seed=0):
    rng = np.random.default_rng(seed)
    of_emotion, of_topic = rng.normal(size=(len(EMOTIONS), d)), rng.normal(size=(len(TOPICS), d))
    rows = [emotion * of_emotion[EMOTIONS.index(s.emotion)] + topic * of_topic[TOPICS.index(s.topic)] for s in corpus]
    return np.array(rows) + noise * rng.normal(size=(len(corpus), d))


def test_a_planted_emotion_is_named_on_new_topics():
    corpus = crossed()
    result = held_out(activations(corpus, emotion=2, topic=3), corpus, shuffles=100)
    assert result.accuracy > 0.9 and result.p == 1 / 101
    assert result.chance == 1 / 8
    assert np.quantile(result.shuffled, 0.95) < 0.35


def test_noise_is_not():
    corpus = crossed()
    result = held_out(activations(corpus, topic=3), corpus, shuffles=100)
    assert result.p > 0.05 and abs(result.shuffled.mean() - 1 / 8) < 0.05


def test_a_twin_on_the_same_topic_does_not_help():
    """Two stories a cell that share a vector of their own: with topics held out, the twin is held out as well."""
    corpus = Corpus("twins", tuple(s for s in crossed() for _ in range(2)))
    rng = np.random.default_rng(0)
    own = np.repeat(rng.normal(size=(len(corpus) // 2, 100)), 2, axis=0) + 0.1 * rng.normal(size=(len(corpus), 100))
    assert held_out(own, corpus, shuffles=0).accuracy < 0.3


def test_shuffles_keep_each_topic_its_labels():
    from emovec_lite.evaluation import _folds, _shuffled_within

    _, labels, folds = _folds(crossed())
    shuffled = _shuffled_within(folds, labels, np.random.default_rng(0))
    assert (shuffled != labels).any()
    for fold in np.unique(folds):
        assert sorted(shuffled[folds == fold]) == sorted(labels[folds == fold])


def test_word_counts_find_a_word_that_betrays():
    telling = crossed(lambda e, t: f"a {t} story with a word that says {e} twice {e}")
    assert word_count_hits(telling).mean() == 1
    silent = crossed(lambda e, t: f"a {t} story with no such word")
    assert word_count_hits(silent).mean() == pytest.approx(1 / 8)


def test_topics_are_needed():
    bare = Corpus("bare", tuple(Story(s.text, s.emotion) for s in crossed()))
    with pytest.raises(CorpusError, match="0 topic"):
        held_out(activations(crossed()), bare)
    confounded = Corpus("con", tuple(s for s in crossed() if s.emotion != "e0" or s.topic == "t0"))
    with pytest.raises(CorpusError, match="all stories of 'e0' are on the topic 't0'"):
        held_out(activations(confounded), confounded)
