"""What stands beside the code: the workflows, and how to cite the course."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from emovec_lite import __version__
from emovec_lite.course.outline import address, repository

ROOT = repository()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def jobs(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["name"] == path.stem and workflow[True]  # YAML reads the key `on` as true
    return workflow["jobs"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_uses_official_actions_and_commands_that_exist(path):
    for job in jobs(path).values():
        assert job["runs-on"] and job["timeout-minutes"]
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/x@v1")), step
            if command := re.match(r"uv run --no-sync (\w+)", step.get("run", "")):
                assert command[1] in {"pytest", "ruff", *PROJECT["scripts"]}, step


def test_the_matrix_is_every_python_from_the_lowest_on_every_system():
    matrix = jobs(ROOT / ".github" / "workflows" / "tests.yml")["tests"]["strategy"]["matrix"]
    pythons = [Version(python) for python in matrix["python"]]
    wanted = SpecifierSet(PROJECT["requires-python"])
    assert f">={pythons[0]}" == str(wanted) and all(python in wanted for python in pythons)
    assert [python.minor - pythons[0].minor for python in pythons] == [0, 1, 2]
    assert [name.split("-")[0] for name in matrix["os"]] == ["ubuntu", "macos", "windows"]
    commands = [step.get("run") for step in jobs(ROOT / ".github" / "workflows" / "tests.yml")["tests"]["steps"]]
    assert commands[-2:] == ["uv sync --locked --python ${{ matrix.python }}", "uv run --no-sync pytest"]


def test_the_committed_notebooks_are_compared_and_the_newest_and_the_oldest_of_everything_are_tried():
    both = {path.stem: jobs(path) for path in WORKFLOWS}
    assert {"run": "uv run --no-sync emovec build --check"} in both["tests"]["notebooks"]["steps"]
    upgrade, *_, last = both["newest"]["tests"]["steps"][3:]
    assert upgrade["run"].startswith("uv sync --upgrade")
    assert last == {"run": "uv run --no-sync pytest", "env": {"EMOVEC_ALL": "1"}}
    assert any("--resolution lowest-direct" in step.get("run", "") for step in both["oldest"]["tests"]["steps"])


@pytest.mark.parametrize("command", ["ruff check", "ruff format --check", "ty check"])
def test_the_code_is_as_its_checkers_want_it(command):
    done = subprocess.run([sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_citation_names_the_course_and_what_it_rests_on():
    """The keys that the Citation File Format 1.2.0 demands, and what they should say."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation) and citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__ == PROJECT["version"]
    assert citation["repository-code"] == address(ROOT)
    assert " AND ".join(citation["license"]) == PROJECT["license"]
    assert [author["name"] for author in citation["authors"]] == ['The authors of "Where Do Models Find Happiness?"']
    for work in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(work)
        assert all({"name", "family-names"} & set(author) for author in work["authors"])
    places = [work.get("url") or work["doi"] for work in citation["references"]]
    assert places == [
        "https://arxiv.org/abs/2604.07729", "https://arxiv.org/abs/2606.26987", "10.3758/s13428-018-1099-3",
    ]  # fmt: skip
