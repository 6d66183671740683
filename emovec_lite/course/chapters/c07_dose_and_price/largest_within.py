"""Exercise 7.3: as hard as the price allows."""

import bisect
import math
from collections.abc import Callable, Sequence

import numpy as np

from emovec_lite.course.exercise import Exercise
from emovec_lite.course.values import Unreadable, read

SPARE = 2  # questions beyond those that halving needs: somebody may try both ends first


def largest_within(price: Callable[[float], float], bound: float, strengths: Sequence[float]) -> float:
    low, high = -1, len(strengths)
    while high - low > 1:
        middle = (low + high) // 2
        if price(strengths[middle]) <= bound:
            low = middle
        else:
            high = middle
    return strengths[low] if low >= 0 else 0.0


def frugal(answer: Callable, price: Callable[[float], float], bound: float, strengths: Sequence[float]):
    """What the answer finds, with a price that may be asked only so often, and only at the strengths."""
    asked, most = [], math.ceil(math.log2(len(strengths) + 1)) + SPARE

    def counted(strength):
        if strength not in strengths:
            raise Unreadable(f"You asked for the price at {strength:.3g}, which is none of the strengths. Halve among them.")
        if len(asked) == most:
            raise Unreadable(
                f"You asked for the price more than {most} times, of {len(strengths)} strengths. Every price is a pass of "
                "the model: halve what is left at each step."
            )
        asked.append(strength)
        return price(strength)

    return read(exercise, answer(counted, bound, strengths))[0]


def rising(strengths: Sequence[float], prices: Sequence[float]) -> Callable[[float], float]:
    """A price that is known at some strengths."""
    known = dict(zip(map(float, strengths), map(float, prices), strict=True))

    def price(strength):
        return known[float(strength)]

    price.__name__ = f"a function: {', '.join(f'{p:.3g}' for p in known.values())}"
    return price


def some_case(prices: Sequence[float], bound: float, strengths: Sequence[float] | None = None) -> tuple:
    if strengths is None:
        strengths = [round(0.05 * (i + 1), 2) for i in range(len(prices))]
    return rising(strengths, prices), bound, strengths


def edges() -> dict[str, tuple]:
    steep = np.exp(np.linspace(0, 3, 20)).round(3)
    return {
        "twenty strengths": some_case(steep, 1.5),
        "just at the bound": some_case([1.1, 1.25, 1.5, 1.75, 2.0], 1.5),
        "no strength within": some_case([1.6, 1.9, 2.5, 4.0], 1.5),
        "all within": some_case([1.0, 1.1, 1.2, 1.25, 1.3], 1.5),
        "only the first": some_case([1.2, 1.9, 2.5, 4.0, 8.0], 1.5),
        "all but the last": some_case([1.0, 1.2, 1.3, 2.5], 1.5),
        "one strength, within": some_case([1.2], 1.5),
        "one strength, beyond": some_case([1.9], 1.5),
        "a price that stands still": some_case([1.0, 1.25, 1.25, 1.25, 2.0, 2.0, 2.0], 1.25),
        "uneven steps": some_case([1.0, 1.1, 1.4, 1.6, 3.0], 1.5, [0.01, 0.1, 0.15, 0.8, 0.9]),
        "an array": some_case(steep, 4.0, np.linspace(0.1, 2, 20)),
        "a thousand strengths": some_case(np.linspace(1, 3, 1000).round(4), 2.7, (np.arange(1, 1001) / 1000).tolist()),
    }


def draw(rng: np.random.Generator) -> tuple:
    """Prices that rise in uneven steps, or stand still; a bound among them, at one of them, or beyond."""
    size = int(rng.integers(1, 60))
    prices = 1 + np.cumsum(rng.choice([0, 0.125, 0.25, 1.5], size=size))
    strengths = np.cumsum(rng.uniform(0.01, 0.2, size=size)).round(4)
    bound = float(rng.choice(prices)) if rng.random() < 0.4 else float(rng.uniform(0.9, prices[-1] + 0.5))
    return some_case(prices, bound, strengths if rng.random() < 0.4 else strengths.tolist())


def halving(within: Callable, result: Callable, first: int = -1, last: int = 0) -> Callable:
    """An answer that halves between two places and makes its result of those where it ends, and of the strengths."""

    def answer(price, bound, strengths):
        low, high = first, len(strengths) + last
        while high - low > 1:
            middle = (low + high) // 2
            if within(price(strengths[middle]), bound):
                low = middle
            else:
                high = middle
        return result(low, high, strengths, price)

    return answer


def up_to(price, bound, strengths):
    found = 0.0
    for strength in strengths:
        if price(strength) > bound:
            break
        found = strength
    return found


def from_above(price, bound, strengths):
    return next((s for s in strengths[::-1] if price(s) <= bound), 0.0)


def every_one(price, bound, strengths):
    return max((s for s in strengths if price(s) <= bound), default=0.0)


def between(price, bound, strengths):
    low, high = 0.0, strengths[-1]
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if price(middle) <= bound else (low, middle)
    return low


def at(low: int, high: int, strengths: Sequence[float], price: Callable) -> float:
    return strengths[low] if low >= 0 else 0.0


def within(price: float, bound: float) -> bool:
    return price <= bound


def by_bisect(price, bound, strengths):
    place = bisect.bisect_right(strengths, bound, key=price)
    return 0.0 if place == 0 else strengths[place - 1]


def by_slices(price, bound, strengths):
    best, left = 0.0, list(strengths)
    while left:
        half = len(left) // 2
        if price(left[half]) <= bound:
            best, left = left[half], left[half + 1 :]
        else:
            left = left[:half]
    return best


def both_ends_first(price, bound, strengths):
    low, high = 0, len(strengths) - 1
    if price(strengths[low]) > bound:
        return 0
    if price(strengths[high]) <= bound:
        return float(strengths[high])
    while low + 1 < high:
        middle = low + (high - low) // 2
        low, high = (low, middle) if price(strengths[middle]) > bound else (middle, high)
    return float(strengths[low])


def recursive(price, bound, strengths, best=0.0):
    if len(strengths) == 0:
        return best
    half = (len(strengths) - 1) // 2
    if price(strengths[half]) > bound:
        return recursive(price, bound, strengths[:half], best)
    return recursive(price, bound, strengths[half + 1 :], strengths[half])


EVERY = (
    "You ask for the price at one strength after the other. Every price is a pass of the model, so halve: ask in the middle, "
    "and go on in the half that is left."
)

exercise = Exercise(
    "7.3", "As hard as the price allows", difficulty=3, importance=4, minutes=10, returns="number", tolerance=1e-6,
    reference=largest_within, edges=edges, draw=draw, observe=frugal,
    mistakes={
        EVERY: up_to,
        f"{EVERY} (From above it is no better.)": from_above,
        f"{EVERY} You even go on where it is too dear already.": every_one,
        "You halve between 0 and the largest strength, and ask in between. Halve among the strengths of the list: their "
        "*places* in it, low and high.": between,
        "A price just at the bound is within it: <=, not <.": halving(lambda price, bound: price < bound, at),
        "That is the strength's place in the list. Return the strength.": halving(within, lambda low, high, strengths, price: low),
        "That is the smallest strength *beyond* the bound. Return the one before it.": halving(
            within, lambda low, high, strengths, price: strengths[min(high, len(strengths) - 1)]
        ),
        "That is the price. Return the strength.": halving(
            within, lambda low, high, strengths, price: price(strengths[low]) if low >= 0 else 0.0
        ),
        "You take the first strength for granted. If even that is beyond the bound, return 0.": halving(within, at, first=0),
        "You never ask at the last strength. It may be within the bound, too.": halving(within, at, last=-1),
        "You take the first strength for granted, and never ask at the last. Begin just outside the list, on both "
        "sides.": halving(within, at, first=0, last=-1),
        "If no strength is within the bound, return 0: place −1 is the *last* strength.": halving(
            within, lambda low, high, strengths, price: strengths[low]
        ),
        "The wrong half: where the price in the middle is within the bound, what you look for lies there or "
        "*above*.": halving(lambda price, bound: price > bound, at),
    },
    right=[by_bisect, by_slices, both_ends_first, recursive],
    discuss="Halving finds the largest strength if the price never falls as the strength grows. How would you notice that it "
    "does fall somewhere, and what would halving then give? A loop can be cheap: could that happen here?",
)  # fmt: skip
