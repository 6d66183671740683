"""From stories to emotion vectors: what each emotion's stories have that the others' lack, at every layer.

The recipe of Sofroniew et al. 2026 (Methods): mean activation per story, mean over the stories of an emotion,
minus the mean over emotions, and the main components of neutral text projected out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Float

import emovec_lite
from emovec_lite.activations import SKIP, MeanActivations, mean_activations, tokenize
from emovec_lite.errors import ArtifactError, CacheError, CorpusError
from emovec_lite.models import DEFAULT_MODEL, MODELS, Subject, cache_folder, load_model, results_folder, spec_of
from emovec_lite.stories import CORPORA, DATA, Corpus, load_corpus, load_neutral
from emovec_lite.vectors import FORMAT, EmotionVectors

if TYPE_CHECKING:
    from torch import Tensor

NEUTRAL_VARIANCE = 0.5  # of the neutral passages' variance, projected out
STORY_LAYERS = (1 / 3, 2 / 3, 1)  # shares of the depth at which single stories are shipped: all layers are 20 MB


def extract(subject: Subject, corpus: Corpus, skip: int = SKIP) -> EmotionVectors:
    """Build emotion vectors for all layers from a corpus (Sofroniew et al. 2026, Methods).

    Emotions weigh alike however many stories they have; stories of at most `skip` tokens are left out, as `readable`
    does. Raises `CorpusError` for fewer than two emotions and `ActivationError` as `mean_activations` does.
    """
    if len(corpus.emotions) < 2:
        raise CorpusError(
            f"{corpus.name}: {len(corpus.emotions)} emotion(s) in {len(corpus)} stories. Vectors are differences "
            "between emotions: add stories of at least two."
        )
    whole, corpus = corpus, readable(subject, corpus, skip)
    neutral_texts = load_neutral()
    # Read in one go: one progress bar, and neutral passages fill up batches of their own length.
    both = mean_activations(subject, [*corpus.texts, *neutral_texts], skip)
    n = len(corpus)
    stories = MeanActivations(both.blocks[:n], both.layers, both.at("embed")[:n], both.norms)
    provenance = {
        "format": FORMAT,
        "model": subject.spec.name,
        "weights_sha256": subject.weights_sha256,
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "skip": str(skip),
        "n_layers": str(subject.n_layers),
        "dtype": str(subject.dtype).removeprefix("torch."),
        "library": emovec_lite.__version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    if len(corpus) < len(whole):
        read = {id(story) for story in corpus}
        provenance["left_out"] = json.dumps([i for i, story in enumerate(whole) if id(story) not in read])
    neutral = MeanActivations(both.blocks[n:], both.layers, both.at("embed")[n:], both.norms)
    return vectors_from(stories, corpus.labels, neutral, provenance)


def readable(subject: Subject, corpus: Corpus, skip: int = SKIP) -> Corpus:
    """The stories of which something is left when their first `skip` tokens are skipped; says which are not.

    Raises `CorpusError` where an emotion would be left without stories.
    """
    from emovec_lite.stories import long_enough

    return long_enough(corpus, [len(ids) for ids in tokenize(subject, corpus.texts)], skip)


def vectors_from(
    stories: MeanActivations, labels: Sequence[str], neutral: MeanActivations, provenance: dict[str, str]
) -> EmotionVectors:
    """Centre per-emotion means and find the neutral components, layer by layer and at the embeddings."""
    import torch

    emotions = tuple(sorted(set(labels)))
    means, center = centred_means(stories.blocks, labels)
    embed, _ = centred_means(stories.at("embed"), labels)
    parts = [neutral_components(neutral.blocks[:, i]) for i in range(len(neutral.layers))]
    padded = torch.zeros(len(parts), max(len(p) for p in parts), means.shape[-1])
    for layer, components in enumerate(parts):
        padded[layer, : len(components)] = components
    neutral_embed = neutral_components(neutral.at("embed"))
    return EmotionVectors(emotions, means, embed, center, padded, neutral_embed, stories.norms, stories, provenance)


def subset_vectors(vectors: EmotionVectors, corpus: Corpus, chosen: Corpus) -> EmotionVectors:
    """Vectors of some of a corpus's stories, from the activations kept of each: no model is needed.

    They hold only the layers that `vectors.stories` holds; the neutral components stay what they were. `corpus` is
    the one that `vectors` were made from. Raises `ArtifactError` where it is not, `CorpusError` for a story that is
    not in it and for fewer than two emotions.
    """
    all_stories = story_activations(vectors, corpus)
    place = {(s.emotion, s.topic, s.text): i for i, s in enumerate(corpus)}
    rows = [place.get((s.emotion, s.topic, s.text)) for s in chosen]
    if None in rows or len(chosen.emotions) < 2:
        raise CorpusError(
            f"{chosen.name}: {rows.count(None)} of {len(chosen)} stories are not in {corpus.name!r}, and it has "
            f"{len(chosen.emotions)} emotion(s). Choose stories of two emotions or more out of {corpus.name!r}."
        )
    embed = None if all_stories.embed is None else all_stories.embed[rows]
    stories = replace(all_stories, blocks=all_stories.blocks[rows], embed=embed)
    means, center = centred_means(stories.blocks, chosen.labels)
    held = [vectors.layers.index(layer) for layer in stories.layers]
    return EmotionVectors(
        tuple(chosen.emotions),
        means,
        None if embed is None else centred_means(embed, chosen.labels)[0],
        center,
        vectors.neutral[held],
        vectors.neutral_embed,
        vectors.norms[held],
        stories,
        {**vectors.provenance, "corpus": chosen.name, "corpus_sha256": chosen.sha256},
        stories.layers,
    )


def story_activations(vectors: EmotionVectors, corpus: Corpus) -> MeanActivations:
    """The single stories' activations, a row for each story of `corpus`; `ArtifactError` if they are another's."""
    found = vectors.provenance.get("corpus_sha256")
    if found != corpus.sha256 or len(vectors.stories.blocks) != len(corpus):
        raise ArtifactError(
            f"These vectors keep {len(vectors.stories.blocks)} stories of {vectors.provenance.get('corpus')!r} "
            f"(SHA-256 {found}), not the {len(corpus)} of {corpus.name!r} ({corpus.sha256}). Take the corpus that "
            "they were made from."
        )
    return vectors.stories


@dataclass(frozen=True)
class Sums:
    """What the texts of each emotion add up to, in float64: those of a corpus's parts merge, whichever come first."""

    counts: dict[str, int]
    totals: dict[str, Float[Tensor, " *rest"]]

    @classmethod
    def of(cls, values: Float[Tensor, "text *rest"], labels: Sequence[str]) -> Sums:
        """The sums of some texts, a row each."""
        rows = {emotion: [i for i, label in enumerate(labels) if label == emotion] for emotion in set(labels)}
        return cls(
            {emotion: len(index) for emotion, index in rows.items()},
            {emotion: values[index].double().sum(dim=0) for emotion, index in rows.items()},
        )

    def __add__(self, other: Sums) -> Sums:
        import torch

        emotions = self.counts.keys() | other.counts.keys()
        return Sums(
            {e: self.counts.get(e, 0) + other.counts.get(e, 0) for e in emotions},
            {e: torch.stack([s.totals[e] for s in (self, other) if e in s.totals]).sum(dim=0) for e in emotions},
        )

    def centred(self) -> tuple[Float[Tensor, "emotion *rest"], Float[Tensor, " *rest"]]:
        """Mean of each emotion (in alphabetical order) minus the mean over emotions, and that mean; in float32."""
        import torch

        means = torch.stack([self.totals[emotion] / self.counts[emotion] for emotion in sorted(self.counts)])
        center = means.mean(dim=0)
        return (means - center).float(), center.float()


def centred_means(
    values: Float[Tensor, "text *rest"], labels: Sequence[str]
) -> tuple[Float[Tensor, "emotion *rest"], Float[Tensor, " *rest"]]:
    """Mean of each emotion's texts (emotions in alphabetical order) minus the mean over emotions, and that mean."""
    return Sums.of(values, labels).centred()


def neutral_components(
    values: Float[Tensor, "text d_model"], variance: float = NEUTRAL_VARIANCE
) -> Float[Tensor, "component d_model"]:
    """The fewest principal components of neutral text that hold `variance` of it (Sofroniew et al. 2026)."""
    import torch

    _, singular, components = torch.linalg.svd(values - values.mean(dim=0), full_matrices=False)
    share = (singular**2).cumsum(0) / (singular**2).sum()
    return components[: int((share < variance).sum()) + 1]


def load_or_compute(model: Subject | str, corpus: Corpus | None = None, *, skip: int = SKIP) -> EmotionVectors:
    """Vectors of a model for a corpus (the course's own if none is given): shipped, else kept, else computed.

    Says which. A model given by its name in `MODELS` is loaded only if something must be computed. What was computed
    is kept in `results_folder`; where that cannot be, it says so and comes back all the same.
    """
    corpus = corpus or load_corpus()
    if isinstance(model, str) and spec_of(model) not in MODELS.values():
        model = load_model(model)  # whether kept vectors are this model's, only its weights can tell
    subject, spec = (model, model.spec) if isinstance(model, Subject) else (None, spec_of(model))
    file = f"{spec.name}-{corpus.sha256[:12]}-skip{skip}.safetensors"
    kept = [folder / "vectors" / file for folder in dict.fromkeys((cache_folder(), results_folder()))]
    for kind, path in (("shipped", shipped_path(spec.name, corpus)), *(("kept", path) for path in kept)):
        if not path.is_file():
            continue
        try:
            vectors = EmotionVectors.load(path, subject=subject, corpus=corpus)
        except ArtifactError as error:
            print(f"Not using {kind} vectors: {error}")
            continue
        if vectors.provenance["skip"] == str(skip):
            print(f"Loaded {kind} vectors: {path.name} ({vectors.provenance['date']})")
            return vectors
    vectors = extract(model if isinstance(model, Subject) else load_model(model), corpus, skip)
    try:
        vectors.save(kept[-1])
        print(f"Computed vectors from {len(vectors.stories.blocks)} stories, kept in {kept[-1]}")
    except CacheError as error:
        print(f"Computed vectors from {len(vectors.stories.blocks)} stories, not kept: {error}")
    return vectors


def shipped_path(model: str, corpus: Corpus) -> Path:
    """Where the vectors that come with the library would stand for this model and corpus."""
    return DATA / "vectors" / f"{model}-{corpus.name}.safetensors"


if __name__ == "__main__":  # remake the shipped vectors: python -m emovec_lite.extraction MODEL CORPUS ...
    import torch

    model = load_model(sys.argv[1], device="cpu", dtype=torch.float32)
    main, default = model.main_layer, model.spec.name == DEFAULT_MODEL
    for name in sys.argv[2:]:
        corpus = load_corpus(name)
        made = extract(model, corpus)
        # All that is shipped has to stay small: of the course's own vectors all layers, of the tests every second
        # one, or with another model the main one alone; single stories at the main layer, and a few more by default.
        own_vectors = name == next(iter(CORPORA))
        if not own_vectors:
            made = made.only(range(main % 2, model.n_layers, 2) if default else [main])
        kept = [model.layer_at(share) for share in STORY_LAYERS] if default and own_vectors else [main]
        made.save(shipped_path(model.spec.name, corpus), story_layers=kept, story_embed=default and name != "own")
