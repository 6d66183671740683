"""Exercise 1.5: logit lens."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.chapters.c01_residual_stream.reading import SHORT, SQUEEZED, reads
from emovec_lite.course.exercise import Exercise
from emovec_lite.models import Subject


def logit_lens(subject: Subject, residual: Float[Tensor, "token d_model"]) -> Float[Tensor, "token vocab"]:
    return subject.hf.lm_head(subject.final_norm(residual))


def unchecked(subject: Subject, residual: Tensor) -> Tensor:
    """The same for residuals of any shape."""
    return subject.hf.lm_head(subject.final_norm(residual))


def some_residuals(rng: np.random.Generator, subject: Subject, tokens: int) -> Tensor:
    values = rng.normal(size=(tokens, subject.d_model)) * rng.uniform(0.2, 20, size=(tokens, 1)) + 1
    return torch.tensor(values).to(subject.device, subject.dtype)


def edges(subject: Subject) -> dict[str, tuple]:
    return {
        "the last layer": (reads(subject, SHORT, subject.n_layers - 1).to(subject.device),),
        "a layer in the middle": (reads(subject, SHORT, subject.n_layers // 2).to(subject.device),),
        "one token": (some_residuals(np.random.default_rng(0), subject, 1),),
    }


def draw(rng: np.random.Generator, subject: Subject) -> tuple[Tensor]:
    return (some_residuals(rng, subject, int(rng.integers(1, 6))),)


def on_the_model(subject: Subject) -> dict[str, tuple]:
    return {f"your model, {name}": case for name, case in edges(subject).items()}


def with_a_norm_made_by_hand(subject: Subject, residual: Tensor) -> Tensor:
    return subject.hf.lm_head(residual / residual.square().mean(dim=-1, keepdim=True).sqrt())


def by_matrix(subject: Subject, residual: Tensor) -> Tensor:
    return (subject.final_norm(residual[None]) @ subject.hf.lm_head.weight.T)[0]


def in_double(subject: Subject, residual: Tensor) -> Tensor:
    norm, x = subject.final_norm, residual.double()
    x = x / (x.square().mean(-1, keepdim=True) + norm.variance_epsilon).sqrt() * norm.weight.double()
    return torch.einsum("td,vd->tv", x, subject.hf.get_output_embeddings().weight.double())


def token_by_token(subject: Subject, residual: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.stack([torch.nn.Sequential(subject.final_norm, subject.hf.lm_head)(r) for r in residual])


exercise = Exercise(
    "1.5", "Logit lens", difficulty=2, importance=4, minutes=6, axes="token vocab",
    reference=logit_lens, edges=edges, draw=draw, on_the_model=on_the_model,
    mistakes={
        "The final norm is missing. `lm_head` has only ever seen normed residuals.": lambda subject, residual: (
            subject.hf.lm_head(residual)
        ),
        "The norm comes first, `lm_head` after it: you normed nothing but the mean square of the logits.": lambda subject, residual: (
            torch.nn.functional.normalize(subject.hf.lm_head(residual), dim=-1)
        ),
        "The final norm has weights of its own, one for each dimension: use the module `subject.final_norm`, not a "
        "division by the length.": with_a_norm_made_by_hand,
        "Those are probabilities. Return logits: the softmax would hide how far apart two unlikely words "
        "are.": lambda subject, residual: logit_lens(subject, residual).softmax(dim=-1),
        "Those are log-probabilities. Return the logits themselves.": lambda subject, residual: (
            logit_lens(subject, residual).log_softmax(dim=-1)
        ),
        "You took the mean off the logits. Return them as `lm_head` gives them.": lambda subject, residual: (
            (logits := logit_lens(subject, residual)) - logits.mean(dim=-1, keepdim=True)
        ),
        "That is the last token only. Keep a row for each.": lambda subject, residual: unchecked(subject, residual[-1]),
        "Those are still residuals. The unembedding, `lm_head`, turns them into one number a word of the "
        "vocabulary.": lambda subject, residual: subject.final_norm(residual),
        "Those are the likeliest ids. Return the logits, from which they are chosen.": lambda subject, residual: (
            logit_lens(subject, residual).argmax(dim=-1)
        ),
        "There is a batch dimension in front: the residuals of one text came in, so one row a token goes "
        "out.": lambda subject, residual: unchecked(subject, residual[None]),
        SQUEEZED: lambda subject, residual: unchecked(subject, residual[None]).squeeze(),
    },
    right=[by_matrix, in_double, token_by_token],
    discuss="Applied to a layer in the middle, the lens asks what the model would say if it had to stop there. Which "
    "part of the answer belongs to the model, and which part to the lens? What would count as evidence that a middle "
    "layer \"already knows\" the word?",
)  # fmt: skip
