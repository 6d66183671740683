"""The course's figures. Each takes numbers, gives a matplotlib figure, and says in words what it shows."""

from emovec_lite.plots.figure import alt_text, as_html, save, show
from emovec_lite.plots.maps import cosine_map, mask_map, odds_map
from emovec_lite.plots.places import circumplex, circumplex_places, compass_plot, name_sides
from emovec_lite.plots.series import curves, dose_panels, dots, layer_curve

__all__ = [
    "alt_text", "as_html", "circumplex", "circumplex_places", "compass_plot", "cosine_map", "curves", "dose_panels",
    "dots", "layer_curve", "mask_map", "name_sides", "odds_map", "save", "show",
]  # fmt: skip
