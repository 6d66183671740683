"""Answers to the exercises of which we know what a check must say: wrong ones, and right ones in another idiom.

nnsight reads the source of a trace from disk, so every answer is a function of a module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Wrong(NamedTuple):
    number: str
    hint: str  # a phrase of the message that the answer must earn
    answer: Callable


class Right(NamedTuple):
    number: str
    answer: Callable


WRONG: list[Wrong] = []
RIGHT: list[Right] = []


def wrong(number: str, hint: str) -> Callable[[Callable], Callable]:
    """Register the decorated function as a wrong answer to an exercise, which must earn this hint."""

    def register(answer: Callable) -> Callable:
        WRONG.append(Wrong(number, hint, answer))
        return answer

    return register


def right(number: str) -> Callable[[Callable], Callable]:
    """Register the decorated function as a right answer to an exercise."""

    def register(answer: Callable) -> Callable:
        RIGHT.append(Right(number, answer))
        return answer

    return register
