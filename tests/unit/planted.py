"""Vectors and stories on constructed data, where the answer is known."""

from dataclasses import replace

import numpy as np
import torch

from emovec_lite.activations import MeanActivations
from emovec_lite.norms import glasgow, ratings
from emovec_lite.stories import Corpus, Story
from emovec_lite.vectors import EmotionVectors

EMOTIONS = tuple(sorted(list(glasgow())[:40]))


def make(matrix, emotions=EMOTIONS, embed=None):
    """Vectors with the same matrix, or the matrices given, at each layer."""
    means = torch.tensor(np.asarray(matrix), dtype=torch.float32)
    means = means if means.ndim == 3 else means[:, None]
    layers, d = means.shape[1:]
    none = torch.zeros(layers, 1, d)
    stories = MeanActivations(torch.zeros(0, layers, d), tuple(range(layers)), torch.zeros(0, d), torch.ones(layers))
    embed = means[:, 0] if embed is None else torch.tensor(embed, dtype=torch.float32)
    return EmotionVectors(tuple(emotions), means, embed, none[:, 0], none, none[0], torch.ones(layers), stories, {})


def planted(strength, seed=0, d=60):
    """Noise with valence along one axis and arousal along another."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(len(EMOTIONS), d))
    for scale, axis, size in (("valence", 0, strength), ("arousal", 1, strength / 2)):
        y = ratings(EMOTIONS, scale)
        matrix[:, axis] += size * (y - y.mean()) / y.std()
    return matrix


def with_stories(values, emotions=EMOTIONS):
    """A corpus of as many stories an emotion as `values` has, and vectors that hold them at layer 0."""
    per_emotion = values.shape[1]
    corpus = Corpus("toy", tuple(Story(f"{e} {i}", e, f"t{i}") for e in emotions for i in range(per_emotion)))
    rows = torch.tensor(values.reshape(-1, values.shape[-1]), dtype=torch.float32)
    stories = MeanActivations(rows[:, None], (0,), rows, torch.ones(1))
    means = values.mean(axis=1)
    bare = make(means - means.mean(axis=0), emotions)
    return replace(bare, stories=stories, provenance={"corpus": "toy", "corpus_sha256": corpus.sha256}), corpus


def noisy_stories(rng, truth, n=8, noise=2.0):
    return truth[:, None] + noise * rng.normal(size=(len(truth), n, truth.shape[1]))


def axis(size=2.0, d=20):
    y = ratings(EMOTIONS, "valence")
    truth = np.random.default_rng(0).normal(size=(len(EMOTIONS), d))
    truth[:, 0] += size * (y - y.mean()) / y.std()
    return truth


def on_topics(signal, noise, topics=7, d=30, seed=0):
    """Vectors whose stories, in no order, are the emotion's own vector, their topic's and noise; and their corpus."""
    rng = np.random.default_rng(seed)
    own, shift = signal * rng.normal(size=(len(EMOTIONS), d)), 20 * rng.normal(size=(topics, d))
    cells = rng.permutation([(e, t) for e in range(len(EMOTIONS)) for t in range(topics)])
    rows = np.array([own[e] + shift[t] for e, t in cells]) + noise * rng.normal(size=(len(cells), d))
    corpus = Corpus("toy", tuple(Story(f"{i}", EMOTIONS[e], f"t{t}") for i, (e, t) in enumerate(cells)))
    blocks = torch.tensor(rows[:, None], dtype=torch.float32)
    stories = MeanActivations(blocks, (0,), blocks[:, 0], torch.ones(1))
    return replace(
        make(np.zeros((len(EMOTIONS), d))), stories=stories, provenance={"corpus_sha256": corpus.sha256}
    ), corpus
