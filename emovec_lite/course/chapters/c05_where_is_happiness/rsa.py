"""Exercise 5.2: compare two geometries."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.distance import pdist
from scipy.stats import kendalltau, pearsonr, rankdata, spearmanr

from emovec_lite.course.exercise import Exercise


def rsa(a: Float[np.ndarray, "emotion d_a"], b: Float[np.ndarray, "emotion d_b"]) -> float:
    def pairs(vectors):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return (unit @ unit.T)[np.triu_indices(len(vectors), k=1)]

    return spearmanr(pairs(a), pairs(b)).statistic


def inside_out(a: np.ndarray) -> np.ndarray:
    """Vectors whose cosines are those of `a` with the other sign, shrunken: who was near is far."""
    values, axes = np.linalg.eigh(cosines(a))
    return axes * np.sqrt(1.001 * values.max() - values)


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of many emotions: with few, rounding would order a diagonal's ones so that it shows in rho."""
    emotions = int(rng.integers(36, 60))
    a = rng.normal(size=(emotions, rng.choice([3, 8, 20, emotions]))) + rng.normal(size=1)
    noise = rng.normal(size=(emotions, rng.integers(2, 70))) + rng.normal(size=1)
    b = {"related": np.c_[a**3, noise], "inside out": np.c_[inside_out(a), noise / 5], "unrelated": noise, "same": a}
    a, b = (x * np.exp(rng.normal(size=(emotions, 1))) for x in (a, b[rng.choice([*b])]))
    return (a, b) if rng.integers(2) else (b, a)


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(1)
    # Of ones and minus ones, 4 or 16 to a vector, so that cosines, ties among them included, are exact.
    signs = [rng.choice([-1.0, 1.0], size=size) for size in ((6, 4), (6, 16), (4, 4))]
    few = np.array([[1.0, 1, 1, 1], [-1, 1, 1, 1], [1, -1, -1, -1]])
    a = rng.normal(size=(48, 20))
    return {
        "three emotions": (few, 2.0 * few[[1, 0, 2]]),
        "pairs with equal cosines": (signs[0], signs[1] * 2.0 ** rng.integers(-3, 4, size=(6, 1))),
        "as many dimensions as emotions": (signs[2], signs[2][::-1, ::-1] * 4),
        "two emotions alike": (np.vstack([few, few[:1]]), np.vstack([few[::-1], -few[:1]])),
        "turned and scaled": (a, 3 * a @ np.linalg.qr(rng.normal(size=(20, 20)))[0]),
        "turned inside out": (a, inside_out(a)),
    }


def cosines(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def rho(of, k: int = 1, compare=spearmanr):
    """The answer that compares something else than cosines, or other pairs of them, or in another way."""

    def answer(a, b):
        upper = np.triu_indices(len(a), k=k)
        return compare(of(a)[upper], of(b)[upper])[0]

    return answer


def of_distances(a, b):
    return spearmanr(pdist(a, "cosine"), pdist(b, "cosine")).correlation


def by_ranks(a, b):
    x, y = (torch.nn.functional.normalize(torch.tensor(v), dim=1) for v in (a, b))
    rows, columns = torch.tril_indices(len(a), len(a), offset=-1)
    x, y = (rankdata((v @ v.T)[rows, columns].numpy()) for v in (x, y))
    return torch.tensor(pearsonr(x, y).statistic)


def in_loops(a, b):
    both = []
    for vectors in (a, b):
        unit = [v / np.sqrt(v @ v) for v in vectors]
        both.append([unit[i] @ unit[j] for i in range(len(unit)) for j in range(i)])
    return float(spearmanr(*both)[0])


def all_but_the_diagonal(a, b):
    others = ~np.eye(len(a), dtype=bool)
    return spearmanr(cosines(a.astype(np.float32))[others], cosines(b)[others])[0]


exercise = Exercise(
    "5.2", "Compare two geometries", difficulty=3, importance=5, minutes=8, returns="number",
    reference=rsa, edges=edges, draw=draw, tolerance=2e-3,
    mistakes={
        "The whole matrices take part: every emotion is like itself in both, and that lifts the correlation for nothing. "
        "Take each pair once: `np.triu_indices(n, k=1)`.": lambda a, b: spearmanr(cosines(a).ravel(), cosines(b).ravel())[0],
        "The diagonal takes part: every emotion is like itself in both, and that lifts the correlation for nothing. `k=1` "
        "leaves it out.": rho(cosines, k=0),
        "`np.triu` of a matrix keeps its shape, with zeros below: they take part, too, and are equal in both. Pick the "
        "pairs out: `[np.triu_indices(n, k=1)]`.": lambda a, b: spearmanr(
            np.triu(cosines(a), k=1).ravel(), np.triu(cosines(b), k=1).ravel()
        )[0],
        "Neighbours in the list were left out: the pairs begin one place right of the diagonal, `k=1`.": rho(cosines, k=2),
        "That is Pearson's r. RSA compares the *order* of the pairs: Spearman's rho.": rho(cosines, compare=pearsonr),
        "That is Kendall's tau. Spearman's rho is wanted.": rho(cosines, compare=kendalltau),
        "That is the p-value. Return the statistic.": lambda a, b: spearmanr(pdist(a, "cosine"), pdist(b, "cosine"))[1],
        "That is the whole result. Return the statistic: `.statistic`.": lambda a, b: spearmanr(pdist(a, "cosine"), pdist(b, "cosine")),
        "The sign is lost. Who is near in one geometry may be far in the other, and then rho is negative.": lambda a, b: abs(
            rsa(a, b)
        ),
        "The sign is wrong: cosines on one side, distances on the other? Take the same on both.": lambda a, b: -rsa(a, b),
        "That is rho squared. Return rho.": lambda a, b: rsa(a, b) ** 2,
        "You compared dot products. Use cosines, or the emotions with long vectors decide.": rho(lambda x: x @ x.T),
        "You correlated the rows, which takes each vector's own mean off. Use cosines.": rho(np.corrcoef),
        "You took the mean emotion off first. Compare the vectors as they come.": lambda a, b: rsa(
            a - a.mean(axis=0), b - b.mean(axis=0)
        ),
        "You scaled the columns to length 1. A vector is a row: `axis=1`.": rho(
            lambda x: (unit := x / np.linalg.norm(x, axis=0)) @ unit.T
        ),
        "You compared Euclidean distances. Use cosines, or the emotions with long vectors decide.": lambda a, b: spearmanr(
            pdist(a), pdist(b)
        )[0],
        "You compared `a` with itself.": lambda a, b: rsa(a, a),
    },
    equivalent={
        "return spearmanr(pairs(b), pairs(a)).statistic": "rho is the same in both directions",
    },
    right=[of_distances, by_ranks, in_loops, all_but_the_diagonal],
    discuss="RSA compares who is near whom and forgets the rest. Two layers with an RSA of .9 may differ in what? Construct "
    "two arrangements of four emotions that RSA cannot tell apart.",
)  # fmt: skip
