"""Exercise 4.3: sign and rank."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from emovec_lite.course.chapters.c04_geometry.ratings import scores_beside, some_ratings, standard, unit
from emovec_lite.course.exercise import Exercise


def best_component(
    scores: Float[np.ndarray, "emotion component"], ratings: Float[np.ndarray, " emotion"]
) -> tuple[int, float]:
    r = [abs(np.corrcoef(column, ratings)[0, 1]) for column in scores.T]
    return int(np.argmax(r)) + 1, max(r)


def following(rng: np.random.Generator, emotions: int, components: int, best: int, sign: int) -> tuple:
    """Scores of which the component counted `best` from 1 follows the ratings."""
    ratings = some_ratings(rng, emotions)
    scores = scores_beside(rng, ratings, components).T
    scores[:, best - 1] = sign * 2 * ratings + rng.normal(size=emotions) + 3
    return scores, ratings


WIDE = np.array([1.0, 4.0, 2.0, 5.0])


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    return {
        "the first is best": following(rng, 8, 5, 1, 1),
        "the last is best": following(rng, 12, 5, 5, 1),
        "the best runs the other way": following(rng, 6, 3, 2, -1),
        "the last of ten": following(rng, 60, 10, 10, -1),
        "one component": following(rng, 6, 1, 1, -1),
        "a wide one beside a narrow best": (np.array([[9.0, 0.1], [-9.0, 0.3], [18.0, 0.2], [0.0, 0.5]]), WIDE),
        "as many components as emotions": following(rng, 5, 5, 4, -1),
        "more components than emotions": following(rng, 4, 7, 6, 1),
    }


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    ratings = some_ratings(rng, int(rng.integers(5, 20)))
    return scores_beside(rng, ratings, int(rng.integers(1, 11))).T, ratings


def view(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.shape == (2,):
        return {"component": np.asarray(value[0]), "|r|": np.asarray(value[1])}
    return value


def each_r(scores, ratings):
    return standard(scores.T) @ standard(ratings)


def best_of(r, value=np.abs):
    """The answer that takes the largest of these, and gives `value` of it."""
    return int(np.argmax(r)) + 1, value(r[np.argmax(r)])


def of_ranks(scores, ratings):
    from scipy.stats import rankdata

    return best_of(np.abs(each_r(rankdata(scores, axis=0), rankdata(ratings))))


def its_sign_kept(scores, ratings):
    r = each_r(scores, ratings)
    return int(np.argmax(np.abs(r))) + 1, r[np.argmax(np.abs(r))]


def in_a_loop(scores, ratings):
    from scipy.stats import pearsonr

    best, found = 0, 0.0
    for number in range(1, scores.shape[1] + 1):
        r = abs(pearsonr(scores[:, number - 1], ratings).statistic)
        if r > found:
            best, found = number, r
    return best, found


def by_one_matrix(scores, ratings):
    r = np.abs(np.corrcoef(scores, ratings, rowvar=False)[-1, :-1])
    return np.array([r.argmax() + 1, r.max()])


def by_torch(scores, ratings):
    r = torch.corrcoef(torch.as_tensor(np.vstack([scores.T, ratings])))[-1, :-1].abs()
    return r.argmax() + 1, r.max()


def by_sorting(scores, ratings):
    found = sorted((float(-abs(r)), number) for number, r in enumerate(each_r(scores, ratings), start=1))
    return [found[0][1], -found[0][0]]


exercise = Exercise(
    "4.3", "Sign and rank", difficulty=2, importance=5, minutes=5, returns="tuple list array tensor", view=view,
    reference=best_component, edges=edges, draw=draw,
    mistakes={
        "You took the largest r. A component whose r is far below 0 follows the ratings just as well, it only runs the "
        "other way, for its sign is arbitrary: look for the largest |r|.": lambda scores, ratings: best_of(
            each_r(scores, ratings), lambda r: r
        ),
        "You took the largest r, and its absolute value only then. A component whose r is far below 0 follows the "
        "ratings just as well: take |r| of all of them first.": lambda scores, ratings: best_of(each_r(scores, ratings)),
        "You took the most negative r. Look for the largest |r|: a component's sign is arbitrary, and the best one may "
        "run either way.": lambda scores, ratings: best_of(-each_r(scores, ratings)),
        "You count from 0. Components are numbered from 1, as in PC1.": lambda scores, ratings: (
            (found := best_component(scores, ratings))[0] - 1, found[1]
        ),
        "The component is right, but its r should be an absolute value: the sign is arbitrary.": its_sign_kept,
        "That is r squared. Return |r|.": lambda scores, ratings: best_of(each_r(scores, ratings) ** 2),
        "You look at component 1 only, which has most variance. Which one follows the ratings has to be looked "
        "for.": lambda scores, ratings: best_of(np.abs(each_r(scores[:, :1], ratings))),
        "You look at the first three components only. The best one may be any.": lambda scores, ratings: best_of(
            np.abs(each_r(scores[:, :3], ratings))
        ),
        "You look at the first five components only. The best one may be any, and there may be more than "
        "five.": lambda scores, ratings: best_of(np.abs(each_r(scores[:, :5], ratings))),
        "You leave out the last component.": lambda scores, ratings: best_of(np.abs(each_r(scores[:, :-1], ratings))),
        "The other way round: first the component's number, then |r|.": lambda scores, ratings: best_component(
            scores, ratings
        )[::-1],
        "Those are correlations of ranks (Spearman). Pearson's r is wanted.": of_ranks,
        "Those are cosines. For Pearson's r the mean is subtracted from both first.": lambda scores, ratings: best_of(
            np.abs(unit(scores.T) @ unit(ratings))
        ),
        "The mean is subtracted from the ratings, but not from the scores. Pearson's r needs "
        "both.": lambda scores, ratings: best_of(np.abs(unit(scores.T) @ standard(ratings))),
        "You correlate the *rows* of `scores`, which are emotions. Its columns are the components: "
        "`scores.T`.": lambda scores, ratings: best_component(scores.T, ratings),
    },
    equivalent={
        "return (np.argmax(r) + 1, max(r))": "numpy's whole number counts as well as Python's",
        "r = [abs(np.corrcoef(ratings, column)[0, 1]) for column in scores.T]": "a correlation has no direction",
    },
    right=[in_a_loop, by_one_matrix, by_torch, by_sorting],
    discuss="Someone reports that PC1 correlates with valence at -.7, someone else at +.7, in the same model. Do they "
    "disagree? And does \"the best of five\" disagree with \"PC1\"?",
)  # fmt: skip
