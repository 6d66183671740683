"""What the exercises on stories share: names of emotions and topics, and how a list of names is compared."""

from __future__ import annotations

import numpy as np

EMOTIONS = (
    "sad calm angry proud afraid happy bored tender lonely eager ashamed amused guilty sleepy awed sorry".split()
)
TOPICS = "harbour bus exam garden wedding attic ferry clinic".split()


def some_topics(rng: np.random.Generator, most: int) -> list[str]:
    """Each story's topic: 1 to `most` stories a topic, now and then as many of each, in any order."""
    names = rng.choice(TOPICS, size=rng.integers(2, 7), replace=False)
    sizes = rng.integers(1, most + 1, size=len(names))
    return rng.permutation(np.repeat(names, sizes if rng.random() < 0.7 else sizes[0])).tolist()
