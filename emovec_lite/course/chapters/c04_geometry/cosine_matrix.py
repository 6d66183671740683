"""Exercise 4.1: who is like whom."""

import numpy as np
import torch
from jaxtyping import Float

from emovec_lite.course.chapters.c04_geometry.ratings import unit
from emovec_lite.course.exercise import Exercise


def cosine_matrix(vectors: Float[np.ndarray, "emotion d_model"]) -> Float[np.ndarray, "emotion emotion"]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def some_vectors(rng: np.random.Generator, emotions: int, d_model: int) -> np.ndarray:
    """Off the origin, and some of them many times longer than others."""
    return (rng.normal(size=(emotions, d_model)) + rng.normal(size=d_model)) * 10 ** rng.uniform(-2, 2, (emotions, 1))


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    one = some_vectors(rng, 1, 5)
    return {
        "an emotion and its opposite": (np.vstack([one, -3 * one, some_vectors(rng, 1, 5)]),),
        "an emotion twice": (np.vstack([one, one, some_vectors(rng, 2, 5)]),),
        "as many emotions as dimensions": (some_vectors(rng, 4, 4),),
        "more emotions than dimensions": (some_vectors(rng, 7, 3),),
        "one emotion": (some_vectors(rng, 1, 30),),
        "60 emotions": (some_vectors(rng, 60, 600),),
    }


def draw(rng: np.random.Generator) -> tuple[np.ndarray]:
    return (some_vectors(rng, *rng.integers(2, 9, size=2)),)


def in_a_loop(vectors):
    likeness = np.zeros((len(vectors), len(vectors)))
    for i, a in enumerate(vectors):
        for j, b in enumerate(vectors):
            likeness[i, j] = a @ b / np.sqrt((a @ a) * (b @ b))
    return likeness


def from_distances(vectors):
    from scipy.spatial.distance import cdist

    return 1 - cdist(vectors, vectors, "cosine")


def by_sklearn(vectors):
    from sklearn.metrics.pairwise import cosine_similarity

    return cosine_similarity(vectors).astype(np.float32)


def by_torch(vectors):
    x = torch.tensor(vectors)
    return torch.nn.functional.cosine_similarity(x[:, None], x[None], dim=-1).numpy()


def by_all_lengths(vectors):
    products = np.einsum("ad,bd->ab", vectors, vectors)
    lengths = np.sqrt(np.diag(products))
    return products / np.outer(lengths, lengths)


exercise = Exercise(
    "4.1", "Who is like whom", difficulty=1, importance=3, minutes=4, returns="array", axes="emotion emotion",
    reference=cosine_matrix, edges=edges, draw=draw,
    mistakes={
        "Those are dot products: the longest vectors win. Scale every row to length 1 first.": lambda vectors: (
            vectors @ vectors.T
        ),
        "You scaled the *columns* to length 1. Each emotion is a row: `axis=1`.": lambda vectors: unit(vectors.T).T @ unit(vectors.T),
        "You compared dimensions with each other. Compare rows: `unit @ unit.T`.": lambda vectors: unit(vectors).T @ unit(vectors),
        "You scaled the columns and compared them. Each emotion is a row: scale rows (`axis=1`) and compare rows, "
        "`unit @ unit.T`.": lambda vectors: unit(vectors.T) @ unit(vectors.T).T,
        "The lengths, one for each row, must stand in a column to divide the rows: `keepdims=True`. Without it numpy "
        "lays them along the dimensions.": lambda vectors: (
            (u := vectors / np.linalg.norm(vectors, axis=1)) @ u.T
        ),
        "Only one of the two is scaled to length 1. A cosine takes no account of either length.": lambda vectors: (
            unit(vectors) @ vectors.T
        ),
        "You divided by squared lengths: a square root is missing.": lambda vectors: (
            (u := vectors / (vectors**2).sum(axis=1, keepdims=True)) @ u.T
        ),
        "You divided by the sum of absolute values (the L1 norm). Length is the square root of the sum of "
        "squares.": lambda vectors: (u := vectors / np.abs(vectors).sum(axis=1, keepdims=True)) @ u.T,
        "You divided by the whole matrix's norm. Each row has a length of its own: `axis=1`.": lambda vectors: (
            (u := vectors / np.linalg.norm(vectors)) @ u.T
        ),
        "Those are distances (1 minus the cosine). The map shows likeness.": lambda vectors: 1 - cosine_matrix(vectors),
        "Those are correlations: from each vector the mean of its own entries was taken off first, which has no meaning "
        "here.": np.corrcoef,
        "You subtracted the mean vector first. A cosine is taken of the rows as they come; the emotions' mean is gone "
        "from the chapter's already.": lambda vectors: cosine_matrix(vectors - vectors.mean(axis=0)),
        "The diagonal should be 1: everything is like itself.": lambda vectors: (
            cosine_matrix(vectors) - np.eye(len(vectors))
        ),
        "The signs are gone. An emotion and its opposite have a cosine of -1.": lambda vectors: np.abs(cosine_matrix(vectors)),
    },
    right=[in_a_loop, from_distances, by_sklearn, by_torch, by_all_lengths],
    discuss="Find a pair of neighbours that surprises you. Give two explanations, one about the emotion and one about "
    "the twelve stories: how would you decide between them?",
)  # fmt: skip
