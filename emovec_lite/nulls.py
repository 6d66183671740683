"""What luck gives: labels permuted, and the best taken over everything looked at, as for the observed value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Real

PERMUTATIONS = 2000
PERMUTATIONS_AT_ONCE = 250


def max_corrected_null(
    statistic: Callable[[Real[np.ndarray, "row n"]], Float[np.ndarray, "row *looked_at"]],
    labels: Real[np.ndarray, " n"],
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Float[np.ndarray, " permutation"]:
    """The largest value of a statistic over everything that was looked at, with the labels permuted each time.

    `statistic` takes rows of labels and gives for each row an array of values: one for every layer, component or
    whatever else the best was taken from. Compare the best observed value with this null by `permutation_p`. To
    compare two matrices of the same emotions, let the labels be `np.arange(n)`, an order of the second's rows.
    """
    rng = np.random.default_rng(seed)
    null = []
    for size in np.diff(np.r_[0:permutations:PERMUTATIONS_AT_ONCE, permutations]):
        values = statistic(rng.permuted(np.tile(labels, (size, 1)), axis=1))
        null.append(np.reshape(values, (size, -1)).max(axis=1))
    return np.concatenate(null)


def permutation_p(observed: float, null: Real[np.ndarray, " permutation"]) -> float:
    """Share of permutations at least as extreme, the observed one counted in: never 0."""
    return float((1 + (null >= observed).sum()) / (1 + len(null)))
