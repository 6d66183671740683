"""Nulls that hold their level."""

import numpy as np

from emovec_lite.nulls import PERMUTATIONS_AT_ONCE, max_corrected_null, permutation_p


def test_p_is_never_zero():
    assert permutation_p(2.0, np.zeros(99)) == 0.01
    assert permutation_p(-1.0, np.zeros(99)) == 1


def test_max_corrected_null_is_the_maximum_of_what_permuted_labels_give():
    labels = np.arange(6.0)
    seen = []

    def statistic(rows):
        seen.extend(rows)
        return np.stack([rows[:, :3], -rows[:, 3:]], axis=1)  # two layers, three components

    null = max_corrected_null(statistic, labels, permutations=PERMUTATIONS_AT_ONCE + 30)
    assert len(null) == len(seen) == PERMUTATIONS_AT_ONCE + 30
    assert all(sorted(row) == sorted(labels) for row in seen)
    np.testing.assert_array_equal(null, np.max([[*row[:3], *-row[3:]] for row in seen], axis=1))
    assert len({tuple(row) for row in seen}) > 150
    np.testing.assert_array_equal(null, max_corrected_null(statistic, labels, PERMUTATIONS_AT_ONCE + 30))
    assert (null != max_corrected_null(statistic, labels, PERMUTATIONS_AT_ONCE + 30, seed=1)).any()


def test_its_p_is_uniform_on_noise():
    rng, ps = np.random.default_rng(0), []
    for seed in range(200):
        data, labels = rng.normal(size=(30, 20)), rng.normal(size=20)  # the best of 30 noisy columns
        null = max_corrected_null(lambda y: y @ data.T, labels, 99, seed)  # noqa: B023
        ps.append(permutation_p((data @ labels).max(), null))
    assert 0.44 < np.mean(ps) < 0.56
    assert 0.04 < np.mean(np.array(ps) <= 0.1) < 0.17
