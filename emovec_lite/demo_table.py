"""The results of `emovec demo` as lines of text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

WIDTH = 98  # columns
WHOLE_WORDS: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}  # file names are to be copied
# For orientation only: other models, stories and ratings, and the best layer taken without correction.
PAPERS = (
    ("Claude Sonnet 4.5", 0.81, "Sofroniew et al. 2026"),
    ("Gemma-4-E4B", 0.83, "arXiv 2606.26987"),
    ("Apertus-8B", 0.76, "arXiv 2606.26987"),
)


def table(result: dict) -> str:
    """The results as lines of text."""
    corpus, name = result["corpus"], result["provenance"]["model"]
    own = name.split("--")[-1]  # of a hub's model without its owner: the columns are narrow
    models = {own: result, **result["other_models"]}
    lines = [
        f"Emotion vectors of {name}: {corpus['stories']} stories, {corpus['emotions']} emotions, "
        f"{result['layers']} layers",
        *_afresh(result["afresh"]),
        *_correlations(models),
        *_held_out(models),
        *_sample(result["sample"]),
        "",
        *(line for note in result["notes"] for line in _wrapped(f"Note: {note}")),
        "These are representations of emotion concepts. They do not say that the model feels anything.",
        f"Figures: {', '.join(result['figures'])}",
        f"{result['seconds']:.0f} s, {result['peak_memory_gb']:.2f} GB of memory at most",
    ]
    return "\n".join(lines)


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent or "  ", **WHOLE_WORDS)


def _afresh(found: dict | None) -> Iterator[str]:
    if found is None:
        return
    verdict = {
        True: "they agree",
        False: "THEY DO NOT AGREE: do not trust what follows, and try --recompute",
        None: f"no verdict, for in {' and '.join(found['dtypes'])} rounding alone tells them apart",
    }[found["agree"]]
    layers = ", ".join(map(str, found["layers"])) if len(found["layers"]) < 9 else f"all {len(found['layers'])}"
    yield from _wrapped(
        f"{len(found['stories'])} stories of {found['emotions']} emotions read afresh, layers {layers}: smallest "
        f"cosine with those that the vectors were made from {found['smallest_cosine']:.6f}; {verdict}"
    )


def _correlations(models: dict[str, dict]) -> Iterator[str]:
    width = max(20, *(len(name) + 2 for name in models))
    titles = f"{'best of PCs 1-5, |r|':<23}{'PC1 alone, |r|':<19}{'ridge, main, r':<19}ridge, best, r"
    scales = next(iter(models.values()))["geometry"]
    for scale in scales:
        yield from ("", f"{scale:<{width + 2}}{titles}")
        if scale != "valence":
            yield "(valence partialled out)"
        for name, found in models.items():
            row = found["geometry"][scale]
            cells = "".join(map(_cell, (row["pc"], row["pc1"], row["ridge_main"], row["ridge"])))
            yield f"{name:<{width}}{cells}".rstrip()
            bare = row["embed"]
            cells = "".join(map(_cell, (bare["pc"], bare["pc1"]))) + " " * 19 + _cell(bare["ridge"])
            yield f"{'  token embeddings':<{width}}{cells}".rstrip()
    if scales:
        yield ""
        yield from _wrapped(
            "Correlations with human ratings (Glasgow Norms), the layer, and p: the share of permutations at least "
            "as good, the best of all layers and of PCs 1-5 taken each time. Ridge predicts each emotion from the "
            "others; the main layer, two thirds up, was chosen beforehand. Token embeddings: the same without the "
            "model's blocks."
        )
        others = "; ".join(f"{name} {r:.2f} ({source})" for name, r, source in PAPERS)
        yield from _wrapped(f"For reference, other models, PC1 and valence, best layer, uncorrected: {others}.")


def _cell(row: dict) -> str:
    """A correlation, where it was found, and its p: 19 columns, or 23 with a component."""
    layer = "" if row["layer"] == "embed" else f"L{row['layer']}"
    place = f"PC{row['component']} {layer:<3}" if "component" in row else f"{layer:<3}"
    return f"{row['r']:>6.2f} {place} {row['p']:.4f}  "


def _held_out(models: dict[str, dict]) -> Iterator[str]:
    own, result = next(iter(models.items()))
    columns = {
        "topics held out": {own: result["held_out"]} if result["held_out"] else {},
        "shown to told": {name: found["carried_over"] for name, found in models.items() if found["carried_over"]},
    }
    columns = {title: rows for title, rows in columns.items() if rows}
    if not columns:
        return

    def line(what: str, cells: Iterable[str]) -> str:
        return f"{what:<38}{''.join(f'{cell:<24}' for cell in cells)}".rstrip()

    yield from ("", line("naming the emotion of stories", columns))
    for name in models:
        cells = [rows.get(name) for rows in columns.values()]
        if found := [cell for cell in cells if cell]:
            texts = [f"{cell['accuracy']:.3f}  p {cell['p']:.4f}" if cell else "" for cell in cells]
            yield line(f"  {name}, layer {found[0]['layer']}", texts)
    bare = [rows.get(own, {}).get("embed") for rows in columns.values()]
    if any(value is not None for value in bare):
        yield line(f"  {own}, token embeddings", ["" if value is None else f"{value:.3f}" for value in bare])
    firsts = [next(iter(rows.values())) for rows in columns.values()]
    for what, key in (
        ("word counts (naive Bayes)", "word_counts"),
        ("shuffled labels, 95th percentile", "shuffled_95"),
        ("chance", "chance"),
    ):
        yield line(f"  {what}", [f"{first[key]:.3f}" for first in firsts])
    if "shown to told" in columns:
        yield from _wrapped(
            "Shown to told: vectors of stories that show a state name it in stories that tell it in everyday words, "
            "on other topics."
        )


def _sample(found: dict | None) -> Iterator[str]:
    if found is None:
        return
    yield ""
    yield from _wrapped(
        f"One sample, which is no evidence: {found['emotion']} at layer {found['layer']}, "
        f"temperature {found['temperature']}, seed {found['seed']}. Repetition: the share of runs of four words that "
        "have been there before."
    )
    for text in found["texts"]:
        how = f", strength {text['strength']}" if text["strength"] else ""
        share = "fewer than four words" if text["repetition"] is None else f"repetition {text['repetition']:.2f}"
        yield f"  {text['direction']}{how} ({share})"
        yield from _wrapped(" ".join((found["opening"] + text["text"]).split()), "    ")
