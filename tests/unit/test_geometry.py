"""Geometry on constructed data, where the answer is known."""

import numpy as np
import pytest

from emovec_lite.geometry import cluster_order, cosines, linear_cka, pca, residual, ridge_axis, ridge_predictions, rsa
from emovec_lite.norms import ratings
from tests.unit.planted import EMOTIONS, planted


def test_pca_finds_planted_axes_and_fixes_the_sign_by_the_data():
    scores, share = pca(planted(20))
    assert abs(np.corrcoef(scores[:, 0], ratings(EMOTIONS, "valence"))[0, 1]) > 0.98
    assert share[0] > share[1] > share[2] and share.sum() < 1
    furthest = np.abs(scores).argmax(axis=0)
    assert (scores[furthest, range(5)] > 0).all()
    again, _ = pca(-planted(20))
    np.testing.assert_allclose(np.abs(again), np.abs(scores))
    assert (again[np.abs(again).argmax(axis=0), range(5)] > 0).all()


def test_pca_scores_are_projections_of_centred_rows():
    matrix = np.random.default_rng(1).normal(size=(12, 7)) + 5
    scores, share = pca(matrix, 7)
    centred = matrix - matrix.mean(axis=0)
    np.testing.assert_allclose(scores @ scores.T, centred @ centred.T, atol=1e-9)
    np.testing.assert_allclose(share.sum(), 1)


def test_cosines():
    np.testing.assert_allclose(cosines(np.array([[2.0, 0], [0, 3], [-1, 0]])), [[1, 0, -1], [0, 1, 0], [-1, 0, 1]])


def test_a_vector_without_length_is_like_nothing_and_breaks_nothing():
    matrix = planted(1).astype(np.float32)
    matrix[3] = 0
    similarity = cosines(matrix)
    assert not similarity[3].any() and np.isfinite(similarity).all()
    assert sorted(cluster_order(similarity)) == [*range(len(EMOTIONS))]


def test_cluster_order_puts_groups_side_by_side():
    rng = np.random.default_rng(0)
    group = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])
    vectors = np.eye(3)[group] * 5 + rng.normal(size=(9, 3)) * 0.1
    order = group[cluster_order(cosines(vectors))]
    assert (np.diff(order) != 0).sum() == 2


def test_residual_is_orthogonal_to_what_was_taken_out():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=30), rng.normal(size=(4, 30)) + 3
    left = residual(y, x)
    np.testing.assert_allclose(left @ (x - x.mean()), 0, atol=1e-9)
    np.testing.assert_allclose(left.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(residual(3 * x + 2, x), 0, atol=1e-9)


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
    np.testing.assert_allclose(ridge_predictions(matrix, y), expected, rtol=1e-6)


def test_a_ridge_prediction_does_not_see_its_own_rating():
    matrix, y = planted(3), ratings(EMOTIONS, "valence")
    changed = y.copy()
    changed[4] += 100
    assert ridge_predictions(matrix, changed)[4] == pytest.approx(ridge_predictions(matrix, y)[4])
    assert not np.allclose(ridge_predictions(matrix, changed)[5], ridge_predictions(matrix, y)[5])


def test_the_ridge_axis_is_the_textbook_fit_on_all_emotions():
    from sklearn.linear_model import Ridge

    matrix, y = planted(3), ratings(EMOTIONS, "valence")
    axis, intercept = ridge_axis(matrix, y)
    centred = matrix - matrix.mean(axis=0)
    textbook = Ridge(alpha=np.trace(centred @ centred.T) / len(matrix)).fit(matrix, y)
    np.testing.assert_allclose(axis, textbook.coef_, rtol=1e-6)
    assert intercept == pytest.approx(textbook.intercept_)


def rotated(matrix, seed=0):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(matrix.shape[1],) * 2))
    return matrix @ q


@pytest.mark.parametrize("debiased", [True, False])
def test_cka_of_a_rotation_is_one(debiased):
    matrix = planted(3)
    for same in (rotated(matrix), 7 * rotated(matrix), matrix + 5, np.hstack([matrix, 0 * matrix])):
        assert linear_cka(matrix, same, debiased) == pytest.approx(1)
    stretched = matrix * np.r_[10, np.ones(59)]
    assert linear_cka(matrix, stretched, debiased) < 0.95


def test_cka_of_noise_is_nothing_once_debiased():
    rng = np.random.default_rng(0)
    pairs = [rng.normal(size=(2, 40, 500)) for _ in range(20)]
    assert min(linear_cka(a, b, debiased=False) for a, b in pairs) > 0.85
    assert abs(np.mean([linear_cka(a, b) for a, b in pairs])) < 0.02


def test_plain_cka_is_the_textbook_ratio():
    a, b = planted(3), planted(3, seed=1)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norm = np.linalg.norm
    assert linear_cka(a, b, debiased=False) == pytest.approx(norm(a.T @ b) ** 2 / norm(a.T @ a) / norm(b.T @ b))


def test_rsa_sees_only_the_angles():
    matrix = planted(3)
    lengths = np.random.default_rng(1).uniform(0.5, 3, size=(len(matrix), 1))
    for same in (matrix, 7 * matrix, lengths * matrix, rotated(matrix)):
        assert rsa(matrix, same) == pytest.approx(1)
    assert abs(rsa(matrix, np.random.default_rng(2).permutation(matrix))) < 0.2
    assert abs(rsa(matrix, np.random.default_rng(3).normal(size=matrix.shape))) < 0.2
