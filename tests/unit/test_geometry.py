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
    """Plain percentiles of the samples cover less than half the time here, reflected ones little more."""
    rng = np.random.default_rng(2)
    fresh = [ridge(noisy_stories(rng, axis(4), noise=4).mean(axis=1)) for _ in range(60)]
    target = np.tanh(np.arctanh(fresh).mean())
    covered = []
    for _ in range(30):
        vectors, corpus = with_stories(noisy_stories(rng, axis(4), noise=4))
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


# --- Halves of the topics ----------------------------------------------------------------------------------


def on_topics(signal, noise, topics=7, d=30, seed=0):
    """Vectors whose stories, in no order, are the emotion's own vector, their topic's and noise; and their corpus."""
    rng = np.random.default_rng(seed)
    own, shift = signal * rng.normal(size=(len(EMOTIONS), d)), 20 * rng.normal(size=(topics, d))
    cells = rng.permutation([(e, t) for e in range(len(EMOTIONS)) for t in range(topics)])
    rows = np.array([own[e] + shift[t] for e, t in cells]) + noise * rng.normal(size=(len(cells), d))
    corpus = Corpus("toy", tuple(Story(f"{i}", EMOTIONS[e], f"t{t}") for i, (e, t) in enumerate(cells)))
    blocks = torch.tensor(rows[:, None], dtype=torch.float32)
    stories = MeanActivations(blocks, (0,), blocks[:, 0], torch.ones(1))
    return replace(
        make(np.zeros((len(EMOTIONS), d))), stories=stories, provenance={"corpus_sha256": corpus.sha256}
    ), corpus


def test_halves_that_say_the_same_agree_whatever_their_topics_add():
    found = g.split_halves(*on_topics(signal=1, noise=1e-6), 0, splits=5)
    assert found.cosine.shape == found.rsa.shape == (5,)
    np.testing.assert_allclose(found.cosine, 1, atol=1e-4)
    np.testing.assert_allclose(found.rsa, 1, atol=1e-3)


def test_halves_of_noise_do_not_agree_and_more_signal_agrees_more():
    values = [g.split_halves(*on_topics(signal, noise=1), 0) for signal in (0, 0.5, 1)]
    assert abs(values[0].cosine.mean()) < 0.05 and abs(values[0].rsa.mean()) < 0.05
    # Means of three and of four stories: signal against noise / 3 and noise / 4.
    expected = 0.25 / np.sqrt((0.25 + 1 / 3) * (0.25 + 1 / 4))
    assert values[1].cosine.mean() == pytest.approx(expected, abs=0.05)
    assert values[0].rsa.mean() < values[1].rsa.mean() < values[2].rsa.mean()


def test_neutral_components_are_taken_out_of_both_halves():
    vectors, corpus = on_topics(signal=0, noise=1)
    loud = torch.zeros(30)
    loud[0] = 1
    blocks = vectors.stories.blocks.clone()
    ranks = {e: i for i, e in enumerate(EMOTIONS)}
    blocks[:, 0, 0] += 50 * torch.tensor([ranks[label] - 20.0 for label in corpus.labels])
    stories = replace(vectors.stories, blocks=blocks)
    assert g.split_halves(replace(vectors, stories=stories), corpus, 0).cosine.mean() > 0.9
    clean = replace(vectors, stories=stories, neutral=loud[None, None])
    assert abs(g.split_halves(clean, corpus, 0).cosine.mean()) < 0.1


def test_halves_want_topics_and_every_emotion_on_both_sides():
    vectors, corpus = on_topics(signal=1, noise=1, topics=2)
    for change, message in (
        (lambda s: replace(s, topic="t0"), r"1 topic\(s\)"),
        (lambda s: replace(s, topic="t0") if s.emotion == EMOTIONS[3] else s, "half of the topics have no story of"),
    ):
        other = Corpus("odd", tuple(map(change, corpus)))
        with pytest.raises(CorpusError, match=message):
            g.split_halves(replace(vectors, provenance={"corpus_sha256": other.sha256}), other, 0)
    with pytest.raises(ArtifactError):
        g.split_halves(vectors, Corpus("part", corpus.stories[1:]), 0)


# --- The null, the comparisons, the clusters -----------------------------------------------------------


def test_max_corrected_null_is_the_maximum_of_what_permuted_labels_give():
    labels = np.arange(6.0)
    seen = []

    def statistic(rows):
        seen.extend(rows)
        return np.stack([rows[:, :3], -rows[:, 3:]], axis=1)  # two layers, three components

    null = g.max_corrected_null(statistic, labels, permutations=g.PERMUTATIONS_AT_ONCE + 30)
    assert len(null) == len(seen) == g.PERMUTATIONS_AT_ONCE + 30
    assert all(sorted(row) == sorted(labels) for row in seen)
    np.testing.assert_array_equal(null, np.max([[*row[:3], *-row[3:]] for row in seen], axis=1))
    assert len({tuple(row) for row in seen}) > 150
    np.testing.assert_array_equal(null, g.max_corrected_null(statistic, labels, g.PERMUTATIONS_AT_ONCE + 30))
    assert (null != g.max_corrected_null(statistic, labels, g.PERMUTATIONS_AT_ONCE + 30, seed=1)).any()


def test_its_p_is_uniform_on_noise():
    rng, ps = np.random.default_rng(0), []
    for seed in range(200):
        data, labels = rng.normal(size=(30, 20)), rng.normal(size=20)  # the best of 30 noisy columns
        null = g.max_corrected_null(lambda y: y @ data.T, labels, 99, seed)  # noqa: B023
        ps.append(g.permutation_p((data @ labels).max(), null))
    assert 0.44 < np.mean(ps) < 0.56
    assert 0.04 < np.mean(np.array(ps) <= 0.1) < 0.17


def rotated(matrix, seed=0):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(matrix.shape[1],) * 2))
    return matrix @ q


@pytest.mark.parametrize("debiased", [True, False])
def test_cka_of_a_rotation_is_one(debiased):
    matrix = planted(3)
    for same in (rotated(matrix), 7 * rotated(matrix), matrix + 5, np.hstack([matrix, 0 * matrix])):
        assert g.linear_cka(matrix, same, debiased) == pytest.approx(1)
    stretched = matrix * np.r_[10, np.ones(59)]
    assert g.linear_cka(matrix, stretched, debiased) < 0.95


def test_cka_of_noise_is_nothing_once_debiased():
    rng = np.random.default_rng(0)
    pairs = [rng.normal(size=(2, 40, 500)) for _ in range(20)]
    assert min(g.linear_cka(a, b, debiased=False) for a, b in pairs) > 0.85
    assert abs(np.mean([g.linear_cka(a, b) for a, b in pairs])) < 0.02


def test_plain_cka_is_the_textbook_ratio():
    a, b = planted(3), planted(3, seed=1)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norm = np.linalg.norm
    assert g.linear_cka(a, b, debiased=False) == pytest.approx(norm(a.T @ b) ** 2 / norm(a.T @ a) / norm(b.T @ b))


def test_rsa_sees_only_the_angles():
    matrix = planted(3)
    lengths = np.random.default_rng(1).uniform(0.5, 3, size=(len(matrix), 1))
    for same in (matrix, 7 * matrix, lengths * matrix, rotated(matrix)):
        assert g.rsa(matrix, same) == pytest.approx(1)
    assert abs(g.rsa(matrix, np.random.default_rng(2).permutation(matrix))) < 0.2
    assert abs(g.rsa(matrix, np.random.default_rng(3).normal(size=matrix.shape))) < 0.2


def test_layers_are_compared_over_the_emotions_that_both_have():
    matrices = np.stack([planted(3, seed) for seed in range(3)], axis=1)
    a, b = make(matrices), make(matrices[5:, 1:], EMOTIONS[5:])
    own = g.compare(a, a)
    np.testing.assert_allclose(np.diag(own), 1)
    np.testing.assert_allclose(own, own.T)
    across = g.compare(a, b, g.linear_cka)
    assert across.shape == (3, 2)
    assert across[1, 0] == pytest.approx(1, abs=1e-6) and across[2, 1] == pytest.approx(1, abs=1e-6)
    assert across[0, 0] == pytest.approx(g.linear_cka(matrices[5:, 0], matrices[5:, 1]), abs=1e-5)
    with pytest.raises(CorpusError, match="Only 7 emotions in common"):
        g.compare(a, make(matrices[:7], EMOTIONS[:7]))


def test_separated_clusters_are_stable_and_found():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(4), 10)
    found = g.cluster(np.eye(20)[group] * rng.uniform(2, 9, size=(40, 1)) + 0.1 * rng.normal(size=(40, 20)), 4, 9)
    assert found.stability == 1 and found.p == 1 / 10
    assert len({*zip(group, found.labels, strict=True)}) == 4


def test_a_shapeless_cloud_has_no_stable_clusters():
    ps = [g.cluster(np.random.default_rng(s).normal(size=(40, 20)), 4, 9, seed=s).p for s in range(4)]
    assert np.mean(ps) > 0.2
    for k in (1, 32):
        with pytest.raises(CorpusError, match="choose k from 2 to 31"):
            g.cluster(np.eye(40), k)


def test_the_ridge_axis_is_the_textbook_fit_on_all_emotions():
    from sklearn.linear_model import Ridge

    matrix, y = planted(3), ratings(EMOTIONS, "valence")
    axis, intercept = g.ridge_axis(matrix, y)
    centred = matrix - matrix.mean(axis=0)
    textbook = Ridge(alpha=np.trace(centred @ centred.T) / len(matrix)).fit(matrix, y)
    np.testing.assert_allclose(axis, textbook.coef_, rtol=1e-6)
    assert intercept == pytest.approx(textbook.intercept_)


# --- At the edges -----------------------------------------------------------------------------------------


def test_layers_may_be_numpy_or_torch_numbers():
    vectors = make(np.stack([planted(s, seed=s) for s in (1, 4)], axis=1))
    plain = g.align(vectors, "valence", [1, "embed"], 20)
    for number in (np.int64, torch.tensor):
        found = g.align(vectors, "valence", [number(1), "embed"], 20)
        assert found.layers == (1, "embed") and type(found.layers[0]) is int
        np.testing.assert_array_equal(found.ridge_r, plain.ridge_r)
    stories = with_stories(noisy_stories(np.random.default_rng(0), axis()))
    one = [g.bootstrap(*stories, layer, ridge, 20).bounds for layer in (0, np.int64(0), torch.tensor(0))]
    assert one[0] == one[1] == one[2]


def test_a_vector_without_length_is_like_nothing_and_breaks_nothing():
    matrix = planted(1).astype(np.float32)
    matrix[3] = 0
    similarity = g.cosines(matrix)
    assert not similarity[3].any() and np.isfinite(similarity).all()
    assert sorted(g.cluster_order(similarity)) == [*range(len(EMOTIONS))]
