"""Exercise 5.4: how well does it agree with itself?"""

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.chapters.c05_where_is_happiness.rsa import rsa
from emovec_lite.course.chapters.c05_where_is_happiness.stories import some_stories
from emovec_lite.course.exercise import Exercise


def split_half(
    stories: Float[Tensor, "text d_model"], labels: Sequence[str], topics: Sequence[str], first: Collection[str]
) -> float:
    halves = []
    for wanted in (True, False):
        means = []
        for emotion in sorted(set(labels)):
            rows = [i for i, label in enumerate(labels) if label == emotion and (topics[i] in first) == wanted]
            means.append(stories[rows].mean(dim=0).double().numpy())
        halves.append(np.stack(means) - np.mean(means, axis=0))
    return rsa(*halves)


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    *unequal, topics = some_stories(rng, 7, 5, 6)
    *equal, few = some_stories(rng, 8, 4, 5, spare=0)
    *three, two = some_stories(rng, 3, 2, 3)
    return {
        "one topic against many": (*unequal, {topics[0]}),
        "many against one": (*unequal, set(topics[1:])),
        "a list of topics": (*unequal, [topics[3], topics[1]]),
        "a tuple": (*unequal, (topics[2], topics[4])),
        "one story of each emotion and topic": (*equal, set(few[:2])),
        "three emotions": (*three, {two[1]}),
    }


def draw(rng: np.random.Generator):
    emotions, topics, d_model = (int(n) for n in rng.integers([6, 2, 4], [14, 8, 20]))
    *given, topics = some_stories(rng, emotions, topics, d_model)
    first = [str(t) for t in rng.permutation(topics)[: rng.integers(1, len(topics))]]
    return (*given, [set, list, tuple, frozenset][rng.integers(4)](first))


def sides(topics, first):
    return [i for i, t in enumerate(topics) if t in first], [i for i, t in enumerate(topics) if t not in first]


def halved(choose=sides, reduce=torch.mean, centre=lambda means, stories, rows: means.mean(dim=0)):
    """The answer with something changed: which rows make the halves, or how they become vectors."""

    def half(stories, labels, rows):
        of = {e: [i for i in rows if labels[i] == e] for e in sorted(set(labels))}
        means = torch.stack([reduce(stories[of[e]], dim=0) for e in of])
        return (means - centre(means, stories, [*rows])).double().numpy()

    return lambda stories, labels, topics, first: rsa(
        *(half(stories, labels, rows) for rows in choose(topics, first))
    )


def means_of_topic_means(stories, labels, topics, first):
    halves = []
    for side in sides(topics, first):
        used = {topics[i] for i in side}
        rows = [[[i for i in side if (labels[i], topics[i]) == (e, t)] for t in used] for e in sorted(set(labels))]
        means = torch.stack(
            [torch.stack([stories[cell].mean(dim=0) for cell in cells]).mean(dim=0) for cells in rows]
        )
        halves.append((means - means.mean(dim=0)).numpy())
    return rsa(*halves)


def by_masks(stories, labels, topics, first):
    inside, labels = np.isin(topics, list(first)), np.array(labels)
    values = stories.double().numpy()
    halves = []
    for mask in (~inside, inside):
        means = np.stack([values[mask & (labels == emotion)].mean(axis=0) for emotion in np.unique(labels)])
        halves.append(means - means.mean(axis=0))
    return rsa(*halves)


def by_dictionary(stories, labels, topics, first):
    sides = defaultdict(lambda: defaultdict(list))
    for story, label, topic in zip(stories, labels, topics, strict=True):
        sides[topic in first][label].append(story)
    halves = []
    for groups in sides.values():
        means = torch.stack([sum(groups[emotion]) / len(groups[emotion]) for emotion in sorted(groups)])
        halves.append((means - means.mean(dim=0)).numpy())
    return torch.tensor(rsa(*halves))


def by_matrices(stories, labels, topics, first):
    emotions = list(dict.fromkeys(labels))
    belongs = torch.tensor([[float(label == emotion) for label in labels] for emotion in emotions])
    inside = torch.tensor([float(topic in first) for topic in topics])
    weights = [w / w.sum(dim=1, keepdim=True) for w in (belongs * inside, belongs * (1 - inside))]
    return rsa(*((w @ stories - (w @ stories).mean(dim=0)).numpy() for w in weights))


exercise = Exercise(
    "5.4", "How well does it agree with itself?", difficulty=3, importance=5, minutes=8, returns="number",
    reference=split_half, edges=edges, draw=draw,
    mistakes={
        "You compared one half with *all* the stories, which hold that half: it agrees with itself.": halved(
            lambda topics, first: (sides(topics, first)[0], range(len(topics)))
        ),
        "You compared a half with itself.": halved(lambda topics, first: sides(topics, first)[:1] * 2),
        "The halves are not centred: what all stories share decides every cosine.": halved(centre=lambda *_: 0),
        "You subtracted the mean of *all* stories. Centre each half by its own mean over emotions, or the halves know of "
        "each other.": halved(centre=lambda means, stories, rows: stories.mean(dim=0)),
        "You subtracted the mean over a half's *stories*, in which an emotion with many of them weighs more. Subtract the "
        "mean over emotions.": halved(centre=lambda means, stories, rows: stories[rows].mean(dim=0)),
        "You centred over dimensions. Subtract the mean *emotion*, axis 0.": halved(
            centre=lambda means, *_: means.mean(dim=1, keepdim=True)
        ),
        "You added the stories up. Take their mean: emotions have unequal numbers of them.": halved(reduce=torch.sum),
        "You averaged over each topic first, so that a story weighs more where its topic has few. Take the mean over all "
        "stories of an emotion in the half.": means_of_topic_means,
        "You split the stories by their place in the list, not by topic.": halved(
            lambda topics, first: (range(0, len(topics), 2), range(1, len(topics), 2))
        ),
        "You split the list of stories in the middle, not by topic.": halved(
            lambda topics, first: (range(len(topics) // 2), range(len(topics) // 2, len(topics)))
        ),
    },
    equivalent={
        f"{loop}:": "any order of the emotions does, if it is the same in both halves"
        for loop in ("for emotion in set(labels)", "for emotion in list(set(labels))")
    } | {
        f"rows = [i for i, label in enumerate(labels) if label == emotion and {which}]": "the halves change places"
        for which in ("(topics[i] in first) != wanted", "(topics[i] not in first) == wanted")
    } | {
        "means.append(stories[rows].mean(dim=0).numpy())": "single precision is enough",
        "means.append(stories[rows].mean(dim=0).double())": "NumPy takes the mean of tensors, too",
        "halves.append(means - np.mean(means, axis=0))": "NumPy makes an array of a list from which one is taken",
    },
    right=[by_masks, by_dictionary, by_matrices],
    discuss="The model's own stories do not agree with themselves in who is near whom, and yet valence can be read from "
    "them. How can both be true? What would you need before you may say \"a different geometry\"?",
)  # fmt: skip
