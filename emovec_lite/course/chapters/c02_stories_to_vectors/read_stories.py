"""Exercise 2.2: read a batch in a trace."""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.chapters.c02_stories_to_vectors.mean_pool import mean_pool
from emovec_lite.course.exercise import Case, Exercise
from emovec_lite.models import Subject

WORDS = "the kettle was still warm when she came down and nobody had told him about a train , so they went on".split()
TEXTS = (
    "The kettle was still warm when she came down, and the chair by the window had been moved.",
    "Nobody had told him about the train.",
    "We carried the boxes up one by one, four flights, and on the last landing the string gave way.",
)


def read_stories(subject: Subject, texts: Sequence[str], layer: int, skip: int) -> Float[Tensor, "text d_model"]:
    subject.tokenizer.padding_side = "right"
    batch = subject.tokenizer(list(texts), padding=True, return_tensors="pt")
    with subject.nn.trace(batch) as tracer:
        residual = subject.nn.blocks[layer].output.save()
        tracer.stop()
    return mean_pool(residual.float().cpu(), batch["attention_mask"].bool(), skip)


@contextlib.contextmanager
def padding_on_the_left(subject: Subject) -> Iterator[None]:
    """A tokenizer as nnsight leaves it, and as Gemma's is from the start."""
    before = subject.nn.tokenizer.padding_side  # `subject.nn` sets the side when it is made: that must be over
    subject.tokenizer.padding_side = "left"
    try:
        yield
    finally:
        subject.tokenizer.padding_side = before


def edges(subject: Subject) -> dict[str, tuple | Case]:
    middle, last = subject.n_layers // 2, subject.n_layers - 1
    long = " ".join(WORDS * 30)
    return {
        "the first layer": (TEXTS, 0, 4),
        "the last layer": (TEXTS[:2], last, 4),
        "skip 0": (TEXTS, middle, 0),
        "a story alone": (TEXTS[:1], middle, 5),
        "a list of stories": ([*TEXTS[::-1]], middle, 3),
        "a story of 600 tokens beside short ones": ((TEXTS[1], long, TEXTS[0]), middle, 2),
        "a story twice": ((TEXTS[1], TEXTS[0], TEXTS[1]), middle, 2),
        "spaces and line ends": ((f"  {TEXTS[0]} ", TEXTS[1].replace(" ", "\n\n", 2).replace(". ", ".  ")), middle, 2),
        "a tokenizer that pads on the left": Case((TEXTS, 1, 5), lambda: padding_on_the_left(subject)),
    }


def draw(rng: np.random.Generator, subject: Subject) -> tuple[tuple[str, ...], int, int]:
    skip = int(rng.integers(6))
    texts = [" ".join(rng.choice(WORDS, size=skip + n)) for n in rng.integers(1, 30, size=rng.integers(1, 5))]
    return tuple(texts), int(rng.integers(subject.n_layers)), skip


def on_the_model(subject: Subject) -> dict[str, tuple]:
    return {"your model": (TEXTS, subject.n_layers // 2, 4), "its last layer": (TEXTS[:2], subject.n_layers - 1, 3)}


def reads(subject: Subject, texts: Sequence[str], layer: int, side: str | None = "right", **how) -> list[Tensor]:
    """The residuals of a batch after block `layer`, the embeddings for -1, and its mask."""
    subject.tokenizer.padding_side = side or subject.tokenizer.padding_side
    batch = subject.tokenizer(list(texts), padding=True, return_tensors="pt", **how).to(subject.device)
    kept = []
    module = subject.blocks[layer] if layer >= 0 else subject.hf.get_input_embeddings()
    with torch.inference_mode(), module.register_forward_hook(lambda module, args, output: kept.append(output)):
        subject.hf.base_model(**batch)
    return [kept[0].float().cpu(), batch["attention_mask"].bool().cpu()]


def wrongly(at=lambda layer: layer, skipped=lambda skip: skip, **how):
    """The rows of block `at(layer)` less `skipped(skip)` tokens; what nnsight raises where there is none."""

    def answer(subject, texts, layer, skip):
        if at(layer) >= 0:
            subject.nn.blocks[at(layer)]
        return mean_pool(*reads(subject, texts, at(layer), **how), skipped(skip))

    return answer


def by_hidden_states(subject: Subject, texts: Sequence[str], layer: int, skip: int) -> Tensor:
    subject.tokenizer.padding_side = "right"
    batch = subject.tokenizer(list(texts), padding=True, return_tensors="pt").to(subject.device)
    with torch.inference_mode():
        states = subject.hf(**batch, output_hidden_states=True).hidden_states
    return mean_pool(states[layer + 1], batch["attention_mask"].bool(), skip)


def one_by_one(subject: Subject, texts: Sequence[str], layer: int, skip: int) -> Tensor:
    rows = []
    for text in texts:
        with subject.nn.trace(text) as tracer:
            rows.append(subject.nn.blocks[layer].output[0, skip:].mean(dim=0).save())
            tracer.stop()
    return torch.stack(rows)


def without_attention_mask(subject: Subject, texts: Sequence[str], layer: int, skip: int) -> Tensor:
    batch = subject.tokenizer(list(texts), padding=True, padding_side="right", return_tensors="pt")
    following = [*subject.nn.blocks, subject.nn.final_norm][layer + 1]
    with subject.nn.trace(batch["input_ids"]):  # to the right of a decoder's text, padding needs no mask
        residual = following.input.save()
    return mean_pool(residual.double().cpu(), batch["attention_mask"].bool(), skip)


def with_a_hook(subject: Subject, texts: Sequence[str], layer: int, skip: int) -> Tensor:
    subject.tokenizer.padding_side = "right"
    batch = subject.tokenizer(texts, padding=True, return_tensors="pt").to(subject.device)
    kept = []
    with (
        subject.blocks[layer].register_forward_hook(lambda module, args, output: kept.append(output)),
        torch.no_grad(),
    ):
        subject.hf(**batch)
    return mean_pool(kept[0], batch["attention_mask"].bool(), skip)


exercise = Exercise(
    "2.2", "Read a batch in a trace", difficulty=4, importance=5, minutes=12, axes="text d_model",
    reference=read_stories, edges=edges, draw=draw, on_the_model=on_the_model,
    mistakes={
        "The padding stands on the left, so \"skip the first tokens\" skipped padding and kept the stories' beginnings. Set "
        "`subject.tokenizer.padding_side = \"right\"` before you tokenize.": wrongly(side="left"),
        "You rely on the tokenizer to pad on the right, and whoever used it last may have set it to the left, as nnsight "
        "does. Set `subject.tokenizer.padding_side = \"right\"` before you tokenize.": wrongly(side=None),
        "You averaged over padding. The mask that goes with the ids says which tokens are "
        "real.": lambda subject, texts, layer, skip: reads(subject, texts, layer)[0][:, skip:].mean(dim=1),
        "You averaged over padding, on whichever side it stood: a list given to `trace` is padded as the tokenizer pleases. "
        "Make the batch yourself, and use its mask.": lambda subject, texts, layer, skip: (
            reads(subject, texts, layer, side=None)[0][:, skip:].mean(dim=1)
        ),
        "You did not skip the first tokens.": wrongly(skipped=lambda skip: 0),
        "You skip 30 tokens, whatever `skip` says, and of a shorter text nothing is left.": wrongly(skipped=lambda skip: 30),
        "That is what the block *receives*. Layer l is the residual stream after block l: its "
        "output.": wrongly(lambda layer: layer - 1),
        "You read layer l - 1, and instead of layer 0 the last, which is at -1. Layer l is the output of block "
        "l.": lambda subject, texts, layer, skip: mean_pool(*reads(subject, texts, (layer - 1) % subject.n_layers), skip),
        "You read layer l + 1, and after the last there is none. Layer l is the output of block "
        "l.": wrongly(lambda layer: layer + 1),
        "You read one and the same layer, whatever `layer` says. (The check tries models of other sizes, which have no such "
        "layer.)": wrongly(lambda layer: 14),
        "At the last layer you return the residual stream *after the final norm*, which is no longer the residual stream. "
        "`hidden_states[-1]` does this to you; read the block instead.": by_hidden_states,
        "The tokenizer cuts long stories off at 128 tokens. Leave out `truncation` and `max_length`: the course's stories "
        "are longer.": wrongly(truncation=True, max_length=128),
        "Every row was made of the first story's residuals. `.output[0]` is that story only; here all the batch is wanted: "
        "`.output`, no `[0]`.": lambda subject, texts, layer, skip: (
            mean_pool((found := reads(subject, texts, layer))[0][:1].expand_as(found[0]), found[1], skip)
        ),
        "`.squeeze()` takes away every axis of length 1, and a story alone has one more of them.": lambda *args: (
            read_stories(*args).squeeze()
        ),
    },
    equivalent={
        "without: tracer.stop()": "the blocks above run for nothing",
        "batch = subject.tokenizer(texts, padding=True, return_tensors='pt')": "the tokenizer takes a tuple as well",
        "return mean_pool(residual.float(), batch['attention_mask'].bool(), skip)": "on a CPU",
    },
    right=[one_by_one, without_attention_mask, with_a_hook],
    discuss="Read alone and read in a batch, a story must give the same row. Why can the two differ a little even when "
    "everything is right, and how do you tell such a difference from a mistake?",
)  # fmt: skip
