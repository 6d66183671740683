"""Small random models of a subject's own architecture: on these an answer is tried many times in little time."""

from __future__ import annotations

import copy
import weakref
from dataclasses import replace

import torch
from transformers import AutoModelForCausalLM

from emovec_lite.models import Subject

_MADE: weakref.WeakKeyDictionary[Subject, list[Subject]] = weakref.WeakKeyDictionary()
# Layers and heads differ from one to the next, so that a number written into an answer fails somewhere.
_SIZES = ((3, 2, torch.float32), (5, 4, torch.float32), (2, 2, torch.float32), (4, 4, torch.bfloat16))
_PER_HEAD = 8


def stand_ins(subject: Subject) -> list[Subject]:
    """Small random models like this one, the same each time; the last of them in bfloat16."""
    if subject not in _MADE:
        _MADE[subject] = [_make(subject, seed, *size) for seed, size in enumerate(_SIZES)]
    return _MADE[subject]


def forget(subject: Subject) -> None:
    """Have the next check make new ones: an answer has spoilt one of these."""
    _MADE.pop(subject, None)


def _make(subject: Subject, seed: int, layers: int, heads: int, dtype: torch.dtype) -> Subject:
    config = subject.hf.config.get_text_config().to_dict()
    small = {
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": 2, "head_dim": _PER_HEAD,
        "hidden_size": heads * _PER_HEAD, "intermediate_size": 3 * heads * _PER_HEAD, "initializer_range": 0.3,
        "n_layer": layers, "n_head": heads, "n_embd": heads * _PER_HEAD,  # GPT-2's names for the same
        # Gemma 4's: each layer's own embeddings, of a large vocabulary; and layers that have no keys of their own.
        "hidden_size_per_layer_input": _PER_HEAD, "num_kv_shared_layers": 0,
    }  # fmt: skip
    config |= {name: value for name, value in small.items() if config.get(name)}
    config.pop("per_layer_config", None)  # made anew from the rest
    if config.get("layer_types"):
        config["layer_types"] = [*config["layer_types"][: layers - 1], config["layer_types"][-1]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hf = AutoModelForCausalLM.from_config(
            type(subject.hf.config.get_text_config())(**config), dtype=torch.float32
        )
        for module in hf.modules():
            if "Norm" in type(module).__name__ and getattr(module, "weight", None) is not None:
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)  # all alike otherwise, and leaving them out is unseen
    hf = hf.to(subject.device, dtype).eval().requires_grad_(False)
    hf.generation_config = copy.deepcopy(subject.hf.generation_config)
    name = f"a random model of {layers} layers"
    return Subject(replace(subject.spec, name=name), hf, subject.tokenizer, weights_sha256=name)
