"""What a machine can tell of accessibility: contrast, alt text that says something, controls that have a name."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from emovec_lite import plots, widgets
from emovec_lite.course import quizzes

ROOT = Path(__file__).parents[2]
TEXT, GRAPHIC = 4.5, 3.0  # the least contrast that WCAG 2.2 asks for at level AA


def contrast(one, other):
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_itself():
    assert contrast("black", "white") == pytest.approx(21)
    assert contrast("#777777", "white") == pytest.approx(4.48, abs=0.01)


def test_figures_bring_their_own_white_ground_and_dark_marks():
    for key, colour in plots.figure.STYLE.items():
        if "facecolor" in key:
            assert colour == "white", key  # so that a dark page does not show through
        elif "color" in key:
            assert contrast(colour, "white") >= TEXT, key
    for colour in (
        plots.figure.BLUE,
        plots.figure.ORANGE,
        plots.figure.GREY,
        *(colour for _, colour in plots.figure.MARKS),
    ):
        assert contrast(colour, "white") >= GRAPHIC, colour
    assert len({marker for marker, _ in plots.figure.MARKS}) == len(plots.figure.MARKS)  # told apart by shape


def test_numbers_in_the_odds_map_are_legible_on_every_shade():
    names = [str(i) for i in range(11)]
    matrix = np.outer(np.ones(11), np.linspace(-3, 3, 11))
    axes = plots.odds_map(matrix, names, names, title="T").axes[0]
    shade = axes.images[0].to_rgba(matrix)
    for text in axes.texts:
        x, y = (int(i) for i in text.get_position())
        assert contrast(text.get_color(), shade[y, x, :3]) >= TEXT, matrix[y, x]


def test_the_heat_map_is_legible_on_every_shade_and_without_colour():
    page = widgets.heat_html([f"w{i} " for i in range(12)], np.array([np.nan, *np.linspace(-9, 9, 11)]))
    spans = re.findall(r'<span title="([^"]*)" style="([^"]*)"', page)
    assert len(spans) == 12
    for title, style in spans:
        ground = re.search(r"background:(rgb\((\d+),(\d+),(\d+)\)|#\w+)", style)
        ground = ground[1] if ground[1].startswith("#") else [int(c) / 255 for c in ground.groups()[1:]]
        colour = re.search(r";color:(#\w+)", style)
        assert contrast(colour[1] if colour else "black", ground) >= TEXT, (title, style)
        if title.endswith("%"):
            assert ("dashed" in style) == (float(title.rstrip(" %")) <= 0)


def test_the_pads_colours_stand_out_from_its_white_ground():
    script = (ROOT / "emovec_lite" / "widgets" / "pad.js").read_text(encoding="utf-8")
    assert "background:white" in script
    for fill in re.findall(r'fill: "(#\w+)"', script) + re.findall(r'stroke: "(#\w+)"', script):
        assert contrast(fill, "white") >= GRAPHIC, fill
    for attribute in ("tabindex: 0", 'role: "slider"', '"aria-label"', '"aria-valuetext"'):
        assert attribute in script


def test_every_picture_of_a_page_has_alt_text():
    for page in (ROOT / "README.md", ROOT / "solutions" / "INSTRUCTOR.md", *ROOT.glob("solutions/*.py")):
        for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", page.read_text(encoding="utf-8")):
            assert len(alt) >= (40 if target.endswith(".png") else 8), (page.name, target)


def test_every_control_has_a_description_or_a_tooltip():
    import ipywidgets

    def controls(widget):
        for child in getattr(widget, "children", ()):
            yield from controls(child)
        if isinstance(widget, (ipywidgets.Button, ipywidgets.Dropdown, ipywidgets.Textarea, ipywidgets.IntSlider)):
            yield widget

    found = list(controls(quizzes.widget(next(iter(quizzes.questions().values())))))
    assert found and all(c.description and c.tooltip for c in found)
