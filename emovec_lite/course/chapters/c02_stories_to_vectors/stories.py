"""What the exercises of chapter 02 share: pooled stories with their labels, neutral passages, a message."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

# One name within another, at its beginning or its end, so that `emotion in label` is found out; and the chapter's own.
NAMES = "unhappy happy afraid calm calmer sad relieved jealous proud ashamed tired".split()

SCALED = "You scaled the rows to length 1. How long they are says how strongly each differs: leave their lengths as they are."


def labels_of(rng: np.random.Generator, most: int = 6) -> list[str]:
    """Labels of two to `most` emotions, one to five stories each, in no order."""
    emotions = rng.choice(NAMES, size=rng.integers(2, most + 1), replace=False)
    labels = np.repeat(emotions, rng.integers(1, 6, size=len(emotions)))
    return rng.permutation(labels).tolist()


def stories_of(rng: np.random.Generator, labels: Sequence[str], d_model: int) -> torch.Tensor:
    """A pooled vector for each label: what all stories share is larger than what they differ in."""
    shared = 4 * rng.normal(size=d_model)
    emotions = sorted(set(labels))
    own = rng.normal(size=(len(emotions), d_model))[[emotions.index(label) for label in labels]]
    return torch.tensor(shared + own + rng.normal(size=own.shape), dtype=torch.float32)


def passages_of(rng: np.random.Generator, n: int, d_model: int, shares: np.ndarray | Sequence[float]) -> torch.Tensor:
    """`n` passages, far from the origin, whose components, at random, hold these shares of the variance."""
    shares = np.asarray(shares)
    scores = rng.normal(size=(n, len(shares)))
    scores, _ = np.linalg.qr(scores - scores.mean(axis=0))
    directions, _ = np.linalg.qr(rng.normal(size=(d_model, d_model)))
    deviations = 9 * scores * np.sqrt(shares) @ directions[: len(shares)]
    return torch.tensor(deviations + 5 * rng.normal(size=d_model), dtype=torch.float32)


def falling(rng: np.random.Generator, components: int) -> np.ndarray:
    """Shares of the variance that fall from component to component, clearly enough to be told apart."""
    shares = np.cumprod(rng.uniform(0.4, 0.8, size=components))
    return shares / shares.sum()
