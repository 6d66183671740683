"""Facts about a shuffle within topics that may come out in many ways: each holds of every right one."""

from __future__ import annotations

import contextlib
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from unittest import mock

from emovec_lite.course.exercise import Exercise
from emovec_lite.course.values import read

RIGHT = "every topic shuffled within itself, by the seed alone"
SEEDS = 24  # by chance nothing moves in any of them once in ten million times
AGAIN = 10  # of these are tried a second time, and in other kernels
_hash = hash


def faults(task: Exercise, answer: Callable, labels: list[str], topics: list[str], first: int) -> list[str]:
    """What is wrong with an answer's shuffles by the seeds `first`, `first` + 1 ...; or that nothing is."""

    def shuffle(i: int, like: Callable[[list[str]], list[str]] = lambda texts: texts) -> list[str]:
        return [*map(str, read(task, answer(like(labels), like(topics), first + i))[0])]

    rows = {topic: [i for i, t in enumerate(topics) if t == topic] for topic in topics}
    results = [shuffle(i) for i in range(SEEDS)]
    found = _misplaced(labels, rows, results)
    if not found and any(shuffle(i) != results[i] for i in range(AGAIN)):
        found = ["the same seed gives another order the second time"]
    for i in range(0 if found else AGAIN):
        with contextlib.suppress(Exception), _another_kernel(i, getattr(answer, "__globals__", None)) as like:
            if shuffle(i, like) != results[i]:  # an error here is the disguise's
                return ["after a restart of the kernel the same seed gives another order"]
    return found or _by_seed(labels, rows, results) or _by_topic(labels, rows, results) or [RIGHT]


def _at(rows: list[int], names: Sequence[str]) -> list[str]:
    return [names[i] for i in rows]


def _misplaced(labels: list[str], rows: dict[str, list[int]], results: list[list[str]]) -> list[str]:
    if any(len(result) != len(labels) for result in results):
        return ["not one label a story"]
    if any(Counter(result) != Counter(labels) for result in results):
        own = all(set(_at(r, result)) <= set(_at(r, labels)) for result in results for r in rows.values())
        return [f"labels are gone, and others come twice{'' if own else ', in topics that they are not of'}"]
    within = all(Counter(_at(r, result)) == Counter(_at(r, labels)) for result in results for r in rows.values())
    return [] if within else ["labels went over to other topics"]


def _by_seed(labels: list[str], rows: dict[str, list[int]], results: list[list[str]]) -> list[str]:
    different = len(set(map(tuple, results)))
    if different > 1 or all(len(set(_at(r, labels))) == 1 for r in rows.values()):
        return []
    return ["nothing is shuffled" if results[0] == labels else "every seed gives the same order"]


def _by_topic(labels: list[str], rows: dict[str, list[int]], results: list[list[str]]) -> list[str]:
    found, orders = [], {}
    for topic, r in rows.items():
        own = _at(r, labels)
        moved = sum(_at(r, result) != own for result in results)
        if len(set(own)) > 1 and moved < (SEEDS / 2 if len(set(own)) > 3 else 1):
            found.append(f"topic {topic!r} keeps its order")
        elif len(own) == len(set(own)) > 3:
            orders[topic] = [tuple(own.index(name) for name in _at(r, result)) for result in results]
    for order in orders.values():
        stay = sum(place == i for one in order for i, place in enumerate(one))  # by chance one a seed
        if len(order[0]) > 5 and (not 0 < stay <= 3 * SEEDS or len(set(order)) < 2 * SEEDS / 3):
            found.append("not every order of a topic can come out")
    for a, b in combinations(orders, 2):
        same_places = sum(x == y for x, y in zip(orders[a], orders[b], strict=True))
        names = [[dict(zip(_at(rows[t], labels), _at(rows[t], x), strict=True)) for x in results] for t in (a, b)]
        same_names = sum(x == y for x, y in zip(*names, strict=True))
        if max(same_places, same_names) > SEEDS / 2:
            found.append(
                "topics are shuffled alike" if same_places > same_names else "each name gives way to one other"
            )
    return sorted(set(found))


@contextlib.contextmanager
def _another_kernel(salt: int, home: dict | None) -> Iterator[Callable]:
    """Texts with other hashes, as after a restart of Python, so that sets of them come in another order.

    Code whose globals are `home`, and no other, sees other hashes of all texts.
    """

    class Word(str):
        def __hash__(self):
            return zlib.crc32(f"{salt}{self}".encode())

    def disguised(value):
        if isinstance(value, tuple):
            return tuple(map(disguised, value))
        return Word(value) if isinstance(value, str) else value

    def hash_there(value):
        return _hash(disguised(value) if sys._getframe(1).f_globals is home else value)

    with mock.patch("builtins.hash", hash_there):
        yield lambda texts: [Word(text) for text in texts]
