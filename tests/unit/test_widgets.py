"""Widgets do what the functions under them do, without a browser, in Jupyter's way and in Colab's."""

import re
import sys
import threading
import time
import types
from html import unescape
from html.parser import HTMLParser
from inspect import unwrap
from itertools import islice

import numpy as np
import pytest
import torch

from emovec_lite import plots, readout, widgets
from emovec_lite.activations import token_activations
from emovec_lite.effects import TEMPERATURE
from emovec_lite.errors import ActivationError, CorpusError, EmovecError, UnknownName
from emovec_lite.generation import generate, perplexity
from emovec_lite.norms import ratings
from emovec_lite.readout import token_projections
from emovec_lite.steering import plane_direction, steer
from tests.unit.planted import EMOTIONS, make, planted
from tests.unit.test_plots import ODD

PROMPT = "w1 w2 w3"
SAMPLED = {"temperature": TEMPERATURE, "seed": 0}  # what the widgets do unless told otherwise
HOSTILE = "<script>alert(1)</script> & \"<img src=x onerror='alert(2)'>\""


@pytest.fixture
def vectors():
    return make(np.stack([planted(s, seed=i, d=32) for i, s in enumerate((0, 2, 4, 8))], axis=1))


@pytest.fixture(autouse=True)
def short_texts(monkeypatch):
    monkeypatch.setattr(widgets.writing, "TOKENS", 16)


def until(true, seconds=30):
    """Wait for what a worker thread will do."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def hooks(subject):
    return [h for m in subject.hf.modules() for h in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())]


class Panel:
    """The controls of a steering panel by name."""

    def __init__(self, *args, **kwargs):
        self.box = widgets.steering_panel(*args, **kwargs)
        self.prompt, self.emotion, self.second, self.layer, self.strength, *rest = self.box.children
        self.tokens, self.seed, buttons, self.area = rest
        self.generate, *stop = buttons.children
        self.stop = stop[0] if stop else None

    def finish(self):
        until(lambda: not self.generate.disabled)
        return self.area.value


# --- Pure functions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked, meant", [({}, SAMPLED), ({"seed": 7}, SAMPLED | {"seed": 7}), ({"temperature": 0},) * 2]
)
def test_side_by_side_is_the_steered_and_the_plain_continuation(tiny, vectors, asked, meant):
    subject, direction = tiny(), vectors.direction("happy", 2)
    seen = list(widgets.side_by_side(subject, PROMPT, direction, 40.0, tokens=12, **asked))
    with steer(subject, direction, 40.0):
        steered = generate(subject, PROMPT, 12, **meant)
    plain = generate(subject, PROMPT, 12, **meant)
    assert seen[-1] == (steered, plain) and steered != plain
    assert 12 < len(seen) <= 24 and seen[0][0] and not seen[0][1]  # by turns, the steered one first
    for (a, b), (c, d) in zip(seen, seen[1:], strict=False):
        assert c.startswith(a) and d.startswith(b) and ((a == c) != (b == d))


def test_one_side_may_end_before_the_other(tiny, vectors, monkeypatch):
    monkeypatch.setattr(widgets.writing, "stream", lambda *args, **how: iter("abc"))
    monkeypatch.setattr(widgets.writing, "continued", lambda *args, **how: iter(["long"]))
    assert list(widgets.side_by_side(tiny(), PROMPT, vectors.direction("happy", 2), 1.0)) == [
        ("long", ""), ("long", "a"), ("long", "ab"), ("long", "abc"),
    ]  # fmt: skip


def test_between_two_pieces_the_model_is_free_and_unsteered(tiny, vectors):
    subject = tiny()
    plain = token_activations(subject, PROMPT)
    for _ in islice(widgets.side_by_side(subject, PROMPT, vectors.direction("happy", 0), 40.0), 4):
        assert not hooks(subject)
        taken = []

        def take(taken=taken):
            with subject.lock:
                taken.append(True)

        other = threading.Thread(target=take, daemon=True)
        other.start()
        other.join(10)
        assert taken
        assert torch.equal(token_activations(subject, PROMPT), plain)


def test_a_direction_of_length_nothing_does_nothing(tiny, vectors):
    subject = tiny()
    centre = plane_direction(vectors, 2, 0.0, 0.0)
    *_, last = widgets.continued(subject, PROMPT, centre, widgets.pad.PAD_STRENGTH, 8)
    assert last == generate(subject, PROMPT, 8, **SAMPLED) != generate(subject, PROMPT, 8)
    *_, last = widgets.continued(subject, PROMPT, centre, widgets.pad.PAD_STRENGTH, 8, temperature=0)
    assert last == generate(subject, PROMPT, 8)


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\t \n"])
def test_a_prompt_of_nothing_is_asked_for(tiny, text):
    with pytest.raises(EmovecError, match="write a few words"):
        widgets.writing.last_tokens(tiny(), text)


def test_of_a_long_prompt_the_end_is_used_and_said_so(tiny):
    words = [f"w{i % 60}" for i in range(2000)]
    used, note = widgets.writing.last_tokens(tiny(), " ".join(words))
    assert used == " ".join(words[-256:]) and note == "Only the last 256 of 2000 tokens are used."
    assert widgets.writing.last_tokens(tiny(), " ".join(words[:256])) == (" ".join(words[:256]), "")
    assert widgets.writing.last_tokens(tiny(), "w1") == ("w1", "")
    assert widgets.writing.last_tokens(tiny(), "w1 🐕 <b>\nw2") == ("w1 🐕 <b>\nw2", "")


class Elements(HTMLParser):
    """Tags and text of some HTML, as a browser would see them."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    "source",
    [
        widgets.page.columns_html(HOSTILE, {HOSTILE: HOSTILE}),
        widgets.page.status_html(HOSTILE),
        widgets.page.perplexity_html({HOSTILE: 3.0}),
        widgets.page.repetition_html({HOSTILE: HOSTILE}),
        widgets.heat_html([HOSTILE, HOSTILE], np.array([np.nan, 3.0])),
        widgets.page.status_html(widgets.page.sentence(ValueError(HOSTILE))),
    ],
    ids=["columns", "status", "perplexity", "repetition", "heat map", "error"],
)
def test_what_a_model_writes_is_shown_and_not_run(source):
    found = Elements(source)
    assert not {"script", "img"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert HOSTILE in found.text


def test_columns_keep_line_breaks_and_the_end_of_a_long_prompt():
    source = widgets.page.columns_html("x" * 500 + "the end", {"a": "one\n  two 🐕"})
    assert "one\n  two 🐕" in source and "white-space:pre-wrap" in source
    assert "… xxx" in source and "xthe end" in source and source.count("x") < 300
    assert Elements(widgets.page.columns_html("p", {"a": "", "b": ""})).tags.count("section") == 2


def test_perplexities_are_bars_on_a_logarithmic_scale():
    source = widgets.page.perplexity_html({"steered": 100.0, "unsteered": 1.0, "empty": float("nan")})
    assert re.findall(r'value="([\d.]+)"', source) == ["2.000", "0.000"] and source.count("<meter") == 2
    assert "100.0" in source and "nothing was written" in source
    assert "12,345.6" in widgets.page.perplexity_html({"x": 12345.6})


def test_repetitions_are_bars_from_nothing_to_one():
    texts = {"steered": "on and on " * 3, "unsteered": "one two three four five", "short": "on and on", "empty": ""}
    source = widgets.page.repetition_html(texts)
    assert re.findall(r'max="1" value="([\d.]+)"', source) == ["0.500", "0.000"] and source.count("<meter") == 2
    assert re.findall(r"</meter> ([\d.]+)<", source) == ["0.50", "0.00"]  # 3 of 6 runs, none of 2
    assert 'aria-label="repetition, steered, from 0 to 1"' in source and source.count("fewer than four words") == 2


def test_errors_are_one_sentence():
    assert widgets.page.sentence(EmovecError("No such layer.")) == "No such layer."
    assert "KeyError: 'x'" in widgets.page.sentence(KeyError("x"))
    long = widgets.page.sentence(RuntimeError("shape\n  File secret.py"))
    assert "RuntimeError: shape)" in long and "secret" not in long
    assert "no message" in widgets.page.sentence(ValueError())


# --- The heat map ------------------------------------------------------------------------------------------


def test_projections_are_those_of_the_residuals_in_percent_of_the_norm(tiny, vectors):
    from dataclasses import replace

    center = torch.randn(4, 32, generator=torch.Generator().manual_seed(3))
    moved = replace(vectors, center=center, norms=torch.tensor([1.0, 2.0, 4.0, 8.0]))
    tokens, values = token_projections(tiny(), moved, "w1 w2 w3", "happy", 2)
    assert [t.strip() for t in tokens] == ["w1", "w2", "w3"] and np.isnan(values[0])
    residual = token_activations(tiny(), "w1 w2 w3")[2, 1:]
    expected = (residual - center[2]) @ moved.direction("happy", 2).vector / 4 * 100
    np.testing.assert_allclose(values[1:], expected.numpy(), rtol=1e-5)


def test_projections_at_the_extremes(tiny, vectors):
    assert np.isnan(token_projections(tiny(), vectors, "w1", "happy", 0)[1]).tolist() == [True]
    with pytest.raises(ActivationError):
        token_projections(tiny(), vectors, "", "happy", 0)
    with pytest.raises(UnknownName, match="emotion"):
        token_projections(tiny(), vectors, "w1", "happily", 0)
    with pytest.raises(UnknownName, match="layer"):
        token_projections(tiny(), vectors, "w1", "happy", 9)


@pytest.fixture
def bytewise(tiny):
    """A subject whose tokens are single bytes: a letter may take four of them, as in the real model."""
    from dataclasses import replace

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return replace(tiny(), tokenizer=PreTrainedTokenizerFast(tokenizer_object=core))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [("a🐕b", ["a", "", "", "", "🐕", "b"]), ("é", ["", "é"]), ("x\ufffd", ["x", "", "", "\ufffd"]), ("\n", ["\n"])],
)
def test_letters_of_several_tokens_are_whole(bytewise, vectors, monkeypatch, text, pieces):
    monkeypatch.setattr(readout, "token_activations", lambda subject, text: torch.ones(4, len(pieces), 32))
    tokens, values = token_projections(bytewise, vectors, text, "happy", 0)
    assert tokens == pieces and len(values) == len(pieces)


def test_a_prompt_is_not_cut_inside_a_letter(bytewise):
    for n in (1, 2, 3, 4):
        assert widgets.writing.last_tokens(bytewise, "ab🐕", n)[0] == "🐕"
    assert widgets.writing.last_tokens(bytewise, "ab🐕", 5)[0] == "b🐕"


def luminance(rgb):
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(rgb) / 255]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_every_shade_of_the_heat_map_bears_its_text():
    values = np.array([np.nan, *np.linspace(-30, 30, 61)])
    source = widgets.heat_html(["x"] * 62, values)
    shades = [tuple(map(int, rgb)) for rgb in re.findall(r"rgb\((\d+),(\d+),(\d+)\)", source)]
    assert len(shades) == 61 and len(set(shades)) == 61
    assert min((luminance(rgb) + 0.05) / 0.05 for rgb in shades) > 4.5
    grey, ink = (int(x, 16) for x in re.search(r"background:#(..).*?color:#(..)", source).groups())
    assert (luminance([grey] * 3) + 0.05) / (luminance([ink] * 3) + 0.05) > 4.5


def test_signs_and_sizes_are_told_without_colour():
    source = widgets.heat_html(["a", "b", "c", "d"], np.array([np.nan, 20.0, -10.0, 0.5]))
    assert re.findall(r"border-bottom:(\d)px (\w+)", source) == [("5", "solid"), ("2", "dashed"), ("1", "solid")]
    assert re.findall(r'title="([^"]*)"', source) == ["first token: not counted", "+20.0 %", "-10.0 %", "+0.5 %"]
    assert "“b” (+20.0 %)" in source and "“c” (-10.0 %)" in source and "<small" in source
    many = widgets.heat_html(["x"] * 50, np.array([np.nan, *range(49)], dtype=float))
    assert many.count("<small") == widgets.heat_map.NUMBERED and "> +48<" in many and "> +10<" not in many


@pytest.mark.parametrize("values", [[np.nan], [], [np.nan, 0.0, 0.0], [0.0]])
def test_heat_maps_of_next_to_nothing(values):
    source = widgets.heat_html(["x"] * len(values), np.array(values, dtype=float))
    assert "nan" not in source.lower().replace("not counted", "")
    assert source.count("title=") == len(values)


def test_parts_of_letters_and_line_breaks_are_seen():
    source = widgets.heat_html(["a", "", "🐕", "\n"], np.array([np.nan, 1.0, 2.0, 3.0]))
    assert '">·<' in source and '">🐕<' in source and '">↵\n<' in source


def test_the_heat_map_follows_its_controls(tiny, vectors):
    box = widgets.token_heat_map(tiny(), vectors, "w1 w2 w3", "happy", 1)
    text, emotion, layer, picture = box.children
    assert not text.continuous_update and not layer.continuous_update
    assert picture.value == widgets.heat_html(*token_projections(tiny(), vectors, "w1 w2 w3", "happy", 1))
    for control, value in ((emotion, "afraid"), (layer, 3), (text, "w5 w6")):
        control.value = value
        now = token_projections(tiny(), vectors, text.value, emotion.value, layer.value)
        assert picture.value == widgets.heat_html(*now)
    assert len(now[0]) == 2
    text.value = " "
    assert "write a few words" in picture.value and "Traceback" not in picture.value
    text.value = " ".join(["w1"] * 2000)  # the tiny model takes 128
    assert "128" in picture.value
    text.value = "w7"
    assert "never is" in picture.value and not hooks(tiny())


# --- The panel ---------------------------------------------------------------------------------------------


def test_the_layer_explorer_shows_the_circumplex_of_the_layer_it_stands_on(vectors):
    slider, picture = widgets.layer_explorer(vectors, 1).children
    assert (slider.min, slider.value, slider.max) == (0, 1, 3) and not slider.continuous_update
    for layer in (0, 3, 1):
        slider.value = layer
        assert f"where layer {layer} puts them" in picture.value
        assert picture.value == plots.as_html(plots.circumplex(vectors, layer))


def test_the_panel_shows_both_texts_and_their_perplexities(tiny, vectors):
    subject, panel = tiny(), Panel(tiny(), vectors, 2, PROMPT)
    panel.emotion.value, panel.strength.value = "afraid", 0.6
    drawn = []
    panel.area.observe(lambda change: drawn.append(change["new"]), "value")
    panel.generate.click()
    shown = panel.finish()
    *_, texts = widgets.side_by_side(subject, PROMPT, vectors.direction("afraid", 2), 0.6, widgets.writing.TOKENS)
    headings = ("steered: afraid, strength +0.60, layer 2; sampled, seed 0", "unsteered; sampled, seed 0")
    columns = dict(zip(headings, texts, strict=True))
    sides = ("steered", "unsteered")
    found = dict(zip(sides, perplexity(subject, texts, [PROMPT] * 2), strict=True))
    assert shown.startswith(widgets.page.columns_html(PROMPT, columns)) and "Finished." in shown
    repeated = widgets.page.repetition_html(dict(zip(sides, texts, strict=True)))
    assert shown.endswith(widgets.page.perplexity_html(found) + repeated)
    assert len(drawn) > 20 and drawn[0].count("</i></div>") == 2  # it streams, from nothing on
    assert panel.stop.disabled and not hooks(subject)


def test_the_panel_samples_by_its_seed_and_is_greedy_on_request(tiny, vectors):
    panel, direction, seen = Panel(tiny(), vectors, 2, PROMPT), vectors.direction("happy", 2), []
    assert [control.description for control in (panel.tokens, panel.seed)] == ["tokens", "seed"]
    for tokens, seed, said in ((0, 0, "sampled, seed 0"), (0, 7, "sampled, seed 7"), (1, 7, "greedy")):
        panel.tokens.index, panel.seed.value = tokens, seed
        panel.generate.click()
        shown = panel.finish()
        panel.generate.click()
        assert panel.finish() == shown and shown.count(f"; {said}</b>") == 2
        how = {"temperature": [TEMPERATURE, 0][tokens], "seed": seed}
        *_, (steered, plain) = widgets.side_by_side(tiny(), PROMPT, direction, 0.25, widgets.writing.TOKENS, **how)
        assert re.findall(r"</i>(.*?)</div>", shown, re.S) == [steered, plain]
        seen.append(plain)
    assert len(set(seen)) == 3 and seen[2] == generate(tiny(), PROMPT, widgets.writing.TOKENS)


def test_the_panel_adds_two_emotions_to_one_direction_of_length_one(tiny, vectors, monkeypatch):
    seen = []
    real = widgets.side_by_side
    monkeypatch.setattr(widgets.writing, "side_by_side", lambda *a, **k: seen.append(a) or real(*a, **k))
    panel = Panel(tiny(), vectors, 2, PROMPT)
    panel.emotion.value, panel.second.value, panel.layer.value, panel.strength.value = "happy", "calm", 1, -0.6
    panel.generate.click()
    assert "steered: happy + calm, strength -0.60, layer 1" in panel.finish()
    ((_, prompt, direction, strength, _),) = seen
    expected = (vectors.direction("happy", 1) + vectors.direction("calm", 1)).unit()
    assert prompt == PROMPT and strength == -0.6 and direction.layer == 1
    torch.testing.assert_close(direction.vector, expected.vector)
    assert float(direction.vector.norm()) == pytest.approx(1)


@pytest.fixture
def endless(monkeypatch):
    """Text without end, one piece whenever the test allows it."""
    gate = threading.Semaphore(0)

    def side_by_side(subject, prompt, direction, strength, tokens, **how):
        for i in range(100_000):
            assert gate.acquire(timeout=30)
            yield "s" * i, "p" * i

    monkeypatch.setattr(widgets.writing, "side_by_side", side_by_side)
    return gate


def test_stop_ends_the_text_and_measures_it(tiny, vectors, endless):
    panel = Panel(tiny(), vectors, 2, PROMPT)
    panel.generate.click()
    assert panel.generate.disabled and not panel.stop.disabled
    endless.release(4)
    until(lambda: "sss<" in panel.area.value)
    panel.stop.click()
    endless.release(1000)
    shown = panel.finish()
    assert "Stopped." in shown and "<meter" in shown and "ssss<" in shown and "sssss" not in shown
    assert endless.acquire(blocking=False)  # nothing more was asked for
    assert panel.area.value == shown and panel.stop.disabled


def test_a_click_while_it_runs_is_ignored_and_the_controls_are_read_once(tiny, vectors, endless):
    before = threading.active_count()
    panel = Panel(tiny(), vectors, 2, PROMPT)
    panel.generate.click()
    panel.generate.click()
    panel.emotion.value, panel.prompt.value = "afraid", "w9"
    assert threading.active_count() == before + 1
    endless.release(3)
    until(lambda: "ss<" in panel.area.value)
    assert "steered: happy" in panel.area.value and f"<i>{PROMPT}</i>" in panel.area.value
    panel.stop.click()
    endless.release(1)
    panel.finish()
    panel.generate.click()  # and again
    endless.release(2)
    until(lambda: "steered: afraid" in panel.area.value)
    panel.stop.click()
    endless.release(1)
    assert "<i>w9</i>" in panel.finish()


def test_the_worker_does_not_keep_the_process_alive(tiny, vectors, endless):
    before = set(threading.enumerate())
    panel = Panel(tiny(), vectors, 2, PROMPT)
    panel.generate.click()
    (worker,) = set(threading.enumerate()) - before
    assert worker.daemon
    panel.stop.click()
    endless.release(2)
    panel.finish()


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_a_sentence(tiny, vectors, prompt):
    panel = Panel(tiny(), vectors, 2, prompt)
    panel.generate.click()
    assert "write a few words" in panel.finish()


@pytest.mark.parametrize("prompt", ["w1", "🐕", HOSTILE, "\nw1\n", " ".join(["w1"] * 60)])
@pytest.mark.parametrize("strength", [-0.6, 0.0, 0.6])
def test_the_panel_at_the_extremes(tiny, vectors, prompt, strength):
    panel = Panel(tiny(), vectors, 0, prompt)
    panel.strength.value, panel.layer.value = strength, panel.layer.max
    panel.generate.click()
    shown = panel.finish()
    assert "Finished." in shown and not {"script", "img"} & set(Elements(shown).tags)
    texts = re.findall(r"</i>(.*?)</div>", shown, re.S)
    assert len(texts) == 2 and all(texts)
    assert (texts[0] == texts[1]) or strength


def test_a_long_prompt_is_cut_and_said_so(tiny, vectors, monkeypatch):
    monkeypatch.setattr(widgets.writing, "WINDOW", 256)
    monkeypatch.setattr(unwrap(widgets.writing.last_tokens), "__defaults__", (40,))  # the tiny model has 128 places
    panel = Panel(tiny(), vectors, 2, " ".join(["w1"] * 2000))
    panel.generate.click()
    assert "Only the last 40 of 2000 tokens are used." in panel.finish()


@pytest.mark.parametrize("where", ["side_by_side", "perplexity"])
@pytest.mark.parametrize("error", [RuntimeError("out of <memory>\n  File x"), EmovecError("No such <thing>.")])
def test_an_error_in_the_worker_is_a_sentence(tiny, vectors, monkeypatch, where, error):
    def fail(*args, **how):
        raise error

    panel = Panel(tiny(), vectors, 2, PROMPT)
    with monkeypatch.context() as patch:
        patch.setattr(widgets.panel if where == "perplexity" else widgets.writing, where, fail)
        panel.generate.click()
        shown = unescape(panel.finish())
    assert str(error).splitlines()[0] in shown and "File x" not in shown and "Traceback" not in shown
    assert panel.stop.disabled and not hooks(tiny())
    panel.generate.click()
    assert "Finished." in panel.finish()


# --- The pad -----------------------------------------------------------------------------------------------


def test_pad_labels_are_the_places_of_the_circumplex_scaled(vectors):
    labels = widgets.pad_labels(vectors, 3)
    names, points, r_valence, _ = plots.circumplex_places(vectors, 3)
    assert [label["name"] for label in labels] == names == list(EMOTIONS)
    assert r_valence > 0.8
    xy = np.array([[label["x"], label["y"]] for label in labels])
    np.testing.assert_allclose(np.abs(xy).max(axis=0), 1)
    from_centre = points - [ratings(names, "valence").mean(), 0]
    np.testing.assert_allclose(xy * np.abs(from_centre).max(axis=0), from_centre)
    valence = {label["name"]: label["x"] for label in labels}
    assert valence["happy"] > 0.3 > -0.3 > valence["desperate"]
    assert {tuple(label["side"]) for label in labels} <= {(r, u) for r in (-1, 1) for u in (-1, 0, 1)}


def test_a_point_of_the_pad_is_where_the_text_comes_from(tiny, vectors):
    pad, area = widgets.circumplex_pad(tiny(), vectors, 2, PROMPT).children
    assert "Drag the handle" in area.value
    pad.point = [0.6, -0.8]
    until(lambda: "Finished." in area.value)
    *_, text = widgets.continued(tiny(), PROMPT, plane_direction(vectors, 2, 0.6, -0.8), 0.3, widgets.writing.TOKENS)
    heading = "valence +0.60, arousal -0.80: strength 0.30 at layer 2; sampled, seed 0"
    assert area.value.startswith(widgets.page.columns_html(PROMPT, {heading: text}))
    assert not hooks(tiny())


@pytest.mark.parametrize("how, said", [({"seed": 7}, "sampled, seed 7"), ({"temperature": 0}, "greedy")])
def test_the_pad_samples_by_its_seed_and_is_greedy_on_request(tiny, vectors, how, said):
    pad, area = widgets.circumplex_pad(tiny(), vectors, 2, PROMPT, **how).children
    pad.point = [0.6, -0.8]
    until(lambda: "Finished." in area.value)
    direction = plane_direction(vectors, 2, 0.6, -0.8)
    *_, text = widgets.continued(tiny(), PROMPT, direction, 0.3, widgets.writing.TOKENS, **how)
    assert f"; {said}</b>" in area.value and re.findall(r"</i>(.*?)</div>", area.value, re.S) == [text]


def test_a_new_point_stops_the_text_and_starts_anew(tiny, vectors, monkeypatch):
    gate = threading.Semaphore(0)

    def continued(subject, prompt, direction, strength, tokens, **how):
        for i in range(100_000):
            assert gate.acquire(timeout=30)
            yield f"{direction.name} piece {i} "

    monkeypatch.setattr(widgets.writing, "continued", continued)
    before = threading.active_count()
    pad, area = widgets.circumplex_pad(tiny(), vectors, 2, PROMPT).children
    pad.point = [0.5, 0.0]
    gate.release(3)
    until(lambda: "valence +0.50, arousal +0.00 piece 2" in area.value)
    seen = []
    area.observe(lambda change: seen.append("valence -0.25, arousal +0.75:" in change["new"]), "value")
    pad.point = [1.0, 1.0]
    pad.point = [-0.25, 0.75]
    gate.release(3)
    until(lambda: "valence -0.25, arousal +0.75 piece" in area.value)
    assert seen == sorted(seen)  # once the new text is there, the old one does not come back
    until(lambda: threading.active_count() == before + 1)
    pad.point = [0.0, 0.0]
    gate.release(50)
    until(lambda: "valence +0.00, arousal +0.00 piece" in area.value)
    pad.point = [0.1, 0.0]
    monkeypatch.setattr(widgets.writing, "continued", lambda *a, **how: iter(["end"]))
    gate.release(100_000)
    until(lambda: threading.active_count() == before)


def test_a_new_text_waits_until_the_old_one_has_stopped(tiny, vectors, monkeypatch):
    gate, log = threading.Semaphore(0), []

    def continued(subject, prompt, direction, strength, tokens, **how):
        log.append(f"begins: {direction.name}")
        assert gate.acquire(timeout=30)
        log.append(f"ends: {direction.name}")
        yield direction.name

    monkeypatch.setattr(widgets.writing, "continued", continued)
    pad, area = widgets.circumplex_pad(tiny(), vectors, 2, PROMPT).children
    pad.point = [1.0, 0.0]
    until(lambda: log)
    pad.point = [0.0, 1.0]
    time.sleep(0.2)  # time enough to begin, were it not to wait
    gate.release(2)
    until(lambda: "Finished." in area.value)
    old, new = "valence +1.00, arousal +0.00", "valence +0.00, arousal +1.00"
    assert log == [f"begins: {old}", f"ends: {old}", f"begins: {new}", f"ends: {new}"]


def test_the_pad_tells_what_went_wrong(tiny, vectors):
    pad, area = widgets.circumplex_pad(tiny(), vectors, 2, "  ").children
    pad.point = [0.5, 0.5]
    until(lambda: "write a few words" in area.value)
    pad, area = widgets.circumplex_pad(tiny("gpt2"), make(planted(1)), 0, PROMPT).children  # 60 wide, not 32
    pad.point = [0.5, 0.5]
    until(lambda: "60" in area.value and "32 wide" in area.value)


# --- Colab -------------------------------------------------------------------------------------------------


class Page:
    """What is displayed below a cell, in place of IPython's front end."""

    def __init__(self, interrupt_at=None):
        self.threads, self.frames, self.cells, self.interrupt_at = set(), [], 0, interrupt_at

    def display(self, content, display_id=None):
        assert display_id is True
        self.cells += 1
        self.update(content)
        return self

    def update(self, content):
        self.threads.add(threading.current_thread())
        self.frames.append(content.data)
        if len(self.frames) == self.interrupt_at:
            raise KeyboardInterrupt


@pytest.fixture
def colab(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))

    def open_page(**kwargs):
        page = Page(**kwargs)
        monkeypatch.setattr("IPython.display.display", page.display)
        return page

    return open_page


def test_in_colab_the_click_does_the_work_and_updates_one_output(tiny, vectors, colab):
    page, panel = colab(), Panel(tiny(), vectors, 2, PROMPT)
    assert panel.stop is None and "interrupt button" in panel.area.value
    hint = panel.area.value
    panel.generate.click()
    assert not panel.generate.disabled and panel.area.value == hint
    assert page.threads == {threading.main_thread()} and page.cells == 1
    assert len(page.frames) > 20 and "Finished." in page.frames[-1] and "<meter" in page.frames[-1]
    panel.generate.click()
    assert page.cells == 1  # the same place again
    assert not hooks(tiny())


@pytest.mark.parametrize("interrupt_at", [1, 2, 9])
def test_in_colab_an_interrupt_leaves_the_text_so_far(tiny, vectors, colab, interrupt_at):
    page, panel = colab(interrupt_at=interrupt_at), Panel(tiny(), vectors, 2, PROMPT)
    panel.generate.click()
    assert "Stopped." in page.frames[-1] and not panel.generate.disabled and not hooks(tiny())
    texts = [
        re.findall(r"</i>(.*?)</div>", frame, re.S) for frame in (page.frames[interrupt_at - 1], page.frames[-1])
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("where", ["stream", "perplexity", "last_tokens"])
def test_in_colab_an_interrupt_inside_the_model_is_no_traceback(tiny, vectors, colab, monkeypatch, where):
    def interrupted(*args, **how):
        raise KeyboardInterrupt

    page, panel = colab(), Panel(tiny(), vectors, 2, PROMPT)
    monkeypatch.setattr(widgets.panel if where == "perplexity" else widgets.writing, where, interrupted)
    panel.generate.click()
    said = "Both texts are being read" if where == "perplexity" else "Stopped."
    assert said in page.frames[-1] and not panel.generate.disabled and not hooks(tiny())


def test_in_colab_the_pad_writes_below_the_cell(tiny, vectors, colab):
    page = colab()
    pad, area = widgets.circumplex_pad(tiny(), vectors, 2, PROMPT).children
    assert "Drag the handle" in area.value and "interrupt button" in area.value
    pad.point = [0.5, 0.5]
    pad.point = [0.5, 0.0]
    assert "valence +0.50, arousal +0.00" in page.frames[-1] and "Finished." in page.frames[-1]
    assert page.cells == 1 and page.threads == {threading.main_thread()}


def test_in_colab_an_error_is_a_sentence(tiny, vectors, colab):
    page, panel = colab(), Panel(tiny(), vectors, 2, "")
    panel.generate.click()
    assert "write a few words" in page.frames[-1]


def test_importing_the_widgets_imports_no_widget_library():
    import subprocess

    code = (
        "import sys, emovec_lite.widgets; "
        "assert not {'ipywidgets', 'anywidget', 'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- At the edges -------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """The names of the tags of a page, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def odd_vectors(names=ODD):
    return make(np.random.default_rng(0).normal(size=(len(names), 4, 32)), names)


@pytest.mark.parametrize("name", ODD)
def test_the_panel_takes_an_emotion_of_any_name_and_of_none_of_the_courses(tiny, monkeypatch, name):
    monkeypatch.setattr(widgets.writing, "TOKENS", 2)
    panel = Panel(tiny(), odd_vectors(), 2, PROMPT)
    assert panel.emotion.value == ODD[0] and panel.second.label == "(none)"
    panel.emotion.value = name
    panel.generate.click()
    page = Tags(panel.finish())
    assert f"steered: {name}, strength +0.25, layer 2" in page.text
    plain = set(page.tags)
    panel.second.value = name
    panel.generate.click()
    page = Tags(panel.finish())
    assert f"steered: {name} + {name}, strength +0.25, layer 2" in page.text and "Finished." in page.text
    assert set(page.tags) == plain == {"div", "section", "b", "i", "p", "meter", "span"}


def test_no_second_emotion_can_be_chosen_again(tiny, monkeypatch):
    monkeypatch.setattr(widgets.writing, "TOKENS", 2)
    panel = Panel(tiny(), odd_vectors(), 2, PROMPT)
    for label in ("none", "(none)"):
        panel.second.label = label
        panel.generate.click()
        shown = "home sick + none, " if label == "none" else "steered: home sick, "
        assert shown in Tags(panel.finish()).text


@pytest.mark.parametrize("name", ODD)
def test_the_heat_map_takes_an_emotion_of_any_name(tiny, name):
    vectors = odd_vectors()
    *_, names, _, picture = widgets.token_heat_map(tiny(), vectors, "w1 w2 w3", name, 2).children
    assert names.value == name
    assert picture.value == widgets.heat_html(*token_projections(tiny(), vectors, "w1 w2 w3", name, 2))


@pytest.mark.parametrize("rated", [0, 1])
def test_a_plane_of_unrated_emotions_is_refused_with_a_sentence(tiny, rated):
    vectors = odd_vectors((*EMOTIONS[:rated], *ODD))
    said = f"Only {rated} of {rated + len(ODD)} emotions have a human rating"
    with pytest.raises(CorpusError, match=said):
        widgets.layer_explorer(vectors, 2)
    with pytest.raises(CorpusError, match=said):
        widgets.circumplex_pad(tiny(), vectors, 2)


def test_the_pad_shows_the_rated_emotions_among_others(tiny):
    pad, _ = widgets.circumplex_pad(tiny(), odd_vectors((*EMOTIONS[:12], *ODD)), 2).children
    assert [label["name"] for label in pad.labels] == [*EMOTIONS[:12]]


@pytest.mark.parametrize("number", [np.int64, torch.tensor])
def test_layers_may_be_numpy_or_torch_numbers(tiny, vectors, monkeypatch, number):
    monkeypatch.setattr(widgets.writing, "TOKENS", 2)
    for made, plain in (
        [widgets.layer_explorer(vectors, layer) for layer in (number(2), 2)],
        [widgets.token_heat_map(tiny(), vectors, PROMPT, "happy", layer) for layer in (number(2), 2)],
    ):
        assert made.children[-1].value == plain.children[-1].value
        assert type(made.children[-2].value) is int
    panel = Panel(tiny(), vectors, number(2), PROMPT)
    panel.generate.click()
    assert "layer 2" in panel.finish()
    (pad, area), (plain, _) = (
        widgets.circumplex_pad(tiny(), vectors, layer, PROMPT).children for layer in (number(2), 2)
    )
    assert pad.labels == plain.labels
    pad.point = [0.5, 0.5]
    until(lambda: "Finished." in area.value)
    assert "at layer 2" in area.value
