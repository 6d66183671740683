"""The course's widgets with the real model, in JupyterLab and Chromium: by mouse, by keyboard, by touch."""

import re

import pytest
from playwright.sync_api import expect

from emovec_lite.models import fetch
from emovec_lite.widgets.pad import PAD_REACH, PAD_SIZE
from emovec_lite.widgets.writing import PROMPT

pytestmark = pytest.mark.xdist_group("browser")  # one server, one page
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
PASSAGE = (
    "The letter had come on Monday. She read it twice, and then her hands began to shake. By Friday all was well "
    "again: her brother was safe, and they laughed about it until midnight."
)
SETUP = """from emovec_lite import load_or_compute
from emovec_lite import widgets
from emovec_lite.course.quizzes import quiz
from emovec_lite.models import load_model
subject = load_model()
vectors = load_or_compute(subject)"""
CELLS = [
    SETUP,
    "widgets.layer_explorer(vectors, 19)",
    "widgets.steering_panel(subject, vectors, 19)",
    "widgets.circumplex_pad(subject, vectors, 19)",
    f"widgets.token_heat_map(subject, vectors, {PASSAGE!r}, 'afraid', 19)",
    'quiz("02")',
    f"""# What a hostile model would write.
import ipywidgets
hostile = {HOSTILE!r}
shown = widgets.page.columns_html(hostile, {{hostile: hostile}}) + widgets.heat_html([hostile] * 2, [float("nan"), 1])
ipywidgets.HTML(shown)""",
]


@pytest.fixture(scope="module")
def shared(open_notebook):
    fetch()  # here and not in the notebook, where a first conversion would look like a slow cell
    with open_notebook(CELLS) as opened:
        yield opened


@pytest.fixture
def notebook(shared):
    shared.check()
    yield shared
    shared.check()


class Panel:
    def __init__(self, notebook):
        self.notebook, self.output = notebook, notebook.output("widgets.steering_panel")
        self.generate = self.output.get_by_role("button", name="Generate")
        self.stop = self.output.get_by_role("button", name="Stop")
        self.prompt = self.output.get_by_label("prompt")
        self.tokens, self.seed = (self.output.get_by_label(name, exact=True) for name in ("tokens", "seed"))
        self.handles, self.readouts = (self.output.locator(part) for part in (".noUi-handle", ".widget-readout"))
        self.status = self.output.get_by_role("status")
        self.steered, self.plain = (self.output.locator("section > div").nth(i) for i in range(2))
        # A text that was stopped at once has a perplexity, but too few words to repeat itself.
        self.meters, self.repetition = (
            self.output.locator(f"meter[aria-label^={x}]") for x in ("perplexity", "repetition")
        )

    def writes_after(self, opening, n=1):
        """Wait until both columns hold n characters after the opening, while the status says that it goes on."""
        for column in (self.steered, self.plain):
            expect(column).to_have_text(re.compile(re.escape(opening) + f".{{{n},}}", re.S))

    def slide(self, slider, key, value):
        """Press a key on the first or second slider, until it shows a value and the kernel has heard of it."""
        shown = re.compile(value.lstrip("+").replace("-", "[-−]") + "$")  # some minus signs are longer
        self.handles.nth(slider).press(key)
        try:
            expect(self.readouts.nth(slider)).to_have_text(shown, timeout=5000)
        except AssertionError:  # the page was being laid out anew, and the key was lost
            self.handles.nth(slider).press(key)
            expect(self.readouts.nth(slider)).to_have_text(shown)
        self.notebook.execute("pass")

    def halt(self):
        """Stop, and wait for the meters."""
        self.stop.click()
        expect(self.status).to_contain_text("Stopped.")
        expect(self.meters).to_have_count(2)
        expect(self.generate).to_be_enabled()


@pytest.fixture
def panel(notebook):
    return Panel(notebook)


@pytest.fixture
def lasting(notebook):
    """Texts that go on until they are stopped, however fast the machine."""
    notebook.execute("widgets.writing.TOKENS = 2000")
    yield
    notebook.execute("widgets.writing.TOKENS = 60")


def test_the_layer_slider_changes_the_picture(notebook, picture):
    output = notebook.output("widgets.layer_explorer")
    image, handle = output.locator("img"), output.locator(".noUi-handle")
    expect(image).to_have_attribute("alt", re.compile("where layer 19 puts them"))
    picture(output, "layer_explorer")
    before = image.get_attribute("src")
    handle.press("ArrowRight")
    expect(image).to_have_attribute("alt", re.compile("where layer 20 puts them"))
    assert image.get_attribute("src") != before
    handle.press("ArrowLeft")
    expect(image).to_have_attribute("src", before)


def test_the_panel_by_mouse_streams_and_stops(panel, lasting):
    expect(panel.stop).to_be_disabled()
    panel.generate.click()
    panel.writes_after("and she", 8)
    expect(panel.status).to_have_text("Writing.")
    expect(panel.meters).to_have_count(0)
    expect(panel.generate).to_be_disabled()
    panel.generate.click(force=True)  # while it runs
    panel.generate.dispatch_event("click")
    panel.halt()  # and `Generate` can be pressed again: the worker has ended
    assert len(panel.steered.inner_text()) < 5000  # of some 8,000


def test_the_panel_by_keyboard_to_the_end_of_its_texts(panel, picture):
    panel.generate.press("Enter")
    expect(panel.status).to_have_text("Finished.")
    # The README's picture, of the panel as it opens (the first prompt of `effects.OPENINGS`, happy, 0.25, seed 0):
    # fixed before anything was written, and kept whatever comes out.
    headings = ["steered: happy, strength +0.25, layer 19; sampled, seed 0", "unsteered; sampled, seed 0"]
    expect(panel.output.locator("section b")).to_have_text(headings)
    expect(panel.output.locator("section i")).to_have_text([PROMPT, PROMPT])
    expect(panel.meters).to_have_count(2)
    expect(panel.repetition).to_have_count(2)
    assert panel.steered.inner_text() != panel.plain.inner_text()
    picture(panel.output, "steering_panel")


def test_the_panel_by_keyboard_with_another_seed_and_greedily(panel):
    panel.notebook.execute("widgets.writing.TOKENS = 6")
    seen = set()
    for way, seed, said in ((0, "7", "sampled, seed 7"), (1, "7", "greedy"), (0, "0", "sampled, seed 0")):
        panel.tokens.select_option(index=way)
        panel.seed.fill(seed)
        panel.seed.press("Tab")
        panel.generate.press("Enter")
        expect(panel.output.locator("section b").nth(1)).to_have_text(f"unsteered; {said}")
        expect(panel.status).to_have_text("Finished.")
        seen.add(panel.plain.inner_text())
    assert len(seen) == 3
    panel.notebook.execute("widgets.writing.TOKENS = 60")


def test_the_panel_by_keyboard_at_the_ends_of_its_sliders(panel, lasting):
    for key, strength, layer in (("Home", "-0.60", 0), ("End", "+0.60", 29)):
        panel.slide(0, key, str(layer))
        panel.slide(1, key, strength)
        panel.generate.focus()
        panel.output.page.keyboard.press("Space")
        heading = f"steered: happy, strength {strength}, layer {layer}; sampled, seed 0"
        expect(panel.output.locator("section b").first).to_have_text(heading)
        panel.writes_after("and she", 1)
        panel.stop.press("Enter")
        expect(panel.status).to_contain_text("Stopped.")
        expect(panel.meters).to_have_count(2)
        expect(panel.generate).to_be_enabled()


def test_an_empty_prompt_is_a_sentence(panel):
    panel.prompt.fill("")
    panel.generate.click()
    expect(panel.status).to_have_text("There is no text yet: write a few words.")
    expect(panel.generate).to_be_enabled()


def test_a_prompt_of_two_thousand_words(panel, lasting):
    panel.prompt.fill("The bus broke down and nobody came. " * 285 + "Then we were")
    panel.generate.click()
    panel.writes_after("Then we were", 1)
    expect(panel.status).to_have_text(re.compile(r"Only the last 256 of \d+ tokens are used\."))
    panel.halt()
    expect(panel.status).to_have_text(re.compile(r"Stopped. Only the last 256 of \d+ tokens are used\."))


def test_a_hostile_prompt_is_shown_and_not_run(panel, lasting):
    panel.prompt.fill(HOSTILE)
    panel.generate.click()
    panel.writes_after(HOSTILE, 1)
    panel.halt()
    assert panel.output.page.evaluate("() => window.hacked") is None
    panel.prompt.fill("The bus broke down, and she")


def test_what_a_hostile_model_writes_is_shown_and_not_run(notebook):
    output = notebook.output("# What a hostile model")
    expect(output.locator("section > div")).to_contain_text(HOSTILE)
    expect(output.locator("section > b")).to_have_text(HOSTILE)
    expect(output.get_by_title("+1.0 %")).to_contain_text(HOSTILE)
    assert not output.locator("img, script").count()
    assert notebook.page.evaluate("() => window.hacked") is None


class Pad:
    def __init__(self, notebook):
        self.output = notebook.output("widgets.circumplex_pad")
        self.svg, self.handle = self.output.locator("svg.emovec-pad"), self.output.get_by_role("slider")
        self.heading, self.text = self.output.locator("section b"), self.output.locator("section > div")

    def at(self, valence, arousal):
        """Where a point of the plane is in the window."""
        self.svg.scroll_into_view_if_needed()
        box = self.svg.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        scale = (box["width"] - 2) / PAD_SIZE[0]  # without its border
        return x + valence * PAD_REACH[0] * scale, y - arousal * PAD_REACH[1] * scale

    def stands(self, words):
        expect(self.handle).to_have_attribute("aria-valuetext", words)

    def writes(self, heading):
        expect(self.heading).to_contain_text(heading)
        expect(self.text).to_have_text(re.compile("and she.+", re.S))


@pytest.fixture
def pad(notebook):
    return Pad(notebook)


def test_the_pad_by_mouse(pad, picture):
    mouse = pad.output.page.mouse
    pad.stands("valence +0.00, neutral; arousal +0.00, neutral")
    expect(pad.output.locator("svg text", has_text=re.compile("^happy$"))).to_be_visible()
    mouse.move(*pad.at(0, 0))
    mouse.down()
    mouse.move(*pad.at(0.5, -0.5), steps=6)
    pad.stands("valence +0.50, pleasant; arousal −0.50, quiet")
    assert not pad.heading.count()  # nothing is written before it is let go
    mouse.move(*pad.at(0.8, 0.6), steps=6)
    mouse.up()
    pad.stands("valence +0.80, pleasant; arousal +0.60, stirred")
    # The README's picture, of the pad as it opens (its prompt, seed 0) at a point on the edge, pleasant and stirred:
    # fixed before anything was written, and kept whatever comes out.
    pad.writes("valence +0.80, arousal +0.60: strength 0.30 at layer 19; sampled, seed 0")
    expect(pad.output.get_by_role("status")).to_have_text("Finished.")
    picture(pad.output, "circumplex_pad")


def test_a_new_point_begins_a_new_text(pad):
    mouse = pad.output.page.mouse
    for valence, said in ((-0.9, "-0.90"), (0.3, "+0.30")):
        mouse.click(*pad.at(valence, 0.2))
        pad.writes(f"valence {said}, arousal +0.20")


def test_the_pad_by_keyboard(pad):
    pad.output.page.mouse.click(*pad.at(0, 0))
    pad.stands(re.compile(r"valence .0\.00, neutral; arousal .0\.00, neutral"))
    pad.handle.focus()
    pad.output.page.evaluate("() => { window.keys = []; document.onkeydown = event => window.keys.push(event.key); }")
    for key in ("ArrowRight",) * 3 + ("ArrowDown",):
        pad.output.page.keyboard.press(key)
    pad.stands("valence +0.15, pleasant; arousal −0.05, quiet")
    pad.writes("valence +0.15, arousal -0.05")
    expect(pad.handle).to_be_focused()
    pad.output.page.keyboard.press("Shift")
    assert pad.output.page.evaluate("() => window.keys") == ["Shift"]  # the notebook has not seen the arrows
    for key in ("ArrowLeft",) * 25:
        pad.output.page.keyboard.press(key)
    pad.stands("valence −1.00, unpleasant; arousal −0.05, quiet")
    pad.writes("valence -1.00, arousal -0.05")


def test_the_pad_by_touch(pad):
    finger = pad.output.page.context.new_cdp_session(pad.output.page)

    def touch(kind, *places):
        points = [{"x": x, "y": y} for x, y in places]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", pad.at(0.1, 0.1))
    touch("touchMove", pad.at(-0.2, 0.3))
    touch("touchMove", pad.at(-0.5, 0.7))
    pad.stands("valence −0.50, unpleasant; arousal +0.70, stirred")
    touch("touchEnd")
    pad.writes("valence -0.50, arousal +0.70")
    finger.detach()


def test_the_heat_map_follows_its_controls(notebook, picture):
    output = notebook.output("widgets.token_heat_map")
    tokens = output.locator("span[title$='%']")
    expect(output.get_by_title("first token: not counted")).to_have_text("The")
    picture(output, "token_heat_map")

    def titles():
        return [token.get_attribute("title") for token in tokens.all()]

    first = titles()
    assert len(first) > 30 and all(re.fullmatch(r"[+-]\d+\.\d %", title) for title in first)
    output.get_by_label("emotion").select_option("happy")
    expect(tokens.first).not_to_have_attribute("title", first[0])
    happy = titles()
    output.locator(".noUi-handle").press("ArrowRight")
    expect(tokens.first).not_to_have_attribute("title", happy[0])
    text = output.get_by_label("text")
    text.fill("Nobody came.\nShe wept 🐕")
    text.press("Tab")
    expect(output.get_by_title("first token: not counted")).to_have_text("Nobody")
    expect(output.locator("span", has_text="🐕")).to_have_count(1)
    text.fill("")
    text.press("Tab")
    expect(output.get_by_role("status")).to_have_text("There is no text yet: write a few words.")


def test_quiz_buttons_by_keyboard(notebook):
    output = notebook.output('quiz("02")')
    for letter, key in (("A", "Enter"), ("B", "Space")):
        output.get_by_role("button", name=letter, exact=True).first.focus()
        notebook.page.keyboard.press(key)
        verdict = output.get_by_role("status").first
        expect(verdict).to_have_text(re.compile(f"{letter}: (Right|Not this one)\\. .+"))


def test_after_a_restart_of_the_kernel_the_page_is_whole_and_runs_again(notebook):
    panel, pad = Panel(notebook), Pad(notebook)
    notebook.execute("widgets.writing.TOKENS = 2000")
    panel.prompt.fill("The bus broke down, and she")  # whatever the test before this one has left there
    panel.generate.click()
    panel.writes_after("and she", 1)  # in the middle of a text
    notebook.restart()
    mouse = notebook.page.mouse
    mouse.move(*pad.at(0, 0))
    mouse.down()
    mouse.move(*pad.at(0.4, 0.4), steps=3)
    mouse.up()
    pad.stands("valence +0.40, pleasant; arousal +0.40, stirred")
    pad.handle.press("ArrowRight")
    pad.stands("valence +0.45, pleasant; arousal +0.40, stirred")
    panel.handles.nth(1).press("ArrowRight")
    notebook.check()
    notebook.run_all()
    panel, pad = Panel(notebook), Pad(notebook)
    pad.stands("valence +0.00, neutral; arousal +0.00, neutral")
    panel.generate.click()
    expect(panel.status).to_have_text("Finished.")
