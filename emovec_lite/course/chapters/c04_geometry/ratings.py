"""What the exercises on ratings share: ratings and scores that are awkward, and correlations of them."""

import numpy as np


def some_ratings(rng: np.random.Generator, emotions: int) -> np.ndarray:
    """Off zero and in no order; in half of the cases rounded, so that some are the same."""
    ratings = rng.uniform(-5, 9) + rng.uniform(1, 8) * rng.uniform(-1, 1, size=emotions)
    return ratings.round() if emotions > 6 and rng.random() < 0.5 else ratings


def scores_beside(rng: np.random.Generator, ratings: np.ndarray, *places: int) -> np.ndarray:
    """Scores (*places, emotion) off zero, the first ones widest; one of them follows the ratings, up or down."""
    scores = rng.normal(size=(*places, len(ratings)))
    scores[tuple(rng.integers(places))] += rng.uniform(-2, 2) * standard(ratings) * len(ratings) ** 0.5
    scores = 6 * scores + rng.normal(size=(*places, 1)) * 8
    return scores / (1 + np.arange(places[-1]))[:, None]


def standard(x: np.ndarray) -> np.ndarray:
    """Centred and of length 1 along the emotions, so that a product of two is their correlation."""
    return unit(x - x.mean(axis=-1, keepdims=True))


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)
