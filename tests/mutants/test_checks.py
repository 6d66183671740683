"""The checks of the exercises, checked: what each of them says to wrong answers, right answers, and rubbish."""

import pkgutil
from importlib import import_module

import numpy as np
import pytest
import torch

import tests.mutants
from emovec_lite.course.checks import assess, exercises
from emovec_lite.course.outline import CHAPTERS
from tests.mutants import RIGHT, WRONG, chapter_01
from tests.mutants.sources import answers

for module in pkgutil.iter_modules(tests.mutants.__path__):
    if module.name.startswith("chapter_"):
        import_module(f"tests.mutants.{module.name}")


def name(mutant):
    return f"{mutant.number}-{getattr(mutant.answer, '__name__', 'partial')}"


def hooks_of_answers(subject):
    """The hooks on the model that answers made; nnsight's and transformers' own may stay."""
    hooks = [h for m in subject.hf.modules() for d in (m._forward_hooks, m._forward_pre_hooks) for h in d.values()]
    return [hook for hook in hooks if str(getattr(hook, "__module__", "")).startswith("tests.mutants")]


@pytest.fixture
def judge(request):
    """`assess` with the model where an exercise needs it, which must be left as it was."""

    def judge(number, answer):
        if not exercises()[number].needs_model:
            return assess(number, answer)
        subject = request.getfixturevalue("subject")
        subject.tokenizer.padding_side = "right"
        outcome = assess(number, answer, subject)
        assert not hooks_of_answers(subject)
        return outcome

    return judge


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """The answers in the chapters' sources, solved and not."""
    folder = tmp_path_factory.mktemp("sources")
    return {
        solved: {n: f for chapter in CHAPTERS for n, f in answers(chapter, solved, folder).items()}
        for solved in (True, False)
    }


@pytest.mark.parametrize("number", exercises())
def test_the_solution_passes_the_stub_is_blank_and_every_mutant_earns_its_hint(number, judge, sources):
    assert judge(number, sources[True][number]).status == "passed"
    blank = judge(number, sources[False][number])
    assert blank.status == "blank" and "says NotImplementedError" in blank.message
    for mutant in WRONG:
        if mutant.number == number:
            outcome = judge(number, mutant.answer)
            assert outcome.status == "not yet" and mutant.hint in outcome.message, (name(mutant), outcome.message)
            assert "The check could not use what" not in outcome.message, name(mutant)


@pytest.mark.parametrize("mutant", RIGHT, ids=name)
def test_a_right_answer_passes_in_another_idiom(mutant, judge):
    outcome = judge(mutant.number, mutant.answer)
    assert outcome.status == "passed", outcome.message


@pytest.mark.parametrize("task", exercises().values(), ids=lambda task: task.number)
def test_there_are_enough_answers(task):
    assert 3 <= sum(m.number == task.number for m in WRONG) <= 6
    assert sum(m.number == task.number for m in RIGHT) >= 2


def test_hooks_that_transformers_leaves_are_not_blamed_on_the_learner(tiny):
    """It puts them on at the first `output_hidden_states=True`, once, and returns nothing if they are taken off."""
    subject = tiny.__wrapped__("llama")  # a new one, on which nobody has asked for hidden states
    for _ in range(2):
        outcome = assess("1.2", chapter_01.hidden_states_shifted_by_one, subject)
        assert "*after the final norm*" in outcome.message


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


# The shape that the check of an exercise first asks for, where it does not depend on the model.
SHAPES = {
    "1.4": (), "2.1": (3, 4), "2.3": (3, 2), "2.4": (2, 5), "2.5": (4, 6), "2.6": (3, 8), "6.1": (3,), "6.4": (),
    "6.2": (12,), "6.5": (), "6.6": (4,),
}  # fmt: skip


@pytest.mark.parametrize("task", exercises().values(), ids=lambda task: task.number)
def test_rubbish_becomes_a_message(task, tiny):
    """With a tiny model: what is wrong with rubbish shows before any number is compared."""
    subject = tiny()
    shape = SHAPES.get(task.number, (3, subject.d_model))
    answers = {kind: lambda *args, make=make: make(shape) for kind, make in RUBBISH.items()} | ODD
    for kind, answer in answers.items():
        outcome = assess(task.number, answer, subject)
        assert outcome.status != "passed", kind
        assert len(outcome.message) > 20 and "Traceback" not in outcome.message, (kind, outcome.message)
