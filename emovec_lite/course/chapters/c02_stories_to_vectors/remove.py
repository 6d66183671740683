"""Exercise 2.5: project it out."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.chapters.c02_stories_to_vectors.stories import SCALED
from emovec_lite.course.exercise import Exercise


def remove(
    vectors: Float[Tensor, "emotion d_model"], basis: Float[Tensor, "component d_model"]
) -> Float[Tensor, "emotion d_model"]:
    return vectors - vectors @ basis.T @ basis


def some(rng: np.random.Generator, n: int, components: int, d_model: int) -> tuple[Tensor, Tensor]:
    """Vectors off the origin and an orthonormal basis, in directions at random."""
    vectors = rng.normal(size=(n, d_model)) * rng.uniform(0.5, 3, size=(n, 1)) + rng.normal(size=d_model)
    rows = np.linalg.qr(rng.normal(size=(d_model, components)))[0].T
    return torch.tensor(vectors, dtype=torch.float32), torch.tensor(rows.copy(), dtype=torch.float32)


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    vectors, basis = some(rng, 3, 2, 4)
    return {
        "one component": some(rng, 3, 1, 4),
        "two components": some(rng, 2, 2, 4),
        "three components": some(rng, 4, 3, 6),
        "twenty components": some(rng, 4, 20, 40),
        "one vector": some(rng, 1, 2, 3),
        "as many vectors and components as dimensions": some(rng, 3, 3, 3),
        "vectors along the basis": (torch.tensor([[1.0, 2.0], [3.0, -1.0]]) @ basis, basis),
        "vectors at right angles to it": (vectors - vectors @ basis.T @ basis, basis),
    }


def draw(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    n, d_model = int(rng.integers(1, 7)), int(rng.integers(2, 10))
    return some(rng, n, int(rng.integers(1, min(d_model, 5))), d_model)


def scaled_back(vectors: Tensor, basis: Tensor) -> Tensor:
    left = remove(vectors, basis)
    return left / left.norm(dim=1, keepdim=True) * vectors.norm(dim=1, keepdim=True)


def from_the_start_again(vectors: Tensor, basis: Tensor) -> Tensor:
    for row in basis:
        cleaned = vectors - (vectors @ row)[:, None] * row
    return cleaned


def by_projector(vectors: Tensor, basis: Tensor) -> Tensor:
    projector = torch.eye(basis.shape[1], dtype=torch.float64) - basis.double().T @ basis.double()
    return vectors.double() @ projector


def in_a_loop(vectors: Tensor, basis: Tensor) -> Tensor:
    left = vectors.clone()
    for row in basis:
        left -= torch.einsum("ed,d->e", left, row).outer(row)
    return left


def by_least_squares(vectors: Tensor, basis: Tensor) -> Tensor:
    coordinates, *_ = np.linalg.lstsq(basis.numpy().T, vectors.numpy().T, rcond=None)
    return torch.from_numpy(vectors.numpy() - (basis.numpy().T @ coordinates).T)


exercise = Exercise(
    "2.5", "Project it out", difficulty=2, importance=4, minutes=6, axes="emotion d_model",
    reference=remove, edges=edges, draw=draw,
    mistakes={
        "You kept the part along the basis. That is what should go.": lambda vectors, basis: vectors @ basis.T @ basis,
        "You added the part along the basis once more. Subtract it.": lambda vectors, basis: (
            vectors + vectors @ basis.T @ basis
        ),
        "You subtracted the part along the basis twice, which turns it round: once takes it away.": lambda vectors, basis: (
            vectors - 2 * vectors @ basis.T @ basis
        ),
        "The sign is turned round: subtract the part along the basis from the vectors, not the other way.": lambda *args: (
            -remove(*args)
        ),
        "You removed the first component only.": lambda vectors, basis: remove(vectors, basis[:1]),
        "You removed the first two components only.": lambda vectors, basis: remove(vectors, basis[:2]),
        "You removed the last component only. Did a loop start from the original vectors at every "
        "turn?": from_the_start_again,
        "You removed all components but the last.": lambda vectors, basis: remove(vectors, basis[:-1]),
        "Nothing was removed: those are the vectors as they came.": lambda vectors, basis: vectors,
        "You scaled the rows back to the lengths that they had. What is taken out makes them shorter: leave their lengths "
        "as they come out.": scaled_back,
        SCALED: lambda *args: torch.nn.functional.normalize(remove(*args), dim=1),
        "Those are the coordinates along the basis. Multiply by the basis again to get vectors, and subtract "
        "those.": lambda vectors, basis: vectors @ basis.T,
        "You removed one direction, the sum of the components. Each component must go by itself.": lambda vectors, basis: (
            remove(vectors, torch.nn.functional.normalize(basis.sum(dim=0, keepdim=True), dim=1))
        ),
        "You divided by the number of components: all of the part along the basis must go.": lambda vectors, basis: (
            vectors - vectors @ basis.T @ basis / len(basis)
        ),
    },
    right=[by_projector, in_a_loop, by_least_squares, lambda *args: remove(*args).half()],
    discuss="Denoising takes as much from shuffled labels as from real ones. Is that an argument for the step or against "
    "it?",
)  # fmt: skip
