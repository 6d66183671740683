"""Exercise 1.2: read a layer with a hook."""

import contextlib
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.chapters.c01_residual_stream import reading
from emovec_lite.course.chapters.c01_residual_stream.reading import ids_of
from emovec_lite.course.exercise import Case, Exercise
from emovec_lite.models import Subject


def read_with_hook(subject: Subject, text: str, layer: int) -> Float[Tensor, "token d_model"]:
    kept = []
    ids = subject.tokenizer(text, return_tensors="pt")["input_ids"].to(subject.device)
    handle = subject.blocks[layer].register_forward_hook(lambda module, args, output: kept.append(output))
    try:
        with torch.inference_mode():
            subject.hf(ids)
    finally:
        handle.remove()
    return kept[0][0]


@contextlib.contextmanager
def watched_by_others(subject: Subject) -> Iterator[None]:
    """A model on whose blocks somebody else has hooks."""
    with contextlib.ExitStack() as stack:
        for block in subject.blocks:
            stack.enter_context(block.register_forward_hook(lambda *args: None))
            stack.enter_context(block.register_forward_pre_hook(lambda *args: None))
        yield


def edges(subject: Subject) -> dict[str, tuple | Case]:
    text = reading.SHORT
    return reading.edges(subject) | {
        "a model on which others have hooks": Case((text, 1), lambda: watched_by_others(subject)),
        "a forward pass that fails": Case((text, 1), lambda: reading.failing(subject), value=False),
    }


def on_the_mlp(subject: Subject, text: str, layer: int) -> Tensor:
    kept = []
    with subject.blocks[layer].mlp.register_forward_hook(lambda module, args, output: kept.append(output)):
        with torch.inference_mode():
            subject.hf(ids_of(subject, text))
    return kept[0][0]


def in_a_context_manager(subject: Subject, text: str, layer: int) -> Tensor:
    seen = {}
    with subject.blocks[layer].register_forward_hook(lambda m, a, o: seen.update(out=o.detach().clone())):
        with torch.no_grad():
            subject.hf(**subject.tokenizer(text, return_tensors="pt").to(subject.device))
    return seen["out"][0].double()


class Enough(Exception):
    """There is no need to run the other blocks."""


def and_stops_there(subject: Subject, text: str, layer: int) -> Tensor:
    kept = None

    def hook(module, args, output):
        nonlocal kept
        (kept,) = output.cpu().float()
        raise Enough

    with subject.blocks[layer].register_forward_hook(hook), contextlib.suppress(Enough):
        subject.hf(ids_of(subject, text))  # with gradients as far as the model wants them
    return kept


def at_all_layers(subject: Subject, text: str, layer: int) -> Tensor:
    store = {}
    handles = [
        block.register_forward_hook(lambda m, a, output, i=i: store.__setitem__(i, output))
        for i, block in enumerate(subject.blocks)
    ]
    try:
        with torch.inference_mode():
            subject.hf.model(input_ids=ids_of(subject, text), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return store[layer][0, :, :]


exercise = Exercise(
    "1.2", "Read a layer with a hook", difficulty=2, importance=5, minutes=8, axes="token d_model",
    reference=read_with_hook, edges=edges, draw=reading.draw, on_the_model=reading.on_the_model,
    mistakes=reading.MISTAKES | {
        "That is what the MLP puts out, before it is added to the stream. Hook the block itself.": on_the_mlp,
    },
    equivalent={
        "return kept[0][-1]": "one text in the batch",
        "return kept[-1][0]": "the block runs once",
    },
    right=[in_a_context_manager, and_stops_there, at_all_layers],
    discuss="The check breaks a forward pass on purpose and then looks for your hook. In which situation of everyday "
    "work in a notebook would a hook that stayed on go unnoticed, and which result would you then report?",
)  # fmt: skip
