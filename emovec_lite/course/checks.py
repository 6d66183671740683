"""Checks: what an answer must do, in stages, told in the learner's terms.

An exercise is declared in `exercises_NN.py` as a generator that yields the name of each stage as it enters it and
calls `expect` inside. Every check is itself checked: `tests/mutants` holds wrong answers with the hint each must
earn.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import pkgutil
import textwrap
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Literal

import emovec_lite.course
from emovec_lite.course.records import record
from emovec_lite.errors import UnknownName

if TYPE_CHECKING:
    from torch import Tensor

    from emovec_lite.models import Subject
    from emovec_lite.vectors import EmotionVectors


@dataclass(frozen=True)
class Exercise:
    """One exercise: what its header says, what its check does, and what stands in for an answer."""

    number: str
    title: str
    difficulty: int  # 1 to 5
    importance: int  # 1 to 5
    minutes: int
    reference: Callable
    stages: Callable[..., Iterator[str]]  # takes an Answer, and the model where it asks for one

    @property
    def needs_model(self) -> bool:
        return "subject" in inspect.signature(self.stages).parameters


@dataclass(frozen=True)
class Outcome:
    """What a check found."""

    number: str
    status: Literal["passed", "blank", "not yet"]
    message: str

    def __str__(self) -> str:
        mark = {"passed": "✓", "blank": "○ not yet:", "not yet": "✗ not yet:"}[self.status]
        return textwrap.fill(f"{self.number} {mark} {self.message}", 100, break_long_words=False)


class NotYet(Exception):
    """An answer does not pass a stage; the message says why, to the learner."""


class Blank(Exception):
    """There is no answer yet."""


_DECLARED: dict[str, Exercise] = {}


def exercise(number: str, title: str, *, difficulty: int, importance: int, minutes: int, reference: Callable):
    """Declare the decorated generator of stages as the check of an exercise."""

    def declare(stages: Callable[..., Iterator[str]]) -> Callable[..., Iterator[str]]:
        _DECLARED[number] = Exercise(number, title, difficulty, importance, minutes, reference, stages)
        return stages

    return declare


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises of the course by number, in order."""
    for module in sorted(m.name for m in pkgutil.iter_modules(emovec_lite.course.__path__)):
        if module.startswith("exercises_"):
            import_module(f"emovec_lite.course.{module}")
    return dict(sorted(_DECLARED.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def check(number: str, answer: Callable | None = None, subject: Subject | None = None) -> Callable:
    """Say whether an answer to an exercise is right, and what is wrong with it if it is not.

    Returns the answer if it passes and the course's own version if it does not, so that
    `mean_pool = check("2.1", mean_pool)` lets a chapter go on either way. Exercises that read a model want it as
    `subject`. Raises `UnknownName` for a number that is no exercise; never anything of the answer's own.
    """
    outcome = assess(number, answer, subject)
    print(outcome)
    if outcome.status == "passed":
        record(number)
        return answer
    print("  Until yours passes, the course's version stands in, so that you can go on.")
    return exercises()[number].reference


def assess(number: str, answer: Callable | None, subject: Subject | None = None) -> Outcome:
    """What `check` prints."""
    if number not in exercises():
        raise UnknownName("exercise", number, exercises())
    task = exercises()[number]
    name = task.reference.__name__
    todo = (
        f"{task.title}. Write the body of `{name}` where it says NotImplementedError, then run the cell again. "
        "Two hints fold out above it."
    )
    if answer is None:
        return Outcome(number, "blank", todo)
    if answer is task.reference:
        return Outcome(
            number,
            "not yet",
            f"This is the course's version of `{name}`, not yours. Run the cell that defines yours.",
        )
    if not callable(answer):
        kind = type(answer).__name__
        return Outcome(number, "not yet", f"Pass the function itself, `{name}`, not a {kind} that it returned.")
    if task.needs_model and subject is None:
        return Outcome(number, "not yet", f'This check reads the model: check("{number}", {name}, subject).')
    passed: list[str] = []
    entered = None
    try:
        for stage in task.stages(Answer(answer, name), *([subject] if task.needs_model else [])):
            if entered:
                passed.append(entered)
            entered = stage
    except Blank:
        return Outcome(number, "blank", todo)
    except NotYet as problem:
        so_far = f" (It passes: {', '.join(passed)}.)" if passed else ""
        return Outcome(number, "not yet", f"{problem}{so_far}")
    except Exception as error:  # the check tripped over something that the answer returned
        return Outcome(
            number, "not yet",
            f"The check could not use what `{name}` returned, at the stage '{entered}' ({type(error).__name__}: "
            f"{_first_line(error)}). Does it return the kind of value that the exercise asks for?",
        )  # fmt: skip
    return Outcome(number, "passed", f"{task.title}: {', '.join([*passed, entered])}.")


def expect(condition: object, message: str) -> None:
    """End the check here, with this message, unless the condition holds."""
    if not condition:
        raise NotYet(message)


def agree(got: Tensor, wanted: Tensor, mistakes: dict[str, Tensor], otherwise: str, tolerance: float = 1e-3) -> None:
    """End the check unless `got` is `wanted`, with the message of the mistake that gives just this, if any."""
    if close(got, wanted, tolerance):
        return
    for message, wrong in mistakes.items():
        expect(wrong.shape != got.shape or not close(got, wrong, tolerance), message)
    raise NotYet(otherwise)


class Answer:
    """A learner's function, run so that whatever it does becomes a message."""

    def __init__(self, function: Callable, name: str):
        self.function, self.name = function, name

    def __call__(self, *args):
        """What the function returns; `NotYet` where it raises, returns nothing, or changes its inputs."""
        import numpy as np
        import torch

        kept = [
            a.clone() if isinstance(a, torch.Tensor) else a.copy() if isinstance(a, np.ndarray) else a for a in args
        ]
        try:
            result = self.function(*args)
        except NotImplementedError as error:
            if str(error) and not str(error).startswith("exercise "):  # PyTorch's own, not the stub's
                raise NotYet(f"`{self.name}` raised {_first_line(error)}{self._where(error)}") from error
            raise Blank from error
        except SyntaxError as error:
            if "'return' outside function" not in str(error):
                raise NotYet(f"`{self.name}` raised SyntaxError: {_first_line(error)}") from error
            raise NotYet(
                "nnsight runs the body of a trace itself, so `return` cannot stand in it: save the value inside, "
                "return it after the `with`."
            ) from error
        except UnboundLocalError as error:
            raise NotYet(
                f"{_first_line(error)}{self._where(error)}. What is made inside a trace vanishes when the trace "
                "ends, unless you call `.save()` on it inside. (A list made inside vanishes even if its entries were "
                "saved: make it before the `with`.)"
            ) from error
        except Exception as error:
            raise NotYet(
                f"`{self.name}` raised {type(error).__name__}: {_first_line(error)}{self._where(error)}"
            ) from error
        expect(result is not None, f"`{self.name}` returned nothing. Did you forget `return`?")
        for before, after in zip(kept, args, strict=True):
            same = {torch.Tensor: torch.equal, np.ndarray: np.array_equal}.get(type(before), lambda *_: True)
            if not same(before, after):
                raise NotYet(
                    f"`{self.name}` changed one of its inputs in place, and whoever passed it will be surprised. "
                    "Work on a copy: `x = x - y` instead of `x -= y`, or `x.clone()`."
                )
        return result

    def tensor(self, *args, shape: tuple[int, ...], axes: str, hints: dict[tuple, str] | None = None) -> Tensor:
        """What the function returns as a tensor of finite doubles of this shape; `hints` explain wrong shapes."""
        import numpy as np
        import torch

        result = self(*args)
        if isinstance(result, (np.ndarray, np.generic, float, int)):
            result = torch.as_tensor(np.array(result))  # a copy: torch takes no negative strides
        if not isinstance(result, torch.Tensor):
            stack = isinstance(result, (list, tuple)) and any(isinstance(x, torch.Tensor) for x in result)
            inside = " (torch.stack makes one tensor of several)" if stack else ""
            kind = "an array" if any(isinstance(a, np.ndarray) for a in args) else "a tensor"
            kind = kind if shape else "a number"
            raise NotYet(f"`{self.name}` should return {kind}, not a {type(result).__name__}{inside}.")
        found = tuple(result.shape)
        if found != shape:
            why = (hints or {}).get(found)
            wanted = ", ".join(f"{axis} {size}" for axis, size in zip(axes.split(), shape, strict=True)) or "a number"
            raise NotYet(f"Expected shape {shape} ({wanted}), got {found}.{' ' + why if why else ''}")
        expect(not result.is_complex(), f"`{self.name}` returned complex numbers.")
        result = result.detach().cpu().double()
        expect(
            result.isfinite().all(), f"`{self.name}` returned {_not_finite(result)}: is something divided by zero?"
        )
        return result

    def listing(self, *args, length: int) -> list:
        """What the function returns as a list of this length."""
        import numpy as np
        import torch

        result = self(*args)
        if isinstance(result, (np.ndarray, torch.Tensor)):
            result = result.tolist()
        if isinstance(result, str) or not isinstance(result, (list, tuple)):
            raise NotYet(f"`{self.name}` should return a list, not a {type(result).__name__}.")
        expect(len(result) == length, f"Expected {length} entries, got {len(result)}.")
        return list(result)

    def _where(self, error: Exception) -> str:
        """The line of the learner's own code that an error came from."""
        try:
            own = inspect.unwrap(self.function).__code__.co_filename
        except AttributeError:
            return ""
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == own and f.line]
        return f" (in your line `{frames[-1].line}`)" if frames else ""


def close(a: Tensor, b: Tensor, tolerance: float = 1e-3) -> bool:
    """Whether two tensors agree up to `tolerance` of the size of `b`: half precision passes, a mistake does not."""
    a, b = a.double().cpu(), b.double().cpu()
    return bool((a - b).norm() <= tolerance * b.norm() + 1e-9)


def shipped_vectors() -> EmotionVectors:
    """The vectors of the chapters, to check answers on real activations; without the line that says where from."""
    from emovec_lite.vectors import load_or_compute

    with contextlib.redirect_stderr(io.StringIO()):
        return load_or_compute()


@contextmanager
def left_as_it_was(subject: Subject, when: str = "after your function returned") -> Iterator[None]:
    """`NotYet` if the block leaves a hook on the model; takes it off first, so that the next try starts clean."""
    with subject.lock:  # a widget that is writing would be taken for the answer, and steer it
        before = {id(hooks): set(hooks) for hooks in _hooks(subject)}
        try:
            yield
        finally:
            left = [
                (hooks, key)
                for hooks in _hooks(subject)
                for key in set(hooks) - before.get(id(hooks), set())
                if not str(getattr(hooks[key], "__module__", "")).startswith(("transformers.", "nnsight."))
            ]  # transformers puts hooks of its own at the first `output_hidden_states=True`, and counts on them
            for hooks, key in left:
                del hooks[key]
    expect(
        not left,
        f"Your hook is still on the model {when}, and will run in every later forward pass. "
        "Keep what `register_forward_hook` gives you and call `.remove()` on it, best in a `finally:`. "
        "(The check has taken it off this time.)",
    )


def _hooks(subject: Subject) -> Iterator[dict]:
    for module in subject.hf.modules():
        yield from (module._forward_hooks, module._forward_pre_hooks)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no message").rstrip(".")


def _not_finite(values: Tensor) -> str:
    return "NaN" if values.isnan().any() else "infinity"
