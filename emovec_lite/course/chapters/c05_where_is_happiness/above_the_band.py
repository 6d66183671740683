"""Exercise 5.1: above the band."""

from collections.abc import Sequence

import numpy as np
import torch

from emovec_lite.course.exercise import Exercise


def above_the_band(curve: Sequence[float], null: Sequence[float]) -> list[int]:
    limit = np.quantile(null, 0.95)
    return [layer for layer, value in enumerate(curve) if value > limit]


def a_null(rng: np.random.Generator) -> np.ndarray:
    """As a shuffle after the other gave it: in no order, skewed to one side or the other, some of it below 0."""
    null = rng.gamma(1.5, 0.1, size=rng.integers(100, 400)) * rng.choice([-1.0, 1.0])
    return rng.permutation(null - np.median(null) + rng.choice([-1.0, 0.0, 0.1, 0.2]))


def a_curve(rng: np.random.Generator, null: np.ndarray) -> np.ndarray:
    """Layers close to the limit on both sides, others anywhere, some far below 0.

    Values between the two of the null that enclose the limit are left out: there definitions of a percentile differ.
    """
    ordered = np.sort(null)
    at = int(0.95 * len(null))
    near = at + rng.choice([-7, -6, -5, -4, -3, 2, 3, 4], size=rng.integers(4, 20))
    between = [(ordered[i] + ordered[i - 1]) / 2 for i in (*near, -1)]
    anywhere = rng.choice(ordered[: at - 2], size=rng.integers(0, 5)) - 1e-4
    return rng.permutation(np.r_[between, anywhere, -abs(null).max() - rng.uniform(0, 1, size=2)])


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    null = a_null(rng)
    curve = a_curve(rng, null)
    twentieths = rng.permutation(np.r_[np.arange(20) / 32, 8.0])  # the 95th percentile of these is 19 / 32
    return {
        "a layer just at the limit": (np.array([0.75, 0.59375, 0.25, 0.625]), np.r_[twentieths[:-1], 0.59375]),
        "nobody above": (np.minimum(curve, np.quantile(null, 0.9)), null),
        "everybody above": (np.abs(curve) + null.max() + 0.1, null),
        "one layer": (curve[:1], null),
        "the first and the last layer": (np.array([0.9, -0.2, 0.1, -0.9, 0.9]), np.array([0.3, -0.1, 0.2] * 10)),
        "sixty layers": (rng.permutation(np.tile(curve, 60)[:60]), null),
        "lists": (curve.tolist(), null.tolist()),
    }


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    null = a_null(rng)
    return a_curve(rng, null), null


def in_any_order(layers):
    """Their order is free, so that a set of layers is as good as a list of them, and an array as either."""
    if isinstance(layers, set):
        return [*map(np.float64, sorted(layers))]
    return [*np.sort(layers)] if isinstance(layers, np.ndarray) else layers


def above(limit_of):
    return lambda curve, null: [i for i, value in enumerate(curve) if value > limit_of(np.array(null))]


def above_by_a_mask(curve, null):
    return np.array(curve) > np.quantile(null, 0.95)


def by_numpy(curve, null):
    return np.flatnonzero(np.asarray(curve) > np.percentile(null, 95))


def by_torch(curve, null):
    limit = torch.quantile(torch.as_tensor(null), 0.95)
    return (torch.as_tensor(curve) > limit).nonzero()[:, 0]


def as_a_set(curve, null):
    return {i for i in range(len(curve)) if curve[i] > np.quantile(null, 0.95)}


def by_order(curve, null):
    limit = sorted(null)[int(0.95 * len(null))]
    return tuple(i for i, value in enumerate(curve) if value > limit)


exercise = Exercise(
    "5.1", "Above the band", difficulty=2, importance=5, minutes=5, returns="list array tensor tuple set",
    reference=above_the_band, edges=edges, draw=draw, view=in_any_order,
    mistakes={
        "`np.where` gives a tuple with an array in it. Take its first entry: `np.where(...)[0]`.": lambda curve, null: (
            np.where(above_by_a_mask(curve, null))
        ),
        "That is a yes or no for each layer. Return the numbers of those that are above: `np.flatnonzero`.": above_by_a_mask,
        "Those are the values above the limit. Return the numbers of their layers.": lambda curve, null: [
            value for value in curve if value > np.quantile(null, 0.95)
        ],
        "You count layers from 1. Here they count from 0.": lambda curve, null: by_numpy(curve, null) + 1,
        "Those are the layers *inside* the band.": lambda curve, null: np.flatnonzero(~above_by_a_mask(curve, null)),
        "A layer just at the limit is not above it: `>`, not `>=`.": lambda curve, null: np.flatnonzero(
            np.asarray(curve) >= np.quantile(null, 0.95)
        ),
        "`np.percentile` counts to 100: `np.percentile(null, 95)`, or `np.quantile(null, 0.95)`.": above(
            lambda null: np.percentile(null, 0.95)
        ),
        "You took the 5th percentile, which nearly every shuffle exceeds. The band ends at the 95th.": above(
            lambda null: np.quantile(null, 0.05)
        ),
        "You took the 90th percentile. The limit that one shuffle in twenty exceeds is the 95th.": above(
            lambda null: np.quantile(null, 0.9)
        ),
        "You took the 97.5th percentile. The best of all layers can only be too high, so all 5 % lie on that side: the "
        "95th.": above(lambda null: np.quantile(null, 0.975)),
        "You took the 99th percentile. The limit that one shuffle in twenty exceeds is the 95th.": above(
            lambda null: np.quantile(null, 0.99)
        ),
        "You took the largest value of the null. One in twenty shuffles may lie above the band.": above(np.max),
        "You took the mean of the null, which many a shuffle exceeds. The band ends at the 95th percentile.": above(np.mean),
        "You took the mean plus two standard deviations. A null of maxima is no bell curve; take its 95th percentile.": above(
            lambda null: null.mean() + 2 * null.std()
        ),
        "You took the mean plus 1.645 standard deviations: the 95th percentile of a bell curve, which a null of maxima is "
        "not. Take its own.": above(lambda null: null.mean() + 1.645 * null.std()),
        "You took the value that stands at 95 % of the null's length. The shuffles stand there in no order: sort a copy "
        "first, or use `np.quantile`.": above(lambda null: null[int(0.95 * len(null))]),
        "That is a percentile of the curve. The limit comes from the null.": lambda curve, null: np.flatnonzero(
            np.asarray(curve) > np.quantile(curve, 0.95)
        ),
        "You took absolute values of the curve. A layer far *below* 0 is not above the band.": lambda curve, null: np.flatnonzero(
            np.abs(curve) > np.quantile(null, 0.95)
        ),
        "You took absolute values of the null, so that shuffles far below 0 raised the limit.": above(
            lambda null: np.quantile(abs(null), 0.95)
        ),
        "Those are all layers from the first that is above the band to the last. Between them some may lie inside.": lambda curve, null: (
            [*range(min(found), max(found) + 1)] if (found := by_order(curve, null)) else []
        ),
    },
    right=[by_numpy, by_torch, as_a_set, by_order],
    discuss="The band holds what the best of all layers reaches by chance. Would you draw it in the same way for a layer "
    "that was chosen before? When is \"above the band at every layer\" less impressive than it sounds?",
)  # fmt: skip
