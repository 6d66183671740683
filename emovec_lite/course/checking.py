"""Checks: an answer is tried beside the exercise's own on many cases, and what sets them apart is told.

On every edge case and on `DRAWN` awkward ones both must give the same value, leave their inputs alone and the model
as it was. Where they differ, the first of the exercise's mistakes that gives the learner's output on *every* case
tried lends its message; else the smallest failing case is shown. Nothing is guessed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from emovec_lite.course.exercise import Case, Exercise, exercises
from emovec_lite.course.records import record
from emovec_lite.course.stand_in import forget, stand_ins
from emovec_lite.course.trial import Blank, Trial, alike, attempt
from emovec_lite.course.values import agree, difference, show, size
from emovec_lite.errors import UnknownName
from emovec_lite.models import Subject

if TYPE_CHECKING:
    from collections.abc import Mapping

DRAWN = 20
ENOUGH = 4  # cases without a value: no more of them are tried
SAME = (
    "Whatever it is given, `{name}` returns what it returned the first time. Does it use its arguments? And what it "
    "collects things in must be made inside it, anew at every call."
)


@dataclass(frozen=True)
class Outcome:
    """What a check found."""

    number: str
    status: Literal["passed", "blank", "not yet"]
    message: str
    example: str = ""  # the case that shows what is wrong, a line a value

    def __str__(self) -> str:
        mark = {"passed": "✓", "blank": "○ not yet:", "not yet": "✗ not yet:"}[self.status]
        text = textwrap.fill(f"{self.number} {mark} {self.message}", 100, break_long_words=False)
        return f"{text}\n{textwrap.indent(self.example, '    ')}" if self.example else text


def check(number: str, answer: Callable | None = None, subject: Subject | None = None) -> Callable:
    """Say whether an answer to an exercise is right, and what is wrong with it if it is not.

    Returns the answer if it passes and the course's own version if it does not, so that
    `mean_pool = check("2.1", mean_pool)` lets a chapter go on either way. Exercises that read a model want it as
    `subject`. Raises `UnknownName` for a number that is no exercise; never anything of the answer's own.
    """
    outcome = assess(number, answer, subject)
    print(outcome)
    if outcome.status == "passed" and answer:
        record(number)
        return answer
    print("  Until yours passes, the course's version stands in, so that you can go on.")
    return exercises()[number].reference


def assess(number: str, answer: Callable | None, subject: Subject | None = None) -> Outcome:
    """What `check` prints."""
    if number not in exercises():
        raise UnknownName("exercise", number, exercises())
    task = exercises()[number]
    todo = Outcome(
        number,
        "blank",
        f"{task.title}. Write the body of `{task.name}` where it says NotImplementedError, then run the cell again. "
        "Two hints fold out above it.",
    )
    if answer is None:
        return todo
    if problem := _unusable(task, answer, subject):
        return Outcome(number, "not yet", problem)
    try:
        return _compare(task, answer, subject)
    except Blank:
        return todo


def passes(task: Exercise, answer: Callable, subject: Subject | None = None) -> bool:
    """Whether an answer is right, without a word on why not: ends at the first case that tells."""
    try:
        return all(one.right for rung in ladder(task, subject) for _, one in _tried(task, answer, rung))
    except Blank:
        return False


def ladder(task: Exercise, subject: Subject | None = None) -> Iterator[dict[str, Case]]:
    """The cases by name: first without the learner's model, then on it. An answer that fails does not get so far."""
    models = stand_ins(subject)[: None if task.half else -1] if subject and task.needs_model else [None]
    first = _cases(task.edges, models[min(1, len(models) - 1)])
    if task.draw:
        for i in range(DRAWN):
            model = models[i % len(models)]
            rng = np.random.default_rng([i, 2026])
            first[f"draw {i}"] = Case((model, *task.draw(rng, model)) if model else task.draw(rng))
    yield first
    if task.on_the_model:
        yield _cases(task.on_the_model, subject)


def _cases(make: Callable[..., Mapping[str, Any]], model: Subject | None = None) -> dict[str, Case]:
    made = make(model) if model else make()
    cases = {name: found if isinstance(found, Case) else Case(found) for name, found in made.items()}
    if model:
        cases = {name: replace(case, args=(model, *case.args)) for name, case in cases.items()}
    return cases


def _unusable(task: Exercise, answer: Any, subject: Subject | None) -> str:
    """Why an answer cannot even be tried."""
    if answer is task.reference:
        return f"This is the course's version of `{task.name}`, not yours. Run the cell that defines yours."
    if not callable(answer):
        return f"Pass the function itself, `{task.name}`, not a {type(answer).__name__} that it returned."
    if task.needs_model and subject is None:
        return f'This check reads the model: check("{task.number}", {task.name}, subject).'
    return ""


@dataclass(frozen=True)
class _Tried:
    """What came of an answer on a case; what it gave is kept only where that is not right, for logits are large."""

    case: Case
    right: bool
    got: Trial | None = None
    wanted: Trial | None = None

    def given(self, task: Exercise) -> Trial:
        return self.got or attempt(task, task.reference, self.case)


def _tried(task: Exercise, answer: Callable, cases: dict[str, Case]) -> Iterator[tuple[str, _Tried]]:
    for name, case in cases.items():
        got = attempt(task, answer, case)
        if got.problem:  # what is wanted need not be known to say so
            yield name, _Tried(case, False, got)
            continue
        wanted = attempt(task, task.reference, case)
        if task.judge:
            got = replace(got, problem=task.judge(got.value, *case.args) or "")
        right = not got.changes and (not got.problem if task.judge else alike(task, case, got, wanted))
        yield name, _Tried(case, True) if right else _Tried(case, False, got, wanted)


def _compare(task: Exercise, answer: Callable, subject: Subject | None) -> Outcome:
    named: list[str] = []
    tried: dict[str, _Tried] = {}
    for cases in ladder(task, subject):
        for name, one in _tried(task, answer, cases):
            tried[name] = one
            if len(tried) == ENOUGH and all(t.got and t.got.problem for t in tried.values()):
                break  # it raises whatever it is given
        if not all(t.right for t in tried.values()):
            return Outcome(task.number, "not yet", *_not_yet(task, tried, subject))
        named += [name for name in cases if not name.startswith("draw ")]
    drawn = f", and on {DRAWN} cases drawn at random" if task.draw else ""
    return Outcome(task.number, "passed", f"{task.title.rstrip('?')}: {', '.join(named)}{drawn}.")


def _not_yet(task: Exercise, tried: dict[str, _Tried], subject: Subject | None) -> tuple[str, str]:
    """Message and example for an answer that failed: what it changed, which mistake it is, or where it shows."""
    failed = {name: one for name, one in tried.items() if one.got}
    for name, one in failed.items():
        if one.got and one.got.changes:
            if subject:
                forget(subject)  # what could not be put back on a random model need not be
            return f"{one.got.changes[0]} (Seen at: {_called(name)}.)", ""
    if not task.judge:
        for message, mistake in task.mistakes.items():
            if all(_same_as(task, mistake, one) for one in sorted(tried.values(), key=lambda one: one.right)):
                return message, ""
        if _always_the_same(task, tried):
            return SAME.format(name=task.name), ""
    name, one = min(failed.items(), key=lambda item: size(_shown(item[1].case)))
    case, got, wanted = one.case, one.got or Trial(), one.wanted or Trial()
    how_many = f"{len(failed)} of {len(tried)} cases"
    if task.judge or (got.problem and got.problem == got.trouble and len(failed) == len(tried)):
        return got.problem, ""  # a wrong type, say, whatever it is given
    if got.problem:
        return f"{got.problem} It happens in {how_many}; the smallest is {_called(name)}:", _example(task, case)
    shapes = _shapes(task, got.value, wanted.value) or "Not what is wanted"
    message = f"{shapes}, in {how_many}. The smallest of them is {_called(name)}:"
    return message, _example(task, case, got, wanted)


def _always_the_same(task: Exercise, tried: dict[str, _Tried]) -> bool:
    """Whether an answer gave on every case what it gave on the first, though different things were wanted."""
    ones = [one for one in tried.values() if one.case.value]
    first = ones[0].given(task)
    if first.problem or all(one.right for one in ones[1:]):
        return False
    trials = (one.given(task) for one in sorted(ones, key=lambda one: one.right))
    if not all(not trial.problem and agree(trial.value, first.value, 1e-9) for trial in trials):
        return False
    wanted = [(one.wanted or one.given(task)).value for one in ones]
    return not all(agree(value, wanted[0], 1e-9) for value in wanted)


def _same_as(task: Exercise, mistake: Callable, one: _Tried) -> bool:
    """Whether a mistake gives what the learner's answer gave."""
    try:
        return alike(task, one.case, attempt(task, mistake, one.case), one.given(task))
    except Blank:
        return False


def _called(name: str) -> str:
    return f"“{name}”" if not name.startswith("draw ") else "one drawn at random"


def _shapes(task: Exercise, got: Any, wanted: Any) -> str:
    if not isinstance(got, np.ndarray) or not isinstance(wanted, np.ndarray) or got.shape == wanted.shape:
        return ""
    names = task.axes.split()
    if len(names) == wanted.ndim:
        sizes = ", ".join(f"{name} {n}" for name, n in zip(names, wanted.shape, strict=True)) or "a number"
        return f"Expected shape {wanted.shape} ({sizes}), got {got.shape}"
    return f"Expected shape {wanted.shape}, got {got.shape}"


def _example(task: Exercise, case: Case, got: Trial | None = None, wanted: Trial | None = None) -> str:
    """A case as a learner can read it, a line a value."""
    from inspect import signature

    rows = list(zip(signature(task.reference).parameters, map(_readable, case.args), strict=False))
    if got and wanted:
        ours, theirs = _where_they_differ(wanted.value, got.value)
        found = difference(theirs, ours)
        rows += [("differs", found)] if found else [("wanted", show(ours)), ("got", show(theirs))]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _where_they_differ(wanted: Any, got: Any) -> tuple[Any, Any]:
    """Of two observations with names what is not the same; other values whole."""
    if not isinstance(wanted, dict) or not isinstance(got, dict) or wanted.keys() != got.keys():
        return wanted, got
    names = [name for name in wanted if not agree(got[name], wanted[name], 1e-3)]
    return {name: wanted[name] for name in names}, {name: got[name] for name in names}


def _readable(value: Any) -> str:
    return value.spec.name if isinstance(value, Subject) else show(value)


def _shown(case: Case) -> list:
    return [value for value in case.args if not isinstance(value, Subject)]
