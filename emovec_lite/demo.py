"""The whole way in one command: stories to vectors, their geometry against human ratings, a table, three figures."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

from emovec_lite.activations import SKIP
from emovec_lite.models import DEFAULT_MODEL

# For orientation only: other models, stories and ratings, and the best layer taken without correction.
PAPERS = (
    ("Claude Sonnet 4.5", 0.81, "Sofroniew et al. 2026"),
    ("Gemma-4-E4B", 0.83, "arXiv 2606.26987"),
    ("Apertus-8B", 0.76, "arXiv 2606.26987"),
)
SCALES = ("valence", "arousal")


def demo(
    model: str = DEFAULT_MODEL,
    corpus: str = "course",
    out: Path | str = Path("emovec-demo"),
    recompute: bool = False,
    skip: int = SKIP,
) -> dict:
    """Compare a model's emotion vectors with human ratings; write three PNGs; return the results, fit for JSON.

    Vectors that are shipped or cached are used unless `recompute`. What a corpus cannot give (correlations
    without rated emotions, held-out accuracy without topics) is left out, and `notes` says so. Raises `CacheError`,
    before anything is computed, where figures cannot be written into `out`.
    """
    from emovec_lite.environment import peak_memory_gb
    from emovec_lite.errors import CorpusError
    from emovec_lite.stories import load_corpus

    started = time.perf_counter()
    whole = load_corpus(corpus)
    out = _folder(out)
    print(f"{len(whole)} stories of {len(whole.emotions)} emotions", flush=True)
    vectors = _vectors(model, whole, recompute, skip)
    left_out = json.loads(vectors.provenance.get("left_out", "[]"))
    stories = whole.without(left_out)
    result = {
        "model": model,
        "layers": vectors.n_layers,
        "corpus": {"name": stories.name, "stories": len(stories), "emotions": len(stories.emotions)},
        "geometry": {},
        "held_out": None,
        "notes": [],
        "provenance": vectors.provenance,
    }
    from emovec_lite.geometry import align, rated_emotions

    if left_out:
        result["notes"].append(
            f"{len(left_out)} of {len(whole)} stories have at most {skip} tokens and were left out"
        )
    alignments = {}
    try:
        unrated = int((~rated_emotions(vectors.emotions)).sum())
        if unrated:
            result["notes"].append(f"{unrated} emotions have no human rating: in the geometry, not in correlations")
        for scale in SCALES:
            print(f"Correlating with human {scale}, against permuted labels ...", flush=True)
            alignments[scale] = align(vectors, scale), align(vectors, scale, ["embed"])
            result["geometry"][scale] = _rows(*alignments[scale])
    except CorpusError as error:
        result["notes"].append(f"no correlations: {error}")
    try:
        result["held_out"] = _held_out(vectors, stories)
    except CorpusError as error:
        result["notes"].append(f"no held-out accuracy: {error}")
    result["figures"] = _figures(vectors, alignments, out)
    result["seconds"] = round(time.perf_counter() - started, 1)
    result["peak_memory_gb"] = round(peak_memory_gb(), 2)
    return result


def table(result: dict) -> str:
    """The results as lines of text."""
    lines = [
        f"Emotion vectors of {result['model']}: {result['corpus']['stories']} stories, "
        f"{result['corpus']['emotions']} emotions, {result['layers']} layers",
        "",
        _line("correlation with human ratings", "best", "where", "p", "token embeddings", "p"),
    ]
    for scale, rows in result["geometry"].items():
        title = scale if scale == "valence" else f"{scale}, valence partialled out"
        lines.append(title)
        for name, where in (("pc", "PC{component}, layer {layer}"), ("ridge", "layer {layer}")):
            row, bare = rows[name], rows[name]["embed"]
            what = "  best of PCs 1-5, |r|" if name == "pc" else "  ridge, emotions held out, r"
            at, figures = where.format(**row), [f"{row['r']:.2f}", f"{row['p']:.4f}"]
            lines.append(_line(what, figures[0], at, figures[1], f"{bare['r']:.2f}", f"{bare['p']:.4f}"))
    lines.append("  reference, other models (best layer, uncorrected):")
    lines += [_line(f"    PC1, valence: {name}", f"{r:.2f}", source) for name, r, source in PAPERS]
    if held := result["held_out"]:
        lines += ["", "naming the emotion of stories on held-out topics"]
        at, p = f"layer {held['layer']}, set beforehand", f"{held['p']:.4f}"
        embed = "not kept" if held["embed"] is None else f"{held['embed']:.3f}"
        lines.append(_line("  vectors, accuracy", f"{held['accuracy']:.3f}", at, p, embed))
        for what, key in (
            ("  word counts (naive Bayes)", "word_counts"),
            ("  shuffled labels, 95th percentile", "shuffled_95"),
            ("  chance", "chance"),
        ):
            lines.append(_line(what, f"{held[key]:.3f}"))
    lines += ["", *(f"Note: {note}" for note in result["notes"])]
    lines += [
        "p: share of permutations at least as good, the best of all layers (and components) taken each time.",
        "These are representations of emotion concepts. They do not say that the model feels anything.",
        f"Figures: {', '.join(result['figures'])}",
        f"{result['seconds']:.0f} s, {result['peak_memory_gb']:.2f} GB of memory at most",
    ]
    return "\n".join(lines)


def _line(what: str, best: str, where: str = "", p: str = "", embed: str = "", embed_p: str = "") -> str:
    return f"{what:<34}{best:>6}  {where:<24}{p:>7}  {embed:>17}{embed_p:>8}".rstrip()


def _folder(path: Path | str) -> Path:
    """A folder that is there, or is made, and can be written."""
    from emovec_lite.errors import disk_errors

    folder = Path(os.path.expanduser(path))
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder


def _vectors(model: str, stories, recompute: bool, skip: int):
    from emovec_lite.extraction import extract, load_or_compute
    from emovec_lite.models import fetch, load_model, ticking

    if recompute:
        fetch(model)  # before torch is imported: a conversion needs the memory
    with ticking("Importing torch and transformers"):
        import torch  # noqa: F401
        import transformers  # noqa: F401

    return extract(load_model(model), stories, skip) if recompute else load_or_compute(model, stories, skip=skip)


def _rows(blocks, embed) -> dict:
    (layer, component, r), (ridge_layer, ridge_r) = blocks.best_pc, blocks.best_ridge
    bare = {"component": embed.best_pc[1], "r": embed.best_pc[2], "p": embed.pc_p}
    return {
        "rated": blocks.n_rated,
        "pc": {"layer": layer, "component": component, "r": r, "p": blocks.pc_p, "embed": bare},
        "ridge": {
            "layer": ridge_layer, "r": ridge_r, "p": blocks.ridge_p,
            "embed": {"r": embed.best_ridge[1], "p": embed.ridge_p},
        },
        "by_layer": {"pc": abs(blocks.pc_r).max(axis=1).tolist(), "ridge": blocks.ridge_r.tolist()},
    }  # fmt: skip


def _held_out(vectors, stories) -> dict:
    import numpy as np

    from emovec_lite.evaluation import held_out

    layer = vectors.main_layer  # chosen before looking: no best of all layers
    here = held_out(vectors.stories.at(layer).numpy(), stories)
    bare = vectors.stories.embed  # not kept of every corpus
    embed = None if bare is None else held_out(bare.numpy(), stories, shuffles=0).accuracy
    return {
        "layer": layer, "accuracy": here.accuracy, "p": here.p, "embed": embed, "chance": here.chance,
        "word_counts": here.word_counts, "shuffled_95": float(np.quantile(here.shuffled, 0.95)),
    }  # fmt: skip


def _figures(vectors, alignments: dict, out: Path) -> list[str]:
    from emovec_lite import plots

    layer = vectors.main_layer
    figures = {"cosine_map": plots.cosine_map(vectors, layer)}
    if alignments:
        figures["circumplex"] = plots.circumplex(vectors, layer)
        figures["layers_valence"] = plots.layer_curve(*alignments["valence"])
    for name, figure in figures.items():
        plots.save(figure, out / f"{name}.png")
    return [str(out / f"{name}.png") for name in figures]
