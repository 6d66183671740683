"""Figures say in words what they show, with the numbers that they show, and write where they are told."""

import re
import warnings
from html import unescape

import numpy as np
import pandas
import pytest

from emovec_lite import plots
from emovec_lite.alignment import align
from emovec_lite.errors import CacheError, CorpusError
from emovec_lite.geometry import cosines
from tests.unit.planted import EMOTIONS, make, planted


@pytest.fixture(scope="module")
def vectors():
    return make(np.stack([planted(s, seed=i) for i, s in enumerate((0, 4, 8))], axis=1), embed=planted(1, seed=9))


@pytest.fixture(scope="module")
def figures(vectors):
    blocks, embed = (align(vectors, "valence", layers, 200) for layers in (None, ["embed"]))
    return {
        "map": plots.cosine_map(vectors, 2),
        "circumplex": plots.circumplex(vectors, 2),
        "curve": plots.layer_curve(blocks, embed),
    }


def test_every_figure_has_alt_text_with_its_numbers(figures, vectors):
    texts = {name: plots.alt_text(figure) for name, figure in figures.items()}
    similarity = cosines(vectors.at(2).numpy())
    lowest = np.unravel_index(similarity.argmin(), similarity.shape)
    assert f"({similarity.min():.2f})" in texts["map"]
    assert all(EMOTIONS[i] in texts["map"] for i in lowest)
    r = float(re.search(r"correlates ([\d.]+) with human valence", texts["circumplex"])[1])
    assert r == pytest.approx(align(vectors, "valence", [2], 10).ridge_r[0], abs=0.006)
    best = align(vectors, "valence", permutations=10).best_ridge
    assert f"best {best[1]:.2f} at layer {best[0]}" in texts["curve"]


def test_the_circumplex_places_an_emotion_without_its_own_rating(vectors, figures, monkeypatch):
    from emovec_lite.norms import glasgow

    points = figures["circumplex"].axes[0].collections[0].get_offsets()
    changed = {e: dict(r) for e, r in glasgow().items()}
    changed[EMOTIONS[7]]["valence"] += 3
    monkeypatch.setattr("emovec_lite.norms.glasgow", lambda: changed)
    again = plots.circumplex(vectors, 2).axes[0].collections[0].get_offsets()
    assert again[7][0] == pytest.approx(points[7][0])
    assert abs(again[:, 0] - points[:, 0]).max() > 0.01


def test_valence_lies_to_the_right_and_arousal_up(figures):
    from emovec_lite.norms import ratings

    points = figures["circumplex"].axes[0].collections[0].get_offsets()
    assert np.corrcoef(points[:, 0], ratings(EMOTIONS, "valence"))[0, 1] > 0.6
    assert np.corrcoef(points[:, 1], ratings(EMOTIONS, "arousal"))[0, 1] > 0


def test_every_emotion_is_named_and_no_mark_is_told_by_colour_alone(figures):
    labels = {t.get_text() for t in figures["circumplex"].axes[0].texts}
    assert labels == set(EMOTIONS)
    lines = [x for x in figures["curve"].axes[0].lines if x.get_label().startswith(("ridge", "best"))]
    assert len({x.get_marker() for x in lines}) == len(lines) and len({x.get_linestyle() for x in lines}) == len(
        lines
    )


def test_unrated_emotions_have_no_place_on_the_circumplex():
    figure = plots.circumplex(make(np.vstack([planted(8), np.ones((1, 60))]), (*EMOTIONS, "zestful")), 0)
    assert len(figure.axes[0].collections[0].get_offsets()) == len(EMOTIONS)


def test_background_is_white_and_text_black_in_any_theme(figures):
    import matplotlib

    with matplotlib.rc_context({"text.color": "white", "figure.facecolor": "black", "axes.labelcolor": "white"}):
        figure = plots.cosine_map(make(planted(8)), 0)
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert figure.axes[0].title.get_color() == "black"


def test_saved_pngs_carry_their_alt_text(figures, tmp_path):
    from PIL import Image

    plots.save(figures["map"], tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as image:
        assert image.text["Description"] == plots.alt_text(figures["map"])
        assert image.size[0] > 600
    with pytest.raises(CacheError, match="Cannot write"):
        (tmp_path / "file").write_text("")
        plots.save(figures["map"], tmp_path / "file" / "map.png")


def test_show_displays_an_image_with_its_alt_text(figures, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    plots.show(figures["map"])
    plots.show(figures["map"], alt='A "map" <of> cosines')
    assert f'alt="{plots.alt_text(figures["map"])}"' in shown[0].data
    assert 'alt="A &quot;map&quot; &lt;of&gt; cosines"' in shown[1].data


# --- Figures that chapters draw for themselves ------------------------------------------------------------------


def test_dots_put_each_value_beside_its_null_and_say_both():
    figure = plots.dots(
        ["calm", "sad"], {"own": [1.5, -0.25]}, null=[[0.1, 0.3], [-0.5, 0.9]], null_label="random", xlabel="change",
        title="Title",
    )  # fmt: skip
    text = plots.alt_text(figure)
    assert text.startswith("Title. In a row each, change.")
    assert "calm: own 1.5 (random 0.1 to 0.3); sad: own -0.25 (random -0.5 to 0.9)." in text
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["calm", "sad"]
    own = next(line for line in axes.lines if line.get_label() == "own")
    assert list(own.get_xdata()) == [1.5, -0.25] and list(own.get_ydata()) == [1, 0]  # the first name on top
    grey = [line for line in axes.lines if line.get_color() == plots.figure.GREY and len(line.get_xdata()) == 2]
    places = {(*line.get_xdata(), *line.get_ydata()) for line in grey}
    assert places >= {(0.1, 0.3, 1, 1), (-0.5, 0.9, 0, 0)}


def test_curves_have_marks_of_their_own_and_say_where_they_are_highest():
    series = {name: [1.0, 30.0, 2.0] for name in "abcde"}
    figure = plots.curves(["x", "y", "z"], series, xlabel="token", ylabel="norm", title="Title", log=True)
    assert "a: from 1 at x to 2 at z, highest 30 at y" in plots.alt_text(figure)
    lines = figure.axes[0].lines
    assert len({line.get_marker() for line in lines}) == 5 == len({line.get_color() for line in lines})
    assert figure.axes[0].get_yscale() == "log"
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["x", "y", "z"]


def test_the_mask_map_counts_what_is_skipped_kept_and_padding():
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [1, 0, 0, 0, 0]], dtype=bool)
    figure = plots.mask_map(mask, skip=2)
    assert "the tokens that count (3, 2, 0)" in plots.alt_text(figure)
    hatches = {c.get_hatch() for c in figure.axes[0].collections}
    assert len(hatches) == 3  # told apart without colour
    widths = {h: 0 for h in hatches}
    for collection in figure.axes[0].collections:
        widths[collection.get_hatch()] += len(collection.get_paths())
    assert widths == {"///": 2 + 2 + 1, None: 3 + 2 + 0, "...": 0 + 1 + 4}


def test_an_image_in_html_carries_its_alt_text():
    figure = plots.curves([1, 2], {"a": [1, 2]}, xlabel="x", ylabel="y", title='A "title"')
    assert plots.as_html(figure).startswith('<img alt="A &quot;title&quot;. y by x.')
    assert 'alt="other"' in plots.as_html(figure, "other")


# --- Steering ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def doses():
    rows = [("unsteered", "unsteered", 0.0, 1.0)]
    rows += [("emotion", name, s, shift * s) for name, shift in (("happy", 4), ("sad", -2)) for s in (0.1, 0.3)]
    rows += [("random", f"random {i}", 0.3, 0.1 * i) for i in range(3)] + [("all stories", "all stories", 0.3, 0.7)]
    table = pandas.DataFrame(rows, columns=["kind", "direction", "strength", "lexicon"])
    return pandas.concat([table.assign(lexicon=table.lexicon + d) for d in (-0.1, 0.1)], ignore_index=True)


def test_the_odds_map_says_and_frames_what_is_own():
    names = ["happy", "sad", "calm"]
    matrix = np.array([[2.0, -1.0, 0.0], [0.5, 1.0, -2.0], [3.0, 0.0, -0.5]])
    figure = plots.odds_map(matrix, names, names, title="T")
    text = plots.alt_text(figure)
    assert f"change by {np.diag(matrix).mean():.2f} on average" in text and "in 2 of 3 rows with an own word" in text
    off = matrix[~np.eye(3, dtype=bool)]
    assert f"the others by {off.mean():.2f}" in text and "Lowest -2.00, highest 3.00" in text
    axes = figure.axes[0]
    frames = sorted((p.get_x() + 0.47, p.get_y() + 0.47) for p in axes.patches)
    assert frames == [(0, 0), (1, 1), (2, 2)]
    assert [t.get_text() for t in axes.texts[:3]] == ["+2.0", "-1.0", "+0.0"]
    # Rows that are not named as words have no frame.
    assert len(plots.odds_map(matrix, ["-1 sad", "sad", "x"], names, title="T").axes[0].patches) == 1


def test_dose_panels_show_each_emotion_over_all_controls(doses):
    figure = plots.dose_panels(doses, "lexicon", ylabel="VADER", title="T")
    text = plots.alt_text(figure)
    for said in ("unsteered 1.00", "happy: 0.40 at 0.1, 1.20 at 0.3", "sad: -0.20 at 0.1, -0.60 at 0.3",
                 "random: 0.00 to 0.20", "all stories: 0.70."):  # fmt: skip
        assert said in text
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["happy", "sad"]
    for axes, wanted in zip(figure.axes, ([0.4, 1.2], [-0.2, -0.6]), strict=True):
        lines = {line.get_label(): line for line in axes.lines}
        np.testing.assert_allclose(np.array(lines["random"].get_ydata(), float), [0, 0.1, 0.2], atol=1e-9)
        container = axes.containers[0]
        np.testing.assert_allclose(np.array(container.lines[0].get_ydata(), float), wanted, atol=1e-9)
        low, high = (np.array(cap.get_ydata(), dtype=float) for cap in container.lines[1])
        np.testing.assert_allclose(high - low, 2 * 1.96 * 0.1, atol=1e-9)
    marks = {line.get_marker() for line in figure.axes[0].lines if line.get_marker() not in ("None", "_")}
    assert len(marks) >= 3  # told apart without colour


def test_the_compass_measures_angles_the_short_way_round():
    human, found = np.array([10.0, 180.0, 350.0]), np.array([350.0, 190.0, 20.0])
    figure = plots.compass_plot(["a", "b", "c"], human, found, title="T")
    text = plots.alt_text(figure)
    assert "On average 20 degrees apart; 3 within 45 degrees. Furthest off: c, by 30." in text
    points = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    np.testing.assert_allclose(points.get_ydata(), [-10, 190, 380])


# --- At the edges -----------------------------------------------------------------------------------------------

ODD = (
    "home sick", "déjà vu", 'a"b', "<b>", "$x$", "$\\frac{$", "none", "😀", "悲しい", "two\nlines", "&amp;",
    "x" * 400,
)  # fmt: skip


def odd_vectors(rated=()):
    names = (*rated, *ODD)
    return make(np.random.default_rng(0).normal(size=(len(names), 1, 40)), names)


def texts_of(figure):
    from matplotlib.text import Text

    return [text for text in figure.findobj(Text) if text.get_text()]


def odd_figures():
    matrix, n = np.random.default_rng(0).normal(size=(len(ODD), len(ODD))), range(len(ODD))
    rows = [("unsteered", "unsteered", 0.0, 1.0), *(("emotion", name, 0.1, i) for i, name in enumerate(ODD))]
    doses = pandas.DataFrame(rows * 2, columns=["kind", "direction", "strength", "lexicon"])
    label = dict(xlabel="$x$", title="$x$")
    yield plots.cosine_map(odd_vectors(), 0)
    yield plots.circumplex(odd_vectors(EMOTIONS), 0)
    yield plots.dots(ODD, {name: [i + 1.0 for i in n] for name in ODD[:5]}, null=[[1.0, 9.0]] * len(ODD), **label)
    yield plots.curves(ODD, {name: [i + 1.0 for i in n] for name in ODD[:5]}, ylabel="$y$", **label)
    yield plots.odds_map(matrix, ODD, ODD, title="$x$")
    yield plots.dose_panels(doses, "lexicon", ylabel="$y$", title="$x$")
    yield plots.compass_plot(ODD, matrix[0], matrix[1], title="$x$")


@pytest.mark.parametrize("i", range(7))
def test_odd_names_are_written_as_they_are_and_no_figure_bursts(i):
    import base64
    import io

    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = list(odd_figures())[i]
        page = plots.as_html(figure)
    assert not any(text.get_parse_math() for text in texts_of(figure))
    assert max(len(text.get_text()) for text in texts_of(figure)) < 120
    alt = re.fullmatch(r'<img alt="([^"<>]*)" src="data:image/png;base64,([^"]*)" style="[^"]*">', page, re.S)
    assert unescape(alt[1]) == plots.alt_text(figure)
    assert max(Image.open(io.BytesIO(base64.b64decode(alt[2]))).size) < 2000


def test_names_are_cut_only_where_they_leave_no_room():
    figure = plots.cosine_map(odd_vectors(), 0)
    shown = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    kept = {name for name in ODD if len(name) < 400 and "\n" not in name}
    assert shown == kept | {"two lines", "x" * 39 + "…"}
    assert all(len(name) < plots.figure.LONGEST for name in EMOTIONS)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_logarithmic_axis_has_plain_numbers(axis):
    if axis == "x":
        figure = plots.dots(["a", "b"], {"s": [0.001, 5000.0]}, xlabel="x", title="T", log=True)
    else:
        figure = plots.curves([1, 2], {"s": [0.001, 5000.0]}, xlabel="x", ylabel="y", title="T", log=True)
    plots.as_html(figure)
    labels = [label.get_text() for label in getattr(figure.axes[0], f"get_{axis}ticklabels")()]
    assert {"0.001", "0.1", "1", "10", "1000"} <= set(labels)


def test_two_emotions_or_the_same_one_twice_make_a_map():
    for matrix in (np.array([[1.0, 2.0], [-1.0, -2.0]]), np.zeros((2, 2))):
        assert "between 2 emotion vectors" in plots.alt_text(plots.cosine_map(make(matrix, ("a", "b")), 0))


@pytest.mark.parametrize("rated", [0, 1, 7])
def test_without_enough_rated_emotions_there_is_no_circumplex(rated):
    with pytest.raises(CorpusError, match=f"Only {rated} of {rated + len(ODD)} emotions have a human rating"):
        plots.circumplex(odd_vectors(EMOTIONS[:rated]), 0)
    assert plots.circumplex(odd_vectors(EMOTIONS[:8]), 0)


def test_layers_may_be_numpy_or_torch_numbers(vectors):
    import torch

    for draw in (plots.cosine_map, plots.circumplex):
        alts = {plots.alt_text(draw(vectors, layer)) for layer in (2, np.int64(2), torch.tensor(2))}
        assert len(alts) == 1


def test_a_tilde_is_the_home_folder(figures, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    plots.save(figures["map"], "~/map.png")
    assert (tmp_path / "map.png").is_file()
