"""Exercise 4.4: predict the emotion you left out."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float

from emovec_lite.course.chapters.c04_geometry.ratings import some_ratings
from emovec_lite.course.exercise import Exercise


def ridge_held_out(
    vectors: Float[np.ndarray, "emotion d_model"], ratings: Float[np.ndarray, " emotion"], penalty: float
) -> Float[np.ndarray, " emotion"]:
    predicted = np.empty(len(ratings))
    for i in range(len(ratings)):
        rest = np.arange(len(ratings)) != i
        centre, mean = vectors[rest].mean(axis=0), ratings[rest].mean()
        x, y = vectors[rest] - centre, ratings[rest] - mean
        weights = x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), y)
        predicted[i] = mean + (vectors[i] - centre) @ weights
    return predicted


def rated(rng: np.random.Generator, emotions: int, d_model: int, log_penalty: float) -> tuple:
    """Vectors off the origin, ratings that partly follow them, and a penalty relative to the vectors' size."""
    vectors = rng.normal(size=(emotions, d_model)) * rng.uniform(0.5, 2, d_model) + 2 * rng.normal(size=d_model)
    ratings = some_ratings(rng, emotions) + vectors @ rng.normal(size=d_model) / d_model**0.5
    return vectors, ratings.round(1), float(10**log_penalty * d_model)


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    vectors, _, penalty = rated(rng, 5, 3, 0)
    return {
        "ratings that are the same": (vectors, np.array([7.0, 2.5, 7.0, 2.5, 7.0]), penalty),
        "a tiny penalty": rated(rng, 8, 12, -4),
        "a huge penalty": rated(rng, 8, 6, 4),
        "three emotions": rated(rng, 3, 4, 0),
        "as many emotions as dimensions": rated(rng, 6, 6, -1),
        "more emotions than dimensions": rated(rng, 14, 2, -2),
        "two emotions with one vector": (vectors[[0, 1, 0, 3]], np.array([7.0, 2.5, 4.0, 1.0]), penalty),
        "60 emotions": rated(rng, 60, 100, 0),
    }


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    return rated(rng, *(int(n) for n in rng.integers(4, 15, size=2)), rng.uniform(-3, 2))


def weights_of(x, y, penalty):
    return x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), y)


def fit(x, y, new, penalty):
    """The prediction for `new` by a ridge regression with an intercept."""
    return y.mean() + (new - x.mean(axis=0)) @ weights_of(x - x.mean(axis=0), y - y.mean(), penalty)


def without_penalty(x, y, new, penalty):
    return y.mean() + (new - x.mean(axis=0)) @ np.linalg.pinv(x - x.mean(axis=0), rcond=1e-9) @ (y - y.mean())


def held_out(predict: Callable, rest=lambda ratings, i: np.arange(len(ratings)) != i) -> Callable:
    """The answer that predicts each emotion by `predict(x, y, new, penalty)` from those in `rest`."""

    def answer(vectors, ratings, penalty):
        kept = [rest(ratings, i) for i in range(len(ratings))]
        return np.array([predict(vectors[k], ratings[k], vectors[i], penalty) for i, k in enumerate(kept)])

    return answer


def centred_on_all(vectors, ratings, penalty):
    x, y = vectors - vectors.mean(axis=0), ratings - ratings.mean()
    return ratings.mean() + held_out(without_intercept)(x, y, penalty)


def without_intercept(x, y, new, penalty):
    return new @ weights_of(x, y, penalty)


def penalised_intercept(x, y, new, penalty):
    return np.append(new, 1) @ weights_of(np.column_stack([x, np.ones(len(x))]), y, penalty)


def in_folds(folds: int | None = None) -> Callable:
    """The answer by scikit-learn: in so many folds, or in as many as there are emotions."""

    def answer(vectors, ratings, penalty):
        from sklearn.linear_model import Ridge
        from sklearn.model_selection import cross_val_predict

        return cross_val_predict(Ridge(alpha=penalty), vectors, ratings, cv=folds or len(ratings))

    return answer


def by_hat_matrix(vectors, ratings, penalty):
    n = len(ratings)
    x = vectors - vectors.mean(axis=0)
    hat = np.full((n, n), 1 / n) + x @ np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T)
    own = np.diag(hat)
    return ((hat @ ratings - own * ratings) / (1 - own)).tolist()


def in_primal_form(vectors, ratings, penalty):
    vectors, ratings = torch.tensor(vectors), torch.tensor(ratings)
    predicted = []
    for i in range(len(ratings)):
        x, y = torch.cat([vectors[:i], vectors[i + 1 :]]), torch.cat([ratings[:i], ratings[i + 1 :]])
        xc, yc = x - x.mean(0), y - y.mean()
        weights = torch.linalg.inv(xc.T @ xc + penalty * torch.eye(x.shape[1])) @ xc.T @ yc
        predicted.append(y.mean() + (vectors[i] - x.mean(0)) @ weights)
    return torch.stack(predicted)


def as_a_series(vectors, ratings, penalty):
    import pandas as pd

    rest = [(np.delete(vectors, i, axis=0), np.delete(ratings, i)) for i in range(len(ratings))]
    return pd.Series([fit(*others, new, penalty) for others, new in zip(rest, vectors, strict=True)])


exercise = Exercise(
    "4.4", "Predict the emotion you left out", difficulty=4, importance=5, minutes=12, axes="emotion",
    returns="array tensor list tuple Series", reference=ridge_held_out, edges=edges, draw=draw,
    mistakes={
        "That is a fit without a penalty on *all* emotions. With more dimensions than emotions it gives the ratings "
        "themselves, and says nothing: leave out the one that you predict.": lambda vectors, ratings, penalty: (
            vectors @ np.linalg.lstsq(vectors, ratings, rcond=None)[0]
        ),
        "You predict emotions that the fit has seen: leave out, each time, the one that you "
        "predict.": held_out(fit, rest=lambda ratings, i: slice(None)),
        "You predict emotions that the fit has seen, and without an intercept.": held_out(
            without_intercept, rest=lambda ratings, i: slice(None)
        ),
        "You leave out every emotion that has the same rating as the one you predict. Leave out that one only, by its "
        "place and not by its rating.": held_out(fit, rest=lambda ratings, i: ratings != ratings[i]),
        "You leave out a fifth of the emotions at a time. Leave out one at a time "
        "(`cv=LeaveOneOut()`).": in_folds(5),
        "There is no intercept: subtract the mean vector and the mean rating of the *other* emotions, and add the "
        "mean rating back at the end.": held_out(without_intercept),
        "The penalty holds the intercept down as well: it went in as one more column. Subtract the others' means "
        "instead, and add their mean rating back.": held_out(penalised_intercept),
        "The mean rating of the others is not added back.": held_out(lambda x, y, *rest: fit(x, y, *rest) - y.mean()),
        "The others' mean vector is subtracted in the fit, but not from the vector that you predict "
        "from.": held_out(lambda x, y, new, penalty: fit(x, y, new + x.mean(axis=0), penalty)),
        "The mean is taken out of the ratings, but not out of the vectors: subtract the others' mean vector, from the "
        "one that you predict from, too.": held_out(lambda x, y, *rest: y.mean() + without_intercept(x, y - y.mean(), *rest)),
        "You subtracted the means of *all* emotions, and the one that you predict is among them: take those of the "
        "others, anew each time.": centred_on_all,
        "The penalty does nothing: that is the fit with none. (It belongs on the diagonal, `penalty * np.eye(len(x))`.)": held_out(without_penalty),
        "The penalty is 1, whatever `penalty` says (`Ridge()` without `alpha`?).": held_out(lambda x, y, new, penalty: fit(x, y, new, 1.0)),
        "The penalty went in squared.": held_out(lambda x, y, new, penalty: fit(x, y, new, penalty**2)),
        "You scaled every dimension to equal spread, and the penalty means another thing then. Take the vectors as "
        "they are, with only the mean off.": held_out(lambda x, y, new, penalty: fit(x / x.std(axis=0), y, new / x.std(axis=0), penalty)),
        "Each prediction is an array of one number: take its `[0]`.": lambda *args: ridge_held_out(*args)[:, None],
    },
    equivalent={
        "x, y = (vectors[rest] - centre, ratings[rest] + mean)": "a constant in y makes no weight: x is centred",
    },
    right=[in_folds(), by_hat_matrix, in_primal_form, as_a_series],
    discuss="The embeddings of a story are the mean of its words, in no order, and they predict valence nearly as well as "
    "the layer does. What does each of the two numbers measure? Which sentence about the *model* do they allow?",
)  # fmt: skip
