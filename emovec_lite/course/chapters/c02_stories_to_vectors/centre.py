"""Exercise 2.3: centre."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.chapters.c02_stories_to_vectors.stories import SCALED, labels_of, stories_of
from emovec_lite.course.exercise import Exercise


def centre(values: Float[Tensor, "text d_model"], labels: Sequence[str]) -> Float[Tensor, "emotion d_model"]:
    means = torch.stack([
        values[[label == emotion for label in labels]].mean(dim=0) for emotion in sorted(set(labels))
    ])  # fmt: skip
    return means - means.mean(dim=0)


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    cases = {
        "three emotions of one, two and three stories": "sad calm sad afraid calm calm",
        "two emotions": "proud tired proud proud",
        "a name within another": "unhappy happy unhappy calmer calm",
        "names that begin alike": "hopeful hopeless hopeless",
        "one emotion": "calm calm calm",
        "one story an emotion": "tired proud calm sad",
    }
    made = {name: (stories_of(rng, labels.split(), 2), labels.split()) for name, labels in cases.items()}
    labels = ["calm", "proud", "calm", "sad"]
    return made | {"as many dimensions as stories": (stories_of(rng, labels, 4), labels)}


def draw(rng: np.random.Generator) -> tuple[Tensor, list[str]]:
    labels = labels_of(rng)
    return stories_of(rng, labels, int(rng.integers(2, 9))), labels


def means_of(values: Tensor, labels: Sequence[str], emotions: Sequence[str] | None = None) -> Tensor:
    emotions = sorted(set(labels)) if emotions is None else emotions
    return torch.stack([values[[label == emotion for label in labels]].mean(dim=0) for emotion in emotions])


def in_order(values: Tensor, labels: Sequence[str], emotions: Sequence[str]) -> Tensor:
    means = means_of(values, labels, emotions)
    return means - means.mean(dim=0)


def sums(values: Tensor, labels: Sequence[str]) -> Tensor:
    totals = means_of(values, labels) * torch.tensor([[labels.count(emotion)] for emotion in sorted(set(labels))])
    return totals - totals.mean(dim=0)


def by_comparing_the_list(values: Tensor, labels: Sequence[str]) -> Tensor:
    means = torch.stack([values[labels == emotion].mean(dim=0) for emotion in sorted(set(labels))])
    return means - means.mean(dim=0)


def by_matrix(values: Tensor, labels: Sequence[str]) -> Tensor:
    member = torch.tensor([[float(x == e) for x in labels] for e in sorted(set(labels))])
    means = member @ values.float() / member.sum(dim=1, keepdim=True)
    return means - means.mean(dim=0, keepdim=True)


def by_numpy(values: Tensor, labels: Sequence[str]) -> Tensor:
    names, index = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, index, values.numpy())
    means = sums / np.bincount(index)[:, None]
    return torch.from_numpy(means - means.mean(axis=0))


def by_dictionary(values: Tensor, labels: Sequence[str]) -> Tensor:
    groups = defaultdict(list)
    for row, label in zip(values, labels, strict=True):
        groups[label].append(row)
    means = {label: sum(rows) / len(rows) for label, rows in groups.items()}
    common = sum(means.values()) / len(means)
    return torch.stack([means[label] - common for label in sorted(means)])


exercise = Exercise(
    "2.3", "Centre", difficulty=2, importance=5, minutes=8, axes="emotion d_model",
    reference=centre, edges=edges, draw=draw,
    mistakes={
        "Those are the plain means, not centred: what all stories share is still in every row, and it is far larger than "
        "what they differ in.": means_of,
        "You subtracted the mean over *stories*. An emotion with more stories then pulls the centre towards itself; "
        "subtract the mean of the emotions' means.": lambda values, labels: (
            means_of(values, labels) - values.mean(dim=0)
        ),
        "The rows are in the order in which the emotions appear. Sort them, so that everyone knows which row is "
        "whose.": lambda values, labels: in_order(values, labels, list(dict.fromkeys(labels))),
        "The rows are in the order of a `set`, which is none of its own, and another one tomorrow. Sort the "
        "emotions.": lambda values, labels: in_order(values, labels, list(set(labels))),
        "The rows are in alphabetical order turned round: from a to z is wanted.": lambda *args: centre(*args).flip(0),
        "You always take *afraid, calm, happy, sad*. Take the emotions from `labels`: `sorted(set(labels))`.": lambda values, labels: (
            in_order(values, labels, ["afraid", "calm", "happy", "sad"])
        ),
        "Those are sums over stories. Take means: an emotion with more stories is not a stronger one.": sums,
        SCALED: lambda *args: torch.nn.functional.normalize(centre(*args), dim=1),
        "The sign is turned round: subtract the common mean from each emotion's, not the other way.": lambda *args: (
            -centre(*args)
        ),
        "You took the mean over d_model: every row should lose the same *vector*.": lambda values, labels: (
            (means := means_of(values, labels)) - means.mean(dim=1, keepdim=True)
        ),
        "You took one mean of all the numbers: every row should lose the same *vector*, the mean over rows, "
        "`dim=0`.": lambda values, labels: (means := means_of(values, labels)) - means.mean(),
        "One row for each story. Average the stories of each emotion first.": lambda values, labels: (
            values - values.mean(dim=0)
        ),
        "`labels == emotion` compares the whole list with one word, and is False: ask each label, `[label == emotion for "
        "label in labels]`.": by_comparing_the_list,
    },
    right=[by_matrix, by_numpy, by_dictionary, lambda values, labels: centre(values.half(), labels)],
    discuss="Before centring, the cosines of all pairs were nearly 1. What would you have concluded from them? And why "
    "must four centred vectors point away from each other on average, whatever they mean?",
)  # fmt: skip
