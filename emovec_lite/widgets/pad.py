"""The circumplex as a pad: let a point go somewhere on the plane, and the model writes on from there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emovec_lite.effects import TEMPERATURE
from emovec_lite.norms import ratings
from emovec_lite.plots import circumplex_places, name_sides
from emovec_lite.steering import plane_direction
from emovec_lite.widgets import writing
from emovec_lite.widgets.live import Live
from emovec_lite.widgets.page import columns_html, status_html

if TYPE_CHECKING:
    import ipywidgets

    from emovec_lite.models import Subject
    from emovec_lite.vectors import EmotionVectors

PAD_STRENGTH = 0.3  # of a point at distance 1 from the centre
PAD_SIZE = (640, 560)  # pixels
PAD_REACH = (240, 262)  # pixels from the centre to 1; the words at the edge need room


def pad_labels(vectors: EmotionVectors, layer: int) -> list[dict]:
    """Each emotion's place on the pad, from -1 to 1 both ways, and the side of it on which its name stands.

    The places are `plots.circumplex_places`, each axis scaled so that the outermost emotion is at its edge.
    """
    names, points, *_ = circumplex_places(vectors, layer)
    points = points - [ratings(names, "valence").mean(), 0]
    points = points / np.abs(points).max(axis=0)
    sides = name_sides(points * PAD_REACH * 0.88, names)  # the pad's letters are that much wider than a figure's
    return [
        {"name": name, "x": float(x), "y": float(y), "side": list(side)}
        for name, (x, y), side in zip(names, points, sides, strict=True)
    ]


@cache
def _pad_class() -> type:
    import anywidget
    import traitlets

    class CircumplexPad(anywidget.AnyWidget):
        """A plane with names on it and a handle; `point` is where the handle was let go."""

        _esm = Path(__file__).parent / "pad.js"
        labels = traitlets.List().tag(sync=True)
        size = traitlets.List(list(PAD_SIZE)).tag(sync=True)
        reach = traitlets.List(list(PAD_REACH)).tag(sync=True)
        point = traitlets.List([0.0, 0.0]).tag(sync=True)

    return CircumplexPad


def circumplex_pad(
    subject: Subject,
    vectors: EmotionVectors,
    layer: int,
    prompt: str = writing.PROMPT,
    *,
    temperature: float = TEMPERATURE,
    seed: int = 0,
) -> ipywidgets.VBox:
    """A plane of valence and arousal with a handle: let it go somewhere, and the model writes on from there.

    Each point is a direction (`steering.plane_direction`), and the distance from the centre is its strength: in the
    centre the model is not steered at all. The same point gives the same text, sampled as in `continued`, which does
    the same without a widget.
    """
    import ipywidgets

    pad = _pad_class()(labels=pad_labels(vectors, layer))
    live = Live("Drag the handle, or move it with the arrow keys: where you let go, a text begins.")

    def write(change) -> None:
        valence, arousal = change["new"]
        used, note = prompt, ""

        def steps() -> Iterator[str]:
            nonlocal used, note
            used, note = writing.last_tokens(subject, prompt)
            direction = plane_direction(vectors, layer, valence, arousal)
            yield ""
            yield from writing.continued(
                subject, used, direction, PAD_STRENGTH, writing.TOKENS, temperature=temperature, seed=seed
            )

        strength = PAD_STRENGTH * math.hypot(valence, arousal)
        heading = f"valence {valence:+.2f}, arousal {arousal:+.2f}: strength {strength:.2f} at layer {layer}"
        heading += f"; {writing.in_words(temperature, seed)}"

        def draw(text: str) -> str:
            return columns_html(used, {heading: text}) + status_html("Writing.", note)

        def end(text: str, stopped: bool) -> Iterator[str]:
            yield columns_html(used, {heading: text}) + status_html("Stopped." if stopped else "Finished.", note)

        live.start(steps, draw, end)

    pad.observe(write, "point")
    return ipywidgets.VBox([pad, live.area])
