"""A model under study: loaded, its blocks found, and one small object that the rest of the library asks.

Layer l, everywhere in this library, is the residual stream *after* block l, l = 0 ... n-1.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from emovec_lite.errors import EmovecError, UnknownName
from emovec_lite.models.memory import BITS, described, memory_gb
from emovec_lite.models.registry import DEFAULT_MODEL, ModelSpec, spec_of
from emovec_lite.models.weights import fetch, folder_sha256

if TYPE_CHECKING:
    import torch
    from nnsight import TransformersModel
    from transformers import BitsAndBytesConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(eq=False)
class Subject:
    """A model under study: the transformers model, its tokenizer, and what the rest of the library asks of them."""

    spec: ModelSpec
    hf: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    weights_sha256: str
    # One thread at a time: a hook acts on whatever runs.
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @cached_property
    def blocks(self) -> torch.nn.ModuleList:
        """The decoder's blocks, in order: the list in the decoder that is as long as its configuration says."""
        if self.spec.blocks:
            return cast("torch.nn.ModuleList", self.hf.get_submodule(self.spec.blocks))
        n = getattr(self._config, "num_hidden_layers", None)
        children = cast("Iterator[torch.nn.ModuleList]", self._decoder.children())
        lists = [child for child in children if _kind(child) == "ModuleList" and len(child) == n]
        if len(lists) != 1:
            raise EmovecError(
                f"No decoder blocks found in {type(self.hf).__name__}: looked for one list of {n} blocks among "
                f"{self._children()}. Name its path: load_model(..., blocks='model.layers')."
            )
        return lists[0]

    @cached_property
    def final_norm(self) -> torch.nn.Module:
        """The norm between the last block and the unembedding: the first that the decoder has after its blocks."""
        if self.spec.final_norm:
            return self.hf.get_submodule(self.spec.final_norm)
        children = list(self._decoder.children())
        place = next((i for i, child in enumerate(children) if child is self.blocks), len(children))
        norms = [child for child in [*children[place:], *children[:place][::-1]] if "norm" in _kind(child).lower()]
        if not norms:
            raise EmovecError(
                f"No final norm found in {type(self.hf).__name__}: looked for a module with 'norm' in its kind among "
                f"{self._children()}. Name its path: load_model(..., final_norm='model.norm')."
            )
        return norms[0]

    @cached_property
    def nn(self) -> TransformersModel:
        """The same model behind nnsight, for reading and editing by hand.

        Beside their own names, which differ from model to model, `nn.blocks` and `nn.final_norm` are `blocks` and
        `final_norm`.
        """
        from nnsight import TransformersModel

        paths = {id(module): path for path, module in self.hf.named_modules()}
        names = {paths[id(self.blocks)]: "blocks", paths[id(self.final_norm)]: "final_norm"}
        model = TransformersModel(self.hf, tokenizer=self.tokenizer, rename=names)
        self.tokenizer.padding_side = "right"  # nnsight sets it to the left, for batched generation
        return model

    @property
    def _config(self) -> PreTrainedConfig:
        return self.hf.config.get_text_config()  # of a model that also sees: of the part that reads

    @property
    def _decoder(self) -> torch.nn.Module:
        return self.hf.get_decoder() if hasattr(self.hf, "get_decoder") else self.hf

    def _children(self) -> str:
        return ", ".join(f"{name} ({_kind(child)})" for name, child in self._decoder.named_children()) or "nothing"

    def chat(self, message: str) -> list[int]:
        """Token ids of a user's message in the model's chat format, up to where its answer begins.

        A base model has no format of its own and gets plain "User:" and "Assistant:".
        """
        if self.tokenizer.chat_template is None:
            return self.tokenizer(f"User: {message}\n\nAssistant:")["input_ids"]
        turn = [{"role": "user", "content": message}]
        # Without `enable_thinking` off, Qwen3's answer would begin with thoughts; other templates ignore it.
        text = self.tokenizer.apply_chat_template(
            turn, add_generation_prompt=True, tokenize=False, enable_thinking=False
        )
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]  # the template wrote them

    @property
    def n_layers(self) -> int:
        return len(self.blocks)

    @property
    def main_layer(self) -> int:
        """The layer two thirds up, where Sofroniew et al. 2026 work: chosen before looking, so no best of all."""
        return self.layer_at(2 / 3)

    def layer_at(self, share: float) -> int:
        """The layer after which a share of the blocks, 0 to 1, is done: `layer_at(1)` is the last."""
        return layer_at(share, self.n_layers)

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return cast("int", self._config.hidden_size)

    @property
    def device(self) -> torch.device:
        """Where token ids go; of a model on several devices, where its embeddings are looked up."""
        import torch

        embeddings = self.hf.get_input_embeddings()
        hook = getattr(embeddings, "_hf_hook", None)  # accelerate's: their weights may be kept elsewhere
        place = getattr(hook, "execution_device", None)
        return torch.device(cast("torch.device", embeddings.weight.device if place is None else place))

    @property
    def dtype(self) -> torch.dtype:
        return self.hf.dtype

    def __repr__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        return f"Subject({self.spec.name}: {self.n_layers} layers x {self.d_model}, {dtype} on {self.device})"


def layer_at(share: float, n_layers: int) -> int:
    """The layer after which a share of n blocks, 0 to 1, is done; layer 0 at the least."""
    return max(0, round(share * n_layers) - 1)


def _kind(module: torch.nn.Module) -> str:
    return type(module).__name__


# --- Loading ---------------------------------------------------------------------------------------------------


def load_model(
    model: str | Path | tuple[PreTrainedModel, PreTrainedTokenizerBase] = DEFAULT_MODEL,
    *,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    bits: int | None = None,
    blocks: str = "",
    final_norm: str = "",
) -> Subject:
    """Load a model: a name in `MODELS`, an id of the model hub, a folder, or a model with its tokenizer.

    `dtype`: that of `EMOVEC_DTYPE`, else by `default_dtype`. `bits`, 4 or 8, quantises matrices (also by
    `EMOVEC_BITS`; it needs bitsandbytes). `device`: a GPU where there is one; "auto" spreads the blocks over several,
    as happens where the first cannot hold the model. `blocks` and `final_norm` are paths for a model whose own cannot
    be found. Code from a hub is never run. Raises `UnknownName`, `FetchError` where weights cannot be had,
    `CacheError` where they cannot be kept, `EmovecError` for a choice that cannot be.
    """
    if isinstance(model, tuple):
        subject = _handed_in(*model)
    else:
        subject = _from_folder(spec_of(model), fetch(model), device, dtype, bits)
    named = {"blocks": blocks, "final_norm": final_norm}
    subject.spec = replace(subject.spec, **{part: path for part, path in named.items() if path})
    _ = subject.blocks, subject.final_norm  # found now or never
    print(subject)
    return subject


def _handed_in(hf: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Subject:
    """A model that somebody has loaded, from now on without gradients; known by a hash of its weights."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(hf.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    name = Path(getattr(hf.config, "name_or_path", "")).name or type(hf).__name__
    spec = ModelSpec(name, parameters=sum(parameter.numel() for parameter in hf.parameters()))
    return Subject(spec, hf.eval().requires_grad_(False), _ready(tokenizer), digest.hexdigest())


def _from_folder(
    spec: ModelSpec, folder: Path, device: str | None, dtype: torch.dtype | None, bits: int | None
) -> Subject:
    import transformers

    spec = described(spec, folder)
    device, dtype, bits = choices(spec, device, dtype, bits)
    options: dict = {"dtype": dtype, "local_files_only": True}
    if bits:
        options["quantization_config"] = _quantisation(bits, dtype)
    if bits or device == "auto":
        options["device_map"] = device if device == "auto" else {"": device}
    with _quiet(transformers):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        hf = transformers.AutoModelForCausalLM.from_pretrained(folder, **options)
    if "device_map" not in options:
        hf = hf.to(device)
    weights = spec.gguf_sha256 or folder_sha256(folder)
    if bits:
        spec, weights = replace(spec, name=f"{spec.name}-{bits}bit"), f"{weights} in {bits} bits"
    return Subject(spec, hf.eval().requires_grad_(False), _ready(tokenizer), weights)


def _ready(tokenizer: PreTrainedTokenizerBase | None) -> PreTrainedTokenizerBase:
    assert tokenizer is not None  # transformers gives one or raises
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def choices(
    spec: ModelSpec, device: str | None = None, dtype: torch.dtype | None = None, bits: int | None = None
) -> tuple[str, torch.dtype, int | None]:
    """Where and how a model will be loaded: what the caller says, else the environment, else what fits."""
    import torch

    if bits is None and (named := os.environ.get("EMOVEC_BITS")):
        bits = int(named) if named.isdecimal() else -1
    if bits not in (None, 4, 8):
        raise UnknownName("number of bits", os.environ.get("EMOVEC_BITS") if bits == -1 else bits, (4, 8))
    if dtype is None and (named := os.environ.get("EMOVEC_DTYPE")):
        if named not in BITS:
            raise UnknownName("EMOVEC_DTYPE", named, BITS)
        dtype = getattr(torch, named)
    kind = device or ("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
    dtype = dtype or default_dtype(spec, "cuda" if kind == "auto" else kind)
    if device is None and kind == "cuda" and torch.cuda.device_count() > 1:
        need = memory_gb(spec, str(dtype).removeprefix("torch."), kind, bits)
        kind = kind if need < torch.cuda.mem_get_info()[0] / 1e9 else "auto"
    return kind, dtype, bits


def default_dtype(spec: ModelSpec, device: str) -> torch.dtype:
    """The dtype in which a model is loaded on a device: "cuda", "mps" or "cpu".

    A model under 1B runs in fp32 everywhere, so that the words and numbers in the text are the same for everyone. A
    larger one runs in bf16 where the device computes in it, else in fp16 where device and model allow, else in fp32.
    """
    import torch

    if spec.parameters < 1e9:
        return torch.float32
    if device.startswith("cuda"):
        # Some GPUs without bf16, a T4 among them, imitate it, slowly.
        has, half = torch.cuda.is_bf16_supported(including_emulation=False), spec.fp16
    elif device == "mps":
        has, half = torch.backends.mps.is_macos_or_newer(14, 0), spec.fp16
    else:
        units = getattr(torch.cpu, "get_capabilities", dict)()
        has, half = units.get("amx_bf16") or units.get("avx512_bf16"), False
    return torch.bfloat16 if has else torch.float16 if half else torch.float32


def _quantisation(bits: int, dtype: torch.dtype) -> BitsAndBytesConfig:
    import importlib.util

    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise EmovecError(
            f"{bits} bits need the package bitsandbytes, which is not installed here: run "
            "`pip install bitsandbytes`, or load the model without EMOVEC_BITS."
        )
    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


@contextlib.contextmanager
def _quiet(transformers) -> Generator[None]:
    """Without the per-weight progress bars of a load that takes a second."""
    on = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        if on:
            transformers.utils.logging.enable_progress_bar()
