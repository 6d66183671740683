"""The geometry of emotion vectors: principal components, and whether they order emotions as people do.

Every statistic comes with the null it has to beat: labels permuted, and the best taken over everything that was
looked at (components and layers), as it was for the observed value.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from emovec_lite.activations import Layer, as_layer
from emovec_lite.errors import CorpusError
from emovec_lite.extraction import centred_means, story_activations
from emovec_lite.norms import ratings
from emovec_lite.stories import Corpus
from emovec_lite.vectors import EmotionVectors, project_out

COMPONENTS = 5  # principal components that are looked at
PERMUTATIONS = 2000
PERMUTATIONS_AT_ONCE = 250
BOOTSTRAPS = 1000
CONFIDENCE = 0.95
KEPT = 0.8  # of the emotions, in each resampling of the clusters
RESAMPLES = 20
FEWEST_RATED = 8  # emotions with a human rating below which a correlation means nothing


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


def correlations(x: Float[np.ndarray, "*#rows n"], y: Float[np.ndarray, "*#rows n"]) -> Float[np.ndarray, " *#rows"]:
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


# --- How sure: the stories resampled ---------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """A statistic in -1 ... 1 with its bootstrap interval."""

    observed: float
    samples: Float[np.ndarray, " sample"]  # its values with the stories resampled

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval of what as many stories by the same hands would give.

        The spread of the samples, on Fisher's z, put around the observed value. Not their plain percentiles:
        resampling adds noise to means that hold some already, so the samples lie below what was observed. Nor a
        claim about endlessly many stories, whose correlation would be higher than this interval by an amount that
        the samples do not tell. In simulations it covers in 94 to 97 % of cases with 12 stories an emotion, and in
        about 80 % with 6 noisy ones or for the best of several components.
        """
        z, samples = (np.arctanh(np.clip(x, -1 + 1e-9, 1 - 1e-9)) for x in (self.observed, self.samples))
        low, high = np.quantile(samples - samples.mean(), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return float(np.tanh(z + low)), float(np.tanh(z + high))


def bootstrap(
    vectors: EmotionVectors,
    corpus: Corpus,
    layer: Layer,
    statistic: Callable[[Float[np.ndarray, "emotion d_model"]], float],
    samples: int = BOOTSTRAPS,
    seed: int = 0,
) -> Interval:
    """Uncertainty of a statistic of one layer's denoised vectors, by drawing each emotion's stories anew.

    It says how far the choice of stories matters; that of emotions, topics and ratings stays as it is. For example
    `bootstrap(vectors, corpus, 19, lambda v: ridge_r(v, vectors.emotions, "valence"))`. Raises `ArtifactError` for a
    corpus that the vectors were not made from, `UnknownName` for a layer whose single stories were not kept.
    """
    from tqdm.auto import tqdm

    stories = story_activations(vectors, corpus).at(layer)
    clean = project_out(stories - stories.mean(dim=0), vectors.neutral_at(layer)).double().numpy()
    groups = [[i for i, label in enumerate(corpus.labels) if label == emotion] for emotion in vectors.emotions]
    rng = np.random.default_rng(seed)

    means = np.stack([clean[group].mean(axis=0) for group in groups])
    # A mean of n stories drawn from n varies by n - 1 nths of what a mean of n fresh stories does.
    sizes = np.array([[len(group)] for group in groups])
    widen = np.sqrt(sizes / np.maximum(sizes - 1, 1))

    def value(means: Float[np.ndarray, "emotion d_model"]) -> float:
        return statistic(means - means.mean(axis=0))

    def drawn() -> Float[np.ndarray, "emotion d_model"]:
        again = np.stack([clean[rng.choice(group, len(group))].mean(axis=0) for group in groups])
        return means + widen * (again - means)

    draws = tqdm(range(samples), desc="Bootstrap", unit=" samples", file=sys.stderr, disable=samples < 100)
    return Interval(value(means), np.array([value(drawn()) for _ in draws]))


# --- Comparing geometries --------------------------------------------------------------------------------


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


def compare(
    a: EmotionVectors,
    b: EmotionVectors,
    measure: Callable[[Float[np.ndarray, "emotion d_a"], Float[np.ndarray, "emotion d_b"]], float] = rsa,
) -> Float[np.ndarray, "layer_a layer_b"]:
    """`rsa` or `linear_cka` of every layer of one set of vectors with every layer of another, or of the same.

    Over the emotions that both have. Raises `CorpusError` where these are fewer than 8.
    """
    shared = [emotion for emotion in a.emotions if emotion in b.emotions]
    if len(shared) < FEWEST_RATED:
        raise CorpusError(
            f"Only {len(shared)} emotions in common; comparing geometries needs at least {FEWEST_RATED}. Use corpora "
            "of the same emotions."
        )
    sides = [
        [x.at(layer)[[x.emotions.index(e) for e in shared]].double().numpy() for layer in x.layers] for x in (a, b)
    ]
    return np.array([[measure(one, other) for other in sides[1]] for one in sides[0]])


@dataclass(frozen=True)
class Halves:
    """How well vectors of one half of the topics agree with those of the other, for each way to halve them."""

    cosine: Float[np.ndarray, " split"]  # mean over emotions of the cosine of its two vectors
    rsa: Float[np.ndarray, " split"]


def split_halves(vectors: EmotionVectors, corpus: Corpus, layer: Layer, splits: int = 20, seed: int = 0) -> Halves:
    """Agreement of one layer's denoised vectors between halves of the topics, drawn `splits` times.

    No other corpus or model can be expected to agree better with either half than the halves agree with each other.
    Raises `ArtifactError` for a corpus that the vectors were not made from, `CorpusError` for fewer than two topics.
    """
    stories = story_activations(vectors, corpus).at(layer)
    topics = corpus.topics
    if len(topics) < 2:
        raise CorpusError(f"{corpus.name}: {len(topics)} topic(s). Two halves need stories on at least two.")
    rng, found = np.random.default_rng(seed), []
    for _ in range(splits):
        first = {*rng.permutation(topics)[: len(topics) // 2].tolist()}
        sides = []
        for inside in (True, False):
            rows = [i for i, story in enumerate(corpus) if (story.topic in first) == inside]
            if gone := {*corpus.emotions} - {corpus.labels[i] for i in rows}:
                raise CorpusError(f"{corpus.name}: half of the topics have no story of {min(gone)!r}.")
            means, _ = centred_means(stories[rows], [corpus.labels[i] for i in rows])
            sides.append(project_out(means, vectors.neutral_at(layer)).double().numpy())
        a, b = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
        found.append(((a * b).sum(axis=1).mean(), rsa(*sides)))
    return Halves(*np.array(found).T)


# --- Clusters --------------------------------------------------------------------------------------------


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
