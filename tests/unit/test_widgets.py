"""Widgets do what the functions under them do, without a browser."""

import numpy as np

from emovec_lite import plots, widgets
from tests.unit.test_geometry import make, planted


def test_the_layer_explorer_shows_the_circumplex_of_the_layer_it_stands_on():
    vectors = make(np.stack([planted(s, seed=i) for i, s in enumerate((0, 4, 8))], axis=1))
    slider, picture = widgets.layer_explorer(vectors, 1).children
    assert (slider.min, slider.value, slider.max) == (0, 1, 2) and not slider.continuous_update
    for layer in (0, 2, 1):
        slider.value = layer
        assert f"where layer {layer} puts them" in picture.value
        assert picture.value == plots.as_html(plots.circumplex(vectors, layer))
