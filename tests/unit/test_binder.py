"""Binder: what repo2docker would build, from which versions, and what the two scripts do."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from emovec_lite.course.outline import repository

ROOT = repository()
CONDA_NAMES = {"pytorch-cpu": "torch"}
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Binder's images are Linux, and so is repo2docker")


def test_binder_installs_what_the_package_asks_for():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    python, *conda = conda
    assert python == "python=3.12" and environment["channels"] == ["conda-forge"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def bounds(lines):
        needs = [Requirement(line) for line in lines]
        return {CONDA_NAMES.get(need.name, need.name): str(need.specifier) for need in needs}

    wanted = project["dependencies"] + project["optional-dependencies"]["lab"]
    assert bounds(conda + pip["pip"]) == bounds(wanted)
    assert len(conda + pip["pip"]) == len(wanted)
    assert "torch" in bounds(conda) and "torch" not in bounds(pip["pip"])  # pip's brings CUDA


def test_repo2docker_finds_everything():
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    made = done.stdout + done.stderr
    assert done.returncode == 0, made
    assert 'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"' in made
    assert re.search(r"environment-2epy-2d3-2e12-2d\S*lock", made)  # the base environment of Python 3.12
    assert "RUN ./binder/postBuild" in made
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in made


def run_script(name, *args, **env):
    return subprocess.run([ROOT / "binder" / name, *args], env={**os.environ, **env}, capture_output=True, text=True)


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Stand-ins for pip and emovec that note how they were called; to be told which one fails."""

    def make(failing=""):
        for name in ("pip", "emovec"):
            script = tmp_path / "bin" / name
            script.parent.mkdir(exist_ok=True)
            ending = "exit 3" if name == failing else ""
            script.write_text(f'#!/bin/sh\necho "{name} $*, cache $EMOVEC_CACHE" >> "{tmp_path}/calls"\n{ending}\n')
            script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        return tmp_path / "calls"

    return make


def test_post_build_installs_and_fetches_to_where_start_looks(commands, tmp_path):
    calls = commands()
    assert run_script("postBuild", REPO_DIR="/srv/repo").returncode == 0
    installed, fetched = calls.read_text().splitlines()
    assert installed.startswith("pip install --no-deps -e .")
    assert fetched == "emovec fetch, cache /srv/repo/.cache/emovec"
    started = run_script("start", "env", REPO_DIR="/srv/repo")
    assert started.returncode == 0
    wanted = {"OMP_NUM_THREADS=1", "MALLOC_MMAP_THRESHOLD_=1048576", "EMOVEC_CACHE=/srv/repo/.cache/emovec"}
    assert wanted <= set(started.stdout.splitlines())


@pytest.mark.parametrize("failing", ["pip", "emovec"])
def test_a_build_that_fails_says_so(commands, failing):
    commands(failing)
    assert run_script("postBuild").returncode == 3


def test_start_becomes_whatever_it_is_given():
    done = run_script("start", "sh", "-c", 'echo "$1, child of $PPID"; exit 7', "sh", "two words")
    assert (done.returncode, done.stdout) == (7, f"two words, child of {os.getpid()}\n")
