"""Exercise 7.2: an effect among its controls."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.stats import norm, percentileofscore

from emovec_lite.course.exercise import Exercise


def control_p(value: float, controls: Sequence[float], side: int) -> float:
    further = sum(side * control >= side * value for control in controls)
    return (1 + further) / (1 + len(controls))


def edges() -> dict[str, tuple]:
    controls = [0.3, -0.9, 0.1, 0.6, -0.2, 0.8, -0.5, 0.4, 0.7]
    return {
        "upwards": (0.65, controls, 1),
        "downwards": (-0.3, controls, -1),
        "the wrong side": (-0.7, controls, 1),
        "beyond all, upwards": (1.5, controls, 1),
        "beyond all, downwards": (-1.5, controls, -1),
        "a tie": (0.4, controls, 1),
        "a tie, downwards": (-0.2, controls, -1),
        "one control": (0.2, [0.1], -1),
        "controls far from 0": (5.2, [5.4, 5.1, 5.6, 5.3, 4.9, 5.8, 5.2], -1),
        "all the same": (0.25, [0.25] * 4, -1),
        "an array": (-0.3, np.array([0.3, -0.5, -0.2, 0.1, 0.6]), -1),
        "4999 controls": (-2.0, np.random.default_rng(0).uniform(-1.9, 3, size=4999).round(3).tolist(), -1),
    }


def draw(rng: np.random.Generator) -> tuple[float, list[float] | np.ndarray, int]:
    """Controls in no order, off the origin on either side or across it, coarse enough for ties."""
    size = int(rng.integers(1, 40) if rng.random() < 0.7 else rng.integers(100, 1000))
    controls = ((rng.integers(0, 30, size=size) - rng.choice([-20, 4, 15, 26, 40])) / 40).round(3)
    value = rng.choice(controls) if rng.random() < 0.4 else rng.uniform(controls.min() - 0.2, controls.max() + 0.2)
    return round(float(value), 3), controls if rng.random() < 0.4 else controls.tolist(), int(rng.choice([-1, 1]))


def further(value: float, controls: Sequence[float], side: int) -> int:
    return sum(side * control >= side * value for control in controls)


def toward(f: Callable) -> Callable:
    """An answer made of value and controls as an array, both turned so that the right side is up."""
    return lambda value, controls, side: f(side * value, side * np.asarray(controls))


def by_deviation(value: float, controls: Sequence[float], side: int) -> float:
    away = np.abs(controls - np.mean(controls))
    return (1 + (away >= abs(value - np.mean(controls))).sum()) / (1 + len(controls))


def by_cases(value: float, controls: Sequence[float], side: int) -> float:
    as_far = [c for c in controls if (c >= value if side > 0 else c <= value)]
    return (len(as_far) + 1) / (len(controls) + 1)


def by_scipy(value: float, controls: Sequence[float], side: int) -> float:
    below = percentileofscore([*controls, value], value, kind="weak" if side < 0 else "strict") / 100
    return below if side < 0 else 1 - below


def by_torch(value: float, controls: Sequence[float], side: int) -> torch.Tensor:
    everything = torch.tensor([value, *controls], dtype=torch.float64)
    return ((everything - value) * side >= 0).double().mean()


def by_sorting(value: float, controls: Sequence[float], side: int) -> np.float32:
    ordered = sorted(side * x for x in controls)
    return np.float32((1 + len(ordered) - np.searchsorted(ordered, side * value)) / (1 + len(ordered)))


exercise = Exercise(
    "7.2", "An effect among its controls", difficulty=2, importance=5, minutes=6, returns="number", tolerance=1e-5,
    reference=control_p, edges=edges, draw=draw,
    mistakes={
        "A control *as* far out as the effect counts: >=, not >.": toward(lambda v, c: (1 + (c > v).sum()) / (1 + len(c))),
        "Count the emotion's own direction in, above and below the line: without it p can be 0.": toward(
            lambda v, c: (c >= v).sum() / len(c)
        ),
        "Count the emotion's own direction in below the line too: divide by 1 + the number of controls.": toward(
            lambda v, c: (1 + (c >= v).sum()) / len(c)
        ),
        "Count the emotion's own direction in above the line too: 1 + the number of controls as far out.": toward(
            lambda v, c: (c >= v).sum() / (1 + len(c))
        ),
        "You always look upwards. Where `side` is −1 the emotion should lower the measure, and controls *below* the effect "
        "are further out.": lambda value, controls, side: control_p(value, controls, 1),
        "You always look downwards. Where `side` is +1 controls *above* the effect are further out.": lambda value, controls, side: (
            control_p(value, controls, -1)
        ),
        "That is the other side: you counted the controls that go less far.": lambda value, controls, side: (
            control_p(value, controls, -side)
        ),
        "You turned the controls by `side` and left the effect as it is. Turn both.": lambda value, controls, side: (
            toward(lambda v, c: (1 + (c >= value).sum()) / (1 + len(c)))(value, controls, side)
        ),
        "You turned the effect by `side` and left the controls as they are. Turn both.": lambda value, controls, side: (
            toward(lambda v, c: (1 + (np.asarray(controls) >= v).sum()) / (1 + len(c)))(value, controls, side)
        ),
        "You took absolute values. A control far out on the *other* side did not do what the emotion should "
        "do.": lambda value, controls, side: control_p(abs(value), np.abs(controls), 1),
        "You counted controls as far from the controls' mean, on whichever side. Only the side where the emotion should go "
        "counts.": by_deviation,
        "That is how many, not which share: divide by 1 + the number of controls.": lambda *args: 1 + further(*args),
        "That is how many controls lie as far out. Add 1, and divide by 1 + the number of controls.": further,
        "That is a percentage. A p-value is a share, between 0 and 1.": lambda *args: 100 * control_p(*args),
        "That is 1 − p. Which share is *as far out*?": lambda *args: 1 - control_p(*args),
        "You read p off a bell curve. Count instead: a few controls need not lie on one.": toward(
            lambda v, c: norm.sf(v, c.mean(), c.std(ddof=1)) if len(c) > 1 else np.nan
        ),
        **{
            f"You rounded p to {digits} digits, so that it can be 0. Round when you print it.": lambda *args, digits=digits: (
                round(control_p(*args), digits)
            )
            for digits in (2, 3)
        },
    },
    right=[by_cases, by_scipy, by_torch, by_sorting],
    discuss="Twenty random directions allow no p below one in twenty-one, and random directions are the easy kind of "
    "control. Which controls would convince you, and how many of each? Why must the side be chosen before one looks?",
)  # fmt: skip
