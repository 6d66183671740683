"""What the widgets write: a prompt continued under steering, or with and without it by turns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from emovec_lite.effects import OPENINGS, TEMPERATURE
from emovec_lite.errors import EmovecError
from emovec_lite.generation import stream
from emovec_lite.steering import steer

if TYPE_CHECKING:
    from emovec_lite.models import Subject
    from emovec_lite.vectors import Direction

PROMPT = OPENINGS[0]
WINDOW = 256  # tokens of a prompt that are used: more would keep a laptop waiting for the first word
TOKENS = 60  # that are written


def continued(
    subject: Subject,
    prompt: str,
    direction: Direction,
    strength: float,
    tokens: int = TOKENS,
    *,
    temperature: float = TEMPERATURE,
    seed: int = 0,
) -> Iterator[str]:
    """Continue a prompt under steering; what is written so far, after every piece.

    Sampled by the seed, for the likeliest tokens soon go in circles; at temperature 0 it is they that are written.
    The model is steered only while a piece is being made, so that others can use it in between.
    """
    pieces, written = stream(subject, prompt, tokens, temperature=temperature, seed=seed), ""
    while True:
        with steer(subject, direction, strength):
            piece = next(pieces, None)
        if piece is None:
            return
        written += piece
        yield written


def side_by_side(
    subject: Subject,
    prompt: str,
    direction: Direction,
    strength: float,
    tokens: int = TOKENS,
    *,
    temperature: float = TEMPERATURE,
    seed: int = 0,
) -> Iterator[tuple[str, str]]:
    """Continue a prompt with and without steering, by turns: (steered, plain) so far, after every piece.

    Sampled as in `continued`, both with the same random numbers: where steering changes nothing, nor does the text.
    """
    written = ["", ""]
    writers = {
        0: continued(subject, prompt, direction, strength, tokens, temperature=temperature, seed=seed),
        1: accumulate(stream(subject, prompt, tokens, temperature=temperature, seed=seed)),
    }
    while writers:
        for side, writer in list(writers.items()):
            if (text := next(writer, None)) is None:
                del writers[side]
            else:
                written[side] = text
                yield written[0], written[1]


def last_tokens(subject: Subject, text: str, n: int = WINDOW) -> tuple[str, str]:
    """The end of a text, at most n tokens of it, and a sentence that says so where something was left out.

    Raises `EmovecError` for a text of nothing but white space.
    """
    if not text.strip():
        raise EmovecError("There is no text yet: write a few words.")
    places = subject.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if len(places) <= n:
        return text, ""
    return text[places[-n][0] :], f"Only the last {n} of {len(places)} tokens are used."


def in_words(temperature: float, seed: int) -> str:
    """How a text was written, for its heading."""
    return f"sampled, seed {seed}" if temperature else "greedy"
