"""Exercise 5.3: CKA."""

import numpy as np
import torch
from jaxtyping import Float

from emovec_lite.course.chapters.c05_where_is_happiness.rsa import rsa
from emovec_lite.course.exercise import Exercise
from emovec_lite.geometry import linear_cka


def cka(a: Float[np.ndarray, "emotion d_a"], b: Float[np.ndarray, "emotion d_b"]) -> float:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    k, m = a @ a.T, b @ b.T
    return (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Off the origin, on two scales, related or not; dimensions of unequal spread, fewer than emotions or more."""
    emotions, d_a, d_b = (int(n) for n in rng.integers([3, 1, 1], [20, 20, 60]))
    a = rng.normal(size=(emotions, d_a)) * np.exp(rng.normal(size=d_a))
    b = rng.normal(size=(emotions, d_b)) * np.exp(rng.normal(size=d_b))
    if rng.integers(2):
        b = b + a @ rng.normal(size=(d_a, d_b))
    a, b = ((x + rng.normal(size=x.shape[1]) * 3) * 10 ** rng.uniform(-1, 2) for x in (a, b))
    return a, b


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    a, square = rng.normal(size=(10, 4)) + 3, rng.normal(size=(6, 6)) - 1
    return {
        "turned, scaled and shifted": (a, 5 * a @ np.linalg.qr(rng.normal(size=(4, 4)))[0] + 1),
        "as many dimensions as emotions": (square, square[::-1] ** 2 + rng.normal(size=(6, 6))),
        "one dimension": (np.array([[1.0], [2.0], [6.0]]), np.array([[0.0], [5.0], [4.0]])),
        "numbers without a relation": (rng.normal(size=(48, 600)), rng.normal(size=(48, 600))),
        "two emotions": (rng.normal(size=(2, 5)), rng.normal(size=(2, 3))),
    }


def centred(x, axis=0):
    return x - x.mean(axis=axis, keepdims=True)


def ratio(a, b):
    k, m = a @ a.T, b @ b.T
    return (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())


def with_matrix_products(a, b, above=np.matmul):
    """What is left of sums that are 0 is rounding: the same as the learner's if the steps are."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    k, m = a @ a.T, b @ b.T
    return above(k, m).sum() / np.sqrt((k @ k).sum() * (m @ m).sum())


def product(a, b):
    """What stands above the line of the fraction; of `a` and `a` or `b` and `b` the two sums below it."""
    a, b = centred(a), centred(b)
    return ((a @ a.T) * (b @ b.T)).sum()


def by_cross_covariance(a, b):
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))


def by_centring_the_grams(a, b):
    centring = np.eye(len(a)) - 1 / len(a)
    k, m = centring @ a @ a.T @ centring, centring @ b @ b.T @ centring
    return float(np.trace(k @ m) / (np.trace(k @ k) * np.trace(m @ m)) ** 0.5)


def as_a_cosine(a, b):
    a, b = torch.tensor(a, dtype=torch.float32), torch.tensor(b, dtype=torch.float32)
    k, m = (((x - x.mean(0)) @ (x - x.mean(0)).T).flatten() for x in (a, b))
    return torch.nn.functional.cosine_similarity(k, m, dim=0)


def as_a_correlation(a, b):
    return np.corrcoef(*((centred(x) @ centred(x).T).ravel() for x in (a, b)))[0, 1]


exercise = Exercise(
    "5.3", "CKA", difficulty=3, importance=3, minutes=6, returns="number",
    reference=cka, edges=edges, draw=draw,
    mistakes={
        "The vectors are not centred: subtract each side's mean over emotions first.": ratio,
        "Only one side is centred. Subtract the mean over emotions from both.": lambda a, b: ratio(centred(a), b),
        "Only the second side is centred. Subtract the mean over emotions from both.": lambda a, b: ratio(a, centred(b)),
        "You centred over dimensions. Subtract the mean *emotion*, axis 0.": lambda a, b: ratio(centred(a, 1), centred(b, 1)),
        "You subtracted one number, the mean of everything. Each dimension has a mean of its own: "
        "`x.mean(axis=0)`.": lambda a, b: ratio(a - a.mean(), b - b.mean()),
        "The square root below the line is missing.": lambda a, b: product(a, b) / (product(a, a) * product(b, b)),
        "Below the line, the root is of one sum only. It is of their product.": lambda a, b: (
            product(a, b) / (np.sqrt(product(a, a)) * product(b, b))
        ),
        "Only what is above the line: divide by the root of both sides' own sums.": product,
        "That is the square root of CKA.": lambda a, b: np.sqrt(cka(a, b)),
        "That is CKA squared: the root belongs to what is below the line, and to no more.": lambda a, b: cka(a, b) ** 2,
        "You multiplied matrices, `@`. The formula wants products element by element, `*`; the entries of `k @ m` add up to "
        "0, since both are centred.": with_matrix_products,
        "Above the line you multiplied matrices, `@`. The formula wants products element by element, "
        "`*`.": lambda a, b: 0.0 * product(a, b),
        "Below the line you multiplied matrices, `@`, whose entries add up to 0. The formula wants products element by element, "
        "`*`.": lambda a, b: with_matrix_products(a, b, np.multiply),
        "You brought the vectors to length 1 first. CKA takes them as long as they are.": lambda a, b: ratio(
            *(x / np.linalg.norm(x, axis=1, keepdims=True) for x in (centred(a), centred(b)))
        ),
        "You brought the vectors to length 1 before you centred them. CKA takes them as long as they are.": lambda a, b: cka(
            *(x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
        ),
        "You divided by the dimensions' standard deviations. Only their means are taken off.": lambda a, b: cka(
            a / a.std(axis=0), b / b.std(axis=0)
        ),
        "That is the debiased CKA, which the chapter needs later. Here the plain one is wanted.": linear_cka,
        "That is the RSA. CKA compares the Gram matrices themselves, with their diagonals.": rsa,
        "You compared `a` with itself.": lambda a, b: cka(a, a),
    },
    right=[by_cross_covariance, by_centring_the_grams, as_a_cosine, as_a_correlation],
    discuss="Plain CKA finds a considerable similarity with random numbers. The formula is right, and many papers use it: "
    "where does the error lie? What should stand beside every CKA in print?",
)  # fmt: skip
