"""What the exercises on stories share: names of emotions and topics, and how a list of names is compared."""

from __future__ import annotations

from typing import Any

import numpy as np

EMOTIONS = (
    "sad calm angry proud afraid happy bored tender lonely eager ashamed amused guilty sleepy awed sorry".split()
)
TOPICS = "harbour bus exam garden wedding attic ferry clinic".split()


def spelt(names: Any) -> Any:
    """Names as plain strings: NumPy's strings are right as well, and so are tokens without the space around them."""
    return [str(x).strip() if isinstance(x, str) else x for x in names] if isinstance(names, list) else names


def some_topics(rng: np.random.Generator, most: int) -> list[str]:
    """Each story's topic: 1 to `most` stories a topic, now and then as many of each, in any order."""
    names = rng.choice(TOPICS, size=rng.integers(2, 7), replace=False)
    sizes = rng.integers(1, most + 1, size=len(names))
    return rng.permutation(np.repeat(names, sizes if rng.random() < 0.7 else sizes[0])).tolist()
