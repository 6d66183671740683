"""Chapter 04, the geometry of feeling words: the course's own answers, and what an answer must do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jaxtyping import Float, Int

from emovec_lite.course.checks import Answer, agree, close, exercise, expect, shipped_vectors
from emovec_lite.geometry import correlations, cosines, pca, residual

if TYPE_CHECKING:
    import numpy as np


def cosine_matrix(vectors: Float[np.ndarray, "emotion d_model"]) -> Float[np.ndarray, "emotion emotion"]:
    return cosines(vectors)


def principal_scores(vectors: Float[np.ndarray, "emotion d_model"], k: int) -> Float[np.ndarray, "emotion component"]:
    return pca(vectors, k)[0]


def best_component(
    scores: Float[np.ndarray, "emotion component"], ratings: Float[np.ndarray, " emotion"]
) -> tuple[int, float]:
    r = abs(correlations(scores.T, ratings[None]))
    return int(r.argmax()) + 1, float(r.max())


def partial_out(y: Float[np.ndarray, " emotion"], x: Float[np.ndarray, " emotion"]) -> Float[np.ndarray, " emotion"]:
    return residual(y, x)


def ridge_held_out(
    vectors: Float[np.ndarray, "emotion d_model"], ratings: Float[np.ndarray, " emotion"], penalty: float
) -> Float[np.ndarray, " emotion"]:
    import numpy as np

    predicted = np.empty(len(ratings))
    for i in range(len(ratings)):
        rest = np.arange(len(ratings)) != i
        centre, mean = vectors[rest].mean(axis=0), ratings[rest].mean()
        x, y = vectors[rest] - centre, ratings[rest] - mean
        # The dual form: a system as large as there are emotions, not as there are dimensions.
        weights = x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), y)
        predicted[i] = mean + (vectors[i] - centre) @ weights
    return predicted


def max_null(
    scores: Float[np.ndarray, "layer component emotion"],
    ratings: Float[np.ndarray, " emotion"],
    orders: Int[np.ndarray, "permutation emotion"],
) -> Float[np.ndarray, " permutation"]:
    return abs(correlations(scores[None], ratings[orders][:, None, None])).max(axis=(1, 2))


@exercise("4.1", "Who is like whom", difficulty=1, importance=3, minutes=4, reference=cosine_matrix)
def check_cosine_matrix(answer: Answer) -> Iterator[str]:
    import numpy as np
    import torch

    yield "emotions by emotions"
    vectors = np.random.default_rng(0).normal(size=(4, 6)) * np.array([[1.0], [2.0], [5.0], [0.5]])
    hints = {(6, 6): "You compared dimensions with each other. Compare rows: `unit @ unit.T`."}
    got = answer.tensor(vectors, shape=(4, 4), axes="emotion emotion", hints=hints)
    yield "cosines"
    want = torch.as_tensor(cosines(vectors))
    column = vectors / np.linalg.norm(vectors, axis=0, keepdims=True)
    agree(
        got, want,
        {
            "Those are dot products: the longest vectors win. Scale every row to length 1 "
            "first.": torch.as_tensor(vectors @ vectors.T),
            "You scaled the *columns* to length 1. Each emotion is a row.": torch.as_tensor(column @ column.T),
            "Those are distances (1 minus the cosine). The map shows likeness.": 1 - want,
            "You divided by the whole matrix's norm. Each row has a length of its own.": torch.as_tensor(
                (v := vectors / np.linalg.norm(vectors)) @ v.T
            ),
            "Those are correlations: each vector's own mean was taken off first. It has no meaning here; the emotions' "
            "mean is gone already.": torch.as_tensor(np.corrcoef(vectors)),
            "The diagonal should be 1: everything is like itself.": want - torch.eye(4),
        },
        f"Not the cosines: the first two rows have {cosines(vectors)[0, 1]:.3f}, you have {float(got[0, 1]):.3f}.",
    )  # fmt: skip


@exercise("4.2", "Principal components by hand", difficulty=3, importance=5, minutes=8, reference=principal_scores)
def check_principal_scores(answer: Answer) -> Iterator[str]:
    import numpy as np
    import torch

    yield "k numbers an emotion"
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(8, 5)) * np.array([6.0, 3.0, 2.0, 1.0, 0.5]) + np.array([0.0, 0.0, 0.0, 9.0, 0.0])
    hints = {
        (2, 5): "Those are the directions (rows of Vh). What is wanted is each emotion's place along them.",
        (2, 8): "The emotions should be the rows: transpose.",
        (5, 2): "Those are directions. What is wanted is each emotion's place along them.",
        (8, 5): "All components. Return the first k.",
    }
    got = answer.tensor(vectors, 2, shape=(8, 2), axes="emotion component", hints=hints)
    yield "places along the directions of most variance"
    want = torch.as_tensor(pca(vectors, 2)[0])

    def same(a, b) -> bool:
        """Up to the sign of each component, which is nobody's to choose."""
        return all(close(x, y) or close(-x, y) for x, y in zip(a.T, b.T, strict=True))

    centred = vectors - vectors.mean(axis=0)
    u, s, vh = np.linalg.svd(centred, full_matrices=False)
    raw = np.linalg.svd(vectors, full_matrices=False)
    mistakes = {
        "The mean is not subtracted: your first component points at the mean.": (raw[0] * raw[1])[:, :2],
        "The mean is subtracted from the scores, but not before the decomposition.": (centred @ raw[2].T)[:, :2],
        "Those are the columns of U: every component is as wide as the next. Multiply by the singular values, or "
        "project the centred vectors on the directions.": u[:, :2],
        "You multiplied U by the squares of the singular values.": (u * s**2)[:, :2],
        "You projected the *uncentred* vectors: everything is shifted.": (vectors @ vh.T)[:, :2],
        "Those are the components with the *least* variance. `eigh` returns them in rising order.": (u * s)[:, -2:],
    }
    for message, wrong in mistakes.items():
        # The last two come in either order.
        last = message.startswith("Those are the components with")
        found = [torch.as_tensor(wrong), *([torch.as_tensor(wrong[:, ::-1].copy())] if last else [])]
        expect(same(got, want) or not any(same(got, w) for w in found), message)
    expect(
        same(got, want) or not same(got.flip(1), want),
        "The components are in the wrong order: the one with most variance comes first.",
    )
    expect(same(got, want), "Not the emotions' places along the two directions in which they vary most.")
    yield "real vectors"
    vectors = shipped_vectors().at(19).double().numpy()
    got = answer.tensor(vectors, 5, shape=(len(vectors), 5), axes="emotion component")
    expect(same(got, torch.as_tensor(pca(vectors, 5)[0])), "Right for a toy, wrong for the course's own vectors.")


@exercise("4.3", "Sign and rank", difficulty=2, importance=5, minutes=5, reference=best_component)
def check_best_component(answer: Answer) -> Iterator[str]:
    import numpy as np

    yield "a number and a correlation"
    ratings = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    columns = [
        [9.0, -9.0, 8.0, -8.0, 9.0, -6.0],
        [2.0, -5.0, 6.0, -3.0, 1.0, 2.0],
        [-1.0, -2.2, -2.9, -4.1, -5.0, -5.8],
        [1.0, 1.0, 4.0, 2.0, 6.0, 3.0],
    ]
    scores = np.stack(columns, axis=1)
    got = answer.listing(scores, ratings, length=2)
    yield "the strongest, whichever its sign"
    component, r = best_component(scores, ratings)
    number, value = (float(x) for x in got)
    expect(
        number != 4,
        "Component 4 has the largest r, but component 3 has a larger |r|: it runs the other way. A component's sign "
        "is arbitrary.",
    )
    expect(
        number != 1,
        "That is component 1, which has most variance. Which one follows the ratings has to be looked for.",
    )
    expect(number != component - 1, "You count from 0. Components are numbered from 1, as in PC1.")
    expect(number == component, f"It is component {component}, you say {number:g}.")
    expect(value > 0, "The correlation should be an absolute value: the sign is arbitrary.")
    expect(not close_number(value, r**2), "That is r squared. Return |r|.")
    expect(close_number(value, r), f"The component is right; |r| is {r:.4f}, you have {value:.4f}.")
    yield "the first, if it is the first"
    got = answer.listing(scores[:, [2, 0, 1]], ratings, length=2)
    expect(float(got[0]) == 1, "When the first component is the best one, you do not find it.")
    got = answer.listing(-scores, ratings, length=2)
    expect(
        float(got[0]) == component and close_number(float(got[1]), r),
        "With every sign turned round the answer should be the same. Did you look for the most negative r only?",
    )


def close_number(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-3 * abs(b) + 1e-9


@exercise("4.4", "Predict the emotion you left out", difficulty=4, importance=5, minutes=12, reference=ridge_held_out)
def check_ridge_held_out(answer: Answer) -> Iterator[str]:
    import numpy as np
    import torch

    yield "one prediction an emotion"
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(10, 30)) + rng.normal(size=30)
    ratings = vectors[:, :3].sum(axis=1) + 4
    got = answer.tensor(vectors, ratings, 5.0, shape=(10,), axes="emotion")
    yield "each from all the others"
    want = torch.as_tensor(ridge_held_out(vectors, ratings, 5.0))

    def fitted(penalty: float, centre: bool = True) -> torch.Tensor:
        mean, middle = (ratings.mean(), vectors.mean(axis=0)) if centre else (0.0, 0.0)
        x, y = vectors - middle, ratings - mean
        return torch.as_tensor(mean + x @ (x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(10), y)))

    def loop(penalty: float, intercept: bool) -> torch.Tensor:
        out = []
        for i in range(10):
            rest = np.arange(10) != i
            mean, middle = (ratings[rest].mean(), vectors[rest].mean(axis=0)) if intercept else (0.0, 0.0)
            x, y = vectors[rest] - middle, ratings[rest] - mean
            out.append(mean + (vectors[i] - middle) @ (x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(9), y)))
        return torch.as_tensor(np.array(out))

    def no_mean() -> torch.Tensor:
        return want - torch.as_tensor(np.array([ratings[np.arange(10) != i].mean() for i in range(10)]))

    def leaky() -> torch.Tensor:
        x, y, out = vectors - vectors.mean(axis=0), ratings - ratings.mean(), []
        for i in range(10):
            rest = np.arange(10) != i
            out.append(x[i] @ x[rest].T @ np.linalg.solve(x[rest] @ x[rest].T + 5.0 * np.eye(9), y[rest]))
        return torch.as_tensor(ratings.mean() + np.array(out))

    agree(
        got, want,
        {
            "Those are the ratings themselves. With more dimensions than emotions a fit on all of them is perfect, and "
            "says nothing: leave out the one that you predict.": torch.as_tensor(ratings),
            "You predict emotions that the fit has seen: leave out, each time, the one that you "
            "predict.": fitted(5.0),
            "You predict emotions that the fit has seen, and without an intercept.": fitted(5.0, centre=False),
            "There is no intercept: subtract the mean vector and the mean rating of the *other* emotions, and add the "
            "mean rating back at the end.": loop(5.0, False),
            "The mean rating of the others is not added back.": no_mean(),
            "You subtracted the means of *all* emotions, and the one that you predict is among them: take those of the "
            "others, anew each time.": leaky(),
            "The penalty is not used: that is the fit with hardly any.": loop(1e-9, True),
            "The penalty went in squared.": loop(25.0, True),
        },
        "Not the ridge predictions of each emotion from all the others, with this penalty and an intercept.",
    )  # fmt: skip
    yield "a larger penalty"
    got = answer.tensor(vectors, ratings, 500.0, shape=(10,), axes="emotion")
    expect(
        close(got, torch.as_tensor(ridge_held_out(vectors, ratings, 500.0))),
        "Right for one penalty, not for another.",
    )


@exercise("4.5", "Take valence out of arousal", difficulty=3, importance=4, minutes=8, reference=partial_out)
def check_partial_out(answer: Answer) -> Iterator[str]:
    import numpy as np
    import torch

    yield "one number an emotion"
    rng = np.random.default_rng(3)
    x = rng.normal(size=12) + 5
    y = 0.8 * x + rng.normal(size=12) + 2
    got = answer.tensor(y, x, shape=(12,), axes="emotion")
    yield "nothing of x is left"
    want = torch.as_tensor(residual(y, x))
    left = float(correlations(got.numpy(), x))
    slope = float(correlations(x, y) * y.std() / x.std())
    agree(
        got, want,
        {
            "A line through the origin was taken out. The line needs an intercept: subtract both means "
            "first.": torch.as_tensor(y - (x @ y) / (x @ x) * x),
            "You took y out of x. It is y that should be left.": torch.as_tensor(residual(x, y)),
            "You subtracted x itself, as if the slope were 1.": torch.as_tensor(y - y.mean() - (x - x.mean())),
            "You returned the fitted line, what x explains. What is left over is wanted.": torch.as_tensor(
                slope * (x - x.mean()) + y.mean()
            ),
            "The mean of y is still in it: the line has an intercept.": want + y.mean(),
            "The mean of y is still in it: take the intercept out with the line.": torch.as_tensor(y - slope * x),
            "The sign is turned round: y minus the line.": -want,
            "Only the mean was taken out.": torch.as_tensor(y - y.mean()),
            "You used the correlation as the slope. They are the same only for variables of equal "
            "spread.": torch.as_tensor(y - y.mean() - correlations(x, y) * (x - x.mean())),
        },
        "Not what is left of y when a straight line in x is taken out"
        + (f": its correlation with x should be 0, yours is {left:.2f}." if abs(left) > 0.005 else
           ". It does not go with x any more, but it is not y minus a line, either."),
    )  # fmt: skip


@exercise("4.6", "The null for having looked everywhere", difficulty=4, importance=5, minutes=10, reference=max_null)
def check_max_null(answer: Answer) -> Iterator[str]:
    import numpy as np
    import torch

    yield "one number a permutation"
    rng = np.random.default_rng(5)
    scores, ratings = rng.normal(size=(4, 3, 12)), rng.normal(size=12)
    orders = np.stack([rng.permutation(12) for _ in range(7)])
    hints = {
        (7, 4): "One number for every layer: the best of *all* layers is wanted, as it was for the observed value.",
        (7, 3): "One number for every component: the best of all components is wanted.",
        (7, 4, 3): "All correlations. Take the largest |r| of each permutation.",
        (4,): "One number for each layer. What is wanted is one for each permutation.",
        (): "A single number. What is wanted is the whole null: the largest |r| of each permutation.",
    }
    got = answer.tensor(scores, ratings, orders, shape=(7,), axes="permutation", hints=hints)
    yield "the largest |r| over layers and components"
    every = correlations(scores[None], ratings[orders][:, None, None])
    agree(
        got, torch.as_tensor(abs(every).max(axis=(1, 2))),
        {
            "The signs are kept: a large negative r is as good as a positive one, for a component's sign is "
            "arbitrary.": torch.as_tensor(every.max(axis=(1, 2))),
            "You looked at the first component only. The observed value is the best of all of "
            "them.": torch.as_tensor(abs(every[:, :, 0]).max(axis=1)),
            "You looked at one layer only.": torch.as_tensor(abs(every[:, 0]).max(axis=1)),
            "You looked at the last layer only.": torch.as_tensor(abs(every[:, -1]).max(axis=1)),
            "You took the mean over layers and components. The observed value is their "
            "maximum.": torch.as_tensor(abs(every).mean(axis=(1, 2))),
            "Nothing is permuted: every entry is the observed value.": torch.full(
                (7,), float(abs(correlations(scores, ratings[None, None])).max())
            ).double(),
        },
        "Not the largest |r| over all layers and components for each order of the ratings.",
    )  # fmt: skip
