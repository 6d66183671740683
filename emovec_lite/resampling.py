"""How sure: what other stories by the same hands, or the other half of the topics, would give."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from emovec_lite.activations import Layer
from emovec_lite.errors import CorpusError
from emovec_lite.extraction import centred_means, story_activations
from emovec_lite.geometry import rsa
from emovec_lite.stories import Corpus
from emovec_lite.vectors import EmotionVectors, project_out

BOOTSTRAPS = 1000
CONFIDENCE = 0.95


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
