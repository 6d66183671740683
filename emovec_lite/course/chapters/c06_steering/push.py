"""Exercise 6.1: a push in units of the residual."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.exercise import Exercise
from emovec_lite.vectors import Direction


def push(direction: Direction, strength: float) -> Float[Tensor, " d_model"]:
    return strength * direction.residual_norm * direction.vector


def edges() -> dict[str, tuple]:
    unit = Direction("happy", 3, torch.tensor([0.6, 0.0, -0.8]), 40.0)
    both = Direction("happy + proud", 3, torch.tensor([1.0, 2.0, 2.0]), 5.0)
    strengths = {"forwards": 0.25, "backwards": -0.5, "strength 0": 0.0, "a strong push": 3, "strongly back": -1.5}
    return {name: (unit, strength) for name, strength in strengths.items()} | {
        "a sum of two directions": (both, 0.5),
        "one dimension": (Direction("up", 0, torch.tensor([-2.0]), 0.5), 0.4),
    }


def draw(rng: np.random.Generator) -> tuple[Direction, float]:
    vector = torch.tensor(rng.normal(size=rng.integers(2, 7)) * rng.choice([0.1, 1, 4]), dtype=torch.float32)
    norm = float(np.exp(rng.uniform(-2, 6)))
    return Direction("a direction", int(rng.integers(30)), vector, norm), float(rng.uniform(-2, 2))


def by_algebra(direction: Direction, strength: float) -> Tensor:
    return (direction * strength * direction.residual_norm).vector


def by_numpy(direction: Direction, strength: float) -> Tensor:
    return torch.from_numpy(np.multiply(strength * direction.residual_norm, direction.vector.numpy()))


def on_a_half_copy(direction: Direction, strength: float) -> Tensor:
    vector = direction.vector.clone().half()
    vector *= strength * direction.residual_norm
    return vector


exercise = Exercise(
    "6.1", "A push in units of the residual", difficulty=1, importance=5, minutes=4, axes="d_model",
    reference=push, edges=edges, draw=draw,
    mistakes={
        "The norm is missing: 0.25 of what? Multiply by `direction.residual_norm`, the mean length of a residual at "
        "this layer.": lambda d, s: s * d.vector,
        "You divided by the norm. A layer with longer residuals needs a longer push.": lambda d, s: s * d.vector / d.residual_norm,
        "The strength is missing.": lambda d, s: d.residual_norm * d.vector,
        "That is one number. The push is a vector: it has a direction.": lambda d, s: push(d, s).norm(),
        "You made the vector unit length. Leave its length alone: `happy + proud` is longer than each, and is meant to "
        "push harder.": lambda d, s: push(d.unit(), s),
        "That pushes the other way.": lambda d, s: -push(d, s),
        "A negative strength must push the other way: do not take its absolute value.": lambda d, s: push(d, abs(s)),
        "A negative strength must push the other way: you put 0 in its place.": lambda d, s: push(d, max(s, 0)),
        "You keep the strength between 0 and 1. Take it as it comes: backwards, and harder than a residual is long, are "
        "pushes too.": lambda d, s: push(d, min(max(s, 0), 1)),
        "You keep the strength between −1 and 1. Take it as it comes: a push may be longer than a "
        "residual.": lambda d, s: push(d, min(max(s, -1), 1)),
        "You *added* to the direction, which turns it. Multiply.": lambda d, s: d.vector + s * d.residual_norm,
        "You added the strength to the norm. Multiply all three.": lambda d, s: (s + d.residual_norm) * d.vector,
        "You squared the norm.": lambda d, s: push(d, s) * d.residual_norm,
    },
    right=[by_algebra, by_numpy, on_a_half_copy],
    discuss="Why is a fraction of the residual's norm a better unit than a plain number, and where does even this unit "
    "mislead: at the first layer, at the first token, in another model?",
)  # fmt: skip
