"""The numbers in a text: as they may be written, and whether each stands at its own name."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise, permutations

CALLED = {"embed": "the r at the embeddings", "best": "the best layer's r", "p": "the p-value"}

# What each of them may be called in the text. What comes first is found first: "before any block" is no block.
_NAMES = re.compile(
    r"(?P<embed>embed\w*|\btokens?\b|\binputs?\b|\bbefore (?:any|all|the|its) (?:first )?(?:block|layer)s?|"
    r"\b(?:the|bare|mere|plain|raw|single|isolated) words?\b|\bwords? (?:alone|themselves|only)\b|vocabulary)|"
    r"(?P<best>\b(?:best|layers?|blocks?|peak\w*|top|maxim\w+|highest|strongest|deep\w*|depths?|middle)\b)|"
    r"(?P<p>\bp\b|chance|luck|shuffl\w+|permut\w+|random\w*|relabel\w+|\bnull\b|accident\w*|coinciden\w+|probab\w+)",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?<![\w.])(?<!\d,)(?P<sign>[-−]?)(?P<digits>[1-9]\d{0,2}(?:,\d{3})+(?!\d)|\d+,\d+|\d*\.?\d+)"
    r"(?:e(?P<e>[-−+]?\d+)|\s*[×x*·]\s*10(?:\^|\*\*)?[{(]?(?P<ten>[-−]?\d+)[})]?)?(?P<percent>\s*(?:%|per ?cent))?",
    re.IGNORECASE,
)
_ONE_IN = re.compile(r"\b(?P<n>\d+(?:\.\d+)?|an?|one)\s+(?:in|out of)\s+(?:every\s+)?(?P<of>\d[\d,]+)", re.I)
_BOUND = re.compile(
    r"(?:[<>≤≥]|\b(?:less|smaller|lower|fewer|more) than|\b(?:below|under|at most))\s*(?:p\s*=\s*)?$", re.I
)
_LAYER = re.compile(
    r"\b(?:layers?|blocks?)[\s,:=(#]*(?:number\s*)?(\d+)(?![\d.,]*\d|\s*%)|\b(\d+)(?:st|nd|rd|th) (?:layer|block)",
    re.I,
)
_BEST = re.compile(r"\b(?:best|peaks?|top|maxim\w+|highest|strongest)\b", re.IGNORECASE)
_SENTENCE_ENDS = re.compile(r"[.!?][\"”)]*\s+(?=[A-Z\"“(]|[pr]\b)")
_CONTRAST = re.compile(r"\b(?:rather|instead|against|compared|than|from|not)\b", re.IGNORECASE)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


@dataclass(frozen=True)
class Number:
    """A number in a text, and to how much it is rounded there."""

    start: int
    end: int
    value: float
    unit: float
    percent: bool = False
    bound: bool = False  # "p < 0.05" is another claim than "p = 0.05"

    def is_r(self, r: float) -> bool:
        """Whether this is a correlation, rounded to two decimals or more."""
        return not self.percent and abs(self.value - r) <= 0.5 * min(self.unit, 0.01) + 1e-9

    def is_p(self, p: float) -> bool:
        """Whether this is a p-value, rounded to one figure that counts or more: never to 0."""
        return self.value > 0 and abs(self.value - p) <= min(0.5 * self.unit + 1e-9, 0.34 * p)


def numbers(text: str) -> Iterator[Number]:
    for found in _NUMBER.finditer(text.translate(_SUPERSCRIPTS)):
        digits = found["digits"]
        digits = digits.replace(",", "" if re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+", digits) else ".")
        exponent = int((found["e"] or found["ten"] or "0").replace("−", "-")) - 2 * bool(found["percent"])
        unit = 10.0 ** (exponent - len(digits.partition(".")[2]))
        value = float(digits) * 10.0**exponent * (-1 if found["sign"] else 1)
        bound = bool(_BOUND.search(text[: found.start()]))
        yield Number(found.start(), found.end(), value, unit, bool(found["percent"]), bound)
    for found in _ONE_IN.finditer(text):
        n, of = 1.0 if found["n"][0] in "aAoO" else float(found["n"]), float(found["of"].replace(",", ""))
        bound = bool(_BOUND.search(text[: found.start()]))
        yield Number(found.start(), found.end(), n / of, (0.1 if n == 1 else 1) / of, percent=True, bound=bound)


def wrong_figures(text: str, found: Mapping[str, float]) -> str | None:
    """What is wrong with the numbers of a text that should state those in `found`."""
    all_of_them, stated = [*numbers(text)], {}
    for key in CALLED:
        where = [n for n in all_of_them if (n.is_p if key == "p" else n.is_r)(found[key])]
        stated[key] = [n for n in where if key != "p" or not n.bound]
        if not stated[key]:
            return _missing(key, found[key], where, all_of_them)
    if problem := _at_another_name(text, stated):
        return problem
    about_best = " ".join(_sentences_on_best(text, stated["best"]))
    layers = {int(a or b) for a, b in _LAYER.findall(about_best)} - {0}
    if layers and found["layer"] not in layers:
        best = f'it is found["layer"] = {found["layer"]} here, and in your text {min(layers)}.'
        return f"The layer that your text names is not the best: {best}"
    return None


def _sentences_on_best(text: str, stated: list[Number]) -> Iterator[str]:
    """The sentences that speak of the best layer or hold its r: a layer named elsewhere may be another finding's."""
    ends = [0, *(found.end() for found in _SENTENCE_ENDS.finditer(text)), len(text)]
    for start, end in pairwise(ends):
        if _BEST.search(text[start:end]) or any(start <= number.start < end for number in stated):
            yield text[start:end]


def _missing(key: str, value: float, bounds: list[Number], all_of_them: list[Number]) -> str:
    here, put = f'found["{key}"] = {value:.4g}', f'`{{found["{key}"]:.{4 if key == "p" else 2}f}}`'
    if bounds:
        return f"“Less than” and “<” say less than you know. Put in {put}, with “=”, for {CALLED[key]}."
    if key == "p" and any(n.value == 0 for n in all_of_them):
        return f"A p-value of 0 does not come out of shuffling. It is {here}, rounded away; put in {put}."
    return (
        f"Your text does not say {CALLED[key]}. With {here} I looked for that number; put in {put}, or more digits."
    )


def _at_another_name(text: str, stated: Mapping[str, list[Number]]) -> str | None:
    """What to say if the numbers stand nearer to one another's names than to their own."""
    names = [(m.start(), m.end(), m.lastgroup) for m in _NAMES.finditer(text)]
    marks = sorted([start for start, *_ in names] + [n.start for key in stated for n in stated[key]])
    nearest = {}
    for key in CALLED:
        for kind in CALLED:
            pairs = [
                (_apart(text, n, name, marks), name[0], n.start)
                for n in stated[key]
                for name in names
                if name[2] == kind
            ]
            nearest[key, kind] = min(pairs, default=(math.inf, 0, 0))
    for key in CALLED:
        if nearest[key, key][0] == math.inf:
            return (
                f"Say of each number what it is. Nothing near {stated[key][0].value:.4g} names it as {CALLED[key]}."
            )
    total = {
        kinds: sum(nearest[pair][0] for pair in zip(CALLED, kinds, strict=True)) for kinds in permutations(CALLED)
    }
    own = total.pop(tuple(CALLED))
    kinds = min(total, key=total.get)
    if total[kinds] < own or total[kinds] == own and _crossed(text, nearest):
        key, kind = next((key, kind) for key, kind in zip(CALLED, kinds, strict=True) if key != kind)
        return (
            f"A number stands at another's name. {stated[key][0].value:.4g} is {CALLED[key]}, and it stands "
            f"where {CALLED[kind]} should: put each number in the same clause as its name."
        )
    return None


def _apart(text: str, number: Number, name: tuple[int, int, str], marks: list[int]) -> float:
    """How far a number is from a name: in words, and more for what lies between; too far is two sentences on."""
    start, end = min(number.end, name[1]), max(number.start, name[0])
    between = text[start:end]
    ends = len(_SENTENCE_ENDS.findall(text[start : end + 1]))
    passed = sum(start <= mark < end for mark in marks)
    return (
        len(between.split()) + 2 * len(re.findall(r"[,;:(–—]", between)) + 40 * ends + 4 * passed
        if ends < 2
        else math.inf
    )


def _crossed(text: str, nearest: Mapping[tuple[str, str], tuple[float, int, int]]) -> bool:
    """Whether embeddings and best layer are named in one order, and their numbers stand in the other, with no "than"."""
    (_, a, x), (_, b, y) = nearest["embed", "embed"], nearest["best", "best"]
    return (a < b) != (x < y) and not _CONTRAST.search(text[min(x, y) : max(x, y)])
