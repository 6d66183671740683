"""Exercise 3.5: what a direction says."""

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.exercise import Exercise
from emovec_lite.models import Subject
from emovec_lite.stories import load_corpus
from emovec_lite.extraction import shipped_path
from emovec_lite.vectors import EmotionVectors


def lens(subject: Subject, vector: Float[Tensor, " d_model"], k: int) -> list[str]:
    residual = vector.to(subject.device, subject.dtype)
    logits = subject.hf.lm_head(subject.final_norm(residual))
    return [subject.tokenizer.decode([i]) for i in logits.topk(k).indices.tolist()]


def logits_of(subject: Subject, vectors: Tensor) -> Tensor:
    return subject.hf.lm_head(subject.final_norm(vectors.to(subject.device, subject.dtype))).detach().float().cpu()


def clearest(subject: Subject, vectors: Tensor, k: int) -> tuple[Tensor, int]:
    """The vector with its k + 1 likeliest tokens farthest apart: rounding must not turn two of them round."""
    top = logits_of(subject, vectors).topk(k + 1).values
    gaps = (top[:, :-1] - top[:, 1:]).min(dim=1).values / top.abs().max(dim=1).values
    return vectors[gaps.argmax()], k


def some_directions(rng: np.random.Generator, subject: Subject) -> Tensor:
    return torch.tensor(rng.normal(size=(24, subject.d_model)) * rng.uniform(0.3, 30), dtype=torch.float32)


def stripped(tokens: Any) -> Any:
    """Tokens without the space around them: nobody need keep it."""
    return [x.strip() if isinstance(x, str) else x for x in tokens] if isinstance(tokens, list) else tokens


def edges(subject: Subject) -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    long, double, half = (clearest(subject, some_directions(rng, subject), k) for k in (30, 5, 3))
    return {
        "one token": clearest(subject, some_directions(rng, subject), 1),
        "thirty tokens": long,
        "a direction in double precision": (double[0].double(), double[1]),
        "a direction in half precision": clearest(subject, half[0].bfloat16()[None], half[1]),
    }


def draw(rng: np.random.Generator, subject: Subject) -> tuple[Tensor, int]:
    return clearest(subject, some_directions(rng, subject), int(rng.integers(1, 13)))


def on_the_model(subject: Subject) -> dict[str, tuple]:
    """With the course's own directions if they fit."""
    path, directions = (
        shipped_path(subject.spec.name, load_corpus()),
        some_directions(np.random.default_rng(0), subject),
    )
    if path.is_file():
        vectors = EmotionVectors.load(path)
        shipped = vectors.at(vectors.main_layer)
        directions = shipped if shipped.shape[1] == subject.d_model else directions
    return {f"your model, {k} tokens": clearest(subject, directions, k) for k in (8, 3)}


def telling(choose: Callable[[Tensor, int], Tensor], logits: Callable[[Subject, Tensor], Tensor] = logits_of):
    """An answer that gives the tokens of the ids that `choose(logits, k)` picks."""
    return lambda subject, vector, k: [
        subject.tokenizer.decode([i]) for i in choose(logits(subject, vector), k).tolist()
    ]


def likeliest(logits: Tensor, k: int) -> Tensor:
    return logits.topk(k).indices


def without_norm(subject: Subject, vector: Tensor) -> Tensor:
    return subject.hf.lm_head(vector.to(subject.device, subject.dtype))


def by_cosine(subject: Subject, vector: Tensor) -> Tensor:
    return logits_of(subject, vector) / subject.hf.lm_head.weight.float().cpu().norm(dim=1)


def by_batch_decode(subject: Subject, vector: Tensor, k: int) -> list[str]:
    with torch.inference_mode():
        order = logits_of(subject, vector[None])[0].softmax(-1).sort(descending=True).indices
    return subject.tokenizer.batch_decode(order[:k, None])


def by_numpy(subject: Subject, vector: Tensor, k: int) -> list[str]:
    norm, x = subject.final_norm, vector.double()
    x = x / (x.square().mean() + norm.variance_epsilon).sqrt() * norm.weight.double().cpu()
    logits = subject.hf.lm_head.weight.double().cpu().detach().numpy() @ x.detach().numpy()
    return [subject.tokenizer.decode(int(i)).strip() for i in np.argsort(-logits)[:k]]


def by_heap(subject: Subject, vector: Tensor, k: int) -> np.ndarray:
    logits = logits_of(subject, vector).tolist()
    ids = heapq.nlargest(k, range(len(logits)), key=logits.__getitem__)
    return np.array([subject.tokenizer.decode(i) for i in ids])


exercise = Exercise(
    "3.5", "What a direction says", difficulty=2, importance=3, minutes=5,
    returns="list tuple array tensor",  # a tensor cannot hold texts; what it does hold has a message below
    reference=lens, edges=edges, draw=draw, on_the_model=on_the_model, view=stripped, half=False,
    mistakes={
        "Those are ids. Turn each into its token: `subject.tokenizer.decode([i])`.": lambda subject, vector, k: (
            likeliest(logits_of(subject, vector), k)
        ),
        "Those are the tokens as the vocabulary spells them (Ġ is a space). Turn each into its text: "
        "`subject.tokenizer.decode([i])`.": lambda subject, vector, k: subject.tokenizer.convert_ids_to_tokens(
            likeliest(logits_of(subject, vector), k).tolist()
        ),
        "Those are logits, not tokens: take the `indices` of `topk`, and decode each.": lambda subject, vector, k: (
            logits_of(subject, vector).topk(k).values
        ),
        "The final norm is missing, or its weights are: it weighs the dimensions, some much more than others, before "
        "`lm_head` reads them. Use the module itself.": telling(likeliest, without_norm),
        "It fails where the vector is in another precision than the model, as it would on another device. Move it first: "
        "`vector.to(subject.device, subject.dtype)`.": telling(
            likeliest, lambda subject, vector: subject.hf.lm_head(subject.final_norm(vector))
        ),
        "Those are the tokens that the direction makes *un*likeliest: the sign is turned round.": telling(
            lambda logits, k: likeliest(-logits, k)
        ),
        "The right tokens, but not the likeliest first: `argsort` ends with the highest.": telling(
            lambda logits, k: logits.argsort()[-k:]
        ),
        "You took the sign off the logits: a token that becomes much *less* likely is among the first.": telling(
            lambda logits, k: likeliest(logits.abs(), k)
        ),
        "You left the likeliest out: the first place is 0.": telling(lambda logits, k: likeliest(logits, k + 1)[1:]),
        "That is one token more than was asked for.": telling(lambda logits, k: likeliest(logits, k + 1)),
        "You took 9 tokens, whatever `k` says.": telling(lambda logits, k: likeliest(logits, 9)),
        "You took 8 tokens, whatever `k` says.": telling(lambda logits, k: likeliest(logits, 8)),
        "You took the cosine with each token's row. The logits are what the model itself reads: leave the rows as long "
        "as they are.": telling(likeliest, by_cosine),
    },
    equivalent={
        "return [subject.tokenizer.decode([i]) for i in logits.topk(k).indices]": "`decode` takes tensors as well",
    },
    right=[by_batch_decode, by_numpy, by_heap],
    discuss="Look at a list of tokens that convinced you. Would it have convinced you under another emotion's name? How "
    "would you run that as a blind test in this room?",
)  # fmt: skip
