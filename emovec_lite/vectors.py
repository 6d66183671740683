"""Emotion vectors: what each emotion's stories have that the others' lack, at every layer, with provenance.

The recipe of Sofroniew et al. 2026 (Methods): mean activation per story, mean over the stories of an emotion,
minus the mean over emotions, and the main components of neutral text projected out.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Float

import emovec_lite
from emovec_lite.activations import SKIP, Layer, MeanActivations, mean_activations
from emovec_lite.errors import ArtifactError, CorpusError, EmovecError, UnknownName, disk_errors
from emovec_lite.models import DEFAULT_MODEL, MODELS, cache_folder, load_model
from emovec_lite.stories import DATA, Corpus, load_corpus, load_neutral

if TYPE_CHECKING:
    from torch import Tensor

    from emovec_lite.models import Subject

FORMAT = "1"  # of the file; a reader of another format refuses it
NEUTRAL_VARIANCE = 0.5  # of the neutral passages' variance, projected out
SHIPPED_STORY_LAYERS = 6  # evenly spaced: story-level activations of all layers would be 20 MB


@dataclass(frozen=True)
class Direction:
    """A direction in the residual stream of one layer; add, subtract and scale directions like vectors."""

    name: str
    layer: Layer
    vector: Float[Tensor, " d_model"]
    residual_norm: float  # mean norm of a token's residual at this layer: the unit of steering strength

    def __add__(self, other: Direction) -> Direction:
        if not isinstance(other, Direction):
            return NotImplemented
        if other.layer != self.layer:
            raise EmovecError(
                f"Cannot combine {self.name!r} of layer {self.layer} with {other.name!r} of layer {other.layer}: "
                "take both from one layer."
            )
        return replace(self, name=f"{self.name} + {other.name}", vector=self.vector + other.vector)

    def __sub__(self, other: Direction) -> Direction:
        if not isinstance(other, Direction):
            return NotImplemented
        return replace(self + -other, name=f"{self.name} - {other.name}")

    def __neg__(self) -> Direction:
        return replace(self, name=f"-{self.name}", vector=-self.vector)

    def __mul__(self, factor: float) -> Direction:
        return replace(self, name=f"{factor:g} ({self.name})", vector=factor * self.vector)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Direction:
        return self * (1 / divisor)

    def unit(self) -> Direction:
        """The same direction with length 1."""
        return replace(self, vector=self.vector / self.vector.norm())


@dataclass(frozen=True)
class EmotionVectors:
    """Centred means of each emotion's stories at every layer, and what is needed to use and to trust them."""

    emotions: tuple[str, ...]
    means: Float[Tensor, "emotion layer d_model"]
    embed: Float[Tensor, "emotion d_model"] | None  # the same from bare token embeddings: the baseline
    center: Float[Tensor, "layer d_model"]  # the mean over emotions that was subtracted
    neutral: Float[Tensor, "layer component d_model"]  # orthonormal rows; rows of zeros fill up
    neutral_embed: Float[Tensor, "embed_component d_model"]
    norms: Float[Tensor, " layer"]  # mean norm of a token's residual, the unit of steering strength
    stories: MeanActivations = field(repr=False)  # of the single stories, at some or all layers
    provenance: dict[str, str]
    layers: tuple[int, ...] = ()  # which layer each row of means, center, neutral and norms holds; () for all

    def __post_init__(self) -> None:
        if not self.layers:
            object.__setattr__(self, "layers", tuple(range(self.means.shape[1])))

    @property
    def n_layers(self) -> int:
        """Layers of the model, up to the last that is held."""
        return self.layers[-1] + 1

    def at(self, layer: Layer, *, denoise: bool = True) -> Float[Tensor, "emotion d_model"]:
        """All emotions' vectors at one layer, or "embed"; with `denoise`, orthogonal to neutral text."""
        vectors = self.embed if layer == "embed" else self.means[:, self._check(layer)]
        if vectors is None:
            raise UnknownName("layer", layer, self.layers)
        return project_out(vectors, self.neutral_at(layer)) if denoise else vectors

    def neutral_at(self, layer: Layer) -> Float[Tensor, "component d_model"]:
        """The orthonormal components of neutral text at one layer, or "embed"."""
        return self.neutral_embed if layer == "embed" else self.neutral[self._check(layer)]

    def direction(self, emotion: str, layer: Layer) -> Direction:
        """The unit, denoised direction of one emotion at one layer."""
        if emotion not in self.emotions:
            raise UnknownName("emotion", emotion, self.emotions)
        norm = float("nan") if layer == "embed" else float(self.norms[self._check(layer)])
        return Direction(emotion, layer, self.at(layer)[self.emotions.index(emotion)], norm).unit()

    def _check(self, layer: Layer) -> int:
        if not isinstance(layer, int) or layer not in self.layers:
            raise UnknownName("layer", layer, [*self.layers, "embed"])
        return self.layers.index(layer)

    def save(self, path: Path | str, *, story_layers: Sequence[int] | None = None, story_embed: bool = True) -> None:
        """Write fp16 safetensors with provenance, whole or not at all; keep only `story_layers` of the stories.

        Without `story_embed` the single stories' token embeddings are left out too.
        """
        import torch
        from safetensors.torch import save

        kept = self.stories.layers if story_layers is None else tuple(story_layers)
        # Stories minus the center, which fp16 holds better: what they share is far larger than what they differ in.
        tensors = {
            "means": self.means, "embed": self.embed, "neutral": self.neutral, "neutral_embed": self.neutral_embed,
            "story_blocks": torch.stack(
                [self.stories.at(layer) - self.center[self._check(layer)] for layer in kept], dim=1
            ),
            "story_embed": self.stories.embed if story_embed else None,
        }  # fmt: skip
        tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        fits = torch.finfo(torch.float16).max  # some models' residuals do not
        tensors = {n: (t.half() if t.abs().max() < fits else t).contiguous() for n, t in tensors.items()}
        tensors |= {"center": self.center.contiguous(), "norms": self.norms.contiguous()}
        lists = {"emotions": self.emotions, "layers": self.layers, "story_layers": kept}
        lists = {name: json.dumps(values) for name, values in lists.items()}
        path = Path(path)
        with disk_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(save(tensors, metadata={**self.provenance, **lists}))
                os.chmod(name, 0o644)
                os.replace(name, path)
            except BaseException:
                os.unlink(name)
                raise

    @classmethod
    def load(
        cls, path: Path | str, *, subject: Subject | None = None, corpus: Corpus | None = None
    ) -> EmotionVectors:
        """Read vectors; with `subject` or `corpus`, refuse those of another model or corpus (`ArtifactError`)."""
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if not path.is_file():
            raise ArtifactError(f"No vectors at {path}. `extract` makes them, `.save` writes them.")
        try:
            with safe_open(path, framework="pt") as file:
                meta = file.metadata() or {}
                tensors = {name: file.get_tensor(name).float() for name in file.keys()}
        except SafetensorError as error:
            raise ArtifactError(f"{path} is damaged ({error}). Delete it and extract again.") from error
        _check_provenance(path, meta, subject, corpus)
        emotions, kept = json.loads(meta.pop("emotions")), json.loads(meta.pop("story_layers"))
        layers = json.loads(meta.pop("layers", "null")) or [*range(tensors["means"].shape[1])]
        held = [layers.index(layer) for layer in kept]
        blocks = tensors.pop("story_blocks") + tensors["center"][held]
        stories = MeanActivations(blocks, tuple(kept), tensors.pop("story_embed", None), tensors["norms"][held])
        tensors.setdefault("embed", None)
        return cls(tuple(emotions), stories=stories, provenance=meta, layers=tuple(layers), **tensors)


def extract(subject: Subject, corpus: Corpus, skip: int = SKIP) -> EmotionVectors:
    """Build emotion vectors for all layers from a corpus (Sofroniew et al. 2026, Methods).

    Emotions weigh alike however many stories they have. Raises `CorpusError` for fewer than two emotions and
    `ActivationError` as `mean_activations` does.
    """
    if len(corpus.emotions) < 2:
        raise CorpusError(
            f"{corpus.name}: {len(corpus.emotions)} emotion(s) in {len(corpus)} stories. Vectors are differences "
            "between emotions: add stories of at least two."
        )
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
        "dtype": str(subject.dtype).removeprefix("torch."),
        "library": emovec_lite.__version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    neutral = MeanActivations(both.blocks[n:], both.layers, both.at("embed")[n:], both.norms)
    return vectors_from(stories, corpus.labels, neutral, provenance)


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


def centred_means(
    values: Float[Tensor, "text *rest"], labels: Sequence[str]
) -> tuple[Float[Tensor, "emotion *rest"], Float[Tensor, " *rest"]]:
    """Mean of each emotion's texts (emotions in alphabetical order) minus the mean over emotions, and that mean."""
    import torch

    rows = {emotion: [i for i, label in enumerate(labels) if label == emotion] for emotion in sorted(set(labels))}
    means = torch.stack([values[index].mean(dim=0) for index in rows.values()])
    return means - means.mean(dim=0), means.mean(dim=0)


def neutral_components(
    values: Float[Tensor, "text d_model"], variance: float = NEUTRAL_VARIANCE
) -> Float[Tensor, "component d_model"]:
    """The fewest principal components of neutral text that hold `variance` of it (Sofroniew et al. 2026)."""
    import torch

    _, singular, components = torch.linalg.svd(values - values.mean(dim=0), full_matrices=False)
    share = (singular**2).cumsum(0) / (singular**2).sum()
    return components[: int((share < variance).sum()) + 1]


def project_out(
    vectors: Float[Tensor, "*batch d_model"], components: Float[Tensor, "component d_model"]
) -> Float[Tensor, "*batch d_model"]:
    """Remove from vectors what lies along orthonormal components."""
    return vectors - vectors @ components.T @ components


def load_or_compute(
    corpus: Corpus | None = None, *, subject: Subject | None = None, model: str = DEFAULT_MODEL, skip: int = SKIP
) -> EmotionVectors:
    """Vectors for a corpus and model: shipped, else from the cache, else computed and kept; says which.

    Without `subject`, the model is loaded only if something must be computed.
    """
    corpus = corpus or load_corpus()
    model = subject.spec.name if subject else model
    kept = cache_folder() / "vectors" / f"{model}-{corpus.sha256[:12]}-skip{skip}.safetensors"
    for kind, path in (("shipped", shipped_path(model, corpus)), ("cached", kept)):
        if not path.is_file():
            continue
        try:
            vectors = EmotionVectors.load(path, subject=subject, corpus=corpus)
        except ArtifactError as error:
            print(f"Not using {kind} vectors: {error}", file=sys.stderr)
            continue
        if vectors.provenance["skip"] == str(skip):
            print(f"Loaded {kind} vectors: {path.name} ({vectors.provenance['date']})", file=sys.stderr)
            return vectors
    vectors = extract(subject or load_model(model), corpus, skip)
    vectors.save(kept)
    print(f"Computed vectors from {len(corpus)} stories, kept in {kept}", file=sys.stderr)
    return vectors


def shipped_path(model: str, corpus: Corpus) -> Path:
    """Where the vectors that come with the library would stand for this model and corpus."""
    return DATA / "vectors" / f"{model}-{corpus.name}.safetensors"


def _check_provenance(path: Path, meta: dict[str, str], subject: Subject | None, corpus: Corpus | None) -> None:
    """Refuse a file of another format, or made with other weights or stories than those in hand."""

    def refuse(what: str, found: object, expected: object) -> None:
        if found != expected:
            raise ArtifactError(
                f"{path}: {what} is {found!r}, expected {expected!r}. Extract again, or load the vectors that belong "
                "to this model and corpus."
            )

    refuse("format", meta.get("format"), FORMAT)
    if subject is not None:
        refuse("model", meta["model"], subject.spec.name)
    spec = MODELS.get(meta["model"])
    weights = subject.weights_sha256 if subject is not None else spec.gguf_sha256 if spec else ""
    refuse("SHA-256 of the weights", meta["weights_sha256"], weights or meta["weights_sha256"])
    if corpus is not None:
        refuse("SHA-256 of the corpus", meta["corpus_sha256"], corpus.sha256)


if __name__ == "__main__":  # remake the shipped vectors: python -m emovec_lite.vectors [course] [own]
    import torch

    default = load_model(dtype=torch.float32)
    spaced = [round((i + 1) * default.n_layers / SHIPPED_STORY_LAYERS) - 1 for i in range(SHIPPED_STORY_LAYERS)]
    for name in sys.argv[1:] or ("course", "own"):
        corpus = load_corpus(name)
        made = extract(default, corpus)
        # Of the model's own stories only the layer two thirds up: all that is shipped has to stay small.
        kept = spaced if name == "course" else spaced[3:4]
        made.save(shipped_path(DEFAULT_MODEL, corpus), story_layers=kept, story_embed=name == "course")
