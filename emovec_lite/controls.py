"""Directions to compare an emotion's with: random ones, those of shuffled labels, what all stories share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emovec_lite.extraction import centred_means, story_activations
from emovec_lite.stories import Corpus
from emovec_lite.vectors import Direction, EmotionVectors, project_out


def random_directions(like: Direction, n: int, seed: int = 0) -> list[Direction]:
    """Directions drawn evenly from all there are, as long as `like` and at its layer: every effect's control."""
    import torch

    drawn = torch.randn(n, len(like.vector), generator=torch.Generator().manual_seed(seed))
    drawn *= like.vector.norm() / drawn.norm(dim=1, keepdim=True)
    return [replace(like, name=f"random {i}", vector=vector) for i, vector in enumerate(drawn)]


def shuffled_label_directions(
    vectors: EmotionVectors, corpus: Corpus, like: Direction, n: int, seed: int = 0
) -> list[Direction]:
    """What the recipe makes of the same stories when their emotions are dealt out anew, topic by topic.

    Unlike random directions these lie where differences between stories lie. As long as `like`. Raises
    `ArtifactError` for a corpus that the vectors were not made from, `UnknownName` for a layer whose single stories
    were not kept.
    """
    stories = story_activations(vectors, corpus).at(like.layer)
    rng, topics = np.random.default_rng(seed), np.array([story.topic for story in corpus])
    made = []
    for i in range(n):
        labels = np.array(corpus.labels)
        for topic in np.unique(topics):
            labels[topics == topic] = rng.permutation(labels[topics == topic])
        means, _ = centred_means(stories, labels.tolist())
        vector = project_out(means, vectors.neutral_at(like.layer))[i % len(means)]
        made.append(replace(like, name=f"shuffled {i}", vector=vector / vector.norm() * like.vector.norm()))
    return made


def all_story_mean(vectors: EmotionVectors, like: Direction) -> Direction:
    """The mean over all emotions, which centring took off: what stories share. As long as `like`, at its layer."""
    mean = vectors.center[vectors.layers.index(like.layer)]
    return replace(like, name="all stories", vector=mean / mean.norm() * like.vector.norm())
