"""Figures that carry their alt text, told apart without colour, on white so that they read in light and dark."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from emovec_lite.activations import Layer
from emovec_lite.errors import disk_errors
from emovec_lite.geometry import (
    Alignment,
    cluster_order,
    correlations,
    cosines,
    rated_emotions,
    residual,
    ridge_predictions,
)
from emovec_lite.norms import ratings
from emovec_lite.vectors import EmotionVectors

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#666666"  # Okabe-Ito, told apart by every kind of colour vision
MARKS = (("o", BLUE), ("s", ORANGE), ("^", "#009e73"), ("D", "#cc79a7"), ("v", "black"))
_PLACES = {"skipped": ("#dddddd", "///"), "counts": (BLUE, None), "padding": ("white", "...")}
DIVERGING = "PuOr_r"  # purple below, orange above
STYLE: dict[Any, Any] = {
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white", "text.color": "black",
    "axes.labelcolor": "black", "axes.edgecolor": "black", "xtick.color": "black", "ytick.color": "black",
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "text.parse_math": False,  # an emotion may be called "$x$"
}  # fmt: skip
LONGEST = 40  # characters of a name that are written into a figure


def show(figure: Figure, alt: str | None = None) -> None:
    """Display a figure in a notebook with its alt text (its own, unless `alt` says something better)."""
    from IPython.display import HTML, display

    display(HTML(as_html(figure, alt)))


def as_html(figure: Figure, alt: str | None = None) -> str:
    """A figure as an HTML image that carries its alt text."""
    import base64
    import html
    import io

    buffer = io.BytesIO()
    _write(figure, buffer, dpi=110)
    text = html.escape(alt or alt_text(figure), quote=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{text}" src="data:image/png;base64,{data}" style="max-width:100%">'


def save(figure: Figure, path: Path | str) -> None:
    """Write a PNG with its alt text as the file's description."""
    path = Path(os.path.expanduser(path))
    with disk_errors(path.parent):
        _write(figure, path, dpi=150, metadata={"Description": alt_text(figure)})


def _write(figure: Figure, file: Any, **options: Any) -> None:
    import matplotlib

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():  # ticks are made only now
        # What the font lacks, such as emoji, becomes a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from|Matplotlib currently does not support")
        figure.savefig(file, format="png", bbox_inches="tight", **options)


def alt_text(figure: Figure) -> str:
    """What a figure shows, in words."""
    return str(figure.get_label())


def _figure(width: float, height: float, alt: str) -> tuple[Figure, Axes]:
    figure, (axes,) = _panels(width, height, alt, 1, 1)
    return figure, axes


def _panels(width: float, height: float, alt: str, rows: int, columns: int) -> tuple[Figure, list[Axes]]:
    # Not pyplot: its global state would show every figure twice in a notebook and keep it in memory.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.set_label(alt)
    return figure, [*figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat]


def _shown(names: Iterable[object]) -> list[str]:
    """Names as a figure shows them: none so long that it leaves no room."""
    names = [" ".join(str(name).split()) for name in names]
    return [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names]


def _logarithmic(axes: Axes, which: str) -> None:
    """A logarithmic axis with its numbers as plain text."""
    from matplotlib.ticker import LogFormatter

    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(lambda value, place: f"{value:g}")
    axis.set_minor_formatter(LogFormatter())


def _styled(draw):
    from functools import wraps

    @wraps(draw)
    def styled(*args, **kwargs):
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled


@_styled
def cosine_map(vectors: EmotionVectors, layer: Layer) -> Figure:
    """Cosine similarity of every pair of emotions at one layer, similar emotions side by side."""
    similarity = cosines(vectors.at(layer).numpy())
    order = cluster_order(similarity)
    names = [vectors.emotions[i] for i in order]
    similarity = similarity[np.ix_(order, order)]
    off = similarity - 2 * np.eye(len(names))
    i, j = np.unravel_index(off.argmax(), off.shape)
    k, m = np.unravel_index(similarity.argmin(), off.shape)
    figure, axes = _figure(
        7.5, 7,
        f"Square map of cosine similarities between {len(names)} emotion vectors at layer {layer}, ordered by "
        f"clustering. Most alike: {names[i]} and {names[j]} ({off[i, j]:.2f}). "
        f"Most opposed: {names[k]} and {names[m]} ({similarity[k, m]:.2f}).",
    )  # fmt: skip
    image = axes.imshow(similarity, cmap=DIVERGING, vmin=-1, vmax=1)
    size = 7 if len(names) <= 60 else 3
    axes.set_xticks(range(len(names)), _shown(names), rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), _shown(names), fontsize=size)
    axes.set_title(f"Emotion vectors at layer {layer}: cosine similarity")
    figure.colorbar(image, ax=axes, shrink=0.6, label="cosine similarity")
    return figure


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


@_styled
def circumplex(vectors: EmotionVectors, layer: Layer) -> Figure:
    """Emotions at their `circumplex_places`, coloured by human valence, so that a dot in the wrong place shows."""
    names, points, r_valence, r_arousal = circumplex_places(vectors, layer)
    valence = ratings(names, "valence")
    ends = [names[i] for i in (*points.argmin(axis=0), *points.argmax(axis=0))]
    figure, axes = _figure(
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
    _name_points(axes, points, names)
    axes.set_xlabel(f"valence, predicted from the other emotions (r = {r_valence:.2f} with people's, 1 to 9)")
    axes.set_ylabel(f"arousal beyond valence, predicted alike (r = {r_arousal:.2f})")
    axes.set_title(f"Emotion concepts at layer {layer}")
    figure.colorbar(dots, ax=axes, shrink=0.7, label="human valence (Glasgow Norms)")
    return figure


def _name_points(axes, points: np.ndarray, names: list[str]) -> None:
    """Write each name beside its point."""
    names = _shown(names)
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


@_styled
def layer_curve(alignment: Alignment, embed: Alignment) -> Figure:
    """Correlation with a human scale by layer, for the best component and the ridge axis, over the null band.

    The band reaches up to the 95th percentile of the best value that permuted labels gave over all layers.
    """
    layers = np.array(alignment.layers)
    best_pc = np.abs(alignment.pc_r).max(axis=1)
    null_pc, null_ridge = (np.quantile(null, 0.95) for null in (alignment.pc_null, alignment.ridge_null))
    scale = alignment.scale if alignment.scale == "valence" else f"{alignment.scale}, valence partialled out"
    figure, axes = _figure(
        7.5, 4.5,
        f"Correlation with human {scale} over {len(layers)} layers. Ridge axis: from {alignment.ridge_r[0]:.2f} at "
        f"layer {layers[0]} to {alignment.ridge_r[-1]:.2f} at layer {layers[-1]}, best {alignment.best_ridge[1]:.2f} "
        f"at layer {alignment.best_ridge[0]}, {embed.best_ridge[1]:.2f} at the token embeddings. Best single "
        f"component: {alignment.best_pc[2]:.2f} at layer {alignment.best_pc[0]}, {embed.best_pc[2]:.2f} at the "
        f"embeddings. 95 % of permutations stay below {null_ridge:.2f} (ridge) and {null_pc:.2f} (component).",
    )  # fmt: skip
    axes.axhspan(0, null_pc, color=ORANGE, alpha=0.13, lw=0, label="95 % null, best component of any layer")
    axes.axhline(null_ridge, color=BLUE, ls=":", lw=1.2, label="95 % null, ridge at any layer")
    axes.plot(layers, alignment.ridge_r, "o-", color=BLUE, ms=4, label="ridge axis, emotions held out")
    axes.plot(layers, best_pc, "s--", color=ORANGE, ms=4, label="best of PCs 1 to 5, |r|")
    axes.plot([-2], embed.ridge_r, "o", color=BLUE, ms=8, mfc="white")
    axes.plot([-2], [embed.best_pc[2]], "s", color=ORANGE, ms=8, mfc="white")
    ticks = layers[:: max(1, len(layers) // 8)]
    axes.set_xticks([-2, *ticks], ["embed", *map(str, ticks)])
    axes.set_ylim(min(0, float(alignment.ridge_r.min()), float(embed.ridge_r.min())) - 0.02, 1)
    axes.set_xlabel("layer: residual stream after this block")
    axes.set_ylabel(f"correlation with human\n{scale}")
    axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    return figure


@_styled
def dots(
    names: Sequence[str],
    series: dict[str, Sequence[float]],
    *,
    xlabel: str,
    title: str,
    null: Sequence[Sequence[float]] | None = None,
    null_label: str = "chance",
    log: bool = False,
) -> Figure:
    """A row a name with a mark a series, over grey dots for what they have to beat (`null`, a list a name)."""
    chance = np.full((len(names), 0), np.nan) if null is None else np.asarray(null)
    rows = []
    for i, name in enumerate(names):
        values = ", ".join(f"{label} {values[i]:.3g}" for label, values in series.items())
        rows.append(
            f"{name}: {values}"
            + (f" ({null_label} {chance[i].min():.3g} to {chance[i].max():.3g})" if chance.size else "")
        )
    figure, axes = _figure(7, 0.9 + 0.32 * len(names), f"{title}. In a row each, {xlabel}. {'; '.join(rows)}.")
    height = np.arange(len(names))[::-1]
    if chance.size:
        axes.plot(chance.T, np.tile(height, (chance.shape[1], 1)), "o", color=GREY, ms=4, alpha=0.45, mew=0)
        axes.plot([], [], "o", color=GREY, ms=4, alpha=0.45, mew=0, label=null_label)
    for (label, values), (marker, colour) in zip(series.items(), MARKS, strict=False):
        axes.plot(values, height, marker, color=colour, ms=7, ls="none", mec="black", mew=0.5, label=label)
    if log:
        _logarithmic(axes, "x")
    low, high = axes.get_xlim()
    if low < 0 < high:
        axes.axvline(0, color=GREY, lw=0.6, zorder=0)
    axes.set_yticks(height, _shown(names))
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.set_xlabel(xlabel)
    axes.set_title(title, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@_styled
def curves(
    x: Sequence,
    series: dict[str, Sequence[float]],
    *,
    xlabel: str,
    ylabel: str,
    title: str,
    log: bool = False,
) -> Figure:
    """Lines over numbers, or over names such as tokens, each with a mark of its own."""
    named = isinstance(x[0], str)
    summary = "; ".join(
        f"{label}: from {v[0]:.3g} at {x[0]} to {v[-1]:.3g} at {x[-1]}, "
        f"highest {max(v):.3g} at {x[int(np.argmax(v))]}"
        for label, v in series.items()
    )
    figure, axes = _figure(7.5, 3.8, f"{title}. {ylabel} by {xlabel}. {summary}.")
    places = np.arange(len(x)) if named else np.asarray(x)
    for (label, values), (marker, colour) in zip(series.items(), MARKS, strict=False):
        axes.plot(places, values, marker + "-", color=colour, ms=4.5, lw=1.2, mec="black", mew=0.3, label=label)
    if named:
        axes.set_xticks(places, _shown(x), rotation=60, ha="right")
    if log:
        _logarithmic(axes, "y")
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.set_title(title, loc="left")
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=8)
    return figure


@_styled
def mask_map(mask: Bool[np.ndarray, "text token"], skip: int) -> Figure:
    """Which tokens of a batch count: the first ones are skipped, padding is not there at all."""
    mask = np.asarray(mask, dtype=bool)
    kept = mask.sum(axis=1) - np.where(mask[:, :skip].all(axis=1), skip, mask[:, :skip].sum(axis=1))
    figure, axes = _figure(
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


@_styled
def layer_map(
    values: Float[np.ndarray, "row column"],
    rows: Sequence[Layer],
    columns: Sequence[Layer],
    *,
    label: str,
    title: str,
    ylabel: str = "layer",
    xlabel: str = "layer",
) -> Figure:
    """A value for every pair of layers, as shades from 0 or below to 1."""
    i, j = map(int, np.unravel_index(values.argmin(), values.shape))
    figure, axes = _figure(
        5.6, 4.6,
        f"{title}. Map of {label}: {ylabel}s {rows[0]} to {rows[-1]} by {xlabel}s {columns[0]} to {columns[-1]}. "
        f"Lowest {values[i, j]:.2f}, at {rows[i]} and {columns[j]}; highest {values.max():.2f}; first with last "
        f"{values[0, -1]:.2f}.",
    )  # fmt: skip
    image = axes.imshow(values, cmap="cividis", vmin=min(0, values.min()), vmax=1, origin="lower")
    for axis, names in ((axes.xaxis, columns), (axes.yaxis, rows)):
        step = max(1, len(names) // 8)
        axis.set_ticks(range(0, len(names), step), _shown(names[::step]))
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.set_title(title, loc="left")
    figure.colorbar(image, ax=axes, shrink=0.8, label=label)
    return figure


@_styled
def odds_map(
    matrix: Float[np.ndarray, "row column"], rows: Sequence[str], columns: Sequence[str], *, title: str
) -> Figure:
    """Changes in log odds, steered direction by word, each written into its cell; own words in a frame."""
    own = np.array([[row == column for column in columns] for row in rows])
    best = sum(row == columns[values.argmax()] for row, values in zip(rows, matrix, strict=True))
    having = int(own.any(axis=1).sum())
    figure, axes = _figure(
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
    axes.set_xticks(range(len(columns)), _shown(columns), rotation=60, ha="right")
    axes.set_yticks(range(len(rows)), _shown(rows))
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


@_styled
def dose_panels(table: pandas.DataFrame, measure: str, *, ylabel: str, title: str) -> Figure:
    """One measure of a `dose_response` table by strength: a panel an emotion, over the controls and unsteered text.

    Bars are 95 % intervals of the mean over texts (normal approximation); controls are means, a mark a direction.
    """
    at = table.groupby(["kind", "direction", "strength"], sort=False)[measure].agg(["mean", "sem"]).reset_index()
    emotions = at[at.kind == "emotion"].direction.unique()
    plain = at[at.kind == "unsteered"]["mean"].iloc[0]
    controls = {kind: group for kind, group in at.groupby("kind", sort=False) if kind not in ("emotion", "unsteered")}
    told = [
        f"{name}: "
        + ", ".join(f"{row['mean']:.2f} at {row.strength:g}" for _, row in at[at.direction == name].iterrows())
        for name in emotions
    ]
    ends = {
        kind: dict.fromkeys(f"{x:.2f}" for x in (g["mean"].min(), g["mean"].max())) for kind, g in controls.items()
    }
    told += [f"{kind}: {' to '.join(found)}" for kind, found in ends.items()]
    rows = -(-len(emotions) // 3)
    figure, panels = _panels(
        8, 2.5 * rows + 0.6, f"{title}. {ylabel} by strength, unsteered {plain:.2f}. {'; '.join(told)}.",
        rows, min(3, len(emotions)),
    )  # fmt: skip
    for axes, name in zip(panels, emotions, strict=False):
        axes.axhline(plain, color=GREY, ls="--", lw=0.8, label="unsteered")
        styles = (("o", GREY, 0), ("^", ORANGE, 0.02), ("s", "black", -0.02))[: len(controls)]
        for (kind, group), (marker, colour, offset) in zip(controls.items(), styles, strict=True):
            face = GREY if kind == "random" else "white"
            axes.plot(
                group.strength + offset, group["mean"], marker, color=colour, ms=4, mfc=face, alpha=0.7, label=kind
            )
        own = at[(at.direction == name) & (at.kind == "emotion")]
        axes.errorbar(
            own.strength, own["mean"], 1.96 * own["sem"], fmt="D-", color=BLUE, ms=5, lw=1.3, capsize=3, mec="black",
            mew=0.4, label="this emotion",
        )  # fmt: skip
        axes.set_title(_shown([name])[0], loc="left")
        if (place := axes.get_subplotspec()) and place.is_last_row():
            axes.set_xlabel("strength")
    for axes in panels[len(emotions) :]:
        axes.remove()
    figure.supylabel(ylabel, fontsize=9)
    figure.suptitle(title, fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, loc="outside lower center", ncols=len(labels))
    return figure


@_styled
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
    figure, axes = _figure(
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
    _name_points(axes, np.stack([human, human + off], axis=1), list(names))
    axes.set_xlabel("angle by people's ratings (Glasgow Norms)")
    axes.set_ylabel("angle of steering that raises the word most (degrees)")
    axes.set_title(title, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure
