"""Accuracy on new topics and registers finds what is there, and nothing that a topic or a register betrays."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from emovec_lite.errors import CorpusError
from emovec_lite.extraction import centred_means
from emovec_lite.held_out import carried_over, held_out, leak_report, topic_interval, word_count_hits
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
    from emovec_lite.held_out import _shuffled_within, _topics

    labels, folds = _topics(crossed())
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


# --- Registers and intervals ---------------------------------------------------------------------------


def in_two_registers():
    """Two corpora of the same emotions, of three topics each, in other orders."""
    rows = list(crossed())
    first = Corpus("first", tuple(s for s in rows if s.topic < "t3"))
    return first, Corpus("second", tuple(s for s in rows[::-1] if s.topic >= "t3"))


def test_what_both_registers_show_alike_carries_over_and_a_shift_of_all_stories_does_not_matter():
    first, second = in_two_registers()
    shift = 50 * np.random.default_rng(5).normal(size=40)
    a, b = activations(first, emotion=2, topic=3), activations(second, emotion=2, topic=3) + shift
    result = carried_over(a, first, b, second, shuffles=50)
    assert result.accuracy > 0.9 and result.p == 1 / 51 and result.chance == 1 / 8
    assert len(result.right) == len(second) and result.interval[0] > 0.7
    swapped = carried_over(b, second, a, first, shuffles=0)
    assert swapped.accuracy > 0.9 and len(swapped.right) == len(first)


def test_what_a_register_shows_by_directions_of_its_own_does_not_carry_over():
    first, second = in_two_registers()
    a, turned = activations(first, emotion=2), activations(second, emotion=2, seed=1)
    for values, corpus in ((a, first), (turned, second)):
        assert held_out(values, corpus, shuffles=0).accuracy > 0.9
    result = carried_over(a, first, turned, second, shuffles=200)
    assert result.accuracy < 0.4 and result.p > 0.005


def test_the_new_stories_labels_are_not_learnt_from():
    """Whatever the second corpus calls its stories, the guesses stay the same."""
    first, second = in_two_registers()
    a, b = activations(first, emotion=2), activations(second, emotion=2)
    wrong = Corpus("wrong", tuple(replace(s, emotion=EMOTIONS[(EMOTIONS.index(s.emotion) + 1) % 8]) for s in second))
    assert carried_over(a, first, b, second, shuffles=0).accuracy > 0.9
    assert carried_over(a, first, b, wrong, shuffles=0).accuracy < 0.1


def test_labels_are_shuffled_within_topics_when_they_carry_over_too():
    """Half of the emotions on half of the topics each: a topic tells the half, and no shuffle hides it."""
    rows = [s for s in crossed() if (s.emotion < "e4") == (int(s.topic[1]) % 2 == 0)]
    corpus = Corpus("halved", tuple(rows))
    values = 5 * np.array([[s.emotion < "e4", s.emotion >= "e4"] for s in corpus]) @ np.ones((2, 40))
    values = values + np.random.default_rng(0).normal(size=(len(corpus), 40))
    values[:, :20] *= np.array([1 if s.emotion < "e4" else -1 for s in corpus])[:, None]
    result = carried_over(values, corpus, values, corpus, shuffles=200)
    assert abs(result.shuffled.mean() - 1 / 4) < 0.04  # by topic one of four is left; shuffled over all, one of eight


def test_the_centre_is_the_mean_over_emotions_however_many_stories_each_has(monkeypatch):
    monkeypatch.setattr("emovec_lite.held_out.SHRINKAGE", 1.0)  # a sphere: nothing is whitened
    corpus = Corpus("crowded", tuple(s for s in crossed() for _ in range(12 if s.emotion == "e0" else 1)))
    values = activations(corpus, emotion=0.6)
    wanted = np.zeros(len(corpus), dtype=bool)
    for topic in TOPICS:
        test = np.array([s.topic == topic for s in corpus])
        labels = [s.emotion for s in corpus if s.topic != topic]
        means, _ = centred_means(torch.tensor(values[~test]), labels)
        new = torch.tensor(values[test] - values[~test].mean(axis=0)).float()
        guesses = torch.nn.functional.normalize(means.float(), dim=1) @ new.T
        truth = [s.emotion for s in corpus if s.topic == topic]
        wanted[test] = [EMOTIONS[i] == name for i, name in zip(guesses.argmax(dim=0), truth, strict=True)]
    right = held_out(values, corpus, shuffles=0).right
    assert 0.2 < wanted.mean() < 0.95
    np.testing.assert_array_equal(right, wanted)


def test_an_emotion_that_the_first_corpus_has_not_is_refused():
    first, second = in_two_registers()
    a, b = activations(first), activations(second)
    strange = Corpus("new", tuple(replace(s, emotion="smug") if s.emotion == "e3" else s for s in second))
    with pytest.raises(CorpusError, match="new has stories of 'smug'; first has none"):
        carried_over(a, first, b, strange)
    fewer = [i for i, s in enumerate(first) if s.emotion != "e3"]
    part = Corpus("part", tuple(first.stories[i] for i in fewer))
    result = carried_over(b, second, a[fewer], part, shuffles=0)
    assert result.chance == 1 / 8 and len(result.right) == len(part)
    one = Corpus("one", tuple(replace(s, topic="t4") for s in second))
    with pytest.raises(CorpusError, match=r"one: 1 topic\(s\)"):
        carried_over(a, first, b, one)


def test_word_counts_of_another_corpus_are_learnt_from_the_first_alone():
    first, second = in_two_registers()
    telling = [
        Corpus(c.name, tuple(replace(s, text=f"{c.name}{'abcdefgh'[int(s.emotion[1])]} it was") for s in c))
        for c in (first, second)
    ]
    assert word_count_hits(telling[0]).mean() == word_count_hits(telling[1]).mean() == 1
    assert word_count_hits(*telling).mean() == pytest.approx(1 / 8)
    shared = [Corpus(c.name, tuple(replace(s, text=f"it was {s.emotion}") for s in c)) for c in (first, second)]
    assert word_count_hits(*shared).mean() == 1
    result = carried_over(activations(first), first, activations(second), shared[1], shuffles=0)
    assert result.word_counts == word_count_hits(first, shared[1]).mean()


def test_the_interval_draws_whole_topics():
    topics = np.repeat(np.arange(12), 48)
    assert topic_interval(np.ones(576, dtype=bool), topics) == (1, 1)
    low, high = topic_interval(topics < 6, topics)  # a topic is all right or all wrong: 12 coins, not 576
    assert low < 0.3 and high > 0.7
    low, high = topic_interval(np.arange(576) % 2 == 0, topics)  # half of each topic: nothing to draw
    assert low == high == 0.5


def test_the_interval_covers():
    rng, covered = np.random.default_rng(0), 0
    topics = np.repeat(np.arange(12), 48)
    for seed in range(200):
        share = np.clip(0.4 + 0.1 * rng.normal(size=12), 0, 1)
        low, high = topic_interval(rng.random(576) < share[topics], topics, seed=seed, samples=400)
        covered += low <= 0.4 <= high
    assert 0.85 < covered / 200 <= 0.98  # a little narrow, as it says


def test_in_the_leak_report_a_name_is_not_read_as_markup():
    odd = ["home sick", "déjà vu", "a|b", "<b>", "$x$", "*x*", "all", "`x`"]
    report = leak_report(Corpus("toy", tuple(Story("w", e, t) for e in odd for t in TOPICS[:3]))).splitlines()[2:]
    assert len(report) == len(odd) + 1
    cells = {re.split(r"(?<!\\)\|", line)[1].strip(): line for line in report[:-1]}
    assert cells.keys() == {"home sick", "déjà vu", r"a\|b", r"\<b>", r"\$x\$", r"\*x\*", "all", r"\`x\`"}
    assert all(re.split(r"(?<!\\)\|", line)[2].strip() == "3" for line in cells.values())
    assert report[-1].startswith(f"| all | {3 * len(odd)} |")
