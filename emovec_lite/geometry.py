"""The geometry of emotion vectors: components, axes for a rating, and how like one another two geometries are."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

COMPONENTS = 5  # principal components that are looked at


def pca(
    vectors: Float[np.ndarray, "emotion d_model"], components: int = COMPONENTS
) -> tuple[Float[np.ndarray, "emotion component"], Float[np.ndarray, " component"]]:
    """Scores of the emotions on the first principal components, and the share of variance of each.

    A component's sign is arbitrary. It is fixed here by the data alone, never by the ratings: the emotion
    furthest out is positive.
    """
    centred = vectors - vectors.mean(axis=0)
    # Of emotions by emotions rather than of dimensions by dimensions: the same scores, sooner.
    size, place = (x[..., ::-1][..., : min(components, *vectors.shape)] for x in np.linalg.eigh(centred @ centred.T))
    scores = place * np.sqrt(np.clip(size, 0, None))
    scores = scores * np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])])
    return scores, size / (centred**2).sum()


def cosines(vectors: Float[np.ndarray, "emotion d_model"]) -> Float[np.ndarray, "emotion emotion"]:
    """Cosine similarity of every pair of emotions; 0 for one whose vector has no length."""
    size = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, size, out=np.zeros_like(vectors), where=size > 0)
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


def correlations(x: Float[np.ndarray, "*#rows n"], y: Float[np.ndarray, "*#rows n"]) -> Float[np.ndarray, " *#rows"]:
    """Pearson's r along the last axis; 0 where one side does not vary."""
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    scale = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    return np.divide((x * y).sum(axis=-1), scale, out=np.zeros(np.shape(scale)), where=scale > 1e-12)


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


def ridge_axis(
    vectors: Float[np.ndarray, "emotion d_model"], target: Float[np.ndarray, " emotion"]
) -> tuple[Float[np.ndarray, " d_model"], float]:
    """The fit itself, on all emotions: `x @ axis + intercept` is the rating that a vector x should have."""
    center = vectors.mean(axis=0)
    gram = (vectors - center) @ (vectors - center).T
    weights = np.linalg.solve(gram + np.trace(gram) / len(gram) * np.eye(len(gram)), target - target.mean())
    axis = (vectors - center).T @ weights
    return axis, float(target.mean() - center @ axis)


def rsa(a: Float[np.ndarray, "emotion d_a"], b: Float[np.ndarray, "emotion d_b"]) -> float:
    """Spearman's rho between the two sets of pairwise cosines of the same emotions (Sofroniew et al. 2026).

    The vectors may come from other layers, corpora or models: only how emotions lie to one another is compared.
    """
    from scipy.stats import spearmanr

    pairs = np.triu_indices(len(a), k=1)
    return float(spearmanr(cosines(a)[pairs], cosines(b)[pairs]).statistic)


def linear_cka(
    a: Float[np.ndarray, "emotion d_a"], b: Float[np.ndarray, "emotion d_b"], debiased: bool = True
) -> float:
    """Linear CKA (arXiv 2606.26987): 1 for the same vectors rotated or scaled, about 0 for unrelated ones.

    Without `debiased` it is the plain ratio, which comes near 1 for pure noise as soon as there are many more
    dimensions than emotions: every emotion is like itself and nothing else, on both sides. The debiased one leaves
    an emotion's likeness to itself out (Song et al. 2012, eq. 5).
    """
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    inner = _unbiased if debiased else lambda x, y: (x * y).sum()
    x, y = a @ a.T, b @ b.T
    return float(inner(x, y) / np.sqrt(inner(x, x) * inner(y, y)))


def _unbiased(x: Float[np.ndarray, "n n"], y: Float[np.ndarray, "n n"]) -> float:
    n = len(x)
    x, y = x - np.diag(np.diag(x)), y - np.diag(np.diag(y))
    rows = x.sum(axis=0) @ y.sum(axis=0)
    return (x * y).sum() + x.sum() * y.sum() / ((n - 1) * (n - 2)) - 2 * rows / (n - 2)
