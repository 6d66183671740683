"""Exercise 3.1: the nearest emotion."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from sklearn.metrics.pairwise import cosine_similarity
from torch import Tensor
from torch.nn.functional import normalize

from emovec_lite.course.chapters.c03_do_they_mean_it.stories import EMOTIONS
from emovec_lite.course.exercise import Exercise


def nearest(
    train: Float[Tensor, "train d_model"], labels: Sequence[str], new: Float[Tensor, "new d_model"]
) -> list[str]:
    emotions = sorted(set(labels))
    means = torch.stack([train[[label == emotion for label in labels]].mean(dim=0) for emotion in emotions])
    centre = means.mean(dim=0)
    unit = torch.nn.functional.normalize(means - centre, dim=1)
    cosines = torch.nn.functional.normalize(new - centre, dim=1) @ unit.T
    return [emotions[i] for i in cosines.argmax(dim=1)]


def some_stories(rng: np.random.Generator, emotions: int, most: int, d_model: int, new: int) -> tuple:
    """Far off the origin, some emotions much stronger, up to `most` stories of each; no new one between two emotions."""
    names = EMOTIONS if emotions <= len(EMOTIONS) else [f"{name} {i}" for name in EMOTIONS for i in range(4)]
    rows = rng.permutation(np.repeat(np.arange(emotions), rng.integers(1, most + 1, size=emotions)))
    labels = rng.choice(names, size=emotions, replace=False)[rows].tolist()
    directions = rng.normal(size=(emotions, d_model)) * rng.uniform(0.3, 5, size=(emotions, 1))
    common = 5 * rng.normal(size=d_model)
    strong = directions[rows] * rng.uniform(0.1, 3, size=(len(rows), 1))  # the stories of one emotion differ in this
    train = torch.tensor(common + strong + rng.normal(size=strong.shape), dtype=torch.float32)
    own = directions[rng.integers(emotions, size=9 * new)] * rng.uniform(0.2, 2, size=(9 * new, 1))
    stories = torch.tensor(common + own + rng.normal(size=own.shape) + 1, dtype=torch.float32)
    means = means_of(train, labels)
    first, second = cosines(stories - means.mean(dim=0), means - means.mean(dim=0)).topk(2).values.T
    return train, labels, stories[first - second > 0.003][:new]


def means_of(train: Tensor, labels: Sequence[str]) -> Tensor:
    return torch.stack([train[[x == e for x in labels]].mean(dim=0) for e in sorted(set(labels))])


def cosines(new: Tensor, vectors: Tensor) -> Tensor:
    return normalize(new, dim=1) @ normalize(vectors, dim=1).T


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    return {
        "two emotions": some_stories(rng, 2, 3, 2, 3),
        "one story of each": some_stories(rng, 4, 1, 3, 4),
        "one new story": some_stories(rng, 3, 4, 5, 1),
        "as many new stories as emotions and dimensions": some_stories(rng, 4, 3, 4, 4),
        "48 emotions": some_stories(rng, 48, 12, 32, 40),
    }


def draw(rng: np.random.Generator) -> tuple[Tensor, list[str], Tensor]:
    return some_stories(rng, *(int(n) for n in rng.integers(2, 9, size=4)))


def naming(scores: Callable[[Tensor, Tensor, Tensor], Tensor], names: Callable = lambda labels: sorted(set(labels))):
    """An answer that names the emotion with the highest of `scores(means, train, new)`."""
    return lambda train, labels, new: [
        names(labels)[i] for i in scores(means_of(train, labels), train, new).argmax(dim=1)
    ]


def centred(scores: Callable[[Tensor, Tensor], Tensor] = cosines, **options):
    """The same by `scores(new, vectors)`, both of them centred."""
    return naming(lambda m, train, new: scores(new - m.mean(dim=0), m - m.mean(dim=0)), **options)


def nearest_story(train: Tensor, labels: Sequence[str], new: Tensor) -> list[str]:
    centre = means_of(train, labels).mean(dim=0)
    return [labels[i] for i in cosines(new - centre, train - centre).argmax(dim=1)]


def by_numpy(train: Tensor, labels: Sequence[str], new: Tensor) -> np.ndarray:
    train, new, labels = train.double().numpy(), new.double().numpy(), np.array(labels)
    emotions = np.unique(labels)
    means = np.stack([train[labels == emotion].mean(axis=0) for emotion in emotions])
    return emotions[cosine_similarity(new - means.mean(axis=0), means - means.mean(axis=0)).argmax(axis=1)]


def in_a_loop(train: Tensor, labels: Sequence[str], new: Tensor) -> list[str]:
    emotions = list(set(labels))  # in any order, if one order is used throughout
    means = {e: sum(x for x, y in zip(train, labels, strict=True) if y == e) / labels.count(e) for e in emotions}
    centre = sum(means.values()) / len(means)
    return [max(emotions, key=lambda e: torch.cosine_similarity(x - centre, means[e] - centre, dim=0)) for x in new]


def with_numpy_strings(train: Tensor, labels: Sequence[str], new: Tensor) -> list[str]:
    names, rows = np.unique(labels, return_inverse=True)
    members = torch.eye(len(names))[rows]
    means = (members / members.sum(dim=0)).T @ train
    x = new - means.mean(dim=0)  # a new story's own length changes no order
    return [names[i] for i in (x @ normalize(means - means.mean(dim=0)).T).argmax(dim=1).tolist()]


exercise = Exercise(
    "3.1", "The nearest emotion", difficulty=3, importance=5, minutes=8,
    returns="list tuple array tensor",  # a tensor holds no names; to what it does hold there is a message below
    reference=nearest, edges=edges, draw=draw,
    mistakes={
        "Those are numbers. Name the emotions: row i is the i-th of `sorted(set(labels))`.": lambda train, labels, new: (
            torch.tensor([sorted(set(labels)).index(name) for name in nearest(train, labels, new)])
        ),
        "The vectors are in the order of `sorted(set(labels))` and the names are not: you took them as they appear in `labels`. "
        "One order for both.": centred(names=lambda labels: list(dict.fromkeys(labels))),
        "That is the *farthest* emotion: take the highest cosine.": centred(lambda new, v: -cosines(new, v)),
        "You did not subtract the centre from the new stories: what all stories share then "
        "decides.": naming(lambda m, train, new: cosines(new, m - m.mean(0))),
        "You subtracted the centre from the new stories, and not from the emotions' "
        "means.": naming(lambda m, train, new: cosines(new - m.mean(0), m)),
        "Nothing is centred: with what all stories share still in, every cosine is about "
        "1.": naming(lambda m, train, new: cosines(new, m)),
        "You took the dot product with vectors of unequal length, so the longest vector wins. Scale the vectors to length "
        "1.": centred(lambda new, v: new @ v.T),
        "You scaled the columns to length 1 and not the rows: a vector is a row, so "
        "`dim=1`.": centred(lambda new, v: normalize(new, dim=0) @ normalize(v, dim=0).T),
        "You scaled the columns of the vectors to length 1 and not their rows: "
        "`dim=1`.": centred(lambda new, v: new @ normalize(v, dim=0).T),
        "You centred along d_model. The centre is a vector, the mean over emotions: "
        "`dim=0`.": naming(lambda m, train, new: cosines(new - new.mean(1, keepdim=True), m - m.mean(1, keepdim=True))),
        "You centred the new stories by their own mean. What is subtracted must come from the training stories "
        "alone.": naming(lambda m, train, new: cosines(new - new.mean(0), m - m.mean(0))),
        "You subtracted the mean over *stories* from the new ones. The centre is the mean over emotions' "
        "means.": naming(lambda m, train, new: cosines(new - train.mean(0), m - m.mean(0))),
        "You subtracted the mean over *stories*. The centre is the mean over the emotions' "
        "means.": naming(lambda m, train, new: cosines(new - train.mean(0), m - train.mean(0))),
        "That is the nearest by distance, in which the longest vectors have their way. Take the "
        "cosine.": naming(lambda m, train, new: -torch.cdist(new, m)),
        "That is the emotion of the nearest single *story*. Compare with one vector an emotion.": nearest_story,
    },
    equivalent={
        "emotions = list(set(labels))": "any order does, if one order is used throughout",
        "unit = torch.nn.functional.normalize(means - centre)": "dim 1 is the default",
        "cosines = torch.nn.functional.normalize(new - centre) @ unit.T": "dim 1 is the default",
    },
    right=[by_numpy, in_a_loop, with_numpy_strings],
    discuss="The classifier names most of its own stories correctly. How would you explain in one sentence, to a friend "
    "outside the field, why that number says nothing?",
)  # fmt: skip
