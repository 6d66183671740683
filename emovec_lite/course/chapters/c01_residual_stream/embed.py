"""Exercise 1.1: from text to vectors."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.chapters.c01_residual_stream.reading import (
    BATCH_KEPT,
    SHORT,
    SQUEEZED,
    WORDS,
    ids_of,
    reads,
    some_text,
)
from emovec_lite.course.exercise import Exercise
from emovec_lite.models import Subject


def embed(subject: Subject, text: str) -> Float[Tensor, "token d_model"]:
    ids = subject.tokenizer(text, return_tensors="pt")["input_ids"].to(subject.device)
    return subject.hf.get_input_embeddings()(ids)[0]


def edges(subject: Subject) -> dict[str, tuple]:
    return {
        "a short text": (SHORT,),
        "a text of one token": ("The",),
        "a long text": (" ".join(WORDS * 8),),
        "spaces at its ends, and two between words": ("  She left  the house. ",),
    }


def draw(rng: np.random.Generator, subject: Subject) -> tuple[str]:
    return (some_text(rng),)


def on_the_model(subject: Subject) -> dict[str, tuple]:
    return {"your model": (SHORT,)}


def with_a_bos_token(subject: Subject, text: str) -> Tensor:
    begin = subject.tokenizer.bos_token_id
    ids = [subject.tokenizer.eos_token_id if begin is None else begin, *subject.tokenizer.encode(text)]
    return subject.hf.get_input_embeddings()(torch.tensor(ids, device=subject.device))


def by_rows_of_the_matrix(subject: Subject, text: str) -> Tensor:
    matrix = subject.hf.get_input_embeddings().weight
    return torch.stack([matrix[i] for i in subject.tokenizer.encode(text)])


def by_a_trace(subject: Subject, text: str) -> Tensor:
    with subject.nn.trace(text) as tracer:
        rows = subject.nn.blocks[0].input[0].save()
        tracer.stop()
    return rows


def in_half_precision(subject: Subject, text: str) -> Tensor:
    return embed(subject, text).half()


exercise = Exercise(
    "1.1", "From text to vectors", difficulty=1, importance=3, minutes=4, axes="token d_model",
    reference=embed, edges=edges, draw=draw, on_the_model=on_the_model,
    mistakes={
        BATCH_KEPT: lambda subject, text: embed(subject, text)[None],
        "You have a token too many: something was added in front. This course reads raw text, with no special token "
        "that the tokenizer does not add by itself.": with_a_bos_token,
        "Those are the ids. Each of them picks one row of the embedding matrix.": lambda subject, text: ids_of(subject, text)[0],
        "Those are the ids. Each of them picks one row of the matrix; and mind the batch dimension.": ids_of,
        "Those are the residuals after block 0: the model has already worked on them. Embeddings come before any "
        "block.": lambda subject, text: reads(subject, text, 0),
        "You scaled the rows to length 1. Embeddings differ in length, and the model uses that: leave them as they "
        "are.": lambda subject, text: torch.nn.functional.normalize(embed(subject, text), dim=-1),
        SQUEEZED: lambda subject, text: embed(subject, text)[None].squeeze(),
    },
    equivalent={
        "return subject.hf.get_input_embeddings()(ids)[-1]": "one text in the batch: the first is the last",
    },
    right=[by_rows_of_the_matrix, by_a_trace, in_half_precision],
    discuss="Two people write the same sentence, one with a capital letter, one without. How many rows of their two "
    "texts are equal? What can a model know of a word before its first block has run, and what can it not?",
)  # fmt: skip
