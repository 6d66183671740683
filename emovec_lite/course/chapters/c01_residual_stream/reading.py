"""What the exercises on reading the residual stream share: texts, and ways to go wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch

from emovec_lite.activations import token_activations
from emovec_lite.models import Subject

WORDS = "the letter had been lying under a chair since spring and nobody knew whose hand it was in".split()
SHORT = "The letter had lain in the drawer for years."

BATCH_KEPT = "There is a batch dimension in front, with one text in it. Take text 0."
SQUEEZED = "`.squeeze()` takes away every axis of length 1, and a text of one token has one more of them. Take text 0: `[0]`."


def some_text(rng: np.random.Generator) -> str:
    """A text of 1 to 30 words."""
    return " ".join(rng.choice(WORDS, size=rng.integers(1, 31)))


def ids_of(subject: Subject, text: str) -> torch.Tensor:
    return subject.tokenizer(text, return_tensors="pt")["input_ids"].to(subject.device)


def reads(subject: Subject, text: str, layer: int) -> torch.Tensor:
    """The library's own reading, from which the mistakes are made."""
    return token_activations(subject, text)[layer]


def edges(subject: Subject) -> dict[str, tuple]:
    """Texts and layers at their extremes."""
    return {
        "the first layer": (SHORT, 0),
        "a layer in the middle": (SHORT, subject.n_layers // 2),
        "the last layer": (SHORT, subject.n_layers - 1),
        "a text of one token": ("The", 1),
        "a long text": (" ".join(WORDS * 8), 1),
    }


def draw(rng: np.random.Generator, subject: Subject) -> tuple[str, int]:
    return some_text(rng), int(rng.integers(subject.n_layers))


@contextlib.contextmanager
def failing(subject: Subject) -> Iterator[None]:
    """A model whose first block fails, so that no hook on a later one is ever called."""

    def fail(module, args):
        raise RuntimeError("the first block fails")

    with subject.blocks[0].register_forward_pre_hook(fail):
        yield


def on_the_model(subject: Subject) -> dict[str, tuple]:
    return {"your model": (SHORT, subject.n_layers // 2), "its last layer": (SHORT, subject.n_layers - 1)}


def by_hidden_states(subject: Subject, text: str, layer: int) -> torch.Tensor:
    with torch.inference_mode():
        states = subject.hf(ids_of(subject, text), output_hidden_states=True).hidden_states
    return states[layer + 1][0]


def received(subject: Subject, text: str, layer: int) -> torch.Tensor:
    if layer == 0:
        return subject.hf.get_input_embeddings()(ids_of(subject, text))[0]
    return reads(subject, text, layer - 1)


MISTAKES = {
    BATCH_KEPT: lambda subject, text, layer: reads(subject, text, layer)[None],
    SQUEEZED: lambda subject, text, layer: reads(subject, text, layer)[None].squeeze(),
    "You took one token. A block's output has shape (batch, token, d_model): `output[0]` is the first text with all its "
    "tokens, and a second `[0]` picks one token of it.": lambda subject, text, layer: reads(subject, text, layer)[0],
    "You took the last token only. Every token of the text is wanted.": lambda subject, text, layer: reads(
        subject, text, layer
    )[-1],
    "That is what the block *receives*. Layer l is the residual stream after block l: its output.": received,
    "At the last layer you return the residual stream *after the final norm*, which is no longer the residual stream. "
    "`hidden_states[-1]` does this to you; read the block instead.": by_hidden_states,
}
