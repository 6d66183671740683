"""Exercise 1.6: edit one activation."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.chapters.c01_residual_stream.reading import (
    SHORT,
    SQUEEZED,
    failing,
    ids_of,
    reads,
    some_text,
)
from emovec_lite.course.exercise import Case, Exercise
from emovec_lite.models import Subject


def add_at(
    subject: Subject, text: str, layer: int, position: int, vector: Float[Tensor, " d_model"]
) -> Float[Tensor, "token vocab"]:
    with subject.nn.trace(text):
        subject.nn.blocks[layer].output[:, position] += vector
        logits = subject.nn.output.logits.save()
    return logits[0]


def a_vector(rng: np.random.Generator, subject: Subject, text: str, layer: int) -> Tensor:
    """As long as the text's residuals are there."""
    length = reads(subject, text, layer)[1:].float().norm(dim=-1).mean().nan_to_num(1.0)
    vector = torch.tensor(rng.normal(size=subject.d_model))
    return (length * vector / vector.norm()).to(subject.device, subject.dtype)


def at_the_extremes(subject: Subject) -> dict[str, tuple]:
    rng, last, n = np.random.default_rng(0), subject.n_layers - 1, ids_of(subject, SHORT).shape[1]
    places = {
        "a place in the middle": (subject.n_layers // 2, n // 2),
        "the first token of the first layer": (0, 0),
        "the last token of the last layer": (last, n - 1),
    }
    cases = {name: (SHORT, *place, a_vector(rng, subject, SHORT, place[0])) for name, place in places.items()}
    nothing = torch.zeros(subject.d_model, device=subject.device, dtype=subject.dtype)
    return cases | {"a vector of zeros": (SHORT, 1, 1, nothing)}


def edges(subject: Subject) -> dict[str, tuple | Case]:
    one = ("The", 1, 0, a_vector(np.random.default_rng(1), subject, SHORT, 1))
    fails = Case((SHORT, 1, 1, one[-1]), lambda: failing(subject), value=False)
    return at_the_extremes(subject) | {"a text of one token": one, "a forward pass that fails": fails}


def draw(rng: np.random.Generator, subject: Subject) -> tuple[str, int, int, Tensor]:
    text, layer = some_text(rng) + " again", int(rng.integers(subject.n_layers))
    position = int(rng.integers(ids_of(subject, text).shape[1]))
    return text, layer, position, a_vector(rng, subject, text, layer)


def on_the_model(subject: Subject) -> dict[str, tuple]:
    return {f"your model, {name}": case for name, case in list(at_the_extremes(subject).items())[:3]}


def with_a_hook(edit, at=lambda layer: layer):
    """The logits when a hook on block `at(layer)` edits its output in place; of the unedited model past the last."""

    def answer(subject, text, layer, position, vector):
        def hook(module, args, output):
            output = output.clone()
            edit(output, position, vector)
            return output

        ids = ids_of(subject, text)
        with torch.inference_mode():
            if not 0 <= at(layer) < subject.n_layers:
                return subject.hf(ids).logits[0]
            with subject.blocks[at(layer)].register_forward_hook(hook):
                return subject.hf(ids).logits[0]

    return answer


def add(output: Tensor, position: int, vector: Tensor) -> None:
    output[:, position] += vector


def add_everywhere(output: Tensor, position: int, vector: Tensor) -> None:
    output += vector


def add_from_there(output: Tensor, position: int, vector: Tensor) -> None:
    output[:, position:] += vector


def add_one_further(output: Tensor, position: int, vector: Tensor) -> None:
    output[:, position + 1 : position + 2] += vector


def add_one_before(output: Tensor, position: int, vector: Tensor) -> None:
    output[:, position - 1] += vector


def subtract(output: Tensor, position: int, vector: Tensor) -> None:
    output[:, position] -= vector


def replace(output: Tensor, position: int, vector: Tensor) -> None:
    output[:, position] = vector


def what_it_receives(subject: Subject, text: str, layer: int, position: int, vector: Tensor) -> Tensor:
    with subject.nn.trace(text):
        subject.nn.blocks[layer].input[:, position] += vector
        logits = subject.nn.output.logits.save()
    return logits[0]


by_a_hook = with_a_hook(add)


def assigned_back(subject: Subject, text: str, layer: int, position: int, vector: Tensor) -> Tensor:
    with subject.nn.trace(text):
        output = subject.nn.blocks[layer].output
        here = torch.arange(output.shape[1], device=output.device) == position
        subject.nn.blocks[layer].output = torch.where(here[None, :, None], output + vector, output)
        logits = subject.nn.output.logits[0].save()
    return logits.detach().float()


def what_comes_next(subject: Subject, text: str, layer: int, position: int, vector: Tensor) -> Tensor:
    modules = [*subject.nn.blocks, subject.nn.final_norm]
    with subject.nn.trace(text):
        received = modules[layer + 1].input
        received[:, position, :] = received[:, position, :] + vector
        logits = subject.nn.lm_head.output.save()
    return logits[0]


exercise = Exercise(
    "1.6", "Edit one activation", difficulty=3, importance=5, minutes=8, axes="token vocab",
    reference=add_at, edges=edges, draw=draw, on_the_model=on_the_model,
    mistakes={
        "The logits are those of the unedited model: your edit went into a copy. Write into the block's output itself, "
        "or assign the changed tensor back to `.output`.": with_a_hook(lambda output, position, vector: None),
        "You edited every token. Only one was asked for.": with_a_hook(add_everywhere),
        "You edited every token from the position on. Only the one was asked for.": with_a_hook(add_from_there),
        "You edited the next position: positions count from 0.": with_a_hook(add_one_further),
        "You edited the position before: positions count from 0.": with_a_hook(add_one_before),
        "You subtracted the vector.": with_a_hook(subtract),
        "You put the vector in the residual's place instead of adding it: adding a vector of zeros must change "
        "nothing.": with_a_hook(replace),
        "You edited what the block *receives*. Layer l is the output of block l.": what_it_receives,
        "You edited layer l + 1, and at the last layer nothing. Layer l is the output of block l.": with_a_hook(
            add, lambda layer: layer + 1
        ),
        "You edited layer l - 1. Layer l is the output of block l.": with_a_hook(add, lambda layer: layer - 1),
        "Those are probabilities. Return logits.": lambda *args: by_a_hook(*args).softmax(dim=-1),
        "Those are log-probabilities. Return the logits themselves.": lambda *args: by_a_hook(*args).log_softmax(dim=-1),
        "There is a batch dimension in front, with one text in it. Take text 0.": lambda *args: by_a_hook(*args)[None],
        "That is the last token only. Return the logits of all of them.": lambda *args: by_a_hook(*args)[-1],
        SQUEEZED: lambda *args: by_a_hook(*args)[None].squeeze(),
    },
    equivalent={
        "return logits[-1]": "one text in the batch",
    },
    right=[by_a_hook, assigned_back, what_comes_next],
    discuss="A vector of zeros changed nothing, and tokens before the edited one stayed as they were. Which mistakes do "
    "these two cases rule out? Think of one that they do not.",
)  # fmt: skip
