"""One answer, tried on one case: what it gives, and what it leaves changed."""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import re
import traceback
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from emovec_lite.course.exercise import Case, Exercise
from emovec_lite.course.values import Unreadable, agree, plain, read
from emovec_lite.models import Subject

HALF = {torch.float16: 1e-2, torch.bfloat16: 5e-2}  # what a right answer may be off in half precision


class Blank(Exception):
    """There is no answer yet."""


@dataclass(frozen=True)
class Trial:
    """What an answer did on a case: a value, or what kept it from being one; and what is changed since."""

    value: Any = None
    problem: str = ""  # to the learner
    trouble: str = ""  # the same in short, to compare by
    changes: tuple[str, ...] = ()
    slack: float = 0.0  # for rounding, where the answer is in half precision


def attempt(task: Exercise, answer: Callable, case: Case) -> Trial:
    """Run an answer on a case, and put the model back as it was. Raises `Blank` for an answer not yet written."""
    subject = next((a for a in case.args if isinstance(a, Subject)), None)
    args = [a if isinstance(a, Subject) or callable(a) else copy.deepcopy(a) for a in case.args]
    run = task.observe or (lambda answer, *args: answer(*args))
    trial, problem, trouble, returned = Trial(), "", "", False
    with contextlib.ExitStack() as stack:
        stack.enter_context(case.around())
        changed = stack.enter_context(watched(subject)) if subject else []
        try:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # from a mistake that is only tried they would mislead
                result = run(answer, *args)
                returned = True
                if case.value:
                    value, slack = (result, 0.0) if task.observe else read(task, result)
                    trial = Trial(value if task.view is None else task.view(value), slack=slack)
        except Blank:
            raise
        except Unreadable as error:
            problem = trouble = str(error)
        except Exception as error:
            if isinstance(error, NotImplementedError) and (not str(error) or str(error).startswith("exercise ")):
                raise Blank from error  # the stub's; PyTorch has its own
            if case.value:
                trouble = f"{type(error).__name__}: {_first_line(error)}"
                problem = _raised(task, answer, error)
                if returned:  # it was the check that tripped, over what came back
                    problem = f"The check could not use what `{task.name}` returned ({trouble})."
    if not all(_unchanged(a, b) for a, b in zip(args, case.args, strict=True)):
        changed.append(
            f"`{task.name}` changed one of its inputs in place, and whoever passed it will be surprised. Work on a "
            "copy (`x = x - y` instead of `x -= y`, `sorted(x)` for `x.sort()`; `.clone()`, `.copy()`, `list(x)`)."
        )
    return replace(trial, problem=problem, trouble=trouble, changes=tuple(changed))


def alike(task: Exercise, case: Case, one: Trial, other: Trial) -> bool:
    """Whether two answers gave the same on a case: the same value up to rounding, or the same trouble."""
    if one.trouble or other.trouble:
        return one.trouble == other.trouble
    subject = next((a for a in case.args if isinstance(a, Subject)), None)
    half = HALF.get(subject.dtype, 0.0) if subject else 0.0
    return agree(one.value, other.value, max(task.tolerance, one.slack, other.slack, half), floor(case.args))


def floor(args: tuple) -> float:
    """What counts as 0 beside numbers as large as these."""
    largest = 0.0
    for array in (plain(a) for a in args if isinstance(a, torch.Tensor | np.ndarray) and "float" in str(a.dtype)):
        if array.size:
            largest = max(largest, float(np.nan_to_num(np.abs(array)).max()))
    return 1e-6 * (1 + largest)


def _unchanged(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if hasattr(a, "equals"):  # pandas
        return bool(a.equals(b))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_unchanged, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(_unchanged(a[key], b[key]) for key in a)
    if hasattr(a, "__dict__") and not callable(a) and not isinstance(a, Subject):
        return _unchanged(vars(a), vars(b))
    return a is b or type(a) is type(b) and bool(a == b)


# --- What the answer raised -----------------------------------------------------------------------------------


def _raised(task: Exercise, answer: Callable, error: Exception) -> str:
    first = _first_line(error)
    if isinstance(error, SyntaxError) and "'return' outside function" in first:
        return (
            "nnsight runs the body of a trace itself, so `return` cannot stand in it: save the value inside, return "
            "it after the `with`."
        )
    problem = f"`{task.name}` raised {type(error).__name__}: {first}{_where(answer, error)}."
    if isinstance(error, UnboundLocalError):
        problem += (
            " If it is made inside a trace: it vanishes when the trace ends, unless you call `.save()` on it inside."
            " A list made inside vanishes even if its entries were saved: make it before the `with`."
        )
    if (missing := re.search(r"Envoy.* attribute '(\d+)'", first)) and isinstance(error, AttributeError):
        problem += f" There is no block {missing[1]} here: the models of the check have fewer. Use `layer`."
    return problem


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no message").rstrip(".")


def _where(answer: Callable, error: Exception) -> str:
    """The line of the learner's own code that an error came from."""
    try:
        own = inspect.unwrap(answer).__code__.co_filename
    except AttributeError:
        return ""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == own and f.line]
    return f" (in your line `{frames[-1].line}`)" if frames else ""


# --- What the answer leaves changed on the model --------------------------------------------------------------


@contextlib.contextmanager
def watched(subject: Subject) -> Generator[list[str]]:
    """Collects in a list what the block leaves changed on a model; puts back what can be put back."""
    found: list[str] = []
    with subject.lock:  # a widget that is writing would be taken for the answer, and steer it
        before = _State.of(subject)
        try:
            yield found
        finally:
            found += before.restore(subject)


# Which hooks run whenever any module does.
_EVERYWHERE = (torch.nn.modules.module._global_forward_hooks, torch.nn.modules.module._global_forward_pre_hooks)


@dataclass(frozen=True)
class _State:
    hooks: dict[int, tuple[dict, dict]]  # by the id of each module's dictionary of hooks: it, and what was in it
    training: list[bool]
    parameters: list[tuple[torch.dtype, bool, float]]  # of each its dtype, whether it is trained, and its sum
    config: tuple[dict, dict]
    padding_side: str
    longest: int  # text that the tokenizer reads whole

    @classmethod
    def of(cls, subject: Subject) -> _State:
        modules = [*subject.hf.modules()]
        dictionaries = [*_EVERYWHERE, *(d for m in modules for d in (m._forward_hooks, m._forward_pre_hooks))]
        with torch.inference_mode():
            sums = [(p.dtype, p.requires_grad, float(p.sum())) for p in subject.hf.parameters()]
        config = (subject.hf.config.to_dict(), subject.hf.generation_config.to_dict())
        return cls(
            {id(d): (d, dict(d)) for d in dictionaries},
            [m.training for m in modules],
            sums,
            copy.deepcopy(config),
            subject.tokenizer.padding_side,
            subject.tokenizer.model_max_length,
        )

    def restore(self, subject: Subject) -> list[str]:
        """Put back what can be put back; say what had to be, in the learner's terms."""
        now, said = _State.of(subject), []
        added = {(key, h) for key, (d, was) in now.hooks.items() for h in was.keys() - self.hooks[key][1].keys()}
        added = {(key, h) for key, h in added if not _belongs_to_a_library(now.hooks[key][1][h])}
        if added:
            said.append(
                "Your hook is still on the model after your function has ended, and will run in every later forward "
                "pass. Keep what `register_forward_hook` gives you and call `.remove()` on it, best in a `finally:`, "
                "which is reached after an error, too. (The check has taken it off this time.)"
            )
        if any(was.keys() - now.hooks[key][1].keys() for key, (_, was) in self.hooks.items()):
            said.append(
                "A hook that somebody else had put on the model is gone. Remove your own, by the handle that "
                "`register_forward_hook` gave you, and no other. (The check has put it back.)"
            )
        for key, h in added:
            del now.hooks[key][0][h]
        for d, was in self.hooks.values():
            for h in was.keys() - d.keys():
                d[h] = was[h]
        again = "Change back what you change, in a `finally:`. And go on with a new one: `subject = load_model()`."
        dtypes, now_dtypes = ([p[0] for p in state.parameters] for state in (self, now))
        trained, now_trained = ([p[1] for p in state.parameters] for state in (self, now))
        if len(self.training) != len(now.training) or len(trained) != len(now_trained):
            return [*said, f"The model has other modules or weights than it had. {again}"]
        if dtypes != now_dtypes:
            said.append(f"You left the model in {now.parameters[0][0]}; it was in {self.parameters[0][0]}. {again}")
            subject.hf.to(self.parameters[0][0])
        elif self.parameters != now.parameters and trained == now_trained:
            said.append(f"The model's weights are not what they were. {again}")
        if trained != now_trained:
            said.append(f"`requires_grad` of the model's weights is not what it was. {again}")
            for p, flag in zip(subject.hf.parameters(), trained, strict=True):
                p.requires_grad_(flag)
        if self.training != now.training:
            said.append(
                "You left the model in another mode: `train()` and `eval()` stay until they are called again."
            )
            for module, flag in zip(subject.hf.modules(), self.training, strict=True):
                module.training = flag
        if self.config != now.config:
            said.append(f"The model's configuration is not what it was. {again}")
        if self.longest != now.longest:
            said.append(f"You set the tokenizer's `model_max_length`, and it stays for all later cells. {again}")
            subject.tokenizer.model_max_length = self.longest
        subject.tokenizer.padding_side = self.padding_side  # anyone may set it before use: nnsight does
        return said


def _belongs_to_a_library(hook) -> bool:
    """Transformers puts hooks of its own at the first `output_hidden_states=True`, and counts on them."""
    return str(getattr(hook, "__module__", "")).startswith(("transformers.", "nnsight."))
