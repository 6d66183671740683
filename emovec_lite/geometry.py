"""The geometry of emotion vectors: principal components, and whether they order emotions as people do.

Every statistic comes with the null it has to beat: labels permuted, and the best taken over everything that was
looked at (components and layers), as it was for the observed value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from emovec_lite.activations import Layer
from emovec_lite.errors import CorpusError
from emovec_lite.norms import ratings
from emovec_lite.vectors import EmotionVectors

COMPONENTS = 5  # principal components that are looked at
PERMUTATIONS = 2000
FEWEST_RATED = 8  # emotions with a human rating below which a correlation means nothing


def pca(
    vectors: Float[np.ndarray, "emotion d_model"], components: int = COMPONENTS
) -> tuple[Float[np.ndarray, "emotion component"], Float[np.ndarray, " component"]]:
    """Scores of the emotions on the first principal components, and the share of variance of each.

    A component's sign is arbitrary. It is fixed here by the data alone, never by the ratings: the emotion
    furthest out is positive.
    """
    u, s, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    scores = (u * s)[:, :components]
    scores = scores * np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])])
    return scores, (s**2 / (s**2).sum())[:components]


def cosines(vectors: Float[np.ndarray, "emotion d_model"]) -> Float[np.ndarray, "emotion emotion"]:
    """Cosine similarity of every pair of emotions."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def cluster_order(similarity: Float[np.ndarray, "emotion emotion"]) -> Int[np.ndarray, " emotion"]:
    """An order of the emotions that puts similar ones side by side (average linkage, optimal leaf order)."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = np.clip(1 - (similarity + similarity.T) / 2, 0, None)
    np.fill_diagonal(distance, 0)
    return leaves_list(linkage(squareform(distance, checks=False), "average", optimal_ordering=True))


def residual(y: Float[np.ndarray, "*batch n"], x: Float[np.ndarray, " n"]) -> Float[np.ndarray, "*batch n"]:
    """What is left of `y` when a straight line in `x` is taken out."""
    y, x = y - y.mean(axis=-1, keepdims=True), x - x.mean()
    return y - (y @ x / (x @ x))[..., None] * x


def ridge_predictor(vectors: Float[np.ndarray, "emotion d_model"]) -> Float[np.ndarray, "emotion emotion"]:
    """The matrix that turns ratings into leave-one-emotion-out ridge predictions of them.

    With 48 points in 576 dimensions every plain fit is perfect; only a prediction of an emotion that the fit has
    not seen says something. The penalty is the mean eigenvalue of the centred Gram matrix: fixed beforehand, not
    tuned. Predictions are linear in the ratings, which is what makes thousands of permutations cheap.
    """
    n = len(vectors)
    centred = vectors - vectors.mean(axis=0)
    gram = centred @ centred.T
    mean = np.full((n, n), 1 / n)
    fit = mean + gram @ np.linalg.solve(gram + np.trace(gram) / n * np.eye(n), np.eye(n) - mean)
    own = np.diag(fit)
    return (fit - np.diag(own)) / (1 - own)[:, None]


def ridge_predictions(
    vectors: Float[np.ndarray, "emotion d_model"], target: Float[np.ndarray, " emotion"]
) -> Float[np.ndarray, " emotion"]:
    """Ratings of each emotion as predicted by ridge regression on all the others."""
    return ridge_predictor(vectors) @ target


def correlations(x: Float[np.ndarray, "*rows n"], y: Float[np.ndarray, "*rows n"]) -> Float[np.ndarray, " *rows"]:
    """Pearson's r along the last axis; 0 where one side does not vary."""
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    scale = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    return np.divide((x * y).sum(axis=-1), scale, out=np.zeros(np.shape(scale)), where=scale > 1e-12)


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


def permutation_p(observed: float, null: Float[np.ndarray, " permutation"]) -> float:
    """Share of permutations at least as extreme, the observed one counted in: never 0."""
    return float((1 + (null >= observed).sum()) / (1 + len(null)))


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
    layers = tuple(range(vectors.n_layers) if layers is None else layers)
    rated = rated_emotions(vectors)
    valence, target = (ratings(vectors.emotions, s)[rated] for s in ("valence", scale))
    partial = scale != "valence"
    if partial:
        target = residual(target, valence)
    # Components are found in all emotions; only the correlation is confined to the rated ones.
    scores, predictors = [], []
    for layer in layers:
        matrix = vectors.at(layer).double().numpy()
        columns = pca(matrix)[0][rated].T
        scores.append(residual(columns, valence) if partial else columns)
        predictors.append(ridge_predictor(matrix[rated]))
    scores, predictors = np.stack(scores), np.stack(predictors)

    def statistics(y: Float[np.ndarray, "row rated"]):
        pc = correlations(scores[None], y[:, None, None])
        ridge = correlations(np.einsum("lij,rj->rli", predictors, y), y[:, None])
        return pc, ridge

    pc_r, ridge_r = (value[0] for value in statistics(target[None]))
    rng = np.random.default_rng(seed)
    pc_null, ridge_null = [], []
    for size in np.diff(np.r_[0:permutations:250, permutations]):
        pc, ridge = statistics(rng.permuted(np.tile(target, (size, 1)), axis=1))
        pc_null.append(np.abs(pc).max(axis=(1, 2)))
        ridge_null.append(ridge.max(axis=1))
    return Alignment(scale, layers, pc_r, ridge_r, np.concatenate(pc_null), np.concatenate(ridge_null), len(target))


def rated_emotions(vectors: EmotionVectors) -> Bool[np.ndarray, " emotion"]:
    """Which emotions have a human rating; raises `CorpusError` where they are too few to correlate."""
    rated = ~np.isnan(ratings(vectors.emotions, "valence"))
    if rated.sum() < FEWEST_RATED:
        raise CorpusError(
            f"Only {rated.sum()} of {len(rated)} emotions have a human rating; a correlation needs at least "
            f"{FEWEST_RATED}. The Glasgow Norms know: see emovec_lite.norms.glasgow()."
        )
    return rated
