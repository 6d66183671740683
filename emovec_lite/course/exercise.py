"""An exercise as data: a right answer, cases to try an answer on, mistakes with what to say to each, and prose.

One file an exercise, in the folder of its chapter (`chapters/cNN_name/`); the folder is the list. The check, its
tests and the instructor's page read the same declaration.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

import emovec_lite.course.chapters


@dataclass(frozen=True)
class Case:
    """What an answer is called with, in whatever surroundings.

    `around` makes a context in which the answer runs: a model that fails half-way, say. With `value` off only what
    the answer changes is compared, not what it returns.
    """

    args: tuple
    around: Callable[[], AbstractContextManager] = nullcontext
    value: bool = True


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise. Where `reference` has a parameter `subject`, so have `draw`, `edges` and `on_the_model`."""

    number: str
    title: str
    difficulty: int  # 1 to 5
    importance: int  # 1 to 5
    minutes: int
    discuss: str  # a question for a group, on the instructor's page
    reference: Callable
    # Edge cases by name: the arguments, or a `Case`.
    edges: Callable[..., Mapping[str, tuple | Case]]
    # From a NumPy generator the arguments of one awkward case: unsorted, uncentred, unbalanced, sizes that differ.
    draw: Callable[..., tuple] | None = None
    # What to say about a wrong answer, and a function that gives just that.
    mistakes: Mapping[str, Callable] = field(default_factory=dict)
    # The right answer in other idioms, which must pass.
    right: Sequence[Callable] = ()
    # Automatic mutants of `reference` (tests/exercises/mutants.py) that change nothing, each with the reason.
    equivalent: Mapping[str, str] = field(default_factory=dict)
    # What the chapter's next cell can use: some of "number tensor array list tuple text".
    returns: str = "tensor"
    axes: str = ""  # the names of the axes, for messages about shapes
    # More edge cases, on the learner's own model rather than on small random ones.
    on_the_model: Callable[..., Mapping[str, tuple | Case]] | None = None
    # What is compared, where that is not what the answer returns: `observe(answer, *args)`.
    observe: Callable | None = None
    # What of two values must agree, where not all of it: a component's sign is nobody's to choose.
    view: Callable[[Any], Any] | None = None
    # What is wrong with a value, in words, or None; where many are right: `judge(value, *args)`.
    judge: Callable[..., str | None] | None = None
    tolerance: float = 1e-3  # of the size of the value; more is allowed to half precision
    # Whether it is tried on a model in half precision too: not where ties decide, or exp makes rounding large.
    half: bool = True

    @property
    def name(self) -> str:
        """What the learner's function is called."""
        return self.reference.__name__  # ty: ignore[missing-attribute]

    @property
    def needs_model(self) -> bool:
        return "subject" in inspect.signature(self.reference).parameters

    @property
    def chapter(self) -> str:
        """The chapter's number, as in its folder's name."""
        return self.number.split(".")[0].zfill(2)


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises of the course by number, in order."""
    found = []
    for folder in pkgutil.iter_modules(emovec_lite.course.chapters.__path__, "emovec_lite.course.chapters."):
        for file in pkgutil.iter_modules(import_module(folder.name).__path__, f"{folder.name}."):
            module = import_module(file.name)
            if hasattr(module, "exercise"):  # what several exercises share lies beside them
                found.append(module.exercise)
    return {task.number: task for task in sorted(found, key=lambda task: [int(n) for n in task.number.split(".")])}
