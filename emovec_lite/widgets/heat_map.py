"""A text whose tokens are shaded by how far they lie along an emotion."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from emovec_lite.readout import token_projections
from emovec_lite.widgets.page import sentence, status_html
from emovec_lite.widgets.writing import last_tokens

if TYPE_CHECKING:
    import ipywidgets

    from emovec_lite.models import Subject
    from emovec_lite.vectors import EmotionVectors

NUMBERED = 4  # tokens whose value stands beside them
BELOW, ABOVE = (153, 142, 195), (241, 163, 64)  # RGB of the strongest shades: purple and orange, as in the figures


def token_heat_map(subject: Subject, vectors: EmotionVectors, text: str, emotion: str, layer: int) -> ipywidgets.VBox:
    """A text, each token shaded by how far it lies along an emotion's direction (`readout.token_projections`)."""
    import ipywidgets

    style, wide = {"description_width": "8em"}, {"width": "32em", "max_width": "98%"}
    passage = ipywidgets.Textarea(
        value=text, description="text", rows=6, continuous_update=False, style=style, layout=wide
    )
    names = ipywidgets.Dropdown(
        options=vectors.emotions, value=emotion, description="emotion", style=style, layout=wide
    )
    depth = ipywidgets.IntSlider(
        value=layer, min=vectors.layers[0], max=vectors.layers[-1], description="layer", continuous_update=False,
        style=style, layout=wide,
    )  # fmt: skip
    picture = ipywidgets.HTML()

    def draw(_=None) -> None:
        try:
            used, note = last_tokens(subject, passage.value)
            shown = heat_html(*token_projections(subject, vectors, used, names.value, depth.value))
            picture.value = shown + (status_html(note) if note else "")
        except Exception as error:
            picture.value = status_html(sentence(error))

    for control in (passage, names, depth):
        control.observe(draw, "value")
    draw()
    return ipywidgets.VBox([passage, names, depth, picture])


def heat_html(tokens: list[str], values: Float[np.ndarray, " token"]) -> str:
    """Tokens shaded by their values in percent: orange over a solid line above zero, purple over a dashed one below.

    The stronger, the deeper the shade and the thicker the line; every value shows on hover, and the largest few stand
    beside their tokens. NaN is drawn grey: not counted.
    """
    largest = np.nanmax(np.abs(values)) if np.isfinite(values).any() else 0.0
    order = np.argsort(-np.nan_to_num(np.abs(values), nan=-1.0))
    numbered = {int(i) for i in order[:NUMBERED] if np.isfinite(values[i])}
    spans = "".join(
        _token_html(token, value, value / largest if largest else 0.0, i in numbered)
        for i, (token, value) in enumerate(zip(tokens, values, strict=True))
    )
    if numbered:
        ends = [int(np.nanargmax(values)), int(np.nanargmin(values))]
        high, low = (f"“{tokens[i].strip() or '·'}” ({values[i]:+.1f} %)" for i in ends)
        said = f"Furthest along the direction: {high}; least far, or furthest against it: {low}."
    else:
        said = "There is nothing to count: the first token never is."
    return (
        '<div style="background:white;color:black;border:1px solid #888;border-radius:4px;padding:.5em .8em;'
        'max-width:52em"><div style="white-space:pre-wrap;overflow-wrap:anywhere;line-height:2.2">'
        f"{spans}</div>{status_html(said)}"
        '<p style="margin:.2em 0;font-size:90%;line-height:1.4">In percent of the mean residual norm. '
        "Orange over a solid line: along the direction; purple over a dashed line: against it. Grey: not counted.</p>"
        "</div>"
    )


def _token_html(token: str, value: float, share: float, numbered: bool) -> str:
    """One token; `share` is its value as a share of the largest, from -1 to 1."""
    # A token that is a part of a letter, or a line break alone, has nothing that could be shaded.
    shown = html.escape(token).replace("\n", "↵\n") or "·"
    if not math.isfinite(value):
        return f'<span title="first token: not counted" style="background:#e4e4e4;color:#4a4a4a">{shown}</span>'
    shade = [round(255 + abs(share) * (end - 255)) for end in (ABOVE if share > 0 else BELOW)]
    line = f"{max(1, round(5 * abs(share)))}px {'solid' if share > 0 else 'dashed'} black"
    number = f'<small style="font-size:70%"> {value:+.0f}</small>' if numbered else ""
    return (
        f'<span title="{value:+.1f} %" style="background:rgb({shade[0]},{shade[1]},{shade[2]});'
        f'border-bottom:{line}">{shown}{number}</span>'
    )
