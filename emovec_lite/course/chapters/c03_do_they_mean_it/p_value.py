"""Exercise 3.4: a p-value that is never 0."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import norm, percentileofscore
from torch import Tensor

from emovec_lite.course.exercise import Exercise


def p_value(observed: float, null: Sequence[float]) -> float:
    return (1 + sum(value >= observed for value in null)) / (1 + len(null))


def edges() -> dict[str, tuple]:
    null = [0.3, 0.9, 0.1, 0.6, 0.2, 0.8, 0.5, 0.4, 0.7]
    return {
        "a null in no order": (0.75, null),
        "a tie": (0.5, null),
        "above all of the null": (2.0, null),
        "below all of it": (0.0, null),
        "one shuffle": (0.2, [0.1]),
        "all the same": (0.25, [0.25] * 5),
        "below 0": (-0.2, [-0.1, 0.3, -0.4, -0.2, 0.1, -0.3]),
        "a near miss": (0.5, [0.49999, 0.6, 0.3, 0.50001]),
        "an array": (0.3, np.array([0.3, -0.2, 0.5, 0.1])),
        "4999 shuffles": (0.999, np.random.default_rng(0).uniform(0, 0.99, size=4999).round(3).tolist()),
    }


def draw(rng: np.random.Generator) -> tuple[float, list[float] | np.ndarray]:
    """A null in no order, coarse enough for ties; above 0, on both sides of it or below."""
    size = int(rng.integers(1, 40) if rng.random() < 0.7 else rng.integers(100, 3000))
    null = rng.integers(0, 30, size=size) / 40 - rng.choice([0, 0.375, 0.8])
    null = np.array(null.round(3))
    observed = rng.choice(null) if rng.random() < 0.5 else rng.uniform(null.min() - 0.1, null.max() + 0.1)
    return round(float(observed), 3), null if rng.random() < 0.4 else null.tolist()


def above(observed: float, null: Sequence[float]) -> int:
    return sum(value >= observed for value in null)


def by_a_bell_curve(observed: float, null: Sequence[float]) -> float:
    return norm.sf(observed, np.mean(null), np.std(null, ddof=1))


def by_position(observed: float, null: Sequence[float]) -> float:
    return (1 + len(null) - np.searchsorted(null, observed)) / (1 + len(null))


def by_append(observed: float, null: Sequence[float]) -> Tensor:
    everything = torch.tensor([*null, observed], dtype=torch.float64)
    return (everything >= observed).double().mean()


def by_scipy(observed: float, null: Sequence[float]) -> float:
    return 1 - percentileofscore([*null, observed], observed, kind="strict") / 100


def by_sorting(observed: float, null: Sequence[float]) -> np.float32:
    return np.float32((1 + len(null) - np.searchsorted(np.sort(null), observed, side="left")) / (1 + len(null)))


def by_numpy(observed: float, null: Sequence[float]) -> np.floating:
    return np.mean(np.append(null, observed) >= observed)


exercise = Exercise(
    "3.4", "A p-value that is never 0", difficulty=2, importance=5, minutes=5, returns="number", tolerance=1e-5,
    reference=p_value, edges=edges, draw=draw,
    mistakes={
        "A value of the null *equal* to the observed one counts as at least as good: >=, not >.": lambda observed, null: (
            (1 + sum(value > observed for value in null)) / (1 + len(null))
        ),
        "Count the observed value in, above and below the line: it is one of the orders that the labels could have, and "
        "without it p can be 0.": lambda observed, null: above(observed, null) / len(null),
        "Count the observed value in below the line too: divide by 1 + the number of shuffles.": lambda observed, null: (
            (1 + above(observed, null)) / len(null)
        ),
        "Count the observed value in above the line too: 1 + the number at least as good.": lambda observed, null: (
            above(observed, null) / (1 + len(null))
        ),
        "That is the share of the null below. How often is chance *at least as good*?": lambda observed, null: (
            sum(value < observed for value in null) / len(null)
        ),
        "That is the share of the null up to the observed value. How often is chance *at least as good*?": lambda observed, null: (
            sum(value <= observed for value in null) / len(null)
        ),
        "You counted the null up to the observed value. How often is chance *at least as good*: >=, not "
        "<=?": lambda observed, null: (1 + sum(value <= observed for value in null)) / (1 + len(null)),
        "You counted the null below. How often is chance *at least as good*: >=, not <?": lambda observed, null: (
            (1 + sum(value < observed for value in null)) / (1 + len(null))
        ),
        "`searchsorted` finds a place in a list that is in ascending order, and the null is in none: sort a copy of it, or "
        "count.": by_position,
        "You took absolute values. A result far below is not a good one: only `>= observed` counts.": lambda observed, null: (
            (1 + sum(abs(value) >= abs(observed) for value in null)) / (1 + len(null))
        ),
        "You took absolute values of the null. A result far below is not a good one.": lambda observed, null: (
            (1 + sum(abs(value) >= observed for value in null)) / (1 + len(null))
        ),
        "That is how many, not which share: divide by 1 + the number of shuffles.": lambda observed, null: 1 + above(observed, null),
        "That is a percentage. A p-value is a share, between 0 and 1.": lambda observed, null: 100 * p_value(observed, null),
        "That is 1 - p. How often is chance *at least as good*?": lambda observed, null: 1 - p_value(observed, null),
        "You read p off a bell curve. Count instead: a null has the shape that it has.": by_a_bell_curve,
        **{
            f"You rounded p to {digits} digits, so that it can be 0. Round when you print it.": lambda observed, null, digits=digits: (
                round(p_value(observed, null), digits)
            )
            for digits in (2, 3, 4)
        },
    },
    right=[by_append, by_scipy, by_sorting, by_numpy],
    discuss="Twenty shuffles can show no p below one in twenty-one. How many would you run before you write \"p < .001\"? "
    "When is a small p uninteresting?",
)  # fmt: skip
