"""Chapter 05, where do models find happiness?: the course's own answers, and what an answer must do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float

from emovec_lite.course.checks import Answer, agree, close, exercise, expect
from emovec_lite.geometry import cosines
from emovec_lite.geometry import linear_cka as library_cka
from emovec_lite.geometry import rsa as library_rsa
from emovec_lite.vectors import centred_means

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


def above_the_band(curve: Sequence[float], null: Sequence[float]) -> list[int]:
    import numpy as np

    limit = np.quantile(null, 0.95)
    return [layer for layer, value in enumerate(curve) if value > limit]


def rsa(a: Float[np.ndarray, "emotion d_a"], b: Float[np.ndarray, "emotion d_b"]) -> float:
    return library_rsa(a, b)


def cka(a: Float[np.ndarray, "emotion d_a"], b: Float[np.ndarray, "emotion d_b"]) -> float:
    return library_cka(a, b, debiased=False)


def split_half(
    stories: Float[Tensor, "text d_model"], labels: Sequence[str], topics: Sequence[str], first: Collection[str]
) -> float:
    halves = []
    for half in (True, False):
        rows = [i for i, topic in enumerate(topics) if (topic in first) is half]
        halves.append(centred_means(stories[rows], [labels[i] for i in rows])[0].double().numpy())
    return library_rsa(*halves)


def conclusion(found: dict[str, float]) -> str:
    return (
        f"Where does this model find happiness? Nowhere, if that means a feeling; what it has is a representation of "
        f"the concept. Human valence can be read from the bare token embeddings with r = {found['embed']:.2f} for "
        f"emotions that the fit has not seen, so the words bring much of it along. The blocks add to it: the best "
        f"layer, {found['layer']:.0f}, reaches r = {found['best']:.2f}, and of relabelled data, with the best layer "
        f"chosen each time as it was here, only a share of p = {found['p']:.4f} does as well."
    )


@exercise("5.1", "Above the band", difficulty=2, importance=5, minutes=5, reference=above_the_band)
def check_above_the_band(answer: Answer) -> Iterator[str]:
    import numpy as np

    yield "a list of layers"
    null = np.r_[np.linspace(0.0, 0.5, 96), 0.9, 0.91, 0.92, 0.93]
    curve = [0.47, 0.49, 0.3, 0.91, 0.2, 0.60]
    result = answer(curve, null)
    expect(
        not (isinstance(result, tuple) and len(result) == 1 and hasattr(result[0], "shape")),
        "`np.where` gives a tuple with an array in it. Take its first entry: `np.where(...)[0]`.",
    )
    found = result.tolist() if hasattr(result, "tolist") else result
    expect(isinstance(found, (list, tuple, set)), f"Return a list of layers, not a {type(result).__name__}.")
    expect(
        not any(isinstance(x, (bool, np.bool_)) for x in found),
        "That is a yes or no for each layer. Return the numbers of those that are above: `np.flatnonzero`.",
    )
    expect(
        all(isinstance(x, (int, float, np.number)) and x == int(x) for x in found),
        "Return the layers' numbers, not their values or names.",
    )
    got = sorted(int(x) for x in found)
    yield "those above the 95th percentile"
    quantile = {q: [i for i, v in enumerate(curve) if v > np.quantile(null, q)] for q in (0.05, 0.9, 0.95)}
    want = above_the_band(curve, null)
    expect(got != [i for i, v in enumerate(curve) if v <= np.quantile(null, 0.95)], "Those are the layers *inside* the "
           "band.")  # fmt: skip
    for wrong, message in (
        (quantile[0.05], "Nearly everything is above your limit. The band ends at the 95th percentile: "
         "`np.quantile(null, 0.95)`, or `np.percentile(null, 95)`, which counts to 100."),
        ([i for i, v in enumerate(curve) if v > max(null)], "You took the largest value of the null. One in twenty "
         "permutations may lie above the band."),
        ([i for i, v in enumerate(curve) if v > np.mean(null)], "You took the mean of the null: half of all chance "
         "results lie above that."),
        ([i for i, v in enumerate(curve) if v > np.mean(null) + 2 * np.std(null)], "You took the mean plus two standard "
         "deviations. A null of maxima is no bell curve; take its 95th percentile."),
        ([i + 1 for i in want], "You count layers from 1. Here they count from 0."),
        (quantile[0.9], "Your limit is too low: the 95th percentile is wanted."),
    ):  # fmt: skip
        expect(got == want or got != wrong, message)
    expect(got == want, f"The layers above the 95th percentile are {want}, you have {got}.")
    yield "none, where there are none"
    result = answer([0.1, 0.2], null)
    expect(len(result) == 0, "No layer is above the band there, and you found some.")


@exercise("5.2", "Compare two geometries", difficulty=3, importance=5, minutes=8, reference=rsa)
def check_rsa(answer: Answer) -> Iterator[str]:
    import numpy as np
    import torch
    from scipy.stats import pearsonr, spearmanr

    yield "a number"
    rng = np.random.default_rng(0)
    a = rng.normal(size=(9, 6)) * np.exp(rng.normal(size=(9, 1)))
    b = np.hstack([a[:, :4] ** 3, rng.normal(size=(9, 5))])
    expect(not hasattr(answer(a, b), "statistic"), "That is the whole result. Return the statistic: `.statistic`.")
    got = answer.tensor(a, b, shape=(), axes="")
    yield "Spearman's rho of the pairs' cosines"
    upper = np.triu_indices(9, k=1)
    x, y = cosines(a), cosines(b)

    def with_diagonal(upper) -> list[float]:
        """The cosines of 1 are ties up to rounding, which decides their order."""
        jitter = [1e-9 * np.diag(rng.normal(size=9)) for _ in range(200)]
        return [
            spearmanr((x + d)[upper], (y - e)[upper]).statistic for d, e in zip(jitter, jitter[::-1], strict=True)
        ]

    want = torch.tensor(library_rsa(a, b))
    for upper_and, which in ((np.indices((9, 9)).reshape(2, -1), ""), (np.triu_indices(9), " (`k=1` leaves it out)")):
        values = with_diagonal(tuple(upper_and))
        expect(
            close(got, want) or not min(values) - 2e-3 <= float(got) <= max(values) + 2e-3,
            f"The diagonal takes part{which}: every emotion is like itself in both, and that lifts the correlation for "
            "nothing.",
        )
    agree(
        got, want,
        {
            "That is Pearson's r. RSA compares the *order* of the pairs: Spearman's rho.": torch.tensor(
                pearsonr(x[upper], y[upper]).statistic
            ),
            "You correlated the rows, which takes each vector's own mean off. Use cosines.": torch.tensor(
                spearmanr(np.corrcoef(a)[upper], np.corrcoef(b)[upper]).statistic
            ),
            "You compared dot products. Use cosines, or the emotions with long vectors decide.": torch.tensor(
                spearmanr((a @ a.T)[upper], (b @ b.T)[upper]).statistic
            ),
            "That is a p-value, or the whole result. Return the statistic.": torch.tensor(
                spearmanr(x[upper], y[upper]).pvalue
            ),
        },
        "Not Spearman's rho between the cosines of all pairs of emotions.",
    )  # fmt: skip
    yield "the same for itself turned round"
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    got = answer.tensor(a, 3 * a @ turn, shape=(), axes="")
    expect(close(got, torch.tensor(1.0)), "Turned and scaled vectors have the same geometry: it should be 1.")


@exercise("5.3", "CKA", difficulty=3, importance=3, minutes=6, reference=cka)
def check_cka(answer: Answer) -> Iterator[str]:
    import numpy as np
    import torch

    yield "a number"
    rng = np.random.default_rng(1)
    a = rng.normal(size=(10, 4)) + 3
    b = np.hstack([a[:, :2], rng.normal(size=(10, 3))]) - 2
    got = answer.tensor(a, b, shape=(), axes="")
    yield "of centred vectors"

    def ratio(a, b, root: bool = True) -> torch.Tensor:
        x, y = a @ a.T, b @ b.T
        below = (x * x).sum() * (y * y).sum()
        return torch.tensor((x * y).sum() / (np.sqrt(below) if root else below))

    p, q = a - a.mean(axis=0), b - b.mean(axis=0)
    agree(
        got, ratio(p, q),
        {
            "The vectors are not centred: subtract each side's mean over emotions first.": ratio(a, b),
            "You centred over dimensions. Subtract the mean *emotion*, axis 0.": ratio(
                a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
            ),
            "The square root below the line is missing.": ratio(p, q, root=False),
            "Only what is above the line: divide by the root of both sides' own sums.": torch.tensor(
                ((p @ p.T) * (q @ q.T)).sum()
            ),
            "That is the square root of CKA.": ratio(p, q).sqrt(),
        },
        "Not the linear CKA: the sum of the products of both Gram matrices, over the root of each one's with itself.",
    )  # fmt: skip
    yield "1 for the same geometry"
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    expect(
        close(answer.tensor(a, 5 * a @ turn + 1, shape=(), axes=""), torch.tensor(1.0)),
        "Turned, scaled and shifted vectors have the same geometry: it should be 1.",
    )


@exercise("5.4", "How well does it agree with itself?", difficulty=3, importance=5, minutes=8, reference=split_half)
def check_split_half(answer: Answer) -> Iterator[str]:
    import torch

    yield "a number"
    generator = torch.Generator().manual_seed(0)
    emotions, topics = [f"e{i}" for i in range(7)], ["bus", "walk", "meal", "letter"]
    cells = [(e, t) for e in emotions for t in topics]
    base = {e: torch.randn(5, generator=generator) for e in emotions}
    stories = torch.stack([base[e] + torch.randn(5, generator=generator) for e, _ in cells]) + 4
    labels, where = [e for e, _ in cells], [t for _, t in cells]
    got = answer.tensor(stories, labels, where, {"walk", "bus"}, shape=(), axes="")
    yield "two halves that share no topic"

    def half(rows: list[int], centre: bool = True):
        means, middle = centred_means(stories[rows], [labels[i] for i in rows])
        return (means if centre else means + middle).double().numpy()

    one = [i for i, t in enumerate(where) if t in ("walk", "bus")]
    two = [i for i, t in enumerate(where) if t not in ("walk", "bus")]
    everything = list(range(len(where)))

    def half_by_all(rows: list[int]):
        return half(rows, False) - stories.mean(dim=0).double().numpy()

    agree(
        got, torch.tensor(library_rsa(half(one), half(two))),
        {
            "You compared one half with *all* the stories, which hold that half: it agrees with itself.": torch.tensor(
                library_rsa(half(one), half(everything))
            ),
            "You compared a half with itself.": torch.tensor(1.0),
            "The halves are not centred: what all stories share decides every cosine.": torch.tensor(
                library_rsa(half(one, False), half(two, False))
            ),
            "You subtracted the mean of *all* stories. Centre each half by its own mean over emotions, or the halves "
            "know of each other.": torch.tensor(library_rsa(half_by_all(one), half_by_all(two))),
            "You split the stories by their place in the list, not by topic.": torch.tensor(
                library_rsa(half(everything[::2]), half(everything[1::2]))
            ),
        },
        "Not the RSA between vectors from the topics in `first` and vectors from all the others.",
    )  # fmt: skip
    yield "another split"
    one = [i for i, t in enumerate(where) if t == "meal"]
    two = [i for i, t in enumerate(where) if t != "meal"]
    got = answer.tensor(stories, labels, where, {"meal"}, shape=(), axes="")
    expect(close(got, torch.tensor(library_rsa(half(one), half(two)))), "Right for one split of the topics, not for "
           "another.")  # fmt: skip


FEELS = re.compile(
    r"\b(?:models?|it|network|SmolLM2)\s+(?:\w+ly\s+|can\s+|does\s+|do\s+)?"
    r"(?:feels?|enjoys?|suffers?|experiences?|is\s+(?:\w+ly\s+)?(?:feeling|happy|sad)|"
    r"has\s+(?:\w+\s+)?(?:feelings|emotions))\b"
    r"(?!\s+(?:natural|like|as|right|wrong|safe|odd))",
    re.IGNORECASE,
)
DENIED = re.compile(
    r"\b(?:not|no|nor|never|none|nothing|cannot|without|whether|if|mistake|wrong)\b|n[’']t\b", re.IGNORECASE
)


@exercise("5.5", "Answer the title", difficulty=2, importance=5, minutes=10, reference=conclusion)
def check_conclusion(answer: Answer) -> Iterator[str]:
    yield "a paragraph"
    sets = (
        {"embed": 0.413, "best": 0.762, "layer": 17, "p": 0.0135},
        {"embed": 0.287, "best": 0.648, "layer": 11, "p": 0.0005},  # the smallest of 2,000 permutations
    )
    texts = []
    for found in sets:
        text = answer(dict(found))
        expect(isinstance(text, str), f"Return a text, not a {type(text).__name__}.")
        texts.append(text)
    words = len(texts[0].split())
    expect(words >= 40, f"{words} words. Write a paragraph, at least 40: what you found, and what supports it.")
    expect(words <= 250, f"{words} words. One paragraph, 250 words at most.")
    yield "the executed numbers"
    names = {
        "embed": "the embeddings' r",
        "best": "the best layer's r",
        "layer": "the best layer",
        "p": "the p-value",
    }
    for text, found in zip(texts, sets, strict=True):
        numbers = [float(n) for n in re.findall(r"(?<![\w.])\d*\.?\d+(?!\w)", text)]
        for key in ("embed", "best", "p"):
            # As it is, or rounded to two decimals or more; a p-value also to one figure that counts.
            forms = {round(found[key], digits) for digits in (2, 3, 4)} - {0.0}
            digits = 4 if key == "p" else 2
            expect(
                any(abs(n - f) < 1e-9 for n in numbers for f in forms),
                f"With found[{key!r}] = {found[key]} your text does not say {names[key]}. Put in "
                f"`{{found[{key!r}]:.{digits}f}}` (or more digits), so that it follows what was executed.",
            )
    yield "concepts, not feelings"
    said = next(
        (
            found
            for sentence in re.split(r"(?<=[.!?;:])\s+", texts[0])
            for found in FEELS.finditer(sentence)
            if not DENIED.search(sentence[: found.start()])
        ),
        None,
    )
    expect(
        not said,
        f"“{said[0] if said else ''}” goes beyond what you have seen: a representation of the concept, not a feeling.",
    )
