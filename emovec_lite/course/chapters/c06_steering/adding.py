"""Exercise 6.3: your own `with` block."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.chapters.c01_residual_stream.add_at import a_vector
from emovec_lite.course.chapters.c01_residual_stream.reading import SHORT
from emovec_lite.course.chapters.c06_steering.edit import EDITS, edited
from emovec_lite.course.exercise import Exercise
from emovec_lite.course.values import Unreadable
from emovec_lite.models import Subject
from emovec_lite.steering import steer
from emovec_lite.vectors import Direction

NO_BLOCK = (
    "What `adding(…)` returns cannot be entered by a `with`. One of two things is missing: `@contextmanager` above `def`, or "
    "in its body a `yield` where the block is to run."
)


@contextlib.contextmanager
def adding(subject: Subject, layer: int, vector: Float[Tensor, " d_model"]) -> Iterator[None]:
    handle = subject.blocks[layer].register_forward_hook(lambda module, args, output: output + vector)
    try:
        yield
    finally:
        handle.remove()


def entered(stack: contextlib.ExitStack, made) -> None:
    try:
        stack.enter_context(made)
    except (TypeError, RuntimeError) as error:
        if any(words in str(error) for words in ("context manager", "is not an iterator", "didn't yield")):
            raise Unreadable(NO_BLOCK) from error
        raise


def received(subject: Subject, ids: list[list[int]], further: int = 0) -> Tensor:
    """What every block and the final norm receive: (layer, text, token, d_model).

    The ids are read in one pass, and `further` tokens one by one from the cache, as when a text is written.
    """
    texts, cache, seen = torch.tensor(ids, device=subject.device), None, []
    with contextlib.ExitStack() as stack, torch.inference_mode():
        for module in (*subject.blocks, subject.final_norm):
            stack.enter_context(module.register_forward_pre_hook(lambda module, args: seen[-1].append(args[0])))
        for part in (texts, *[texts[:, :1]] * further):
            seen.append([])
            cache = subject.hf.base_model(part, past_key_values=cache, use_cache=True).past_key_values
    return torch.cat([torch.stack(layers) for layers in seen], dim=2).float().cpu()


def shares(gained: Tensor, *vectors: Tensor) -> np.ndarray:
    """How many times each vector is in what tokens gained, and what else is, in lengths of the first vector."""
    basis = torch.stack(vectors).float().cpu()
    times = gained @ torch.linalg.pinv(basis)
    besides = (gained - times @ basis).norm(dim=-1, keepdim=True) / basis[0].norm()
    return torch.cat([times, besides], dim=-1).numpy().round(3) + 0.0  # no -0


def swallowed(made, error: BaseException) -> bool:
    """Whether an error that is raised inside a block does not come out of it."""
    try:
        with contextlib.ExitStack() as stack:
            entered(stack, made)
            raise error
    except BaseException as out:
        if out is not error:
            raise
        return False
    return True


def facts(
    answer: Callable, subject: Subject, layer: int, vector: Tensor, other: Tensor, ids: list[list[int]]
) -> dict:
    """What the answer's block does to the residual stream while it lasts, and what goes wrong then and afterwards."""
    written, here = received(subject, ids, further=1), layer + 1  # what comes next receives what a block puts out
    plain, block = written[:, :, : len(ids[0])], subject.blocks[layer]

    def gained() -> Tensor:
        return received(subject, ids) - plain

    def pushed(*times: float) -> bool:
        """Whether on average the tokens gain each of the two vectors as many times, and nothing else."""
        return np.allclose(shares(gained()[here], vector, other).mean(axis=(0, 1)), [*times, 0], atol=0.2)

    made = answer(subject, layer, vector)
    wrong = {"it begins before the block": gained().any()}
    with contextlib.ExitStack() as stack:
        entered(stack, made)
        inside = received(subject, ids, further=1) - written
        with contextlib.ExitStack() as inner:
            entered(inner, answer(subject, layer, other))
            wrong["inside two blocks it is not the sum of the two vectors"] = not pushed(1, 1)
            somebody = block.register_forward_hook(lambda *args: None)
        wrong["it takes off a hook of somebody else"] = somebody.id not in block._forward_hooks
        somebody.remove()
        wrong["when the inner one ends it is not the vector of the outer"] = not pushed(1, 0)
    wrong["it does not end with the block"] = gained().any()
    wrong["earlier layers change"] = inside[:here].any()
    for error, name in ((ArithmeticError(), "an error"), (KeyboardInterrupt(), "an interruption")):
        is_lost = swallowed(answer(subject, layer, vector), error)
        wrong[f"{name} inside is swallowed: clean up in `finally:` alone"] = is_lost
    wrong["it goes on after an error or an interruption"] = gained().any()
    return {
        "at each token, times the vector and what else": shares(inside[here], vector),
        "what goes wrong": [what for what in wrong if wrong[what]],
    }


def some_case(rng: np.random.Generator, subject: Subject, layer: int, texts: int, tokens: int) -> tuple:
    vector, other = (a_vector(rng, subject, SHORT, layer) for _ in range(2))
    vocabulary = subject.hf.get_input_embeddings().num_embeddings
    return layer, vector, other, rng.integers(vocabulary, size=(texts, tokens)).tolist()


def edges(subject: Subject) -> dict[str, tuple]:
    rng, last = np.random.default_rng(0), subject.n_layers - 1
    return {
        "a layer in the middle": some_case(rng, subject, 2, texts=2, tokens=4),
        "the first layer": some_case(rng, subject, 0, texts=2, tokens=5),
        "the last layer": some_case(rng, subject, last, texts=2, tokens=4),
        "one text": some_case(rng, subject, 1, texts=1, tokens=6),
        "one token": some_case(rng, subject, 1, texts=1, tokens=1),
        "as many texts as tokens": some_case(rng, subject, 2, texts=3, tokens=3),
    }


def draw(rng: np.random.Generator, subject: Subject) -> tuple:
    return some_case(rng, subject, int(rng.integers(subject.n_layers)), *(int(n) for n in rng.integers(1, 6, size=2)))


def on_the_model(subject: Subject) -> dict[str, tuple]:
    return {"your model": some_case(np.random.default_rng(0), subject, 2 * subject.n_layers // 3, 2, 4)}


def by(edit: Callable, shift: int = 0) -> Callable:
    return lambda subject, layer, vector: edited(subject, layer + shift, vector, edit)


def by_the_handle(subject: Subject, layer: int, vector: Tensor, add=lambda output, vector: output + vector):
    return subject.blocks[layer].register_forward_hook(lambda module, args, output: add(output, vector))


@contextlib.contextmanager
def returning_a_tuple(subject: Subject, layer: int, vector: Tensor) -> Iterator[None]:
    with by_the_handle(subject, layer, vector, lambda output, vector: (output + vector,)):
        yield


class WrittenOut:
    def __init__(self, subject: Subject, layer: int, vector: Tensor):
        self.block, self.vector = subject.blocks[layer], vector

    def __enter__(self):
        self.handle = self.block.register_forward_hook(lambda module, args, output: output.add_(self.vector))

    def __exit__(self, *error):
        self.handle.remove()


@contextlib.contextmanager
def with_a_handle(subject: Subject, layer: int, vector: Tensor) -> Iterator:
    with by_the_handle(subject, layer, vector, lambda x, v: (x.double() + v.double()).to(x.dtype)) as handle:
        yield handle


def by_the_library(subject: Subject, layer: int, vector: Tensor) -> contextlib.AbstractContextManager:
    return steer(subject, Direction("", layer, vector, 1.0), 1.0)


exercise = Exercise(
    "6.3", "Your own `with` block", difficulty=3, importance=5, minutes=10,
    reference=adding, edges=edges, draw=draw, on_the_model=on_the_model, observe=facts,
    mistakes={
        "Nothing changed. What a hook *returns* takes the place of the output: return `output + vector`.": by(lambda x, v, i: None),
        "You pushed only the first forward pass. A text is written in many, and every one of them must be "
        "pushed.": by(lambda x, v, i: x.add_((i == 0) * v)),
        "You pushed only passes of several tokens, that is, the prompt. When a text is written each pass after it reads "
        "one token, and that must be pushed, too.": by(lambda x, v, i: x.add_((x.shape[1] > 1) * v)),
        "Of several texts in a batch you pushed only the first: `output[0]` is one text. Add to all of "
        "`output`.": by(lambda x, v, i: x[0].add_(v)),
        **{message: by(*edit) for message, edit in EDITS.items()},
        "You pushed layer l + 1. Layer l is the output of `subject.blocks[l]`.": by(lambda x, v, i: x.add_(v), 1),
        "The vector is added from the call on, not from where the `with` block begins: a hook is on once it is registered. "
        "`yield` inside `try: … finally: handle.remove()`, and put `@contextmanager` above `def`.": by_the_handle,
        "A block puts out one tensor, (text, token, d_model), and so must what the hook returns be.": returning_a_tuple,
    },
    right=[WrittenOut, with_a_handle, by_the_library],
    discuss="Your block cleans up after an error, and two of them add up. Which of these would you notice in an ordinary "
    "run if it were missing? What else, besides hooks, can an experiment leave behind?",
)  # fmt: skip
