"""Exercise 4.6: the null for having looked everywhere."""

import numpy as np
import torch
from jaxtyping import Float, Int

from emovec_lite.course.chapters.c04_geometry.ratings import scores_beside, some_ratings, standard, unit
from emovec_lite.course.exercise import Exercise


def max_null(
    scores: Float[np.ndarray, "layer component emotion"],
    ratings: Float[np.ndarray, " emotion"],
    orders: Int[np.ndarray, "permutation emotion"],
) -> Float[np.ndarray, " permutation"]:
    def standard(x):
        x = x - x.mean(axis=-1, keepdims=True)
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    scores, ratings = standard(scores), standard(ratings)
    return np.array([abs(scores @ ratings[order]).max() for order in orders])


def looked(rng: np.random.Generator, layers: int, components: int, emotions: int, permutations: int) -> tuple:
    ratings = some_ratings(rng, emotions)
    orders = np.stack([rng.permutation(emotions) for _ in range(permutations)])
    return scores_beside(rng, ratings, layers, components), ratings, orders


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    scores, ratings, orders = looked(rng, 2, 3, 6, 3)
    scores[1, 2] = 5 - ratings[orders[0]]
    scores[0, 1] = ratings[orders[1]] - 2
    return {
        "the best runs the other way": (scores, ratings, orders),
        "nothing shuffled": (scores, ratings, np.arange(6)[None]),
        "one component of one layer": looked(rng, 1, 1, 7, 5),
        "two layers of two components": looked(rng, 2, 2, 4, 2),
        "ten components of one layer": looked(rng, 1, 10, 9, 4),
        "one component of each layer": looked(rng, 6, 1, 8, 4),
        "as many of everything": looked(rng, 4, 4, 4, 4),
        "40 layers, 60 emotions": looked(rng, 40, 5, 60, 10),
    }


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    layers, components, permutations = (int(n) for n in rng.integers(1, 8, size=3))
    return looked(rng, layers, components, int(rng.integers(5, 12)), permutations)


def each(scores, ratings, orders, of_scores=standard, of_ratings=standard):
    """Every r, (permutation, layer, component)."""
    return np.einsum("lce,pe->plc", of_scores(scores), of_ratings(ratings)[orders])


def sizes(*args):
    """Every |r|."""
    return np.abs(each(*args))


def everywhere(sizes: np.ndarray) -> np.ndarray:
    return sizes.max(axis=(1, 2))


def reordered_again(scores, ratings, orders):
    found = []
    for order in orders:
        ratings = ratings[order]
        found.append(sizes(scores, ratings, np.arange(len(ratings))[None]).max())
    return np.array(found)


def in_loops(scores, ratings, orders):
    from scipy.stats import pearsonr

    found = [0.0] * len(orders)
    for p, order in enumerate(orders):
        for layer in scores:
            for component in layer:
                found[p] = max(found[p], abs(pearsonr(component, ratings[order]).statistic))
    return found


def by_one_product(scores, ratings, orders):
    flat = standard(scores.reshape(-1, scores.shape[-1]))
    return np.abs(standard(ratings[orders]) @ flat.T).max(axis=1).astype(np.float32)


def by_torch(scores, ratings, orders):
    scores, ratings = torch.tensor(standard(scores)), torch.tensor(standard(ratings))
    return torch.einsum("lce,pe->plc", scores, ratings[torch.tensor(orders)]).abs().amax(dim=(1, 2))


def by_corrcoef(scores, ratings, orders):
    import pandas as pd

    rows = scores.reshape(-1, scores.shape[-1])
    return pd.Series([np.abs(np.corrcoef(rows, ratings[order])[-1, :-1]).max() for order in orders])


exercise = Exercise(
    "4.6", "The null for having looked everywhere", difficulty=4, importance=5, minutes=10, axes="permutation",
    returns="array tensor list tuple Series", reference=max_null, edges=edges, draw=draw,
    mistakes={
        "The signs are kept: a large negative r is as good as a positive one, for a component's sign is "
        "arbitrary.": lambda *args: everywhere(each(*args)),
        "You took the largest r, and its absolute value only then. A large negative r is as good as a positive one: "
        "take |r| of all of them first.": lambda *args: np.abs(everywhere(each(*args))),
        "The ratings are not centred: without their mean taken off, the product is no correlation, and every bar comes "
        "out too low.": lambda *args: everywhere(sizes(*args, standard, unit)),
        "The scores are not centred. Those of `principal_scores` have a mean of 0, but an r needs the mean taken off "
        "whatever is given.": lambda *args: everywhere(sizes(*args, unit)),
        "Neither scores nor ratings are centred: take the mean off both, along the "
        "emotions.": lambda *args: everywhere(sizes(*args, unit, unit)),
        "You looked at the first component only. The observed value is the best of all of "
        "them.": lambda *args: everywhere(sizes(*args)[:, :, :1]),
        "You looked at the first layer only.": lambda *args: everywhere(sizes(*args)[:, :1]),
        "You looked at the last layer only.": lambda *args: everywhere(sizes(*args)[:, -1:]),
        "You took the mean over layers and components. Keep the largest "
        "of them.": lambda *args: sizes(*args).mean(axis=(1, 2)),
        "One number for every layer: the best of *all* layers is wanted, as it was for the observed "
        "value.": lambda *args: sizes(*args).max(axis=2),
        "One number for every component: the best of all components is wanted.": lambda *args: sizes(*args).max(axis=1),
        "All correlations. Take the largest |r| of each permutation.": sizes,
        "One number for each layer. What is wanted is one for each permutation.": lambda *args: sizes(*args).max(axis=(0, 2)),
        "A single number. What is wanted is the whole null: the largest |r| of each permutation.": lambda *args: sizes(*args).max(),
        "Nothing is permuted: every entry is the observed value. (Scores and ratings in the same new order go together "
        "as before.)": lambda scores, ratings, orders: everywhere(sizes(scores, ratings, np.sort(orders))),
        "You reordered the scores, or turned the orders round (`argsort`). As a null that is as good, but not number "
        "by number: reorder the ratings, `ratings[order]`.": lambda scores, ratings, orders: everywhere(
            sizes(scores, ratings, np.argsort(orders))
        ),
        "You reorder ratings that are reordered already: `ratings = ratings[order]` goes on from one order to the next. "
        "Give the reordered ones a name of their own.": reordered_again,
        "The largest |r| so far goes on from one order to the next. Begin anew for each.": lambda *args: (
            np.maximum.accumulate(max_null(*args))
        ),
        "Those are r squared. Return |r|.": lambda *args: max_null(*args) ** 2,
    },
    equivalent={
        "return [abs(scores @ ratings[order]).max() for order in orders]": "a list does as well in the next cell",
    },
    right=[in_loops, by_one_product, by_torch, by_corrcoef],
    discuss="The bar rises with every place where one looks. What counts as a look: a layer that you plotted and did not "
    "report? A model that you tried last week?",
)  # fmt: skip
