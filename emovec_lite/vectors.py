"""Emotion vectors and directions: what they hold, their arithmetic, and their files."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, SupportsFloat

from jaxtyping import Float

from emovec_lite.activations import Layer, MeanActivations, as_layer, known_layer
from emovec_lite.errors import ArtifactError, EmovecError, UnknownName, disk_errors
from emovec_lite.models import MODELS
from emovec_lite.models.subject import layer_at
from emovec_lite.stories import Corpus

if TYPE_CHECKING:
    from torch import Tensor

    from emovec_lite.models import Subject

FORMAT = "1"  # of the file; a reader of another format refuses it


@dataclass(frozen=True)
class Direction:
    """A direction in the residual stream of one layer; add, subtract and scale directions like vectors."""

    name: str
    layer: Layer
    vector: Float[Tensor, " d_model"]
    residual_norm: float  # mean norm of a token's residual at this layer: the unit of steering strength

    __array_ufunc__ = None  # so that a NumPy number times a direction is a direction

    def __post_init__(self) -> None:
        object.__setattr__(self, "layer", as_layer(self.layer))

    def __add__(self, other: Direction) -> Direction:
        if not isinstance(other, Direction):
            return NotImplemented
        if other.layer != self.layer:
            raise EmovecError(
                f"Cannot combine {self.name!r} of layer {self.layer} with {other.name!r} of layer {other.layer}: "
                "take both from one layer."
            )
        return replace(self, name=f"{self.name} + {other.name}", vector=self.vector + other.vector)

    def __radd__(self, other: int) -> Direction:
        return self if other == 0 else NotImplemented  # `sum` begins with 0

    def __sub__(self, other: Direction) -> Direction:
        if not isinstance(other, Direction):
            return NotImplemented
        return replace(self + -other, name=f"{self.name} - {other.name}")

    def __neg__(self) -> Direction:
        return replace(self, name=f"-{self.name}", vector=-self.vector)

    def __mul__(self, factor: SupportsFloat) -> Direction:
        factor = float(factor)
        return replace(self, name=f"{factor:g} ({self.name})", vector=factor * self.vector)

    __rmul__ = __mul__

    def __truediv__(self, divisor: SupportsFloat) -> Direction:
        return self * (1 / float(divisor))

    def unit(self) -> Direction:
        """The same direction with length 1; `EmovecError` for one of length 0, or that is not finite."""
        if not 0 < self.vector.norm() < float("inf"):
            raise EmovecError(
                f"{self.name!r} has length {self.vector.norm():g}, so it points nowhere. Was something subtracted "
                "from itself?"
            )
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
        """Layers of the model, where that is known; else up to the last that is held."""
        return int(self.provenance.get("n_layers", self.layers[-1] + 1))

    @property
    def main_layer(self) -> int:
        """The layer two thirds up, as `Subject.main_layer`."""
        return layer_at(2 / 3, self.n_layers)

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

    def only(self, layers: Sequence[int]) -> EmotionVectors:
        """The same vectors at some of their layers, with what is kept of the single stories there."""
        rows = [self._check(layer) for layer in layers]
        kept = [self.stories.layers.index(layer) for layer in layers if layer in self.stories.layers]
        stories = replace(
            self.stories,
            blocks=self.stories.blocks[:, kept],
            layers=tuple(self.stories.layers[i] for i in kept),
            norms=self.stories.norms[kept],
        )
        return replace(
            self,
            means=self.means[:, rows],
            center=self.center[rows],
            neutral=self.neutral[rows],
            norms=self.norms[rows],
            stories=stories,
            layers=tuple(self.layers[row] for row in rows),
        )

    def _check(self, layer: Layer) -> int:
        return self.layers.index(known_layer(layer, self.layers))

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
        path = Path(os.path.expanduser(path))
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

        path = Path(os.path.expanduser(path))
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


def project_out(
    vectors: Float[Tensor, "*batch d_model"], components: Float[Tensor, "component d_model"]
) -> Float[Tensor, "*batch d_model"]:
    """Remove from vectors what lies along orthonormal components."""
    return vectors - vectors @ components.T @ components


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
        read = corpus.without(json.loads(meta.get("left_out", "[]")))
        refuse("SHA-256 of the corpus", meta["corpus_sha256"], read.sha256)
