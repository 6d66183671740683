"""Exercise 7.4: what is left without a direction."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from emovec_lite.course.exercise import Exercise


def without(residuals: Float[Tensor, "*any d_model"], vector: Float[Tensor, " d_model"]) -> Float[Tensor, "*any d_model"]:
    unit = vector / vector.norm()
    return residuals - (residuals @ unit)[..., None] * unit


def some_case(rng: np.random.Generator, *shape: int, length: float = 1.0) -> tuple[Tensor, Tensor]:
    """Residuals that share a large part, as a model's do, and a vector of some length."""
    shared = 5 * rng.normal(size=shape[-1])
    residuals = rng.normal(size=shape) * rng.uniform(0.5, 3) + shared
    vector = rng.normal(size=shape[-1])
    vector *= length / np.linalg.norm(vector)
    return torch.tensor(residuals, dtype=torch.float32), torch.tensor(vector, dtype=torch.float32)


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    texts, vector = some_case(rng, 2, 3, 5)
    return {
        "two texts": (texts, vector),
        "one text": some_case(rng, 1, 4, 6),
        "one token": some_case(rng, 1, 1, 3),
        "tokens of no batch": some_case(rng, 4, 5),
        "a single residual": some_case(rng, 7),
        "a vector of length 30": some_case(rng, 2, 3, 4, length=30),
        "a vector of length 0.1": some_case(rng, 2, 3, 4, length=0.1),
        "as many tokens as dimensions": some_case(rng, 4, 4, 4, length=2),
        "nothing along it": (without(texts, vector), vector),
        "nothing but it": (3 * vector.expand(2, 3, 5), vector),
        "against it": (-texts, vector),
    }


def draw(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    shape = [int(n) for n in rng.integers(1, 5, size=rng.integers(0, 3))]
    return some_case(rng, *shape, int(rng.integers(2, 8)), length=float(np.exp(rng.uniform(-2, 3))))


def unit_of(vector: Tensor) -> Tensor:
    return vector / vector.norm()


def along(residuals: Tensor, vector: Tensor) -> Tensor:
    """How far each residual goes along the vector, with an axis to multiply by it."""
    return (residuals @ unit_of(vector))[..., None]


def by(f: Callable) -> Callable:
    """An answer made of the residuals, how far each goes along the vector, and the unit vector."""
    return lambda residuals, vector: f(residuals, along(residuals, vector), unit_of(vector))


def by_an_outer_product(residuals: Tensor, vector: Tensor) -> Tensor:
    keep = torch.eye(len(vector)) - torch.outer(vector, vector) / (vector @ vector)
    return residuals @ keep


def by_einsum(residuals: Tensor, vector: Tensor) -> Tensor:
    share = torch.einsum("...d,d->...", residuals.double(), vector.double()) / vector.double().square().sum()
    return residuals - torch.einsum("...,d->...d", share, vector.double())


def by_keepdim(residuals: Tensor, vector: Tensor) -> Tensor:
    unit = normalize(vector, dim=0)
    return residuals - (residuals * unit).sum(dim=-1, keepdim=True) * unit


exercise = Exercise(
    "7.4", "What is left without a direction", difficulty=2, importance=5, minutes=6,
    reference=without, edges=edges, draw=draw,
    mistakes={
        "The vector's length is still in it, twice: make it unit length first, or divide by `vector @ vector`.": lambda x, v: (
            x - (x @ v)[..., None] * v
        ),
        "The vector's length is still in it once. The vector stands in the product twice: make it unit length in both places, "
        "or divide by `vector @ vector`.": lambda x, v: x - along(x, v) * v,
        "You added the part along the vector instead of taking it away.": by(lambda x, part, unit: x + part * unit),
        "That is the part *along* the vector. What is left without it?": by(lambda x, part, unit: part * unit),
        "You subtracted the vector itself. Take away the part of each residual that lies along it.": lambda x, v: x - v,
        "You subtracted the unit vector from every residual. Take away as much of it as each one has.": by(
            lambda x, part, unit: x - unit
        ),
        "You took the part away twice: that mirrors the residual.": by(lambda x, part, unit: x - 2 * part * unit),
        "You took it away only where the residual goes *with* the vector. What goes against it lies along it, too.": by(
            lambda x, part, unit: x - part.clamp(min=0) * unit
        ),
        "You took the absolute value of the part. A residual that goes against the vector must lose a negative "
        "part.": by(lambda x, part, unit: x - part.abs() * unit),
        "You took the same part from every residual: their mean along the vector. Each has its own.": by(
            lambda x, part, unit: x - part.mean() * unit
        ),
        "You brought what is left to the length that the residual had before. Leave it as it is: shorter.": by(
            lambda x, part, unit: (x - part * unit) * x.norm(dim=-1, keepdim=True) / (x - part * unit).norm(dim=-1, keepdim=True)
        ),
        "Those are numbers, how far each residual goes along the vector. Take so much of the unit vector away from "
        "it.": by(lambda x, part, unit: part[..., 0]),
    },
    right=[by_an_outer_product, by_einsum, by_keepdim],
    discuss="Projecting out takes away what *all* texts have along the direction, also what they share. What would you take "
    "out instead, to remove only what makes this text differ from the others? Which of the two is steering at strength 0?",
)  # fmt: skip
