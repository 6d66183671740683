"""Chapter 01, inside the residual stream: the course's own answers, and what an answer must do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from jaxtyping import Float

from emovec_lite.course.checks import Answer, agree, close, exercise, expect, left_as_it_was

if TYPE_CHECKING:
    from torch import Tensor

    from emovec_lite.models import Subject

SHORT = "The bus had stopped, and nobody on it could say why."
OTHER = "A letter lay on the mat."

BATCH_KEPT = "There is a batch dimension in front: take the first and only text with `[0]`."
ONE_TOKEN = (
    "That is a single vector, not one for each token. A block's output is a tensor of shape (batch, token, d_model), "
    "so `output[0]` is the first text with all its tokens, and a second `[0]` picks one token of it."
)
ANOTHER_TEXT = "Right for one text and wrong for another: does your function use its argument?"
STALE = (
    "Called a second time, your function still returns what it read the first time. Make the list that keeps the "
    "activation inside the function, anew at every call."
)
PROBABILITIES = "Those are probabilities. Return logits: the softmax would hide how far apart two unlikely words are."
LOG_PROBABILITIES = "Those are log-probabilities. Return the logits themselves."


def embed(subject: Subject, text: str) -> Float[Tensor, "token d_model"]:
    ids = subject.tokenizer(text, return_tensors="pt")["input_ids"].to(subject.device)
    return subject.hf.get_input_embeddings()(ids)[0]


def read_with_hook(subject: Subject, text: str, layer: int) -> Float[Tensor, "token d_model"]:
    import torch

    kept = []
    ids = subject.tokenizer(text, return_tensors="pt")["input_ids"].to(subject.device)
    handle = subject.blocks[layer].register_forward_hook(lambda module, args, output: kept.append(output))
    try:
        with torch.inference_mode():
            subject.hf(ids)
    finally:
        handle.remove()
    output = kept[0]
    return (output if hasattr(output, "shape") else output[0])[0].clone()


def read_with_nnsight(subject: Subject, text: str, layer: int) -> Float[Tensor, "token d_model"]:
    with subject.nn.trace(text):
        residual = subject.nn.model.layers[layer].output.save()
    return residual[0]


def mean_norm(residual: Float[Tensor, "token d_model"], skip: int) -> Float[Tensor, ""]:
    return residual[skip:].norm(dim=-1).mean()


def logit_lens(subject: Subject, residual: Float[Tensor, "token d_model"]) -> Float[Tensor, "token vocab"]:
    return subject.hf.lm_head(subject.final_norm(residual))


def add_at(
    subject: Subject, text: str, layer: int, position: int, vector: Float[Tensor, " d_model"]
) -> Float[Tensor, "token vocab"]:
    with subject.nn.trace(text):
        subject.nn.model.layers[layer].output[:, position] += vector
        logits = subject.nn.lm_head.output.save()
    return logits[0]


@exercise("1.1", "From text to vectors", difficulty=1, importance=3, minutes=4, reference=embed)
def check_embed(answer: Answer, subject: Subject) -> Iterator[str]:
    yield "one row a token"
    want = embed(subject, SHORT)
    n, d = want.shape
    got = answer.tensor(
        subject, SHORT, shape=(n, d), axes="token d_model",
        hints={
            (1, n, d): BATCH_KEPT,
            (n + 1, d): "You have a token too many: something was added in front or at the end. This course reads raw "
            "text, with no special token that the tokenizer does not add by itself.",
            (n,): "Those are the ids. Each of them picks one row of the embedding matrix.",
            (1, n): "Those are the ids. Each of them picks one row of the embedding matrix.",
        },
    )  # fmt: skip
    yield "what block 0 receives"
    agree(
        got, want,
        {
            "Those are the residuals after block 0: the model has already worked on them. Embeddings come before any "
            "block.": read_with_hook(subject, SHORT, 0),
            "You scaled the rows to length 1. Embeddings differ in length, and the model uses that: leave them as they "
            "are.": want / want.norm(dim=-1, keepdim=True),
        },
        "The rows are not the embeddings of this text's tokens, in order.",
    )  # fmt: skip
    yield "another text"
    want = embed(subject, OTHER)
    hints = {(n, d): ANOTHER_TEXT}
    got = answer.tensor(subject, OTHER, shape=tuple(want.shape), axes="token d_model", hints=hints)
    expect(close(got, want), ANOTHER_TEXT)


def _check_reading(answer: Answer, subject: Subject) -> Iterator[str]:
    """Whether an answer reads the residual stream after a block, by whichever means."""
    yield "one row a token"
    middle, last = subject.n_layers // 2, subject.n_layers - 1
    want = read_with_hook(subject, SHORT, middle)
    n, d = want.shape
    hints = {(1, n, d): BATCH_KEPT, (d,): ONE_TOKEN, (1, d): ONE_TOKEN}

    def read(text: str, layer: int, shape: tuple[int, ...]) -> Tensor:
        with left_as_it_was(subject):
            return answer.tensor(subject, text, layer, shape=shape, axes="token d_model", hints=hints)

    got = read(SHORT, middle, (n, d))
    yield "after the block that was asked for"
    agree(
        got, want,
        {
            f"Asked for layer {middle}, you returned layer {middle - 1}: what block {middle} *receives*. Layer l is "
            f"the residual stream after block l, so it is the block's output that counts.": read_with_hook(
                subject, SHORT, middle - 1
            ),
            f"Asked for layer {middle}, you returned layer {middle + 1}: off by one. Layer l is the output of "
            f"block l, counted from 0.": read_with_hook(subject, SHORT, middle + 1),
        },
        f"This is not the residual stream after block {middle}. Look at which module you read, and which of its ends.",
    )  # fmt: skip
    yield "the last layer"
    first, want = want, read_with_hook(subject, SHORT, last)
    got = read(SHORT, last, (n, d))
    agree(
        got,
        want,
        {
            "At the last layer you returned the residual stream *after the final norm*, which is no longer the "
            "residual stream. `hidden_states[-1]` does this to you; read the block instead.": subject.final_norm(
                want
            ),
            STALE: first,
        },
        f"Layer {last}, the last one, is not right, though layer {middle} is.",
    )
    yield "another text"
    want = read_with_hook(subject, OTHER, middle)
    hints[n, d] = ANOTHER_TEXT
    got = read(OTHER, middle, tuple(want.shape))
    expect(close(got, want), ANOTHER_TEXT)


class Broken(Exception):
    """What a block raises when the check wants a forward pass to fail."""


@exercise("1.2", "Read a layer with a hook", difficulty=2, importance=5, minutes=8, reference=read_with_hook)
def check_read_with_hook(answer: Answer, subject: Subject) -> Iterator[str]:
    yield from _check_reading(answer, subject)
    yield "nothing left behind when the model fails"

    def fail(module, args):
        raise Broken

    with left_as_it_was(subject, "when the forward pass failed"):
        handle = subject.blocks[-1].register_forward_pre_hook(fail)
        with contextlib.suppress(Broken):
            answer.function(subject, SHORT, 0)
        handle.remove()


@exercise("1.3", "Read it again with nnsight", difficulty=2, importance=5, minutes=6, reference=read_with_nnsight)
def check_read_with_nnsight(answer: Answer, subject: Subject) -> Iterator[str]:
    yield from _check_reading(answer, subject)


@exercise("1.4", "How long is a residual?", difficulty=1, importance=4, minutes=4, reference=mean_norm)
def check_mean_norm(answer: Answer, subject: Subject) -> Iterator[str]:
    import torch

    yield "a number"
    tiny = torch.tensor([[30.0, 40.0], [3.0, 4.0], [-3.0, -4.0], [0.0, 2.0]])
    one_each = "One number for each token: now take their mean."
    one_number = {
        (3,): one_each,
        (4,): one_each,
        (2,): "Lengths along the tokens (dim 0). Each *token* has a length: dim=-1.",
    }
    got = answer.tensor(tiny, 1, shape=(), axes="", hints=one_number)
    yield "mean of lengths"
    kept = tiny[1:]
    agree(
        got, torch.tensor(4.0),
        {
            "That is the length of the mean vector, and opposite residuals cancel in it. Take each token's length "
            "first, then the mean.": kept.mean(dim=0).norm(),
            "You kept the tokens that should be skipped. The first token is so long that the mean would be about "
            "little else.": tiny.norm(dim=-1).mean(),
            "You skipped one token too many: `residual[skip:]` starts at token `skip`, counted from "
            "0.": tiny[2:].norm(dim=-1).mean(),
            "You added up absolute values (the L1 norm). Length is the square root of the sum of "
            "squares.": kept.abs().sum(dim=-1).mean(),
            "Those are squared lengths: a square root is missing.": kept.square().sum(dim=-1).mean(),
            "You took norms down the columns, over the tokens. `dim=-1` gives one length for each token.": kept.norm(
                dim=0
            ).mean(),
            "That is one norm of the whole matrix. `dim=-1` gives one length for each token; then take their "
            "mean.": kept.norm(),
            "You divided by all the tokens, the skipped ones included.": kept.norm(dim=-1).sum() / len(tiny),
            "You kept just the tokens that should be skipped.": tiny[:1].norm(dim=-1).mean(),
        },
        "Not the mean length of the tokens from `skip` on: for lengths 50, 5, 5, 2 and skip 1 it is 4.",
    )  # fmt: skip
    yield "a real text"
    residual = read_with_hook(subject, SHORT, subject.n_layers // 2).float()
    for skip in (0, 1, 3):
        got = answer.tensor(residual, skip, shape=(), axes="")
        expect(close(got, mean_norm(residual, skip)), f"Wrong on a real text with skip {skip}.")


@exercise("1.5", "Logit lens", difficulty=2, importance=4, minutes=6, reference=logit_lens)
def check_logit_lens(answer: Answer, subject: Subject) -> Iterator[str]:
    import torch

    yield "one row a token"
    with torch.inference_mode():
        ids = subject.tokenizer(SHORT, return_tensors="pt")["input_ids"].to(subject.device)
        own = subject.hf(ids).logits[0]
        last = read_with_hook(subject, SHORT, subject.n_layers - 1)
        n, vocab = own.shape
        hints = {(vocab,): "That is one token only. Keep a row for each.", tuple(last.shape): "Those are still "
                 "residuals. The unembedding, `lm_head`, turns them into one number a word of the vocabulary.",
                 (n,): "Those are the likeliest ids. Return the logits, from which they are chosen."}  # fmt: skip
        tolerance = 1e-3 if subject.dtype == torch.float32 else 3e-2
        got = answer.tensor(subject, last, shape=(n, vocab), axes="token vocab", hints=hints)
        yield "the model's own logits at the last layer"
        agree(
            got, own,
            {
                "The final norm is missing. `lm_head` has only ever seen normed residuals.": subject.hf.lm_head(last),
                "The final norm has weights of its own, one for each dimension: use the module `subject.hf.model.norm`, not "
                "a division by the length.": subject.hf.lm_head(last / last.square().mean(-1, keepdim=True).sqrt()),
                PROBABILITIES: own.softmax(dim=-1),
                LOG_PROBABILITIES: own.log_softmax(dim=-1),
            },
            "At the last layer the lens must give the model's own logits: final norm first, then `lm_head`.",
            tolerance,
        )  # fmt: skip
        yield "a layer in the middle"
        middle = read_with_hook(subject, SHORT, subject.n_layers // 2)
        got = answer.tensor(subject, middle, shape=(n, vocab), axes="token vocab", hints=hints)
        expect(close(got, logit_lens(subject, middle), tolerance), "Right at the last layer, wrong in the middle.")


@exercise("1.6", "Edit one activation", difficulty=3, importance=5, minutes=8, reference=add_at)
def check_add_at(answer: Answer, subject: Subject) -> Iterator[str]:
    import torch

    yield "one row a token"
    layer, position = subject.n_layers // 2, 4
    residual = read_with_hook(subject, SHORT, layer)
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(subject.d_model, generator=generator).to(residual)
    vector *= mean_norm(residual, 1) / vector.norm()
    plain = add_at(subject, SHORT, layer, position, torch.zeros_like(vector)).cpu().double()
    n, vocab = plain.shape
    hints = {(1, n, vocab): BATCH_KEPT, (vocab,): "That is one token only. Return the logits of all of them.",
             tuple(residual.shape): "Those are residuals. Return the logits: save `lm_head.output` as well."}  # fmt: skip

    def run(at: int, position: int, vector: Tensor) -> Tensor:
        with left_as_it_was(subject):
            return answer.tensor(
                subject, SHORT, at, position, vector, shape=(n, vocab), axes="token vocab", hints=hints
            )

    got = run(layer, position, vector)
    yield "logits"
    ones = torch.ones(n)
    expect(not close(got.sum(dim=-1), ones), PROBABILITIES)
    expect(not close(got.exp().sum(dim=-1), ones), LOG_PROBABILITIES)
    yield "an edit that arrives"
    expect(
        not close(got, plain),
        "The logits are those of the unedited model: your edit went into a copy. Write into the block's output itself, "
        "or assign the changed tensor back to `.output`.",
    )
    yield "no token before it changes"
    expect(
        close(got[:position], plain[:position]),
        f"Tokens before position {position} changed, though a decoder only ever looks back: you edited more "
        "positions than the one that was asked for.",
    )
    yield "a zero vector changes nothing"
    expect(
        close(run(layer, position, torch.zeros_like(vector)), plain),
        "Adding a vector of zeros changed the logits: you put the vector in the residual's place instead of adding it.",
    )
    yield "exactly original + vector"
    agree(
        got, add_at(subject, SHORT, layer, position, vector),
        {
            f"Asked to edit layer {layer}, you edited layer {other}. Layer l is the output of block l.": add_at(
                subject, SHORT, other, position, vector
            )
            for other in (layer - 1, layer + 1)
        }
        | {
            "You subtracted the vector.": add_at(subject, SHORT, layer, position, -vector),
            "You edited every token from the position on. Only the one was asked for.": add_at(
                subject, SHORT, layer, slice(position, None), vector
            ),
            "You edited the next position: positions count from 0.": add_at(
                subject, SHORT, layer, position + 1, vector
            ),
        },
        "The edit arrives, but the logits are not those of original + vector at this layer and position.",
    )  # fmt: skip
    yield "another text, layer and position"
    want = add_at(subject, OTHER, layer - 1, 2, vector)
    arguments = (
        "Right for one text, layer and position, and wrong for others: does your function use all of its arguments?"
    )
    got = answer.tensor(
        subject, OTHER, layer - 1, 2, vector, shape=tuple(want.shape), axes="token vocab",
        hints={(n, vocab): arguments},
    )  # fmt: skip
    expect(close(got, want), arguments)
    yield "the model is as before"
    after = add_at(subject, SHORT, layer, position, torch.zeros_like(vector))
    expect(
        close(after, plain, 1e-6), "After your function returned, the model no longer computes what it did before."
    )
