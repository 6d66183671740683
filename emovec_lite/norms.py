"""Human ratings of emotion words: the Glasgow Norms.

Figures from Scott, Keitel, Becirspahic, Yao & Sereno (2019), "The Glasgow Norms: Ratings of 5,500 words on nine
scales", Behavior Research Methods 51, 1258-1270, CC BY 4.0. Mean ratings on scales of 1 to 9; `glasgow_entry` in
`data/glasgow.csv` names the row used where the norms list several senses of a word. In these words valence and
arousal correlate (r about +.5), so arousal is always looked at with valence partialled out.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float

from emovec_lite.errors import UnknownName
from emovec_lite.stories import DATA

SCALES = ("valence", "arousal", "dominance")


@cache
def glasgow() -> dict[str, dict[str, float]]:
    """Mean valence, arousal and dominance (1-9) of the 82 emotion words that the Glasgow Norms rate."""
    with (DATA / "glasgow.csv").open(encoding="utf-8", newline="") as file:
        return {row["emotion"]: {s: float(row[f"{s}_mean"]) for s in SCALES} for row in csv.DictReader(file)}


def ratings(emotions: Sequence[str], scale: str) -> Float[np.ndarray, " emotion"]:
    """Mean human ratings on one scale, 1 to 9; NaN for words without one."""
    if scale not in SCALES:
        raise UnknownName("scale", scale, SCALES)
    return np.array([glasgow().get(emotion, {}).get(scale, np.nan) for emotion in emotions])
