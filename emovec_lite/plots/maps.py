"""Tables as shades: who is like whom, which tokens count, what a push does to each word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from emovec_lite.activations import Layer
from emovec_lite.geometry import cluster_order, cosines
from emovec_lite.plots.figure import BLUE, blank, short, styled
from emovec_lite.vectors import EmotionVectors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIVERGING = "PuOr_r"  # purple below, orange above
_PLACES = {"skipped": ("#dddddd", "///"), "counts": (BLUE, None), "padding": ("white", "...")}


@styled
def cosine_map(vectors: EmotionVectors, layer: Layer) -> Figure:
    """Cosine similarity of every pair of emotions at one layer, similar emotions side by side."""
    similarity = cosines(vectors.at(layer).numpy())
    order = cluster_order(similarity)
    names = [vectors.emotions[i] for i in order]
    similarity = similarity[np.ix_(order, order)]
    off = similarity - 2 * np.eye(len(names))
    i, j = np.unravel_index(off.argmax(), off.shape)
    k, m = np.unravel_index(similarity.argmin(), off.shape)
    figure, axes = blank(
        7.5, 7,
        f"Square map of cosine similarities between {len(names)} emotion vectors at layer {layer}, ordered by "
        f"clustering. Most alike: {names[i]} and {names[j]} ({off[i, j]:.2f}). "
        f"Most opposed: {names[k]} and {names[m]} ({similarity[k, m]:.2f}).",
    )  # fmt: skip
    image = axes.imshow(similarity, cmap=DIVERGING, vmin=-1, vmax=1)
    size = 7 if len(names) <= 60 else 3
    axes.set_xticks(range(len(names)), short(names), rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), short(names), fontsize=size)
    axes.set_title(f"Emotion vectors at layer {layer}: cosine similarity")
    figure.colorbar(image, ax=axes, shrink=0.6, label="cosine similarity")
    return figure


@styled
def mask_map(mask: Bool[np.ndarray, "text token"], skip: int) -> Figure:
    """Which tokens of a batch count: the first ones are skipped, padding is not there at all."""
    mask = np.asarray(mask, dtype=bool)
    kept = mask.sum(axis=1) - np.where(mask[:, :skip].all(axis=1), skip, mask[:, :skip].sum(axis=1))
    figure, axes = blank(
        7.5, 0.9 + 0.3 * len(mask),
        f"A batch of {len(mask)} texts, {mask.shape[1]} tokens wide. In each the first {skip} places are skipped; "
        f"then come the tokens that count ({', '.join(map(str, kept))}), and the rest is padding.",
    )  # fmt: skip
    for row, real in enumerate(mask[::-1]):
        for name, (colour, hatch) in _PLACES.items():
            here = {"skipped": real & (np.arange(mask.shape[1]) < skip), "padding": ~real}.get(name)
            here = real & (np.arange(mask.shape[1]) >= skip) if here is None else here
            spans = [(int(i), 1) for i in np.flatnonzero(here)]
            axes.broken_barh(spans, (row - 0.4, 0.8), facecolors=colour, hatch=hatch, edgecolor="#444444", lw=0)
    handles = [axes.broken_barh([], (0, 0), facecolors=c, hatch=h, label=n) for n, (c, h) in _PLACES.items()]
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    axes.set_xlim(0, mask.shape[1])
    axes.set_yticks(range(len(mask)), [f"text {i}" for i in range(len(mask))][::-1])
    axes.set_xlabel("token")
    return figure


@styled
def odds_map(
    matrix: Float[np.ndarray, "row column"], rows: Sequence[str], columns: Sequence[str], *, title: str
) -> Figure:
    """Changes in log odds, steered direction by word, each written into its cell; own words in a frame."""
    own = np.array([[row == column for column in columns] for row in rows])
    best = sum(row == columns[values.argmax()] for row, values in zip(rows, matrix, strict=True))
    having = int(own.any(axis=1).sum())
    figure, axes = blank(
        0.62 * len(columns) + 2.2, 0.45 * len(rows) + 1.4,
        f"{title}. Map of {len(rows)} steered directions by {len(columns)} words. Own words change by "
        f"{matrix[own].mean():.2f} on average, the others by {matrix[~own].mean():.2f}; in {best} of {having} "
        f"rows with an own word it gains most. Lowest {matrix.min():.2f}, highest {matrix.max():.2f}.",
    )  # fmt: skip
    limit = np.abs(matrix).max()
    image = axes.imshow(matrix, cmap=DIVERGING, vmin=-limit, vmax=limit)
    for (i, j), value in np.ndenumerate(matrix):
        ink = _ink(image.cmap(image.norm(value))[:3])
        axes.text(j, i, f"{value:+.1f}", ha="center", va="center", fontsize=7, color=ink)
        if own[i, j]:
            axes.add_patch(_frame(j, i))
    axes.set_xticks(range(len(columns)), short(columns), rotation=60, ha="right")
    axes.set_yticks(range(len(rows)), short(rows))
    axes.set_xlabel("word after “He feels” and its like")
    axes.set_ylabel("steered towards")
    axes.set_title(title, loc="left")
    figure.colorbar(image, ax=axes, shrink=0.7, label="change in log odds")
    return figure


def _ink(ground: Iterable[float]) -> str:
    """Black or white, whichever stands out more from a colour (by WCAG's luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in ground]
    return "black" if np.dot(linear, [0.2126, 0.7152, 0.0722]) > 0.179 else "white"


def _frame(x: float, y: float):
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, fill=False, lw=1.6, ec="black")
