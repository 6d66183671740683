"""Exercise 3.2: hold topics out."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from sklearn.model_selection import LeaveOneGroupOut
from torch import Tensor

from emovec_lite.course.chapters.c03_do_they_mean_it.stories import EMOTIONS, some_topics
from emovec_lite.course.exercise import Exercise


def held_out(classify: Callable, items: Sequence | Tensor, labels: Sequence[str], topics: Sequence[str]) -> list[str]:
    def take(rows):
        return items[rows] if hasattr(items, "shape") else [items[i] for i in rows]

    predicted = [None] * len(labels)
    for topic in set(topics):
        test = [i for i, t in enumerate(topics) if t == topic]
        train = [i for i, t in enumerate(topics) if t != topic]
        names = classify(take(train), [labels[i] for i in train], take(test))
        for i, name in zip(test, names):  # noqa: B905
            predicted[i] = name
    return predicted


def tell_training(train: Iterable[str], labels: Iterable[str], new: Iterable[str]) -> list[str]:
    """A classifier that predicts what it was asked and what it was trained on, in no order: so any leak shows."""
    train, labels = list(train), list(labels)
    if len(train) != len(labels):
        raise ValueError(f"`classify` was given {len(train)} stories to learn from, and {len(labels)} labels")
    learnt = ", ".join(sorted(f"{item} {label}" for item, label in zip(train, labels, strict=True)))
    return [f"{item} (trained on {learnt})" for item in new]


def tell_training_on_tensors(train: Tensor, labels: Iterable[str], new: Tensor) -> list[str]:
    """The same, as particular as `nearest` about what stories come in."""
    for part in (train, new):
        if not isinstance(part, Tensor) or part.ndim != 2:
            got = f"a {type(part).__name__}" if not isinstance(part, Tensor) else f"one of shape {tuple(part.shape)}"
            raise TypeError(f"`classify` needs a tensor (story, d_model), as `items` is one, and was given {got}")
    train, new = (["/".join(f"{x:g}" for x in row) for row in part.tolist()] for part in (train, new))
    return tell_training(train, labels, new)


def some_stories(rng: np.random.Generator, topics: list[str], texts: int = 0) -> tuple:
    """Stories with these topics: a tensor, or a list of texts with so many different ones among them."""
    n, labels = len(topics), rng.choice(EMOTIONS[:5], size=len(topics)).tolist()
    if texts:
        return tell_training, [f"text {i}" for i in rng.choice(texts, size=n, replace=texts < n)], labels, topics
    size = (n, int(rng.integers(1, 4)))
    items = torch.tensor(rng.permutation(math.prod(size)).reshape(size), dtype=torch.float32)
    return tell_training_on_tensors, items, labels, topics


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    return {
        "topics side by side": some_stories(rng, ["u", "u", "t", "t", "s", "s"]),
        "topics in turn": some_stories(rng, ["t", "u", "v", "t", "u", "v"]),
        "a topic with one story": some_stories(rng, ["t", "u", "t"]),
        "one topic's name inside another's": some_stories(rng, ["rain", "train", "rainy", "rain", "train", "rainy"]),
        "a list of texts": some_stories(rng, ["u", "t", "u"], texts=9),
        "one text twice": some_stories(rng, ["u", "t", "t", "s", "u"], texts=2),
    }


def draw(rng: np.random.Generator) -> tuple:
    return some_stories(rng, some_topics(rng, 5), texts=int(rng.choice([0, 0, 4, 40])))


def by_topics(topics: Sequence) -> list[tuple[list[int], list[int]]]:
    """The rows to train on and to test, for each topic."""
    rows = [{i for i, t in enumerate(topics) if t == topic} for topic in set(topics)]
    return [([i for i in range(len(topics)) if i not in test], sorted(test)) for test in rows]


def take(items: Sequence, rows: list[int]) -> Sequence:
    return items[rows] if isinstance(items, Tensor) else [items[i] for i in rows]


def testing(split=by_topics, take=take, learnt=lambda labels, train: [labels[i] for i in train]):
    """An answer that trains and tests on these splits."""

    def answer(classify, items, labels, topics):
        predicted = [None] * len(labels)
        for train, test in split(topics):
            names = classify(take(items, train), learnt(labels, train), take(items, test))
            for i, name in zip(test, names, strict=True):
                predicted[i] = name
        return predicted

    return answer


def strung(order: Callable):
    """An answer that strings the predictions together, one topic of `order(topics)` after another."""
    return lambda classify, items, labels, topics: [
        held_out(classify, items, labels, topics)[i]
        for topic in order(topics)
        for i, t in enumerate(topics)
        if t == topic
    ]


def by_sklearn(classify, items, labels, topics):
    items, labels = items if isinstance(items, Tensor) else np.array(items), np.array(labels)
    predicted = np.empty(len(labels), dtype=object)
    for train, test in LeaveOneGroupOut().split(labels, groups=topics):
        predicted[test] = classify(items[train], labels[train], items[test])
    return predicted


def by_dictionary(classify, items, labels, topics):
    pack, predicted = torch.stack if isinstance(items, Tensor) else tuple, {}
    for topic in dict.fromkeys(topics):
        inside = [i for i, t in enumerate(topics) if t == topic]
        train, names = zip(
            *[(x, n) for x, n, t in zip(items, labels, topics, strict=True) if t != topic], strict=True
        )
        predicted |= zip(inside, classify(pack(train), names, pack([items[i] for i in inside])), strict=True)
    return tuple(predicted[i] for i in range(len(labels)))


def story_by_story(classify, items, labels, topics):
    predicted = []
    for i, topic in enumerate(topics):
        train = [j for j, t in enumerate(topics) if t != topic]
        predicted += classify(take(items, train), [labels[j] for j in train], items[i : i + 1])
    return predicted


all_in_training = testing(lambda topics: [([*range(len(topics))], test) for _, test in by_topics(topics)])

exercise = Exercise(
    "3.2", "Hold topics out", difficulty=3, importance=5, minutes=10, returns="list tuple array",
    reference=held_out, edges=edges, draw=draw,
    mistakes={
        "`classify` was trained on all the stories, those that it was then tested on among them. Of the topic that is tested "
        "nothing may be in the training.": all_in_training,
        "A story was tested while others *on its topic* were in the training. Leave out whole topics: stories of one topic share "
        "words that have nothing to do with the emotion.": testing(lambda topics: by_topics(range(len(topics)))),
        "You held out blocks of stories side by side, as many in each. A topic's stories stand anywhere, and topics have unequal "
        "numbers of them: go by `topics`.": testing(
            lambda topics: by_topics([i * len(set(topics)) // len(topics) for i in range(len(topics))])
        ),
        "It is turned round: train on all the stories of all the other topics, and test on the one.": testing(
            lambda topics: [(test, train) for train, test in by_topics(topics)]
        ),
        "The training labels do not belong to the training stories: you took the first of all labels. Leave the held-out topic's "
        "labels out, by the same rows.": testing(learnt=lambda labels, train: labels[: len(train)]),
        "For a tensor you hold out whole topics; for a list of texts nothing is held out.": lambda classify, items, *rest: (
            held_out if isinstance(items, Tensor) else all_in_training
        )(classify, items, *rest),
        "It works for a tensor and not for a list of texts, which word counts need: a list cannot be indexed by a list. Write "
        "`[items[i] for i in rows]` for those.": testing(take=lambda items, rows: items[rows]),
        "It works for a list of texts. But `[items[i] for i in rows]` of a tensor is a list of tensors, which `nearest` cannot "
        "use: write `items[rows]` for those.": testing(take=lambda items, rows: [items[i] for i in rows]),
        **{
            f"The predictions are in the order of the *topics*, one topic of `{name}` after another. Each prediction must stand "
            "at its own story's place, wherever that is.": strung(order)
            for name, order in [("set(topics)", set), ("sorted(set(topics))", lambda topics: sorted(set(topics))),
                                ("dict.fromkeys(topics)", dict.fromkeys)]
        },
    },
    equivalent={
        "for topic in topics:": "slower: each topic is tested again for each of its stories, with the same result",
    },
    right=[by_sklearn, by_dictionary, story_by_story],
    discuss="We held out topics. What else do the stories on an unseen topic still share with those in the training: "
    "writer, length, style? Design a test that holds this out as well, and guess what would be left.",
)  # fmt: skip
