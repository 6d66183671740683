"""Groups of emotions, and whether they are more than what k-means cuts out of any cloud."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from emovec_lite.errors import CorpusError
from emovec_lite.geometry import pca
from emovec_lite.nulls import permutation_p

KEPT = 0.8  # of the emotions, in each resampling
RESAMPLES = 20


@dataclass(frozen=True)
class Clusters:
    """Groups of emotions by k-means, and whether they come out again when a fifth of the emotions is left out."""

    labels: Int[np.ndarray, " emotion"]
    stability: float  # mean adjusted Rand index of resamplings with the whole: 1 for the same groups, 0 for chance
    null: Float[np.ndarray, " cloud"]  # the same for shapeless clouds with the variances of the vectors' components

    @property
    def p(self) -> float:
        return permutation_p(self.stability, self.null)


def cluster(vectors: Float[np.ndarray, "emotion d_model"], k: int, clouds: int = 49, seed: int = 0) -> Clusters:
    """k-means on unit vectors (Sofroniew et al. 2026, with k = 10), with its stability and what it has to beat.

    k-means cuts any cloud into k parts, and a long one always in the same places: hence the null, a Gaussian cloud
    of the same variances without groups in it. Raises `CorpusError` for a k that the emotions cannot fill.
    """
    from threadpoolctl import threadpool_limits
    from tqdm.auto import tqdm

    n = len(vectors)
    if not 2 <= k < KEPT * n:
        raise CorpusError(f"Cannot look for {k} clusters in {n} emotions: choose k from 2 to {int(KEPT * n) - 1}.")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    points = pca(unit, n)[0]  # the same distances in fewer dimensions
    rng = np.random.default_rng(seed)
    spread = points.std(axis=0)
    bar = tqdm(range(clouds), desc="Clouds", file=sys.stderr, disable=clouds < 10)
    with threadpool_limits(1):  # on so few points threads only wait for one another
        null = np.array([_stability(rng.normal(size=points.shape) * spread, k, rng) for _ in bar])
        return Clusters(_kmeans(points, k, 0), _stability(points, k, np.random.default_rng(seed)), null)


def _stability(points: Float[np.ndarray, "emotion d"], k: int, rng: np.random.Generator) -> float:
    from sklearn.metrics import adjusted_rand_score

    whole = _kmeans(points, k, 0)
    found = []
    for _ in range(RESAMPLES):
        kept = rng.choice(len(points), int(KEPT * len(points)), replace=False)
        found.append(adjusted_rand_score(whole[kept], _kmeans(points[kept], k, int(rng.integers(2**31)))))
    return float(np.mean(found))


def _kmeans(points: Float[np.ndarray, "emotion d"], k: int, seed: int) -> Int[np.ndarray, " emotion"]:
    from sklearn.cluster import KMeans

    return KMeans(k, n_init=3, random_state=seed).fit_predict(points)
