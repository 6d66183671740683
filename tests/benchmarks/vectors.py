"""What the shipped vectors of each model show, as one table: `python tests/benchmarks/vectors.py [MODEL ...]`.

Geometry against people's ratings, agreement of halves, and the emotions of stories told in another way. No model is
needed; with `--odds` it is, for what steering does to words.
"""

import argparse

import numpy as np

from emovec_lite.alignment import align
from emovec_lite.controls import random_directions
from emovec_lite.effects import odds_matrix
from emovec_lite.extraction import shipped_path
from emovec_lite.geometry import rsa
from emovec_lite.held_out import carried_over, held_out
from emovec_lite.models import MODELS, load_model
from emovec_lite.resampling import split_halves
from emovec_lite.stories import load_corpus
from emovec_lite.vectors import EmotionVectors

WORDS = (
    "afraid", "angry", "bored", "calm", "excited", "grateful", "happy", "lonely", "peaceful", "proud", "sad", "tired",
)  # fmt: skip


def shipped(model: str, name: str) -> tuple[EmotionVectors, object] | None:
    corpus = load_corpus(name)
    path = shipped_path(model, corpus)
    return (EmotionVectors.load(path, corpus=corpus), corpus) if path.is_file() else None


def report(model: str) -> None:
    vectors, corpus = shipped(model, "shown")
    layer = vectors.main_layer
    print(f"\n== {model}: {vectors.n_layers} layers, main {layer}")
    for scale in ("valence", "arousal"):
        found, bare = align(vectors, scale), align(vectors, scale, ["embed"])
        main, first = vectors.layers.index(layer), np.abs(found.pc_r[:, 0])
        (at, component, r), (ridge_at, ridge) = found.best_pc, found.best_ridge
        print(f"{scale}: best of five PCs {r:.2f} (PC{component}, layer {at}, p {found.pc_p:.4f}), embeddings "
              f"{bare.best_pc[2]:.2f}; PC1 at main {first[main]:.2f}, at best {first.max():.2f} "
              f"(layer {found.layers[first.argmax()]})")  # fmt: skip
        print(f"    ridge at main {found.ridge_r[main]:.2f}, best {ridge:.2f} (layer {ridge_at}, "
              f"p {found.ridge_p:.4f}); embeddings {bare.best_ridge[1]:.2f}")  # fmt: skip
    halves = split_halves(vectors, corpus, layer)
    print(f"halves of topics: cosine {halves.cosine.mean():.2f}, RSA {halves.rsa.mean():.2f}")
    stories = vectors.stories.at(layer).numpy()
    one = held_out(stories, corpus, shuffles=50)
    print(f"within shown: vectors {one.accuracy:.3f}, word counts {one.word_counts:.3f}, p {one.p:.3f}")
    for name in ("told", "oblique", "own"):
        if (found := shipped(model, name)) is None:
            continue
        other, other_corpus = found
        new = other.stories.at(layer).numpy()
        there = carried_over(stories, corpus, new, other_corpus, shuffles=50)
        back = carried_over(new, other_corpus, stories, corpus, shuffles=50)
        likeness = rsa(vectors.at(layer).double().numpy(), other.at(layer).double().numpy())
        alone = align(other, "valence", permutations=500)
        first = np.abs(alone.pc_r[:, 0])
        print(f"shown to {name}: vectors {there.accuracy:.3f}, word counts {there.word_counts:.3f}, p {there.p:.3f}; "
              f"back: {back.accuracy:.3f}, {back.word_counts:.3f}; RSA {likeness:.2f}")  # fmt: skip
        at, component, r = alone.best_pc
        main = other.layers.index(layer)
        print(f"    {name} alone, valence: ridge at main {alone.ridge_r[main]:.2f}, best PC {r:.2f} (PC{component}, "
              f"layer {at}), PC1 at best {first.max():.2f}")  # fmt: skip


def odds(model: str) -> None:
    subject = load_model(model)
    vectors, _ = shipped(model, "shown")
    directions = [vectors.direction(word, vectors.main_layer) for word in WORDS]
    matrix = odds_matrix(subject, directions, WORDS, 0.25)
    own, n = np.diag(matrix), len(WORDS)
    others = (matrix.sum() - own.sum()) / (n * n - n)
    chance = odds_matrix(subject, random_directions(directions[0], 20), WORDS, 0.25)
    most, above = matrix.argmax(axis=1) == np.arange(n), own > chance.max(axis=0)
    print(f"odds at .25: own {own.mean():+.2f}, others {others:+.2f}, gap {own.mean() - others:.2f}; most own "
          f"in {most.sum()} of {n} rows; above all of 20 random directions: {above.sum()}")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--odds", action="store_true")
    asked = parser.parse_args()
    for name in asked.models or [m for m in MODELS if shipped_path(m, load_corpus()).is_file()]:
        report(name)
        if asked.odds:
            odds(name)
