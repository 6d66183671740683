"""Values in rows, along a line, or by strength, over what they have to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emovec_lite.alignment import Alignment
from emovec_lite.plots.figure import BLUE, GREY, MARKS, ORANGE, blank, logarithmic, panels, short, styled

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@styled
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
    figure, axes = blank(7, 0.9 + 0.32 * len(names), f"{title}. In a row each, {xlabel}. {'; '.join(rows)}.")
    height = np.arange(len(names))[::-1]
    if chance.size:
        axes.plot(chance.T, np.tile(height, (chance.shape[1], 1)), "o", color=GREY, ms=4, alpha=0.45, mew=0)
        axes.plot([], [], "o", color=GREY, ms=4, alpha=0.45, mew=0, label=null_label)
    for (label, values), (marker, colour) in zip(series.items(), MARKS, strict=False):
        axes.plot(values, height, marker, color=colour, ms=7, ls="none", mec="black", mew=0.5, label=label)
    if log:
        logarithmic(axes, "x")
    low, high = axes.get_xlim()
    if low < 0 < high:
        axes.axvline(0, color=GREY, lw=0.6, zorder=0)
    axes.set_yticks(height, short(names))
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.set_xlabel(xlabel)
    axes.set_title(title, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@styled
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
    figure, axes = blank(7.5, 3.8, f"{title}. {ylabel} by {xlabel}. {summary}.")
    places = np.arange(len(x)) if named else np.asarray(x)
    for (label, values), (marker, colour) in zip(series.items(), MARKS, strict=False):
        axes.plot(places, values, marker + "-", color=colour, ms=4.5, lw=1.2, mec="black", mew=0.3, label=label)
    if named:
        axes.set_xticks(places, short(x), rotation=60, ha="right")
    if log:
        logarithmic(axes, "y")
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.set_title(title, loc="left")
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=8)
    return figure


@styled
def layer_curve(alignment: Alignment, embed: Alignment) -> Figure:
    """Correlation with a human scale by layer, for the best component and the ridge axis, over the null band.

    The band reaches up to the 95th percentile of the best value that permuted labels gave over all layers.
    """
    layers = np.array(alignment.layers)
    best_pc = np.abs(alignment.pc_r).max(axis=1)
    null_pc, null_ridge = (np.quantile(null, 0.95) for null in (alignment.pc_null, alignment.ridge_null))
    scale = alignment.scale if alignment.scale == "valence" else f"{alignment.scale}, valence partialled out"
    figure, axes = blank(
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


@styled
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
    figure, cells = panels(
        8, 2.5 * rows + 0.6, f"{title}. {ylabel} by strength, unsteered {plain:.2f}. {'; '.join(told)}.",
        rows, min(3, len(emotions)),
    )  # fmt: skip
    for axes, name in zip(cells, emotions, strict=False):
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
        axes.set_title(short([name])[0], loc="left")
        if (place := axes.get_subplotspec()) and place.is_last_row():
            axes.set_xlabel("strength")
    for axes in cells[len(emotions) :]:
        axes.remove()
    figure.supylabel(ylabel, fontsize=9)
    figure.suptitle(title, fontsize=10)
    handles, labels = cells[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, loc="outside lower center", ncols=len(labels))
    return figure
