"""Whether emotion vectors order emotions as people's ratings do, layer by layer, against permuted ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from emovec_lite.activations import Layer, as_layer
from emovec_lite.errors import CorpusError
from emovec_lite.geometry import correlations, pca, residual, ridge_predictions, ridge_predictor
from emovec_lite.norms import ratings
from emovec_lite.nulls import PERMUTATIONS, max_corrected_null, permutation_p
from emovec_lite.vectors import EmotionVectors

FEWEST_RATED = 8  # emotions with a human rating below which a correlation means nothing


@dataclass(frozen=True)
class Alignment:
    """How well vectors line up with one human scale, layer by layer, with the max-corrected permutation null."""

    scale: str  # "valence", or "arousal": with valence partialled out
    layers: tuple[Layer, ...]
    pc_r: Float[np.ndarray, "layer component"]  # signs are those of `pca`: arbitrary
    ridge_r: Float[np.ndarray, " layer"]
    pc_null: Float[np.ndarray, " permutation"]  # largest |r| over components and layers, labels permuted
    ridge_null: Float[np.ndarray, " permutation"]  # largest r over layers, labels permuted
    n_rated: int

    @property
    def best_pc(self) -> tuple[Layer, int, float]:
        """Layer, component (1 is the first) and |r| where a single component follows the scale best."""
        i, j = np.unravel_index(np.abs(self.pc_r).argmax(), self.pc_r.shape)
        return self.layers[i], int(j) + 1, float(abs(self.pc_r[i, j]))

    @property
    def best_ridge(self) -> tuple[Layer, float]:
        """Layer and r where the ridge axis predicts held-out emotions best."""
        i = int(self.ridge_r.argmax())
        return self.layers[i], float(self.ridge_r[i])

    @property
    def pc_p(self) -> float:
        return permutation_p(self.best_pc[2], self.pc_null)

    @property
    def ridge_p(self) -> float:
        return permutation_p(self.best_ridge[1], self.ridge_null)


def align(
    vectors: EmotionVectors,
    scale: str,
    layers: Sequence[Layer] | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Alignment:
    """Correlate vectors with human ratings at `layers` (default: all blocks), against a max-corrected null.

    "valence" as it is; "arousal" and "dominance" with valence partialled out of both sides, since in these words
    the scales are correlated (arXiv 2606.26987 and Sofroniew et al. 2026 correlate them as they are). Emotions
    without a rating are left out. Raises `CorpusError` where fewer than 8 are rated.
    """
    layers = vectors.layers if layers is None else tuple(map(as_layer, layers))
    matrices = [vectors.at(layer).double().numpy() for layer in layers]
    rated, target = _target(vectors.emotions, scale)
    scores = np.stack([_scores(matrix, vectors.emotions, scale) for matrix in matrices])
    predictors = np.stack([ridge_predictor(matrix[rated]) for matrix in matrices])

    def pc(y: Float[np.ndarray, "row rated"]) -> Float[np.ndarray, "row layer component"]:
        return correlations(scores[None], y[:, None, None])

    def ridge(y: Float[np.ndarray, "row rated"]) -> Float[np.ndarray, "row layer"]:
        return correlations(np.einsum("lij,rj->rli", predictors, y), y[:, None])

    pc_null = max_corrected_null(lambda y: np.abs(pc(y)), target, permutations, seed)
    ridge_null = max_corrected_null(ridge, target, permutations, seed)
    return Alignment(scale, layers, pc(target[None])[0], ridge(target[None])[0], pc_null, ridge_null, len(target))


def best_pc_r(vectors: Float[np.ndarray, "emotion d_model"], emotions: Sequence[str], scale: str) -> float:
    """The largest |r| of a human scale with one of the first components, as `align` has it for one layer."""
    _, target = _target(emotions, scale)
    return float(np.abs(correlations(_scores(vectors, emotions, scale), target)).max())


def ridge_r(vectors: Float[np.ndarray, "emotion d_model"], emotions: Sequence[str], scale: str) -> float:
    """r of a human scale with its leave-one-emotion-out ridge predictions, as `align` has it for one layer."""
    rated, target = _target(emotions, scale)
    return float(correlations(ridge_predictions(vectors[rated], target), target))


def _target(emotions: Sequence[str], scale: str) -> tuple[Bool[np.ndarray, " emotion"], Float[np.ndarray, " rated"]]:
    """Which emotions are rated, and their ratings, with valence partialled out of any other scale."""
    rated = rated_emotions(emotions)
    valence, target = (ratings(emotions, s)[rated] for s in ("valence", scale))
    return rated, target if scale == "valence" else residual(target, valence)


def _scores(
    vectors: Float[np.ndarray, "emotion d_model"], emotions: Sequence[str], scale: str
) -> Float[np.ndarray, "component rated"]:
    # Components are found in all emotions; only the correlation is confined to the rated ones.
    rated = rated_emotions(emotions)
    scores = pca(vectors)[0][rated].T
    return scores if scale == "valence" else residual(scores, ratings(emotions, "valence")[rated])


def rated_emotions(emotions: Sequence[str]) -> Bool[np.ndarray, " emotion"]:
    """Which emotions have a human rating; raises `CorpusError` where they are too few to correlate."""
    rated = ~np.isnan(ratings(emotions, "valence"))
    if rated.sum() < FEWEST_RATED:
        raise CorpusError(
            f"Only {rated.sum()} of {len(rated)} emotions have a human rating; a correlation needs at least "
            f"{FEWEST_RATED}. The Glasgow Norms know: see emovec_lite.norms.glasgow()."
        )
    return rated
