"""What one model's vectors give in `emovec demo`: correlations with human ratings, and stories that were held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emovec_lite.models import MODELS

if TYPE_CHECKING:
    from emovec_lite.activations import Layer
    from emovec_lite.alignment import Alignment
    from emovec_lite.held_out import HeldOut
    from emovec_lite.stories import Corpus
    from emovec_lite.vectors import EmotionVectors

SCALES = ("valence", "arousal")


def alignments(vectors: EmotionVectors, notes: list[str]) -> dict[str, tuple[Alignment, Alignment]]:
    """For each scale the blocks' alignment and the bare token embeddings'; empty where too few emotions are rated."""
    from emovec_lite.alignment import align, rated_emotions
    from emovec_lite.errors import CorpusError

    try:
        unrated = int((~rated_emotions(vectors.emotions)).sum())
    except CorpusError as error:
        notes.append(f"no correlations: {error}")
        return {}
    if unrated:
        notes.append(f"{unrated} emotions have no human rating: in the geometry, not in correlations")
    print(f"Correlating {vectors.provenance['model']} with human ratings, against permuted labels ...", flush=True)
    return {scale: (align(vectors, scale), align(vectors, scale, ["embed"])) for scale in SCALES}


def geometry(vectors: EmotionVectors, aligned: dict[str, tuple[Alignment, Alignment]]) -> dict:
    """For each scale how well it is followed: by components, by ridge, by bare token embeddings."""
    return {
        scale: {
            "rated": blocks.n_rated,
            **_correlations(blocks),
            "ridge_main": _ridge_at(vectors.main_layer, blocks),
            "embed": _correlations(embed),
            "by_layer": {"pc": abs(blocks.pc_r).max(axis=1).tolist(), "ridge": blocks.ridge_r.tolist()},
        }
        for scale, (blocks, embed) in aligned.items()
    }


def _correlations(found: Alignment) -> dict:
    """The best component, the first by itself, and ridge; each p by the null of all that was looked at."""
    from emovec_lite.nulls import permutation_p

    layer, component, r = found.best_pc
    first = abs(found.pc_r[:, 0])
    ridge_layer, ridge_r = found.best_ridge
    return {
        "pc": {"layer": layer, "component": component, "r": r, "p": found.pc_p},
        "pc1": {
            "layer": found.layers[int(first.argmax())], "r": float(first.max()),
            "p": permutation_p(float(first.max()), found.pc_null),
        },
        "ridge": {"layer": ridge_layer, "r": ridge_r, "p": found.ridge_p},
    }  # fmt: skip


def _ridge_at(layer: int, found: Alignment) -> dict:
    from emovec_lite.nulls import permutation_p

    r = float(found.ridge_r[found.layers.index(layer)])
    return {"layer": layer, "r": r, "p": permutation_p(r, found.ridge_null)}


def within(vectors: EmotionVectors, stories: Corpus, notes: list[str]) -> dict | None:
    """How well vectors name the emotion of stories on held-out topics; None where the topics do not allow it."""
    from emovec_lite.errors import CorpusError
    from emovec_lite.held_out import held_out

    layer = vectors.main_layer  # chosen before looking: no best of all layers
    try:
        here = held_out(vectors.stories.at(layer).numpy(), stories)
    except CorpusError as error:
        notes.append(f"no held-out accuracy: {error}")
        return None
    bare = vectors.stories.embed  # not kept of every corpus
    embed = None if bare is None else held_out(bare.numpy(), stories, shuffles=0).accuracy
    return {"layer": layer, **_accuracies(here), "embed": embed}


def across(vectors: EmotionVectors, shown: Corpus, notes: list[str]) -> dict | None:
    """How well vectors of the shown stories name the emotion of told ones; None where the model's are not shipped."""
    from emovec_lite.errors import ArtifactError
    from emovec_lite.extraction import shipped_path, story_activations
    from emovec_lite.held_out import carried_over
    from emovec_lite.stories import load_corpus
    from emovec_lite.vectors import EmotionVectors

    told, layer = load_corpus("told"), vectors.main_layer
    path = shipped_path(vectors.provenance["model"], told)
    if not path.is_file():
        return None
    try:
        new = EmotionVectors.load(path, corpus=told)
        sides = story_activations(vectors, shown), story_activations(new, told)
    except ArtifactError as error:
        notes.append(f"{vectors.provenance['model']}: told stories are left out: {error}")
        return None
    if any(new.provenance[key] != vectors.provenance[key] for key in ("weights_sha256", "skip")):
        return None

    def at(layer: Layer, **options: int) -> HeldOut:
        return carried_over(sides[0].at(layer).numpy(), shown, sides[1].at(layer).numpy(), told, **options)

    embed = at("embed", shuffles=0).accuracy if all("embed" in side.held for side in sides) else None
    return {"layer": layer, **_accuracies(at(layer)), "embed": embed}


def _accuracies(found: HeldOut) -> dict:
    import numpy as np

    return {
        "accuracy": found.accuracy, "p": found.p, "word_counts": found.word_counts, "chance": found.chance,
        "shuffled_95": float(np.quantile(found.shuffled, 0.95)),
    }  # fmt: skip


def other_models(vectors: EmotionVectors, skip: int, notes: list[str]) -> dict[str, dict]:
    """What the other models' shipped vectors give with the course's corpus, by the models' names."""
    from emovec_lite.errors import ArtifactError
    from emovec_lite.extraction import shipped_path
    from emovec_lite.stories import load_corpus
    from emovec_lite.vectors import EmotionVectors

    course, found = load_corpus(), {}
    for name in MODELS:
        path = shipped_path(name, course)
        if name == vectors.provenance["model"] or not path.is_file():
            continue
        try:
            others = EmotionVectors.load(path, corpus=course)
        except ArtifactError as error:
            notes.append(f"{name} is not shown beside: {error}")
            continue
        if others.provenance["skip"] == str(skip):
            found[name] = {
                "layers": others.n_layers,
                "geometry": geometry(others, alignments(others, notes)),
                "carried_over": across(others, course, notes),
                "provenance": others.provenance,
            }
    return found
