"""Stories as exercise 5.4 is tried on them: vectors, each with its emotion and its topic."""

import numpy as np
import torch

EMOTIONS = "proud bored calm angry tense alert sad moved happy jealous lonely shy afraid".split()
TOPICS = "walk bus meal letter garden class photograph".split()


def some_stories(rng: np.random.Generator, emotions: int, topics: int, d_model: int, spare: int = 2):
    """One to `1 + spare` of each emotion on each topic, shuffled; far from the origin, and each topic in its own place.

    Returns the vectors, their emotions, their topics, and the topics that there are.
    """
    emotions, topics = rng.permutation(EMOTIONS)[:emotions], rng.permutation(TOPICS)[:topics]
    cells = [(e, t) for e in emotions for t in topics for _ in range(rng.integers(1, 2 + spare))]
    cells = [cells[i] for i in rng.permutation(len(cells))]
    of_emotion, of_topic = ({name: rng.normal(size=d_model) for name in names} for names in (emotions, topics))
    shared = 4 * rng.normal(size=d_model)
    stories = [shared + of_emotion[e] + 2 * of_topic[t] + rng.normal(size=d_model) for e, t in cells]
    return (
        torch.tensor(np.array(stories), dtype=torch.float32),
        [str(e) for e, _ in cells],
        [str(t) for _, t in cells],
        [str(t) for t in topics],
    )
