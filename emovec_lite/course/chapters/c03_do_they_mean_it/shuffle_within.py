"""Exercise 3.3: shuffle, but within topics."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from emovec_lite.course.chapters.c03_do_they_mean_it.shuffles import faults
from emovec_lite.course.chapters.c03_do_they_mean_it.stories import EMOTIONS, some_topics
from emovec_lite.course.exercise import Exercise


def shuffle_within(labels: Sequence[str], topics: Sequence[str], seed: int) -> list[str]:
    draw, shuffled = random.Random(seed), list(labels)
    for topic in sorted(set(topics)):
        rows = [i for i, t in enumerate(topics) if t == topic]
        for i, j in zip(rows, draw.sample(rows, len(rows))):  # noqa: B905
            shuffled[i] = labels[j]
    return shuffled


def labelled(rng: np.random.Generator, topics: list[str], emotions: list[str], again: bool = False) -> tuple:
    """Each topic with other labels, in an order of its own; some `again` within a topic."""
    labels = np.empty(len(topics), dtype=object)
    for topic in dict.fromkeys(topics):
        here = np.array(topics) == topic
        labels[here] = rng.choice(emotions, size=here.sum(), replace=again)
    return labels.tolist(), topics, int(rng.integers(1000))


def edges() -> dict[str, tuple]:
    rng, eight = np.random.default_rng(0), list("tuvw") * 8
    return {
        "each emotion once in each topic": (*labelled(rng, eight, EMOTIONS[:8])[:2], 0),
        "topics side by side": labelled(rng, sorted(eight), EMOTIONS),
        "a topic with one story": labelled(rng, ["u", "t", "u", "t", "s", "u"], EMOTIONS),
        "stories of one topic": labelled(rng, ["t"] * 7, EMOTIONS),
        "one label twice": (["sad", "proud", "calm", "calm", "sad"], ["u", "t", "u", "t", "u"], 3),
        "twelve topics of sixteen": labelled(rng, [f"topic {i}" for i in range(12)] * 16, EMOTIONS),
    }


def draw(rng: np.random.Generator) -> tuple[list[str], list[str], int]:
    topics = some_topics(rng, 12)
    if len(topics) < 10:  # of so few there are hardly enough orders to tell one fault from another
        return draw(rng)
    return labelled(rng, topics, EMOTIONS, again=rng.random() < 0.3)


def with_orders(order: Callable, topics_in: Callable = lambda topics: sorted(set(topics))):
    """An answer that writes to each topic's rows the labels of the rows `order(generator, rows, seed, topic)`."""

    def answer(labels, topics, seed):
        draw, shuffled = random.Random(seed), list(labels)
        for topic in topics_in(topics):
            rows = [i for i, t in enumerate(topics) if t == topic]
            for i, j in zip(rows, order(draw, rows, seed, topic), strict=True):
                shuffled[i] = labels[j]
        return shuffled

    return answer


def sample(draw: random.Random, rows: list[int], *rest) -> list[int]:
    return draw.sample(rows, len(rows))


def one_topic_after_another(labels: Sequence[str], topics: Sequence[str], seed: int) -> list[str]:
    right = shuffle_within(labels, topics, seed)
    return [name for topic in sorted(set(topics)) for name, t in zip(right, topics, strict=True) if t == topic]


def names_for_names(labels: Sequence[str], topics: Sequence[str], seed: int) -> list[str]:
    names = sorted(set(labels))
    new = dict(zip(names, random.Random(seed).sample(names, len(names)), strict=True))
    return [new[label] for label in labels]


def by_numpy(labels: Sequence[str], topics: Sequence[str], seed: int) -> np.ndarray:
    rng, topics, shuffled = np.random.default_rng(seed), np.array(topics), np.array(labels)
    for topic in np.unique(topics):
        shuffled[topics == topic] = rng.permutation(shuffled[topics == topic])
    return shuffled


def by_stacks(labels: Sequence[str], topics: Sequence[str], seed: int) -> list[str]:
    stacks = defaultdict(list)
    for label, topic in zip(labels, topics, strict=True):
        stacks[topic].append(label)
    generator = random.Random(seed)
    for stack in stacks.values():
        generator.shuffle(stack)
    return [stacks[topic].pop() for topic in topics]


def by_sorting(labels: Sequence[str], topics: Sequence[str], seed: int) -> tuple[str, ...]:
    random.seed(seed)
    keys = [random.random() for _ in labels]
    rows = sorted(range(len(labels)), key=lambda i: (topics[i], keys[i]))
    shuffled = dict(zip(sorted(range(len(labels)), key=lambda i: topics[i]), [labels[i] for i in rows], strict=True))
    return tuple(shuffled[i] for i in range(len(labels)))


exercise = Exercise(
    "3.3", "Shuffle, but within topics", difficulty=2, importance=4, minutes=6, returns="list tuple array",
    reference=shuffle_within, edges=edges, draw=draw,
    observe=lambda answer, labels, topics, seed: faults(exercise, answer, labels, topics, seed),
    mistakes={
        "The labels that you return stand topic after topic. Put each topic's back at the rows that the topic "
        "has.": one_topic_after_another,
        "A label went over to another topic. Then each topic no longer holds every emotion once, and the null is of "
        "another experiment. Shuffle the labels of one topic among that topic's stories.": lambda labels, topics, seed: (
            random.Random(seed).sample(labels, len(labels))
        ),
        "Some labels of a topic are gone, and others of it come twice. A shuffle keeps each once: draw without replacement "
        "(`sample`, not `choices`), and read from `labels`, not from the copy that you write into.": with_orders(
            lambda draw, rows, *rest: draw.choices(rows, k=len(rows))
        ),
        "Some labels are gone, and others come twice in topics that they are not of. The third story of a topic is not "
        "the third of all: read `labels` at the topic's own rows.": with_orders(
            lambda draw, rows, *rest: draw.sample(range(len(rows)), len(rows))
        ),
        "Nothing was shuffled: the labels came back in their order. A shuffled copy must be written back.": lambda labels, topics, seed: (
            list(labels)
        ),
        "Each emotion was given another's name, the same in all topics. That is no shuffle: stories of one emotion still "
        "have one name, and a classifier finds them as easily as before.": names_for_names,
        "The same seed gave another order. Draw from a generator of your own, made from `seed` inside the "
        "function.": with_orders(lambda draw, rows, *rest: random.sample(rows, len(rows))),
        "Every seed gives the same order: use `seed`.": with_orders(lambda draw, rows, seed, topic: random.Random(0).sample(rows, len(rows))),
        "After a restart of the kernel the same seed gives another order: `set(topics)` comes in a new one in each kernel. Go "
        "through `sorted(set(topics))`.": with_orders(sample, set),
        "After a restart of the kernel the same seed gives another order: the `hash` or `id` of a text is a new one in each. Draw from "
        "one generator, made from `seed`.": with_orders(lambda draw, rows, seed, topic: random.Random(seed + hash(topic)).sample(rows, len(rows))),
        "Every topic is shuffled in the same way: draw anew for each, from one generator made before the "
        "loop.": with_orders(lambda draw, rows, seed, topic: random.Random(seed).sample(rows, len(rows))),
        "Only the first topic of `sorted(set(topics))` is shuffled. Does `return` stand inside the loop?": with_orders(
            sample, lambda topics: sorted(set(topics))[:1]
        ),
        "Not every order of a topic can come out, as when labels are only moved on by some places or two are exchanged. Shuffle "
        "them all.": with_orders(lambda draw, rows, *rest: (k := draw.randrange(len(rows)), rows[k:] + rows[:k])[1]),
    },
    equivalent={
        "for topic in sorted(topics):": "a topic is drawn again for each of its stories, from `labels`: the last draw holds",
        "for i, j in zip(draw.sample(rows, len(rows)), rows):": "the same order the other way: as random as the first",
    },
    right=[by_numpy, by_stacks, by_sorting],
    discuss="Shuffling all labels freely would have been simpler. What would the null have been a null *of*? Where in your "
    "own work do groups have to be kept together when something is shuffled?",
)  # fmt: skip
