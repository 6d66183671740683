"""The checks of the exercises, checked: what each of them says to right answers, wrong ones, mutants and rubbish."""

from functools import cache

import numpy as np
import pytest
import torch

from emovec_lite.course.checking import assess, passes
from emovec_lite.course.exercise import exercises
from tests.exercises.mutants import mutants
from tests.exercises.sources import answers

each = pytest.mark.parametrize("task", exercises().values(), ids=lambda task: task.number)


@pytest.fixture
def judge(request):
    """`assess` with the model where an exercise needs it."""

    def judge(task, answer):
        return assess(task.number, answer, request.getfixturevalue("subject") if task.needs_model else None)

    return judge


@pytest.fixture(scope="session")
def in_the_source(tmp_path_factory):
    """The answers of a chapter as they stand in its source, solved or not."""
    folder = tmp_path_factory.mktemp("sources")
    return cache(lambda chapter, solved: answers(chapter, solved, folder))


@each
def test_the_solution_passes_and_the_stub_is_blank(task, judge, in_the_source):
    outcome = judge(task, in_the_source(task.chapter, True)[task.number])
    assert outcome.status == "passed", str(outcome)
    assert outcome.message.startswith(task.title.rstrip("?") + ": ")
    blank = judge(task, in_the_source(task.chapter, False)[task.number])
    assert blank.status == "blank" and "says NotImplementedError" in blank.message


@each
def test_every_mistake_earns_its_own_message(task, judge):
    assert len(task.mistakes) >= 4
    for message, mistake in task.mistakes.items():
        outcome = judge(task, mistake)
        assert outcome.status == "not yet" and message in outcome.message, (message, str(outcome))


@each
def test_right_answers_pass_in_other_idioms(task, judge):
    assert len(task.right) >= 3
    for answer in task.right:
        outcome = judge(task, answer)
        assert outcome.status == "passed", (answer, str(outcome))


@each
def test_every_mutant_is_refused_but_those_that_change_nothing(task, request, tmp_path, record_property):
    subject = request.getfixturevalue("subject") if task.needs_model else None
    made = list(mutants(task.reference, tmp_path))
    left = {name for name, mutant in made if passes(task, mutant, subject)}
    record_property("mutants", (len(made), len(left)))
    assert left == set(task.equivalent), f"{len(made)} mutants; passed: {sorted(left - set(task.equivalent))}"


# What a returned value may be, made of a plausible shape.
RUBBISH = {
    "None": lambda shape: None,
    "a string": lambda shape: "x",
    "an empty list": lambda shape: [],
    "a list of None": lambda shape: [None] * 3,
    "a dictionary": lambda shape: {"a": 1},
    "a generator": lambda shape: (x for x in range(3)),
    "an array of objects": lambda shape: np.full(shape, None),
    "an empty tensor": lambda shape: torch.tensor([]),
    "NaN": lambda shape: torch.full(shape, torch.nan),
    "zeros": lambda shape: torch.zeros(shape),
    "booleans": lambda shape: torch.ones(shape, dtype=torch.bool),
    "complex numbers": lambda shape: torch.ones(shape, dtype=torch.complex64),
    "a tensor without data": lambda shape: torch.ones(shape, device="meta"),
    "a sparse tensor": lambda shape: torch.ones(shape).to_sparse() if shape else torch.tensor([1.0]).to_sparse(),
    "a huge number": lambda shape: 10**400,
    "a large number": lambda shape: 1e300,
    "a module": lambda shape: torch.nn.Linear(2, 2),
    "a function": lambda shape: len,
}


def raising(error):
    def answer(*args):
        raise error

    return answer


class Nothing:
    """A class that takes no arguments."""


ODD = {
    "raises ValueError": raising(ValueError("bad value")),
    "raises without a message": raising(RuntimeError()),
    "raises with a message of many lines": raising(KeyError("\n\nfirst\nsecond")),
    "takes no arguments": lambda: 1,
    "returns its arguments": lambda *args: args,
    "returns its first argument": lambda first, *rest: first,
    "returns its last argument": lambda *args: args[-1],
    "a builtin": len,
    "a class": Nothing,
    "a type": dict,
    "a torch function": torch.zeros,
}


@each
def test_rubbish_becomes_a_message(task, tiny):
    answers = {
        f"{kind} of shape {shape}": lambda *args, make=make, shape=shape: make(shape)
        for kind, make in RUBBISH.items()
        for shape in ((), (3,), (3, 4))
    }
    for kind, answer in (answers | ODD).items():
        outcome = assess(task.number, answer, tiny() if task.needs_model else None)
        assert outcome.status != "passed", kind
        assert len(outcome.message) > 20 and "Traceback" not in str(outcome), (kind, str(outcome))
