"""The whole way in one command: a model's vectors checked, compared with human ratings, and tried in steering."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from emovec_lite.activations import SKIP
from emovec_lite.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from emovec_lite.models import Subject
    from emovec_lite.stories import Corpus
    from emovec_lite.vectors import EmotionVectors

AFRESH = 24  # stories
AGREEMENT = 0.999  # cosine in float32, where only the order of sums and the files' half precision differ
EMOTION, STRENGTH, TOKENS, SEED = "happy", 0.25, 40, 0  # of the sample


def demo(
    model: str = DEFAULT_MODEL,
    corpus: str = "shown",
    out: Path | str = Path("emovec-demo"),
    recompute: bool = False,
    skip: int = SKIP,
) -> dict:
    """Check a model's vectors, compare them with human ratings, steer; write three PNGs; results fit for JSON.

    Vectors that are shipped or kept are used unless `recompute`, and some of their stories read afresh to compare.
    With the course's corpus, other models' shipped vectors stand beside. What a corpus cannot give (correlations
    without rated emotions, held-out accuracy without topics) is left out, and `notes` says so. Raises `CacheError`,
    before anything is computed, where figures cannot be written into `out`.
    """
    from threadpoolctl import threadpool_limits

    from emovec_lite.demo_rows import across, alignments, geometry, other_models, within
    from emovec_lite.environment import peak_memory_gb
    from emovec_lite.stories import load_corpus

    started = time.perf_counter()
    whole = load_corpus(corpus)
    out = _folder(out)
    print(f"{len(whole)} stories of {len(whole.emotions)} emotions", flush=True)
    subject = _subject(model)
    vectors = _vectors(subject, whole, recompute, skip)
    left_out = json.loads(vectors.provenance.get("left_out", "[]"))
    stories, notes = whole.without(left_out), []
    if left_out:
        notes.append(f"{len(left_out)} of {len(whole)} stories have at most {skip} tokens and were left out")
    result = {
        "model": model,
        "layers": vectors.n_layers,
        "corpus": {"name": stories.name, "stories": len(stories), "emotions": len(stories.emotions)},
        "afresh": None if recompute else _afresh(subject, vectors, stories, skip),
        "sample": _sample(subject, vectors, notes),
    }
    course = whole.sha256 == load_corpus().sha256
    with threadpool_limits(1):  # on so few points threads only wait for one another
        aligned = alignments(vectors, notes)
        result |= {
            "geometry": geometry(vectors, aligned),
            "held_out": within(vectors, stories, notes),
            "carried_over": across(vectors, stories, notes) if course else None,
            "other_models": other_models(vectors, skip, notes) if course else {},
        }
    return result | {
        "notes": notes,
        "provenance": vectors.provenance,
        "figures": _figures(vectors, aligned, out),
        "seconds": round(time.perf_counter() - started, 1),
        "peak_memory_gb": round(peak_memory_gb(), 2),
    }


def _folder(path: Path | str) -> Path:
    """A folder that is there, or is made, and can be written."""
    from emovec_lite.errors import disk_errors

    folder = Path(os.path.expanduser(path))
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder


def _subject(model: str) -> Subject:
    from emovec_lite.models import fetch, load_model, ticking

    fetch(model)  # before torch is imported: a conversion needs the memory
    with ticking("Importing torch and transformers"):
        import torch  # noqa: F401
        import transformers  # noqa: F401

    return load_model(model)


def _vectors(subject: Subject, stories: Corpus, recompute: bool, skip: int) -> EmotionVectors:
    from emovec_lite.extraction import extract, load_or_compute

    if not recompute:
        return load_or_compute(subject, stories, skip=skip)
    print("Reading all stories (the course's 576 with the default model: about 4 minutes on two cores)", flush=True)
    return extract(subject, stories, skip)


def _afresh(subject: Subject, vectors: EmotionVectors, corpus: Corpus, skip: int) -> dict:
    """Read a few stories, spread evenly over the corpus, and compare them with those in the file.

    By the cosine of what is left when the centre is taken off both: with it on, all stories look alike.
    """
    import numpy as np
    from torch.nn.functional import cosine_similarity

    from emovec_lite.activations import mean_activations

    rows = sorted({*np.linspace(0, len(corpus) - 1, AFRESH).round().astype(int).tolist()})
    read = mean_activations(subject, [corpus.texts[i] for i in rows], skip)
    smallest = 1.0
    for layer in vectors.stories.layers:
        center = vectors.center[vectors.layers.index(layer)]
        alike = cosine_similarity(read.at(layer) - center, vectors.stories.at(layer)[rows] - center)
        smallest = min(smallest, float(alike.min()))
    dtypes = {str(subject.dtype).removeprefix("torch."), vectors.provenance["dtype"]}
    return {
        "stories": rows,
        "emotions": len({corpus.labels[i] for i in rows}),
        "layers": list(vectors.stories.layers),
        "smallest_cosine": smallest,
        "agree": smallest >= AGREEMENT if dtypes == {"float32"} else None,
        "dtypes": sorted(dtypes),
    }


def _sample(subject: Subject, vectors: EmotionVectors, notes: list[str]) -> dict | None:
    """An opening continued as it is, steered, and pushed as far in a random direction, by the same random numbers."""
    from emovec_lite.controls import random_directions
    from emovec_lite.effects import OPENINGS, TEMPERATURE, repetition
    from emovec_lite.errors import EmovecError
    from emovec_lite.generation import generate
    from emovec_lite.steering import steer
    from emovec_lite.stories import words_of

    emotion = EMOTION if EMOTION in vectors.emotions else vectors.emotions[0]
    texts = []
    try:
        towards = vectors.direction(emotion, vectors.main_layer)
        elsewhere = random_directions(towards, 1, SEED)[0]
        for name, direction, strength in (
            ("unsteered", towards, 0.0), (emotion, towards, STRENGTH), ("a random direction", elsewhere, STRENGTH),
        ):  # fmt: skip
            with steer(subject, direction, strength):
                text = generate(subject, OPENINGS[0], TOKENS, temperature=TEMPERATURE, seed=SEED)
            words = words_of(text)
            repeated = repetition(words, 4) if len(words) >= 4 else None
            texts.append({"direction": name, "strength": strength, "text": text, "repetition": repeated})
    except EmovecError as error:
        notes.append(f"no sample: {error}")
        return None
    return {
        "opening": OPENINGS[0], "emotion": emotion, "layer": vectors.main_layer, "tokens": TOKENS,
        "temperature": TEMPERATURE, "seed": SEED, "texts": texts,
    }  # fmt: skip


def _figures(vectors: EmotionVectors, aligned: dict, out: Path) -> list[str]:
    from emovec_lite import plots

    layer = vectors.main_layer
    figures = {"cosine_map": plots.cosine_map(vectors, layer)}
    if aligned:
        figures["circumplex"] = plots.circumplex(vectors, layer)
        figures["layers_valence"] = plots.layer_curve(*aligned["valence"])
    for name, figure in figures.items():
        plots.save(figure, out / f"{name}.png")
    return [str(out / f"{name}.png") for name in figures]
