"""Figures say in words what they show, with the numbers that they show, and write where they are told."""

import re

import numpy as np
import pytest

from emovec_lite import geometry, plots
from emovec_lite.errors import CacheError
from tests.unit.test_geometry import EMOTIONS, make, planted


@pytest.fixture(scope="module")
def vectors():
    return make(np.stack([planted(s, seed=i) for i, s in enumerate((0, 4, 8))], axis=1), embed=planted(1, seed=9))


@pytest.fixture(scope="module")
def figures(vectors):
    blocks, embed = (geometry.align(vectors, "valence", layers, 200) for layers in (None, ["embed"]))
    return {
        "map": plots.cosine_map(vectors, 2),
        "circumplex": plots.circumplex(vectors, 2),
        "curve": plots.layer_curve(blocks, embed),
    }


def test_every_figure_has_alt_text_with_its_numbers(figures, vectors):
    texts = {name: plots.alt_text(figure) for name, figure in figures.items()}
    similarity = geometry.cosines(vectors.at(2).numpy())
    lowest = np.unravel_index(similarity.argmin(), similarity.shape)
    assert f"({similarity.min():.2f})" in texts["map"]
    assert all(EMOTIONS[i] in texts["map"] for i in lowest)
    r = float(re.search(r"correlates ([\d.]+) with human valence", texts["circumplex"])[1])
    assert r == pytest.approx(geometry.align(vectors, "valence", [2], 10).ridge_r[0], abs=0.006)
    best = geometry.align(vectors, "valence", permutations=10).best_ridge
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
