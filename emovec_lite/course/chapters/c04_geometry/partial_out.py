"""Exercise 4.5: take valence out of arousal."""

import numpy as np
from jaxtyping import Float

from emovec_lite.course.chapters.c04_geometry.ratings import some_ratings, standard
from emovec_lite.course.exercise import Exercise


def partial_out(y: Float[np.ndarray, " emotion"], x: Float[np.ndarray, " emotion"]) -> Float[np.ndarray, " emotion"]:
    x, y = x - x.mean(), y - y.mean()
    return y - (x @ y) / (x @ x) * x


def two_scales(rng: np.random.Generator, emotions: int, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Both off zero, of unequal spread."""
    x = some_ratings(rng, emotions)
    return slope * x + 0.3 * x.std() * rng.normal(size=emotions) + rng.uniform(-5, 5), x


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    return {
        "y rises with x": two_scales(rng, 6, 2.5),
        "y falls as x rises": two_scales(rng, 7, -0.4),
        "y is a line in x": (np.array([1.0, -11.0, -2.0, -8.0, -20.0]), np.array([1.0, 5.0, 2.0, 4.0, 8.0])),
        "y does not go with x": (np.array([5.0, 2.0, 2.0, 5.0]), np.array([1.0, 2.0, 5.0, 6.0])),
        "three emotions": two_scales(rng, 3, 0.5),
        "60 emotions": two_scales(rng, 60, 0.6),
    }


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return two_scales(rng, int(rng.integers(4, 13)), rng.uniform(-3, 3))


def line(y, x, degree=1):
    return np.polyval(np.polyfit(x, y, deg=degree), x)


def slope(y, x):
    return ((x - x.mean()) @ (y - y.mean())) / ((x - x.mean()) @ (x - x.mean()))


def along(y, x, slope):
    """What is left of y when a line of this slope is taken out."""
    return y - y.mean() - slope * (x - x.mean())


def by_polyfit(y, x):
    return y - line(y, x)


def by_sklearn(y, x):
    from sklearn.linear_model import LinearRegression

    return y - LinearRegression().fit(x.reshape(-1, 1), y).predict(x.reshape(-1, 1))


def by_least_squares(y, x):
    design = np.column_stack([np.ones_like(x), x])
    return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]


def by_linregress(y, x):
    from scipy.stats import linregress

    found = linregress(x, y)
    return y - (found.slope * x + found.intercept)


def by_projection(y, x):
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(x)), x]))
    return ((np.eye(len(x)) - basis @ basis.T) @ y).astype(np.float32)


def as_a_series(y, x):
    import pandas as pd

    y, x = pd.Series(y), pd.Series(x)
    return y - y.mean() - y.cov(x) / x.var() * (x - x.mean())


exercise = Exercise(
    "4.5", "Take valence out of arousal", difficulty=3, importance=4, minutes=8, returns="array Series", axes="emotion",
    reference=partial_out, edges=edges, draw=draw,
    mistakes={
        "A line through the origin was taken out. The line needs an intercept: subtract both means "
        "first.": lambda y, x: y - (x @ y) / (x @ x) * x,
        "Only y is centred. Subtract the mean of x from x, too, before the slope is taken.": lambda y, x: (
            (y - y.mean()) - (x @ (y - y.mean())) / (x @ x) * x
        ),
        "The slope and intercept are those of x by y: `np.polyfit(x, y, 1)` takes x first.": lambda y, x: (
            y - np.polyval(np.polyfit(y, x, 1), x)
        ),
        "You took y out of x. It is y that should be left.": lambda y, x: partial_out(x, y),
        "The slope is upside down: divide by (x · x), not by (y · y).": lambda y, x: along(y, x, slope(x, y)),
        "You subtracted x itself, as if the slope were 1.": lambda y, x: along(y, x, 1),
        "You returned the fitted line, what x explains. What is left over is wanted.": line,
        "You returned the fitted line, without its intercept. What is left over is wanted.": lambda y, x: (
            slope(y, x) * (x - x.mean())
        ),
        "The mean of y is still in it: subtract the intercept with the line.": lambda y, x: partial_out(y, x) + y.mean(),
        "The intercept is still in it: take it out with the slope.": lambda y, x: y - slope(y, x) * x,
        "The sign is turned round: y minus the line.": lambda y, x: line(y, x) - y,
        "The line is added instead of subtracted.": lambda y, x: along(y, x, -slope(y, x)),
        "Only the mean was taken out.": lambda y, x: y - y.mean(),
        "You used the correlation as the slope. They are the same only for variables of equal "
        "spread.": lambda y, x: along(y, x, standard(x) @ standard(y)),
        "You used the covariance as the slope. Divide it by the variance of x.": lambda y, x: along(y, x, np.cov(x, y)[0, 1]),
        "The slope is n / (n - 1) times too large: `np.cov` divides by n - 1, and `np.var` by n. Give both the same "
        "`ddof`.": lambda y, x: along(y, x, np.cov(x, y)[0, 1] / np.var(x)),
        "A parabola was taken out. Only a straight line is wanted.": lambda y, x: y - line(y, x, degree=2),
        "What is left was scaled to length 1 or spread 1. Leave it in the units of "
        "y.": lambda y, x: (left := partial_out(y, x)) / left.std(),
    },
    right=[by_polyfit, by_sklearn, by_least_squares, by_linregress, by_projection, as_a_series],
    discuss="Valence and arousal go together in these ratings. Is that so in people, in the English lexicon, or in the "
    "choice of these 48 words? Would you take valence out of arousal, or arousal out of valence?",
)  # fmt: skip
