"""Exercise 1.3: read it again with nnsight."""

import nnsight
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.chapters.c01_residual_stream import reading
from emovec_lite.course.chapters.c01_residual_stream.reading import ids_of
from emovec_lite.course.exercise import Exercise
from emovec_lite.models import Subject


def read_with_nnsight(subject: Subject, text: str, layer: int) -> Float[Tensor, "token d_model"]:
    with subject.nn.trace(text):
        residual = subject.nn.blocks[layer].output.save()
    return residual[0]


def without_save(subject: Subject, text: str, layer: int) -> Tensor:
    with subject.nn.trace(text):
        residual = subject.nn.blocks[layer].output
    return residual[0]


def what_comes_next_receives(subject: Subject, text: str, layer: int) -> Tensor:
    following = [*subject.nn.blocks, subject.nn.final_norm][layer + 1]
    with subject.nn.trace(text) as tracer:
        residual = nnsight.save(following.input[0])
        tracer.stop()
    return residual


def of_ids(subject: Subject, text: str, layer: int) -> Tensor:
    with subject.nn.trace(ids_of(subject, text)):
        output = subject.nn.blocks[layer].output.detach().clone().save()
    return output[0].to(torch.float64)


def of_all_layers(subject: Subject, text: str, layer: int) -> Tensor:
    kept = []
    with torch.no_grad(), subject.nn.trace(text):
        for block in subject.nn.blocks:
            kept.append(block.output.save())
    return torch.cat(kept)[layer]


exercise = Exercise(
    "1.3", "Read it again with nnsight", difficulty=2, importance=5, minutes=6, axes="token d_model",
    reference=read_with_nnsight, edges=reading.edges, draw=reading.draw, on_the_model=reading.on_the_model,
    mistakes=reading.MISTAKES | {
        "What is made inside a trace vanishes when the trace ends, unless you call `.save()` on it inside.": without_save,
    },
    equivalent={
        "return residual[-1]": "one text in the batch",
    },
    right=[what_comes_next_receives, of_ids, of_all_layers],
    discuss="You have read the same tensor in two ways. When would you choose the bare hook, and when nnsight? What "
    "does each of them hide from you?",
)  # fmt: skip
