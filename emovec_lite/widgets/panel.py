"""Steered beside unsteered: a prompt, an emotion, a layer and a strength."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emovec_lite.effects import TEMPERATURE
from emovec_lite.generation import perplexity
from emovec_lite.widgets import writing
from emovec_lite.widgets.live import Live, in_colab
from emovec_lite.widgets.page import columns_html, perplexity_html, repetition_html, status_html

if TYPE_CHECKING:
    import ipywidgets

    from emovec_lite.models import Subject
    from emovec_lite.vectors import EmotionVectors


def steering_panel(
    subject: Subject, vectors: EmotionVectors, layer: int, prompt: str = writing.PROMPT
) -> ipywidgets.VBox:
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
            used, note = writing.last_tokens(subject, now["prompt"])
            direction, *others = (vectors.direction(name, now["layer"]) for name in names)
            for other in others:
                direction = (direction + other).unit()
            yield "", ""  # so that the click is seen to have been heard
            yield from writing.side_by_side(subject, used, direction, now["strength"], writing.TOKENS, **how)

        def columns(state: tuple[str, str]) -> str:
            heading = f"steered: {' + '.join(names)}, strength {now['strength']:+.2f}, layer {now['layer']}"
            texts = {heading: state[0], "unsteered": state[1]}
            return columns_html(used, {f"{name}; {writing.in_words(**how)}": text for name, text in texts.items()})

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
