"""Exercise 6.4: own word against the others."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float

from emovec_lite.course.exercise import Exercise


def diagonal_gap(matrix: Float[np.ndarray, "emotion emotion"], order: Sequence[int]) -> float:
    n = len(matrix)
    own = matrix[np.arange(n), order]
    return own.mean() - (matrix.sum() - own.sum()) / (n * n - n)


def some_matrix(rng: np.random.Generator, n: int) -> np.ndarray:
    """Unsymmetric, and neither rows nor columns nor the whole centred."""
    return rng.normal(size=(n, n)) + rng.normal(size=n) + rng.normal(size=(n, 1)) + rng.uniform(-3, 3)


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    matrix = some_matrix(rng, 5)
    return {
        "each its own word": (matrix, np.arange(5)),
        "another order": (matrix, np.array([2, 0, 4, 1, 3])),
        "an order as a list": (matrix, [1, 2, 3, 4, 0]),
        "two words, exchanged": (some_matrix(rng, 2), np.array([1, 0])),
        "thirty words": (some_matrix(rng, 30), rng.permutation(30)),
        "no gap at all": (np.full((3, 3), -0.5), np.array([1, 2, 0])),
    }


def draw(rng: np.random.Generator) -> tuple[np.ndarray, Sequence[int]]:
    n = int(rng.integers(2, 9))
    return some_matrix(rng, n), (np.asarray, list, torch.tensor)[rng.integers(3)](rng.permutation(n))


def of(f: Callable) -> Callable:
    """An answer made of the own entries and the others."""

    def answer(matrix, order):
        own = np.asarray(order)[:, None] == np.arange(len(matrix))
        return f(matrix[own], matrix[~own])

    return answer


def in_loops(matrix: np.ndarray, order: Sequence[int]) -> float:
    own, others = [], []
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            (own if j == order[i] else others).append(value)
    return sum(own) / len(own) - sum(others) / len(others)


def by_torch(matrix: np.ndarray, order: Sequence[int]) -> torch.Tensor:
    values = torch.tensor(matrix[:, order])  # the own words come to the diagonal
    others = values - torch.diag(torch.diagonal(values))
    return values.diagonal().mean() - others.sum() / (values.numel() - len(values))


exercise = Exercise(
    "6.4", "Own word against the others", difficulty=2, importance=5, minutes=8, returns="number",
    reference=diagonal_gap, edges=edges, draw=draw,
    mistakes={
        "Others minus own: turn it around.": of(lambda own, others: others.mean() - own.mean()),
        "That is 0 for any matrix: `matrix[:, order]` takes whole columns. To pair each row with its own column write "
        "`matrix[np.arange(n), order]`.": lambda matrix, order: 0.0,
        "Among “the others” you counted the own words too. Leave them out: there are n² − n "
        "others.": lambda matrix, order: matrix[range(len(matrix)), order].mean() - matrix.mean(),
        "That is the mean of the own words alone. Subtract the mean of all the others.": of(lambda own, others: own.mean()),
        "You divided the others' sum by n². There are n² − n of them.": of(
            lambda own, others: own.mean() - others.sum() / len(own) ** 2
        ),
        "Sums, where means are asked for: there are many more others than own.": of(lambda own, others: own.sum() - others.sum()),
        "You took medians. Means are asked for.": of(lambda own, others: np.median(own) - np.median(others)),
        "You always take the diagonal. With `order` the own word of row i is column "
        "`order[i]`.": lambda matrix, order: diagonal_gap(matrix, range(len(matrix))),
        "Row and column are swapped: row i, column `order[i]`.": lambda matrix, order: diagonal_gap(matrix.T, order),
        "You took absolute values. A loss is no gain.": lambda matrix, order: diagonal_gap(abs(matrix), order),
        "That is an array, and a number is wanted. If it has a value for each emotion, take the mean of them.": lambda matrix, order: (
            (own := matrix[range(len(matrix)), order]) - (matrix.sum(axis=1) - own) / (len(matrix) - 1)
        ),
    },
    right=[of(lambda own, others: own.mean() - others.mean()), in_loops, by_torch],
    discuss="On average random directions lower the feeling words a little. Why might any push do that? What would you "
    "have reported if you had compared with no steering instead of with random directions?",
)  # fmt: skip
