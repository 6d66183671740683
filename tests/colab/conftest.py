"""What the tests of Colab share: uv, Colab's versions, and a kernel that has them."""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from emovec_lite.course.outline import repository

ROOT = repository()
CONSTRAINTS = Path(__file__).parents[1] / "colab_constraints.txt"
IN_COLAB = ("00", "02", "06")  # chapters that the tests run there
STAND_IN = Path(__file__).parent / "stand_in"


def pins(text):
    """The versions in a list of `name==version` lines, by name."""
    pairs = [line.split("==") for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.fixture(scope="session")
def uv():
    """A function that runs uv and gives what it prints; skips where no package index is within reach."""
    from uv import find_uv_bin

    def run(*arguments, **options):
        command = [find_uv_bin(), *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)

    # An index within reach is asked anew: what uv keeps of earlier answers must not stand for it.
    probe = run("pip", "compile", "--quiet", "--no-deps", "--refresh", "-", input="anywidget==0.9.21")
    if probe.returncode:
        pytest.skip(f"no package index within reach: {' '.join(probe.stderr.split())}")

    def checked(*arguments):
        done = run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return checked


@pytest.fixture(scope="session")
def colab_kernel(uv):
    """A folder for JUPYTER_PATH whose kernel "python3" is like Colab's: its versions, and a stand-in for its package.

    All that the course needs comes in Colab's version but torch, which is this environment's own, as is Python.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "excludes.txt").write_text("torch\nwidgetsnbextension\n")  # the latter drags in a notebook server
        uv("venv", "--quiet", "--python", sys.executable, folder / "venv")
        python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        uv(
            "pip", "install", "--quiet", "--no-compile-bytecode", "--python", python,
            "--excludes", folder / "excludes.txt", "--constraints", CONSTRAINTS, "-r", ROOT / "pyproject.toml",
        )  # fmt: skip
        find = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = subprocess.run([python, "-c", find], capture_output=True, text=True, check=True).stdout.strip()
        (Path(site) / "rest.pth").write_text(sysconfig.get_path("purelib"))  # behind the venv's own packages
        spec = {
            "argv": [
                str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}",
                "--IPKernelApp.kernel_class=google.colab._kernel.Kernel",
            ],
            "display_name": "Colab", "language": "python",
            "env": {"PYTHONPATH": os.pathsep.join(map(str, (STAND_IN, ROOT)))},
        }  # fmt: skip
        (folder / "kernels" / "python3").mkdir(parents=True)
        (folder / "kernels" / "python3" / "kernel.json").write_text(json.dumps(spec))
        yield folder
