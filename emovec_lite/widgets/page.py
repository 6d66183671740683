"""Pieces of HTML: texts side by side, meters, and sentences that screen readers read out."""

from __future__ import annotations

import html
import math

from emovec_lite.effects import repetition
from emovec_lite.errors import EmovecError
from emovec_lite.stories import words_of

RUN = 4  # words: as long as this, a run that comes back is a loop rather than a turn of phrase


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


def sentence(error: Exception) -> str:
    """An error as one sentence for someone who reads no tracebacks."""
    if isinstance(error, EmovecError):
        return str(error)
    first = next(iter(str(error).splitlines()), "") or "no message"
    return f"This did not work ({type(error).__name__}: {first}). Change the settings, or run the cell again."
