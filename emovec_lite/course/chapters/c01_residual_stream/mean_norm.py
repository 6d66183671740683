"""Exercise 1.4: how long is a residual?"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.exercise import Exercise


def mean_norm(residual: Float[Tensor, "token d_model"], skip: int) -> Float[Tensor, ""]:
    return residual[skip:].norm(dim=-1).mean()


def a_text(rng: np.random.Generator, tokens: int, d_model: int) -> Tensor:
    """Residuals off the origin, the first of them far longer than the rest."""
    residual = rng.normal(size=(tokens, d_model)) * rng.uniform(0.5, 3, size=(tokens, 1)) + rng.normal(size=d_model)
    residual[0] *= 40
    return torch.tensor(residual, dtype=torch.float32)


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    return {
        "opposite residuals": (torch.tensor([[30.0, 40.0], [3.0, 4.0], [-3.0, -4.0], [0.0, 2.0]]), 1),
        "skip 0": (a_text(rng, 4, 3), 0),
        "one token left": (a_text(rng, 4, 3), 3),
        "a text of one token": (a_text(rng, 1, 5), 0),
        "as many tokens as dimensions": (a_text(rng, 4, 4), 1),
        "half precision": (a_text(rng, 9, 8).bfloat16(), 2),
    }


def draw(rng: np.random.Generator) -> tuple[Tensor, int]:
    tokens, d_model = (int(n) for n in rng.integers(2, 9, size=2))
    return a_text(rng, tokens, d_model), int(rng.integers(tokens))


def in_a_loop(residual: Tensor, skip: int) -> float:
    lengths = [float(token @ token) ** 0.5 for token in residual[skip:].double()]
    return sum(lengths) / len(lengths)


def by_numpy(residual: Tensor, skip: int) -> np.floating:
    return np.linalg.norm(residual.float().cpu().numpy()[skip:], axis=1).mean()


def by_einsum(residual: Tensor, skip: int) -> float:
    residual = residual.double()
    return torch.einsum("td,td->t", residual, residual).sqrt()[skip:].mean().item()


exercise = Exercise(
    "1.4", "How long is a residual?", difficulty=1, importance=4, minutes=4, returns="number",
    reference=mean_norm, edges=edges, draw=draw,
    mistakes={
        "That is the length of the mean vector, and opposite residuals cancel in it. Take each token's length first, "
        "then the mean.": lambda residual, skip: residual[skip:].mean(dim=0).norm(),
        "You kept the tokens that should be skipped. The first token is so long that the mean would be about little "
        "else.": lambda residual, skip: residual.norm(dim=-1).mean(),
        "You skipped one token too many: `residual[skip:]` starts at token `skip`, counted from 0.": lambda residual, skip: (
            residual[skip + 1 :].norm(dim=-1).mean()
        ),
        "You skipped the first token only, whatever `skip` says.": lambda residual, skip: residual[1:].norm(dim=-1).mean(),
        "You added up absolute values (the L1 norm). Length is the square root of the sum of "
        "squares.": lambda residual, skip: residual[skip:].abs().sum(dim=-1).mean(),
        "Those are squared lengths: a square root is missing.": lambda residual, skip: (
            residual[skip:].square().sum(dim=-1).mean()
        ),
        "One number for each token: now take their mean.": lambda residual, skip: residual[skip:].norm(dim=-1),
        "You took norms down the columns, over the tokens. `dim=-1` gives one length for each "
        "token.": lambda residual, skip: residual[skip:].norm(dim=0).mean(),
        "That is one norm of the whole matrix. `dim=-1` gives one length for each token; then take their "
        "mean.": lambda residual, skip: residual[skip:].norm(),
        "You divided by all the tokens, the skipped ones included.": lambda residual, skip: (
            residual[skip:].norm(dim=-1).sum() / len(residual)
        ),
        "You kept just the tokens that should be skipped.": lambda residual, skip: residual[:skip].norm(dim=-1).mean(),
        "Those are lengths summed. Take their mean: a long text is not a long residual.": lambda residual, skip: (
            residual[skip:].norm(dim=-1).sum()
        ),
        "That is the median length. The mean is wanted.": lambda residual, skip: residual[skip:].norm(dim=-1).median(),
    },
    equivalent={
        "return residual[skip:].norm(dim=1).mean()": "two axes: the last is axis 1",
    },
    right=[in_a_loop, by_numpy, by_einsum],
    discuss="The first token's residual is many times longer than all the others. Is that a fact about the sentence or "
    "about the model? Which later step of the course would go wrong if nobody had noticed?",
)  # fmt: skip
