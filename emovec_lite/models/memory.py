"""How much memory a model takes: counted from its parameters, before it is loaded."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import replace
from math import prod
from pathlib import Path

from emovec_lite.models.hub import weight_files
from emovec_lite.models.registry import ModelSpec

# Beside the weights, measured: Python with torch, transformers and nnsight, activations, logits, figures.
BASE_GB = {"cpu": 1.4, "cuda": 1.0}
BITS = {"float32": 32, "bfloat16": 16, "float16": 16}
QUANTISED = {4: 4.5, 8: 8.0}  # bits a number takes: in 4 bits, 64 of them share a scale in float32
EMBEDDING = re.compile(r"embed|lm_head|\bwte\b|\bwpe\b")


def memory_gb(spec: ModelSpec, dtype: str, device: str = "cpu", bits: int | None = None) -> float:
    """Memory in GB that the chapters take with a model: of the device, or of the process where that is a CPU.

    With `bits`, 4 or 8, matrices are quantised; embeddings stay in `dtype`.
    """
    matrices = spec.parameters - spec.embeddings
    weights = matrices * (QUANTISED[bits] if bits else BITS[dtype]) + spec.embeddings * BITS[dtype]
    return weights / 8e9 + BASE_GB.get(device, BASE_GB["cpu"])


def described(spec: ModelSpec, folder: Path) -> ModelSpec:
    """A spec with what the folder says of the model: its parameters, its layers, and whether fp16 will do."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config()
    counts = {name: prod(shape) for name, shape in shapes(folder).items()}
    return replace(
        spec,
        parameters=sum(counts.values()),
        embeddings=sum(n for name, n in counts.items() if EMBEDDING.search(name)),
        layers=config.num_hidden_layers,
        fp16=spec.fp16 and not config.model_type.startswith("gemma"),
    )


def shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a model, read from the heads of its safetensors files."""
    found = {}
    for name in weight_files(folder):
        with (folder / name).open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            head = json.loads(file.read(length))
        found |= {key: tuple(entry["shape"]) for key, entry in head.items() if key != "__metadata__"}
    return found
