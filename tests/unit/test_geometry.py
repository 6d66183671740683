"""Geometry on constructed data, where the answer is known; nulls that hold their level."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emovec_lite import geometry as g
from emovec_lite.activations import MeanActivations
from emovec_lite.errors import ArtifactError, CorpusError, UnknownName
from emovec_lite.norms import glasgow, ratings
from emovec_lite.stories import Corpus, Story
from emovec_lite.vectors import EmotionVectors

EMOTIONS = tuple(sorted(list(glasgow())[:40]))


def make(matrix, emotions=EMOTIONS, embed=None):
    """Vectors with the same matrix, or the matrices given, at each layer."""
    means = torch.tensor(np.asarray(matrix), dtype=torch.float32)
    means = means if means.ndim == 3 else means[:, None]
    layers, d = means.shape[1:]
    none = torch.zeros(layers, 1, d)
    stories = MeanActivations(torch.zeros(0, layers, d), tuple(range(layers)), torch.zeros(0, d), torch.ones(layers))
    embed = means[:, 0] if embed is None else torch.tensor(embed, dtype=torch.float32)
    return EmotionVectors(tuple(emotions), means, embed, none[:, 0], none, none[0], torch.ones(layers), stories, {})


def planted(strength, seed=0, d=60):
    """Noise with valence along one axis and arousal along another."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(len(EMOTIONS), d))
    for scale, axis, size in (("valence", 0, strength), ("arousal", 1, strength / 2)):
        y = ratings(EMOTIONS, scale)
        matrix[:, axis] += size * (y - y.mean()) / y.std()
    return matrix


def test_pca_finds_planted_axes_and_fixes_the_sign_by_the_data():
    scores, share = g.pca(planted(20))
    assert abs(np.corrcoef(scores[:, 0], ratings(EMOTIONS, "valence"))[0, 1]) > 0.98
    assert share[0] > share[1] > share[2] and share.sum() < 1
    furthest = np.abs(scores).argmax(axis=0)
    assert (scores[furthest, range(5)] > 0).all()
    again, _ = g.pca(-planted(20))
    np.testing.assert_allclose(np.abs(again), np.abs(scores))
    assert (again[np.abs(again).argmax(axis=0), range(5)] > 0).all()


def test_pca_scores_are_projections_of_centred_rows():
    matrix = np.random.default_rng(1).normal(size=(12, 7)) + 5
    scores, share = g.pca(matrix, 7)
    centred = matrix - matrix.mean(axis=0)
    np.testing.assert_allclose(scores @ scores.T, centred @ centred.T, atol=1e-9)
    np.testing.assert_allclose(share.sum(), 1)


def test_cosines():
    np.testing.assert_allclose(g.cosines(np.array([[2.0, 0], [0, 3], [-1, 0]])), [[1, 0, -1], [0, 1, 0], [-1, 0, 1]])


def test_cluster_order_puts_groups_side_by_side():
    rng = np.random.default_rng(0)
    group = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])
    vectors = np.eye(3)[group] * 5 + rng.normal(size=(9, 3)) * 0.1
    order = group[g.cluster_order(g.cosines(vectors))]
    assert (np.diff(order) != 0).sum() == 2


def test_residual_is_orthogonal_to_what_was_taken_out():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=30), rng.normal(size=(4, 30)) + 3
    left = g.residual(y, x)
    np.testing.assert_allclose(left @ (x - x.mean()), 0, atol=1e-9)
    np.testing.assert_allclose(left.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(g.residual(3 * x + 2, x), 0, atol=1e-9)


def test_ridge_is_the_textbook_fit_with_each_emotion_left_out():
    from sklearn.linear_model import Ridge

    matrix, y = planted(3), ratings(EMOTIONS, "valence")
    centred = matrix - matrix.mean(axis=0)
    alpha = np.trace(centred @ centred.T) / len(y)
    expected = []
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        # Centred once, over all emotions, as the closed form has it; the intercept is the left-in fit's own.
        expected.append(Ridge(alpha=alpha).fit(centred[rest], y[rest]).predict(centred[[i]])[0])
    np.testing.assert_allclose(g.ridge_predictions(matrix, y), expected, rtol=1e-6)


def test_a_ridge_prediction_does_not_see_its_own_rating():
    matrix, y = planted(3), ratings(EMOTIONS, "valence")
    changed = y.copy()
    changed[4] += 100
    assert g.ridge_predictions(matrix, changed)[4] == pytest.approx(g.ridge_predictions(matrix, y)[4])
    assert not np.allclose(g.ridge_predictions(matrix, changed)[5], g.ridge_predictions(matrix, y)[5])


def test_planted_valence_is_found_with_its_layer():
    noise = np.random.default_rng(5).normal(size=(len(EMOTIONS), 60))
    vectors = make(np.stack([noise, planted(8), noise * 2], axis=1), embed=noise)
    found, bare = g.align(vectors, "valence", permutations=300), g.align(vectors, "valence", ["embed"], 300)
    assert found.best_pc[0] == 1 and found.best_pc[1] == 1 and found.best_pc[2] > 0.9
    assert found.best_ridge[0] == 1 and found.best_ridge[1] > 0.8
    assert found.pc_p == found.ridge_p == 1 / 301
    assert bare.layers == ("embed",) and bare.ridge_p > 0.05


def test_arousal_that_is_only_valence_is_not_found():
    """In these words the two scales correlate; without partialling out, valence passes for arousal."""
    y = ratings(EMOTIONS, "valence")
    matrix = np.random.default_rng(2).normal(size=(len(EMOTIONS), 60))
    matrix[:, 0] += 8 * (y - y.mean()) / y.std()
    plain = abs(np.corrcoef(g.pca(matrix)[0][:, 0], ratings(EMOTIONS, "arousal"))[0, 1])
    partial = g.align(make(matrix), "arousal", permutations=300)
    assert plain > 0.3
    assert partial.pc_p > 0.05 and partial.ridge_p > 0.05
    real = g.align(make(planted(8)), "arousal", permutations=300)
    assert real.ridge_p < 0.05


def test_the_null_takes_the_best_of_everything_looked_at():
    """Pure noise: p must be uniform although the best of 6 layers x 5 components is reported."""
    small = []
    for seed in range(60):
        noise = np.random.default_rng(seed).normal(size=(len(EMOTIONS), 6, 30))
        found = g.align(make(noise), "valence", permutations=99, seed=seed)
        small.append([found.pc_p < 0.1, found.ridge_p < 0.1])
        assert 0 < found.pc_p <= 1
    assert (np.mean(small, axis=0) < 0.22).all()  # expected 0.1; three standard errors above is 0.22


def test_more_layers_raise_the_bar():
    noise = np.random.default_rng(3).normal(size=(len(EMOTIONS), 12, 30))
    one, many = (g.align(make(noise), "valence", layers, 300) for layers in ([0], range(12)))
    assert np.median(many.pc_null) > np.median(one.pc_null)
    assert np.median(many.ridge_null) > np.median(one.ridge_null)


def test_p_is_never_zero():
    assert g.permutation_p(2.0, np.zeros(99)) == 0.01
    assert g.permutation_p(-1.0, np.zeros(99)) == 1


def test_unrated_emotions_count_in_the_components_and_not_in_the_correlations():
    extra = (*EMOTIONS, "zestful", "wistful")
    matrix = np.vstack([planted(8), np.full((2, 60), 3.0)])
    found = g.align(make(matrix, extra), "valence", permutations=50)
    assert found.n_rated == len(EMOTIONS)
    assert g.rated_emotions(extra).sum() == len(EMOTIONS)
    assert found.pc_r[0, 0] != g.align(make(planted(8)), "valence", permutations=50).pc_r[0, 0]


def test_too_few_rated_emotions():
    with pytest.raises(CorpusError, match="Only 5 of 6 emotions have a human rating"):
        g.align(make(np.eye(6), [*EMOTIONS[:5], "zestful"]), "valence")


def test_ratings():
    assert ratings(["happy", "sad", "zestful"], "valence")[:2].tolist() == [8.242, 2.2]
    assert np.isnan(ratings(["zestful"], "arousal")).all()
    assert ratings(["content"], "valence")[0] == 8.156  # the sense row: content (happy)
    with pytest.raises(UnknownName, match="scale 'valance'. Nearest: 'valence'"):
        ratings(["happy"], "valance")
    assert len(glasgow()) == 82


# --- The stories resampled ---------------------------------------------------------------------------------


def with_stories(values, emotions=EMOTIONS):
    """A corpus of as many stories an emotion as `values` has, and vectors that hold them at layer 0."""
    per_emotion = values.shape[1]
    corpus = Corpus("toy", tuple(Story(f"{e} {i}", e, f"t{i}") for e in emotions for i in range(per_emotion)))
    rows = torch.tensor(values.reshape(-1, values.shape[-1]), dtype=torch.float32)
    stories = MeanActivations(rows[:, None], (0,), rows, torch.ones(1))
    means = values.mean(axis=1)
    bare = make(means - means.mean(axis=0), emotions)
    return replace(bare, stories=stories, provenance={"corpus": "toy", "corpus_sha256": corpus.sha256}), corpus


def noisy_stories(rng, truth, n=8, noise=2.0):
    return truth[:, None] + noise * rng.normal(size=(len(truth), n, truth.shape[1]))


def axis(size=2.0, d=20):
    y = ratings(EMOTIONS, "valence")
    truth = np.random.default_rng(0).normal(size=(len(EMOTIONS), d))
    truth[:, 0] += size * (y - y.mean()) / y.std()
    return truth


def ridge(matrix):
    return g.ridge_r(matrix, EMOTIONS, "valence")


def test_the_observed_value_is_that_of_the_vectors():
    vectors, corpus = with_stories(noisy_stories(np.random.default_rng(1), axis()))
    matrix = vectors.at(0).double().numpy()
    assert g.bootstrap(vectors, corpus, 0, ridge, 3).observed == pytest.approx(ridge(matrix), abs=1e-6)
    assert g.align(vectors, "valence", permutations=10).ridge_r[0] == pytest.approx(ridge(matrix))
    best = g.align(vectors, "valence", permutations=10).best_pc[2]
    assert g.best_pc_r(matrix, EMOTIONS, "valence") == pytest.approx(best)


def test_stories_that_are_all_alike_leave_no_doubt():
    vectors, corpus = with_stories(np.repeat(axis()[:, None], 4, axis=1))
    found = g.bootstrap(vectors, corpus, 0, ridge, 20)
    assert found.bounds == pytest.approx((found.observed, found.observed), abs=1e-5)


def test_the_interval_covers_what_other_stories_would_give():
    """Plain percentiles of the samples cover less than half the time here, and so does reflecting them."""
    rng = np.random.default_rng(2)
    fresh = [ridge(noisy_stories(rng, axis(), noise=4).mean(axis=1)) for _ in range(60)]
    target = np.tanh(np.arctanh(fresh).mean())
    covered = []
    for _ in range(30):
        vectors, corpus = with_stories(noisy_stories(rng, axis(), noise=4))
        low, high = g.bootstrap(vectors, corpus, 0, ridge, 80).bounds
        covered.append(low <= target <= high)
    assert np.mean(covered) > 0.75  # nominal .95


def test_more_stories_make_it_narrower():
    few, many = (with_stories(noisy_stories(np.random.default_rng(3), axis(), n)) for n in (4, 30))
    (a, b), (c, d) = (g.bootstrap(*x, 0, ridge, 80).bounds for x in (few, many))
    assert d - c < 0.7 * (b - a)


def test_the_bootstrap_wants_the_corpus_that_the_vectors_came_from():
    vectors, corpus = with_stories(noisy_stories(np.random.default_rng(1), axis()))
    with pytest.raises(ArtifactError, match="keep 320 stories of 'toy'"):
        g.bootstrap(vectors, Corpus("other", corpus.stories[1:]), 0, ridge)
    with pytest.raises(UnknownName, match="layer 7"):
        g.bootstrap(vectors, corpus, 7, ridge)
