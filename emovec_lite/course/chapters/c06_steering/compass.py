"""Exercise 6.5: a compass of feeling words."""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from emovec_lite.course.exercise import Exercise


def compass(
    rows: Float[Tensor, "emotion d_model"],
    valence: Float[Tensor, " emotion"],
    arousal: Float[Tensor, " emotion"],
    degrees: float,
) -> Float[Tensor, " d_model"]:
    right, up = valence @ rows, arousal @ rows
    right = right / right.norm()
    up = up - (up @ right) * right
    up = up / up.norm()
    angle = math.radians(degrees)
    return math.cos(angle) * right + math.sin(angle) * up


def some_axes(rng: np.random.Generator, emotions: int, d_model: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of unequal lengths and weights of unequal spreads, centred none of them, as in one half of the emotions."""
    rows = rng.normal(size=(emotions, d_model)) * rng.uniform(0.3, 5, size=(emotions, 1)) + rng.normal(size=d_model)
    weights = rng.normal(size=(2, emotions)) * rng.uniform(0.3, 3, size=(2, 1)) + rng.normal(size=(2, 1))
    return tuple(torch.tensor(x, dtype=torch.float32) for x in (rows, *weights))


def edges() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    axes, square = some_axes(rng, 6, 4), some_axes(rng, 3, 3)
    angles = {
        "east": 0, "north": 90.0, "west": 180.0, "south": 270.0, "the first quadrant": 30.0, "the second": 135.0,
        "the third": 250.0, "the fourth": -45.0, "more than once round": 400.0, "backwards round": -600.0,
    }  # fmt: skip
    return {name: (*axes, degrees) for name, degrees in angles.items()} | {
        "rows of another length": (100 * axes[0], 2 * axes[1], 0.1 * axes[2], 60.0),
        "as many emotions as dimensions": (*square, 75.0),
        "weights of one sign": (square[0], *(weights.abs() + 1 for weights in square[1:]), 300.0),
        "two dimensions": (*some_axes(rng, 5, 2), 10.0),
        "more dimensions than emotions": (*some_axes(rng, 3, 40), 200.0),
    }


def draw(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, float]:
    emotions, d_model = int(rng.integers(3, 8)), int(rng.integers(2, 8))
    return *some_axes(rng, emotions, d_model), float(rng.uniform(-720, 720))


def along(axes: Callable, angle: Callable = math.radians) -> Callable:
    """Cosine and sine along the axes that `axes` makes of `valence @ rows` and of `arousal @ rows`."""

    def answer(rows, valence, arousal, degrees):
        right, up = axes(valence @ rows, arousal @ rows)
        return math.cos(angle(degrees)) * right + math.sin(angle(degrees)) * up

    return answer


def unit(x: Tensor) -> Tensor:
    return x / x.norm()


def without(x: Tensor, y: Tensor) -> Tensor:
    """What of x is at a right angle to y."""
    return x - (x @ y) / (y @ y) * y


askew = along(lambda right, up: (unit(right), unit(up)))
of_any_length = along(lambda right, up: (right, without(up, right)))


def by_numpy(rows: Tensor, valence: Tensor, arousal: Tensor, degrees: float) -> Tensor:
    axes = np.stack([valence.numpy(), arousal.numpy()]) @ rows.numpy()
    basis, triangle = np.linalg.qr(axes.T)
    basis = basis * np.sign(np.diag(triangle))  # QR may turn an axis around
    return torch.tensor(basis @ [np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])


def by_projection(rows: Tensor, valence: Tensor, arousal: Tensor, degrees: float) -> Tensor:
    right, up = rows.T.double() @ valence.double(), rows.T.double() @ arousal.double()
    up = up - (up @ right) / (right @ right) * right
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return (torch.cos(angle) * right / right.norm() + torch.sin(angle) * up / up.norm()).half()


def by_turning(rows: Tensor, valence: Tensor, arousal: Tensor, degrees: float) -> Tensor:
    east, north = normalize(torch.stack([valence, arousal]) @ rows, dim=1)
    north = north - torch.outer(east, east) @ north
    turn = complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    return east.mul(turn.real).add(north / torch.linalg.vector_norm(north), alpha=turn.imag)


exercise = Exercise(
    "6.5", "A compass of feeling words", difficulty=3, importance=4, minutes=10, axes="d_model",
    reference=compass, edges=edges, draw=draw,
    mistakes={
        "`math.cos` counts in radians: `math.radians(degrees)`.": along(lambda r, u: (unit(r), unit(without(u, r))), float),
        "`math.cos` counts in radians. And the two axes are not at a right angle.": along(lambda r, u: (unit(r), unit(u)), float),
        "The two axes are not at a right angle: moving up would also move you along valence. Subtract from the arousal "
        "axis its part along the valence axis.": askew,
        "You took valence out of arousal's *weights*. That does not make the two axes meet at a right angle: take it out "
        "of the direction.": lambda rows, v, a, degrees: askew(rows, v, without(a, v), degrees),
        "You straightened the valence axis. Leave valence as it is, and take its part out of *arousal*.": along(
            lambda r, u: (unit(without(r, u)), unit(u))
        ),
        "You took out the part along `valence @ rows` before that had length 1: the part of u along a *unit* vector v is "
        "(u · v) v.": along(lambda r, u: (unit(r), unit(u - (u @ r) * r))),
        "Make the arousal axis unit length *after* its part along valence is out.": along(
            lambda r, u: (unit(r), without(unit(u), r))
        ),
        "The arousal axis does not have length 1.": along(lambda r, u: (unit(r), without(u, r))),
        "Make the direction unit length: both axes, before you combine them.": of_any_length,
        "Each axis must have length 1 *before* you combine them. Afterwards it is another "
        "angle.": lambda *args: unit(of_any_length(*args)),
        "Cosine belongs to valence, sine to arousal: at 0 degrees you point to "
        "arousal.": lambda rows, v, a, degrees: compass(rows, v, a, 90 - degrees),
        "Unpleasant at 0 degrees: the sign of valence is turned.": lambda rows, v, a, degrees: compass(rows, -v, a, degrees),
        "Upside down: at 90 degrees arousal is high.": lambda rows, v, a, degrees: compass(rows, v, a, -degrees),
        "You took the absolute value of the angle. −45 degrees are below the valence "
        "axis.": lambda rows, v, a, degrees: compass(rows, v, a, abs(degrees)),
        "You centred the rows, or the weights: it comes to the same. Take both as they "
        "are.": lambda rows, *others: compass(rows - rows.mean(dim=0), *others),
        "You standardised each dimension of the rows. Take them as they "
        "are.": lambda rows, *others: compass((rows - rows.mean(dim=0)) / rows.std(dim=0), *others),
        "You brought each emotion's row to length 1 first. Take them as they "
        "are.": lambda rows, *others: compass(normalize(rows, dim=1), *others),
    },
    right=[by_numpy, by_projection, by_turning],
    discuss="The compass has two axes because we gave it two, and a right angle because we made one. What would you look "
    "for before you say that the *model* has a compass?",
)  # fmt: skip
