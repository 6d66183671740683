"""Stories drawn anew and topics halved, on stories whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emovec_lite.alignment import ridge_r
from emovec_lite.errors import ArtifactError, CorpusError, UnknownName
from emovec_lite.resampling import bootstrap, split_halves
from emovec_lite.stories import Corpus
from tests.unit.planted import EMOTIONS, axis, noisy_stories, on_topics, with_stories


def ridge(matrix):
    return ridge_r(matrix, EMOTIONS, "valence")


def test_the_observed_value_is_that_of_the_vectors():
    vectors, corpus = with_stories(noisy_stories(np.random.default_rng(1), axis()))
    observed = ridge(vectors.at(0).double().numpy())
    assert bootstrap(vectors, corpus, 0, ridge, 3).observed == pytest.approx(observed, abs=1e-6)


def test_stories_that_are_all_alike_leave_no_doubt():
    vectors, corpus = with_stories(np.repeat(axis()[:, None], 4, axis=1))
    found = bootstrap(vectors, corpus, 0, ridge, 20)
    assert found.bounds == pytest.approx((found.observed, found.observed), abs=1e-5)


def test_the_interval_covers_what_other_stories_would_give():
    """Plain percentiles of the samples cover less than half the time here, reflected ones little more."""
    rng = np.random.default_rng(2)
    fresh = [ridge(noisy_stories(rng, axis(4), noise=4).mean(axis=1)) for _ in range(60)]
    target = np.tanh(np.arctanh(fresh).mean())
    covered = []
    for _ in range(30):
        vectors, corpus = with_stories(noisy_stories(rng, axis(4), noise=4))
        low, high = bootstrap(vectors, corpus, 0, ridge, 80).bounds
        covered.append(low <= target <= high)
    assert np.mean(covered) > 0.75  # nominal .95


def test_more_stories_make_it_narrower():
    few, many = (with_stories(noisy_stories(np.random.default_rng(3), axis(), n)) for n in (4, 30))
    (a, b), (c, d) = (bootstrap(*x, 0, ridge, 80).bounds for x in (few, many))
    assert d - c < 0.7 * (b - a)


def test_the_bootstrap_wants_the_corpus_that_the_vectors_came_from():
    vectors, corpus = with_stories(noisy_stories(np.random.default_rng(1), axis()))
    with pytest.raises(ArtifactError, match="keep 320 stories of 'toy'"):
        bootstrap(vectors, Corpus("other", corpus.stories[1:]), 0, ridge)
    with pytest.raises(UnknownName, match="layer 7"):
        bootstrap(vectors, corpus, 7, ridge)


def test_a_layer_may_be_a_numpy_or_torch_number():
    stories = with_stories(noisy_stories(np.random.default_rng(0), axis()))
    one = [bootstrap(*stories, layer, ridge, 20).bounds for layer in (0, np.int64(0), torch.tensor(0))]
    assert one[0] == one[1] == one[2]


def test_halves_that_say_the_same_agree_whatever_their_topics_add():
    found = split_halves(*on_topics(signal=1, noise=1e-6), 0, splits=5)
    assert found.cosine.shape == found.rsa.shape == (5,)
    np.testing.assert_allclose(found.cosine, 1, atol=1e-4)
    np.testing.assert_allclose(found.rsa, 1, atol=1e-3)


def test_halves_of_noise_do_not_agree_and_more_signal_agrees_more():
    values = [split_halves(*on_topics(signal, noise=1), 0) for signal in (0, 0.5, 1)]
    assert abs(values[0].cosine.mean()) < 0.05 and abs(values[0].rsa.mean()) < 0.05
    # Means of three and of four stories: signal against noise / 3 and noise / 4.
    expected = 0.25 / np.sqrt((0.25 + 1 / 3) * (0.25 + 1 / 4))
    assert values[1].cosine.mean() == pytest.approx(expected, abs=0.05)
    assert values[0].rsa.mean() < values[1].rsa.mean() < values[2].rsa.mean()
    # Halved anew each time, by the seed.
    assert len({*values[1].cosine.tolist()}) > 5
    again, other = (split_halves(*on_topics(0.5, noise=1), 0, seed=seed) for seed in (0, 1))
    assert again.cosine.tolist() == values[1].cosine.tolist() != other.cosine.tolist()


def test_neutral_components_are_taken_out_of_both_halves():
    vectors, corpus = on_topics(signal=0, noise=1)
    loud = torch.zeros(30)
    loud[0] = 1
    blocks = vectors.stories.blocks.clone()
    ranks = {e: i for i, e in enumerate(EMOTIONS)}
    blocks[:, 0, 0] += 50 * torch.tensor([ranks[label] - 20.0 for label in corpus.labels])
    stories = replace(vectors.stories, blocks=blocks)
    assert split_halves(replace(vectors, stories=stories), corpus, 0).cosine.mean() > 0.9
    clean = replace(vectors, stories=stories, neutral=loud[None, None])
    assert abs(split_halves(clean, corpus, 0).cosine.mean()) < 0.1


def test_halves_want_topics_and_every_emotion_on_both_sides():
    vectors, corpus = on_topics(signal=1, noise=1, topics=2)
    for change, message in (
        (lambda s: replace(s, topic="t0"), r"1 topic\(s\)"),
        (lambda s: replace(s, topic="t0") if s.emotion == EMOTIONS[3] else s, "half of the topics have no story of"),
    ):
        other = Corpus("odd", tuple(map(change, corpus)))
        with pytest.raises(CorpusError, match=message):
            split_halves(replace(vectors, provenance={"corpus_sha256": other.sha256}), other, 0)
    with pytest.raises(ArtifactError):
        split_halves(vectors, Corpus("part", corpus.stories[1:]), 0)
