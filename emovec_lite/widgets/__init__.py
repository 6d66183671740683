"""Widgets: thin views over functions that work without them. Where no widget runs, call the function."""

from emovec_lite.widgets.explorer import layer_explorer
from emovec_lite.widgets.heat_map import heat_html, token_heat_map
from emovec_lite.widgets.pad import circumplex_pad, pad_labels
from emovec_lite.widgets.panel import steering_panel
from emovec_lite.widgets.writing import continued, side_by_side

__all__ = [
    "circumplex_pad", "continued", "heat_html", "layer_explorer", "pad_labels", "side_by_side", "steering_panel",
    "token_heat_map",
]  # fmt: skip
