"""Widgets: thin views over functions that work without them. Where no widget runs, call the function."""

from __future__ import annotations

import html
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from jaxtyping import Float

from emovec_lite.effects import OPENINGS, TEMPERATURE, repetition
from emovec_lite.environment import where
from emovec_lite.errors import EmovecError
from emovec_lite.generation import perplexity, stream
from emovec_lite.norms import ratings
from emovec_lite.plots import as_html, circumplex, circumplex_places, name_sides
from emovec_lite.readout import token_projections
from emovec_lite.steering import plane_direction, steer
from emovec_lite.stories import words_of

if TYPE_CHECKING:
    import ipywidgets

    from emovec_lite.models import Subject
    from emovec_lite.vectors import Direction, EmotionVectors

PROMPT = OPENINGS[0]
WINDOW = 256  # tokens of a prompt that are used: more would keep a laptop waiting for the first word
TOKENS = 60  # that are written
PAD_STRENGTH = 0.3  # of a point at distance 1 from the centre
PAD_SIZE = (640, 560)  # pixels
PAD_REACH = (240, 262)  # pixels from the centre to 1; the words at the edge need room
RUN = 4  # words: as long as this, a run that comes back is a loop rather than a turn of phrase
NUMBERED = 4  # tokens of a heat map whose value stands beside them
BELOW, ABOVE = (153, 142, 195), (241, 163, 64)  # RGB of the strongest shades: purple and orange, as in the figures

State = TypeVar("State")


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


# --- Steered beside unsteered ----------------------------------------------------------------------------


def continued(
    subject: Subject,
    prompt: str,
    direction: Direction,
    strength: float,
    tokens: int = TOKENS,
    *,
    temperature: float = TEMPERATURE,
    seed: int = 0,
) -> Iterator[str]:
    """Continue a prompt under steering; what is written so far, after every piece.

    Sampled by the seed, for the likeliest tokens soon go in circles; at temperature 0 it is they that are written.
    The model is steered only while a piece is being made, so that others can use it in between.
    """
    pieces, written = stream(subject, prompt, tokens, temperature=temperature, seed=seed), ""
    while True:
        with steer(subject, direction, strength):
            piece = next(pieces, None)
        if piece is None:
            return
        written += piece
        yield written


def side_by_side(
    subject: Subject,
    prompt: str,
    direction: Direction,
    strength: float,
    tokens: int = TOKENS,
    *,
    temperature: float = TEMPERATURE,
    seed: int = 0,
) -> Iterator[tuple[str, str]]:
    """Continue a prompt with and without steering, by turns: (steered, plain) so far, after every piece.

    Sampled as in `continued`, both with the same random numbers: where steering changes nothing, nor does the text.
    """
    written = ["", ""]
    writers = {
        0: continued(subject, prompt, direction, strength, tokens, temperature=temperature, seed=seed),
        1: accumulate(stream(subject, prompt, tokens, temperature=temperature, seed=seed)),
    }
    while writers:
        for side, writer in list(writers.items()):
            if (text := next(writer, None)) is None:
                del writers[side]
            else:
                written[side] = text
                yield written[0], written[1]


def last_tokens(subject: Subject, text: str, n: int = WINDOW) -> tuple[str, str]:
    """The end of a text, at most n tokens of it, and a sentence that says so where something was left out.

    Raises `EmovecError` for a text of nothing but white space.
    """
    if not text.strip():
        raise EmovecError("There is no text yet: write a few words.")
    places = subject.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if len(places) <= n:
        return text, ""
    return text[places[-n][0] :], f"Only the last {n} of {len(places)} tokens are used."


def columns_html(prompt: str, texts: dict[str, str]) -> str:
    """The end of the prompt and a continuation of it under each heading, side by side where there is room."""
    opening = prompt if len(prompt) <= 160 else "… " + prompt[-160:]
    columns = (
        f'<section aria-label="{html.escape(heading)}" style="flex:1 1 16em;min-width:0;border:1px solid #888;'
        f'border-radius:4px;padding:.4em .7em;line-height:1.45"><b>{html.escape(heading)}</b>'
        f'<div style="white-space:pre-wrap;overflow-wrap:anywhere"><i>{html.escape(opening)}</i>'
        f"{html.escape(text)}</div></section>"
        for heading, text in texts.items()
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:.7em;max-width:60em">{"".join(columns)}</div>'


def perplexity_html(values: dict[str, float]) -> str:
    """Perplexities as words and bars; the bars go from 1 to 1,000, every third of one ten times as far."""
    bars = {}
    for name, value in values.items():
        label = f"perplexity, {name}, logarithmic from 1 to 1,000"
        some = math.isfinite(value)
        bars[name] = _bar(math.log10(value), 3, label, f"{value:,.1f}") if some else "nothing was written"
    return _bars_html(
        "Perplexity, to the unsteered model: among how many tokens, on average, it would have had to choose at each "
        "one. The bars are logarithmic.",
        bars,
    )


def repetition_html(texts: dict[str, str]) -> str:
    """How far texts repeat themselves (`effects.repetition` of four words), as numbers and bars from 0 to 1."""
    bars = {}
    for name, text in texts.items():
        words, label = words_of(text), f"repetition, {name}, from 0 to 1"
        share = repetition(words, RUN)
        bars[name] = _bar(share, 1, label, f"{share:.2f}") if len(words) >= RUN else "fewer than four words"
    return _bars_html(
        "Repetition: the share of a text's runs of four words that it has had before. At 0 none comes back; near 1 "
        "the text goes in circles.",
        bars,
    )


def _bars_html(legend: str, bars: dict[str, str]) -> str:
    """A sentence, and below it a bar, or what stands in its place, beside each name."""
    rows = (
        f'<div><span style="display:inline-block;min-width:6em">{html.escape(name)}</span> {bar}</div>'
        for name, bar in bars.items()
    )
    return f'<p style="margin:.6em 0 .2em;line-height:1.4">{legend}</p>{"".join(rows)}'


def _bar(value: float, largest: float, label: str, number: str) -> str:
    return (
        f'<meter min="0" max="{largest}" value="{value:.3f}" style="width:12em;vertical-align:middle" '
        f'aria-label="{html.escape(label)}"></meter> {number}'
    )


def status_html(*sentences: str) -> str:
    """A line that screen readers read out when it changes."""
    said = html.escape(" ".join(s for s in sentences if s))
    return f'<p role="status" aria-live="polite" style="margin:.4em 0;line-height:1.4">{said}</p>'


def steering_panel(subject: Subject, vectors: EmotionVectors, layer: int, prompt: str = PROMPT) -> ipywidgets.VBox:
    """Write a prompt, choose an emotion, a layer and a strength, and read the steered beside the unsteered text.

    With a second emotion the direction is the sum of both, at length 1. The same settings give the same texts. See
    `side_by_side` for the same without a widget.
    """
    import ipywidgets

    controls = _controls(vectors, layer, prompt)
    generate = ipywidgets.Button(description="Generate", button_style="primary")
    stop = ipywidgets.Button(description="Stop", disabled=True)
    live = Live("Generate writes the same prompt twice, with and without steering.")

    def go(_) -> None:
        if generate.disabled:
            return
        generate.disabled, stop.disabled = True, False
        # What the controls say now holds for the whole run, whatever is moved meanwhile.
        now = {name: control.value for name, control in controls.items()}
        names = [name for name in (now["emotion"], now["second"]) if name]
        how = {name: now[name] for name in ("temperature", "seed")}
        used, note = now["prompt"], ""

        def steps() -> Iterator[tuple[str, str]]:
            nonlocal used, note
            used, note = last_tokens(subject, now["prompt"])
            direction, *others = (vectors.direction(name, now["layer"]) for name in names)
            for other in others:
                direction = (direction + other).unit()
            yield "", ""  # so that the click is seen to have been heard
            yield from side_by_side(subject, used, direction, now["strength"], TOKENS, **how)

        def columns(state: tuple[str, str]) -> str:
            heading = f"steered: {' + '.join(names)}, strength {now['strength']:+.2f}, layer {now['layer']}"
            texts = {heading: state[0], "unsteered": state[1]}
            return columns_html(used, {f"{name}; {in_words(**how)}": text for name, text in texts.items()})

        def end(state: tuple[str, str], stopped: bool) -> Iterator[str]:
            said = "Stopped." if stopped else "Finished."
            yield columns(state) + status_html(said, "Both texts are being read once more.", note)
            sides = ("steered", "unsteered")
            found = dict(zip(sides, perplexity(subject, state, [used, used]), strict=True))
            bars = perplexity_html(found) + repetition_html(dict(zip(sides, state, strict=True)))
            yield columns(state) + status_html(said, note) + bars

        def ready() -> None:
            stop.disabled, generate.disabled = True, False

        live.start(steps, lambda state: columns(state) + status_html("Writing.", note), end, ready)

    generate.on_click(go)
    stop.on_click(lambda _: live.stop())
    buttons = ipywidgets.HBox([generate, stop] if not in_colab() else [generate])
    return ipywidgets.VBox([*controls.values(), buttons, live.area])


def _controls(vectors: EmotionVectors, layer: int, prompt: str) -> dict[str, ipywidgets.ValueWidget]:
    """The panel's settings by name, in their order on the page."""
    import ipywidgets as w

    shape = {"style": {"description_width": "8em"}, "layout": {"width": "32em", "max_width": "98%"}}
    first = "happy" if "happy" in vectors.emotions else vectors.emotions[0]
    others = [("(none)", "")] + [(e, e) for e in vectors.emotions]  # no emotion can be called ""
    ways = [(f"sampled at temperature {TEMPERATURE}", TEMPERATURE), ("greedy: the likeliest each time", 0.0)]
    ends = {"min": vectors.layers[0], "max": vectors.layers[-1]}
    return {
        "prompt": w.Textarea(value=prompt, description="prompt", rows=3, **shape),
        "emotion": w.Dropdown(options=vectors.emotions, value=first, description="emotion", **shape),
        "second": w.Dropdown(options=others, description="and emotion", **shape),
        "layer": w.IntSlider(value=layer, **ends, description="layer", **shape),
        "strength": w.FloatSlider(value=0.25, min=-0.6, max=0.6, step=0.05, description="strength", **shape),
        "temperature": w.Dropdown(options=ways, description="tokens", **shape),
        "seed": w.BoundedIntText(value=0, min=0, max=999_999, description="seed", **shape),
    }


def in_words(temperature: float, seed: int) -> str:
    """How a text was written, for its heading."""
    return f"sampled, seed {seed}" if temperature else "greedy"


# --- The circumplex as a pad -----------------------------------------------------------------------------


def pad_labels(vectors: EmotionVectors, layer: int) -> list[dict]:
    """Each emotion's place on the pad, from -1 to 1 both ways, and the side of it on which its name stands.

    The places are `plots.circumplex_places`, each axis scaled so that the outermost emotion is at its edge.
    """
    names, points, *_ = circumplex_places(vectors, layer)
    points = points - [ratings(names, "valence").mean(), 0]
    points = points / np.abs(points).max(axis=0)
    sides = name_sides(points * PAD_REACH * 0.88, names)  # the pad's letters are that much wider than a figure's
    return [
        {"name": name, "x": float(x), "y": float(y), "side": list(side)}
        for name, (x, y), side in zip(names, points, sides, strict=True)
    ]


@cache
def _pad_class() -> type:
    import anywidget
    import traitlets

    class CircumplexPad(anywidget.AnyWidget):
        """A plane with names on it and a handle; `point` is where the handle was let go."""

        _esm = Path(__file__).parent / "pad.js"
        labels = traitlets.List().tag(sync=True)
        size = traitlets.List(list(PAD_SIZE)).tag(sync=True)
        reach = traitlets.List(list(PAD_REACH)).tag(sync=True)
        point = traitlets.List([0.0, 0.0]).tag(sync=True)

    return CircumplexPad


def circumplex_pad(
    subject: Subject,
    vectors: EmotionVectors,
    layer: int,
    prompt: str = PROMPT,
    *,
    temperature: float = TEMPERATURE,
    seed: int = 0,
) -> ipywidgets.VBox:
    """A plane of valence and arousal with a handle: let it go somewhere, and the model writes on from there.

    Each point is a direction (`steering.plane_direction`), and the distance from the centre is its strength: in the
    centre the model is not steered at all. The same point gives the same text, sampled as in `continued`, which does
    the same without a widget.
    """
    import ipywidgets

    pad = _pad_class()(labels=pad_labels(vectors, layer))
    live = Live("Drag the handle, or move it with the arrow keys: where you let go, a text begins.")

    def write(change) -> None:
        valence, arousal = change["new"]
        used, note = prompt, ""

        def steps() -> Iterator[str]:
            nonlocal used, note
            used, note = last_tokens(subject, prompt)
            direction = plane_direction(vectors, layer, valence, arousal)
            yield ""
            yield from continued(subject, used, direction, PAD_STRENGTH, TOKENS, temperature=temperature, seed=seed)

        strength = PAD_STRENGTH * math.hypot(valence, arousal)
        heading = f"valence {valence:+.2f}, arousal {arousal:+.2f}: strength {strength:.2f} at layer {layer}"
        heading += f"; {in_words(temperature, seed)}"

        def draw(text: str) -> str:
            return columns_html(used, {heading: text}) + status_html("Writing.", note)

        def end(text: str, stopped: bool) -> Iterator[str]:
            yield columns_html(used, {heading: text}) + status_html("Stopped." if stopped else "Finished.", note)

        live.start(steps, draw, end)

    pad.observe(write, "point")
    return ipywidgets.VBox([pad, live.area])


# --- Work that shows itself ------------------------------------------------------------------------------


def in_colab() -> bool:
    """Whether this kernel is Google Colab's."""
    return where() == "Colab"


class Live:
    """A place on the page that is redrawn after every step of some work, which can be stopped between two steps.

    In JupyterLab, Binder and VS Code a thread does the work, so that the kernel can hear a click on Stop. In Colab
    nothing that a thread sends reaches the page: there the click itself does the work and shows it below the cell,
    and Colab's own interrupt button ends it.
    """

    def __init__(self, hint: str) -> None:
        import ipywidgets

        how = "To stop a text before its end, use Colab's interrupt button." if in_colab() else ""
        self.area = ipywidgets.HTML(status_html(hint, how))
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._display = None

    def start(
        self,
        steps: Callable[[], Iterator[State]],
        draw: Callable[[State], str],
        end: Callable[[State, bool], Iterator[str]],
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """Draw each state that the steps yield, then what `end` makes of the last one and of whether it was stopped.

        Work that is still going on is stopped first. An exception becomes a sentence on the page.
        """
        self.stop()
        stop, before = threading.Event(), self._thread
        self._stop = stop

        def work() -> None:
            if before is not None:
                before.join()  # or both would draw
            state, stopped = None, True
            try:
                with suppress(KeyboardInterrupt):  # Colab's interrupt button
                    for state in steps():
                        if stop.is_set():
                            break
                        self._show(draw(state))
                    else:
                        stopped = False
                with suppress(KeyboardInterrupt):
                    for content in end(state, stopped) if state is not None else [status_html("Stopped.")]:
                        self._show(content)
            except Exception as error:
                self._show(status_html(sentence(error)))
            finally:
                after()

        if in_colab():
            work()
        else:
            self._thread = threading.Thread(target=work, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Let the work end after the step that it is at."""
        self._stop.set()

    def _show(self, content: str) -> None:
        if not in_colab():
            self.area.value = content
            return
        from IPython.display import HTML, display

        if self._display is None:
            self._display = display(HTML(content), display_id=True)
        else:
            self._display.update(HTML(content))


def sentence(error: Exception) -> str:
    """An error as one sentence for someone who reads no tracebacks."""
    if isinstance(error, EmovecError):
        return str(error)
    first = next(iter(str(error).splitlines()), "") or "no message"
    return f"This did not work ({type(error).__name__}: {first}). Change the settings, or run the cell again."


# --- A text as a heat map --------------------------------------------------------------------------------


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
