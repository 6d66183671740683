"""Exercise 2.1: pool a batch of stories."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emovec_lite.course.exercise import Exercise


def mean_pool(
    residual: Float[Tensor, "text token d_model"], mask: Bool[Tensor, "text token"], skip: int
) -> Float[Tensor, "text d_model"]:
    kept = mask.clone()
    kept[:, :skip] = False
    total = (residual * kept[:, :, None]).sum(dim=1)
    return total / kept.sum(dim=1, keepdim=True)


def a_batch(rng: np.random.Generator, lengths: Sequence[int], d_model: int, behind: int = 0) -> tuple[Tensor, Tensor]:
    """Texts of these lengths, the first token of each a giant, with `behind` places more than the longest needs."""
    tokens = max(lengths) + behind
    residual = rng.normal(size=(len(lengths), tokens, d_model)) + rng.normal(size=d_model)
    residual[:, 0] *= 20
    residual[rng.random(residual.shape) < 0.1] = 0  # a zero is a number like any other: only the mask tells
    mask = torch.arange(tokens) < torch.tensor(lengths)[:, None]
    return torch.tensor(residual, dtype=torch.float32), mask


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    return {
        "skip 0": (*a_batch(rng, [2, 4, 3], 2), 0),
        "a story alone": (*a_batch(rng, [5], 3), 2),
        "one token left": (*a_batch(rng, [3, 6, 4], 2), 2),
        "stories of one length": (*a_batch(rng, [4, 4], 3), 1),
        "as many stories as tokens and dimensions": (*a_batch(rng, [3, 2, 3], 3), 1),
        "padding behind the longest": (*a_batch(rng, [4, 3], 2, behind=3), 1),
        "one far longer than the rest": (*a_batch(rng, [33, 200, 35], 4), 30),
    }


def draw(rng: np.random.Generator) -> tuple[Tensor, Tensor, int]:
    skip, d_model = int(rng.integers(5)), int(rng.integers(1, 7))
    return *a_batch(rng, (skip + rng.integers(1, 8, size=rng.integers(1, 6))).tolist(), d_model), skip


def kept_of(mask: Tensor, skip: int) -> Tensor:
    return mask & (torch.arange(mask.shape[1]) >= skip)


def total_of(residual: Tensor, mask: Tensor, skip: int) -> Tensor:
    return torch.einsum("xtd,xt->xd", residual, kept_of(mask, skip).float())


def without_the_last(residual: Tensor, mask: Tensor, skip: int) -> Tensor:
    return torch.stack([row[skip : int(n) - 1].mean(dim=0) for row, n in zip(residual, mask.sum(dim=1), strict=True)])


def in_a_loop(residual: Tensor, mask: Tensor, skip: int) -> Tensor:
    return torch.stack([story[skip:][real[skip:]].mean(dim=0) for story, real in zip(residual, mask, strict=True)])


def by_nanmean(residual: Tensor, mask: Tensor, skip: int) -> Tensor:
    return residual.masked_fill(~kept_of(mask, skip)[..., None], float("nan")).nanmean(dim=1)


def by_weights(residual: Tensor, mask: Tensor, skip: int) -> Tensor:
    weights = mask.double().clone()
    weights[:, :skip] = 0
    weights /= weights.sum(dim=1, keepdim=True)
    return torch.bmm(weights[:, None], residual.double())[:, 0]


def by_numpy(residual: Tensor, mask: Tensor, skip: int) -> Tensor:
    hidden = np.repeat(~mask.numpy()[:, skip:, None], residual.shape[-1], axis=2)
    return torch.from_numpy(np.ma.masked_array(residual.numpy()[:, skip:], hidden).mean(axis=1).data)


exercise = Exercise(
    "2.1", "Pool a batch of stories", difficulty=3, importance=5, minutes=10, axes="text d_model",
    reference=mean_pool, edges=edges, draw=draw,
    mistakes={
        "You averaged over padding: a story's row changes when a longer story joins its batch. Let only tokens count "
        "where `mask` is True.": lambda residual, mask, skip: residual[:, skip:].mean(dim=1),
        "You averaged over padding, and from the first token on. Let only tokens count where `mask` is True, from `skip` "
        "on.": lambda residual, mask, skip: residual.mean(dim=1),
        "You did not skip: the first `skip` tokens of each story are still in the mean.": lambda residual, mask, skip: (
            total_of(residual, mask, 0) / mask.sum(dim=1, keepdim=True)
        ),
        "You skipped one token too few. The first token that counts is token `skip`, counted from "
        "0.": lambda residual, mask, skip: mean_pool(residual, mask, max(skip - 1, 0)),
        "You skipped one token too many. The first token that counts is token `skip`, counted from "
        "0.": lambda residual, mask, skip: mean_pool(residual, mask, skip + 1),
        "You lost each story's last token: a slice `a:b` ends before `b`.": without_the_last,
        "You skip the first token only, whatever `skip` says.": lambda residual, mask, skip: mean_pool(residual, mask, 1),
        "You skip 30 tokens, whatever `skip` says.": lambda residual, mask, skip: mean_pool(residual, mask, 30),
        "Those are sums. Divide each by its own number of kept tokens.": total_of,
        "The sum is right, the divisor is not: you divided by all the real tokens, the skipped ones "
        "included.": lambda residual, mask, skip: total_of(residual, mask, skip) / mask.sum(dim=1, keepdim=True),
        "The sum is right, the divisor is not: you divided by the real tokens less `skip` of the *longest* story. Every "
        "story has its own number.": lambda residual, mask, skip: (
            total_of(residual, mask, skip) / (mask.sum(dim=1).max() - skip)
        ),
        "The sum is right, the divisor is not: you divided by the padded length.": lambda residual, mask, skip: (
            total_of(residual, mask, skip) / mask.shape[1]
        ),
        "The sum is right, the divisor is not: you divided by the padded length, less `skip`. Zeros count in a "
        "`.mean()`.": lambda residual, mask, skip: total_of(residual, mask, skip) / (mask.shape[1] - skip),
        "The sum is right, the divisor is not: you divided by the tokens kept in all the stories together. Every story "
        "has its own number.": lambda residual, mask, skip: total_of(residual, mask, skip) / kept_of(mask, skip).sum(),
        "You averaged over all the stories together. Each story keeps a row of its own.": lambda residual, mask, skip: (
            residual[kept_of(mask, skip)].mean(dim=0)
        ),
        "You averaged over the stories (dim 0). Average over the tokens of each, dim 1.": lambda residual, mask, skip: (
            residual[:, skip:].mean(dim=0)
        ),
        "You averaged over d_model (the last dim). Average over tokens, dim 1.": lambda residual, mask, skip: (
            residual.mean(dim=-1)
        ),
        "That is each story's last token. The mean over all that count is wanted.": lambda residual, mask, skip: (
            residual[torch.arange(len(mask)), mask.sum(dim=1) - 1]
        ),
        "`.squeeze()` takes away every axis of length 1, and a story alone has one more of them.": lambda *args: (
            mean_pool(*args).squeeze()
        ),
    },
    right=[in_a_loop, by_nanmean, by_weights, by_numpy, lambda *args: mean_pool(*args).half()],
    discuss="Nothing crashes when padding slips into the mean. Name two cheap checks that would have caught it. Which of "
    "them do you have in your own project?",
)  # fmt: skip
