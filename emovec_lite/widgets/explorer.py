"""The circumplex, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emovec_lite.plots import as_html, circumplex

if TYPE_CHECKING:
    import ipywidgets

    from emovec_lite.vectors import EmotionVectors


def layer_explorer(vectors: EmotionVectors, layer: int) -> ipywidgets.VBox:
    """A slider over the layers, and the circumplex at the one it stands on (`plots.circumplex`)."""
    import ipywidgets

    slider = ipywidgets.IntSlider(
        value=layer, min=0, max=vectors.n_layers - 1, description="layer", continuous_update=False,
        layout={"width": "32em"},
    )  # fmt: skip
    picture = ipywidgets.HTML(as_html(circumplex(vectors, layer)))

    def draw(change) -> None:
        picture.value = as_html(circumplex(vectors, change["new"]))

    slider.observe(draw, "value")
    return ipywidgets.VBox([slider, picture])
