"""Emotions where a model puts them: on the plane of valence and arousal, and round the compass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from emovec_lite.activations import Layer
from emovec_lite.alignment import rated_emotions
from emovec_lite.geometry import correlations, residual, ridge_predictions
from emovec_lite.norms import ratings
from emovec_lite.plots.figure import BLUE, GREY, blank, short, styled
from emovec_lite.vectors import EmotionVectors

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def circumplex_places(vectors: EmotionVectors, layer: Layer) -> tuple[list[str], np.ndarray, float, float]:
    """Where ridge axes for valence and arousal put each rated emotion, each by axes fitted on all the others.

    Names; a row of predicted valence (on people's scale of 1 to 9) and predicted arousal (with valence partialled
    out) for each; and how well the two correlate with people's. An emotion's own rating has no part in its place:
    two axes chosen to fit all 48 would make a fine circle out of noise. Raises `CorpusError` where fewer than 8
    emotions are rated.
    """
    rated = rated_emotions(vectors.emotions)
    names = [name for name, has in zip(vectors.emotions, rated, strict=True) if has]
    valence, arousal = (ratings(names, scale) for scale in ("valence", "arousal"))
    matrix = vectors.at(layer).double().numpy()[rated]
    partial = residual(arousal, valence)
    points = np.stack([ridge_predictions(matrix, valence), ridge_predictions(matrix, partial)], axis=1)
    r_valence, r_arousal = correlations(points.T, np.stack([valence, partial]))
    return names, points, float(r_valence), float(r_arousal)


@styled
def circumplex(vectors: EmotionVectors, layer: Layer) -> Figure:
    """Emotions at their `circumplex_places`, coloured by human valence, so that a dot in the wrong place shows."""
    names, points, r_valence, r_arousal = circumplex_places(vectors, layer)
    valence = ratings(names, "valence")
    ends = [names[i] for i in (*points.argmin(axis=0), *points.argmax(axis=0))]
    figure, axes = blank(
        8, 6.5,
        f"Scatter of {len(names)} emotions where layer {layer} puts them. To the right, valence as predicted "
        f"from the other emotions: it correlates {r_valence:.2f} with human valence; leftmost {ends[0]}, rightmost "
        f"{ends[2]}. Upwards, arousal with valence partialled out: {r_arousal:.2f}; lowest {ends[1]}, highest "
        f"{ends[3]}.",
    )  # fmt: skip
    axes.axvline(valence.mean(), color=GREY, lw=0.5, zorder=0)
    axes.axhline(0, color=GREY, lw=0.5, zorder=0)
    dots = axes.scatter(
        *points.T, c=valence, cmap="cividis", vmin=1, vmax=9, s=34, edgecolors="black", linewidths=0.4
    )
    axes.margins(0.08)
    name_points(axes, points, names)
    axes.set_xlabel(f"valence, predicted from the other emotions (r = {r_valence:.2f} with people's, 1 to 9)")
    axes.set_ylabel(f"arousal beyond valence, predicted alike (r = {r_arousal:.2f})")
    axes.set_title(f"Emotion concepts at layer {layer}")
    figure.colorbar(dots, ax=axes, shrink=0.7, label="human valence (Glasgow Norms)")
    return figure


@styled
def compass_plot(
    names: Sequence[str],
    human: Float[np.ndarray, " emotion"],
    found: Float[np.ndarray, " emotion"],
    *,
    title: str,
) -> Figure:
    """Angles at which people put words against those at which steering raises them most, both in degrees."""
    off = (found - human + 180) % 360 - 180
    worst = np.abs(off).argmax()
    figure, axes = blank(
        7, 6,
        f"{title}. {len(names)} words by the angle that people's ratings give them and the direction of steering "
        f"that raises them most. On average {np.abs(off).mean():.0f} degrees apart; {(np.abs(off) <= 45).sum()} "
        f"within 45 degrees. Furthest off: {names[worst]}, by {np.abs(off[worst]):.0f}.",
    )  # fmt: skip
    axes.axline((0, 0), slope=1, color=GREY, lw=1, label="the same angle")
    axes.plot([0, 360], [45, 405], ":", color=GREY, lw=0.8)
    axes.plot([0, 360], [-45, 315], ":", color=GREY, lw=0.8, label="45 degrees off")
    axes.plot(human, human + off, "o", color=BLUE, ms=5, mec="black", mew=0.4)
    axes.set_xlim(-10, 370)
    axes.set_xticks([0, 90, 180, 270, 360], ["pleasant", "stirring", "unpleasant", "quiet", "pleasant"])
    axes.set_yticks([-90, 0, 90, 180, 270, 360, 450])
    name_points(axes, np.stack([human, human + off], axis=1), list(names))
    axes.set_xlabel("angle by people's ratings (Glasgow Norms)")
    axes.set_ylabel("angle of steering that raises the word most (degrees)")
    axes.set_title(title, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def name_points(axes, points: np.ndarray, names: list[str]) -> None:
    """Write each name beside its point."""
    names = short(names)
    axes.autoscale_view()
    sides = name_sides(axes.transData.transform(points), names)
    for point, name, (right, up) in zip(points, names, sides, strict=True):
        axes.annotate(
            name, point, xytext=(4.5 * right, 5.5 * up), textcoords="offset points", fontsize=7.5,
            ha="left" if right > 0 else "right", va="center",
        )  # fmt: skip


def name_sides(places: np.ndarray, names: Sequence[str]) -> list[tuple[int, int]]:
    """On which side of its place (in pixels, upwards) each name covers least of the places and the names before it.

    (1, 0) is to the right, (-1, 1) to the left and above.
    """
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    sides = []
    for (x, y), name in zip(places, names, strict=True):
        width, height = 5.4 * len(name), 11

        def cover(side, x=x, y=y, width=width, height=height):
            left, low = x + (6 if side[0] > 0 else -6 - width), y + side[1] * 8 - height / 2
            box = (left, low, left + width, low + height)
            overlaps = ((min(box[2], t[2]) - max(box[0], t[0]), min(box[3], t[3]) - max(box[1], t[1])) for t in taken)
            return sum(w * h for w, h in overlaps if w > 0 and h > 0), box

        side = min(((1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)), key=lambda side: cover(side)[0])
        taken.append(cover(side)[1])
        sides.append(side)
    return sides
