"""The course in Colab, as near as one comes without it: its versions, its old widgets, its way of installing."""

import importlib.util
import json
import shutil
import subprocess
import sys

import nbformat
import pytest

from emovec_lite.course.build import as_chapter, read_source, setup_cell
from emovec_lite.course.executing import execute
from emovec_lite.course.exercise import exercises
from emovec_lite.course.outline import CHAPTERS, address
from tests.colab.conftest import CONSTRAINTS, IN_COLAB, ROOT, pins

# What an install adds in Colab, at most: some of it may be there for other packages' sake.
ADDED = {
    "gguf", "greenlet", "jaxtyping", "jedi", "nnsight", "vadersentiment", "wadler-lindig", "zstandard",
}  # fmt: skip
LOADED = ["IPython", "anywidget", "ipykernel", "ipywidgets", "matplotlib", "numpy", "traitlets", "transformers"]


def test_an_install_in_colab_replaces_nothing_and_adds_little(uv):
    def resolve(requirements):
        flags = ["--quiet", "--no-annotate", "--no-header", "--python-version", "3.13", "--python-platform", "linux"]
        return pins(uv("pip", "compile", *flags, "--constraints", CONSTRAINTS, requirements))

    there, ours = pins(CONSTRAINTS.read_text()), resolve(ROOT / "pyproject.toml")
    assert {name: version for name, version in ours.items() if version != there.get(name, version)} == {}
    # What is preinstalled has its own needs with it, but for jedi, which Colab leaves out.
    present = {*resolve(CONSTRAINTS), "pip"} - {"jedi"}
    assert ours.keys() - present <= ADDED


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A clean checkout of what is here, committed or not, in a repository of its own."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    folder = tmp_path_factory.mktemp("checkout")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize("source", ["repository", "zip"])
def test_the_package_installs_whole(source, checkout, tmp_path, request):
    if source == "zip":
        what = tmp_path / "main.zip"
        subprocess.run(["git", "archive", "--prefix=course-main/", "-o", what, "HEAD"], cwd=checkout, check=True)
    else:
        line = setup_cell(ROOT).splitlines()[1].split('"')[1]
        what = line.replace(address(ROOT), checkout.as_uri())
        assert what == f"emovec-lite @ git+{checkout.as_uri()}"
    target = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, what]
    if importlib.util.find_spec("hatchling"):
        command.append("--no-build-isolation")
    else:
        request.getfixturevalue("uv")  # pip fetches the builder, as in Colab: that needs a package index
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    def files(folder):
        found = (path for path in (folder / "emovec_lite").rglob("*") if path.is_file() and path.suffix != ".pyc")
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}

    installed, wanted = files(target), files(checkout)
    assert installed.keys() == wanted.keys() and installed == wanted
    assert "emovec_lite/data/shown.jsonl" in wanted and "emovec_lite/course/chapters/c06_steering/quiz.toml" in wanted
    assert any(name.endswith(".safetensors") for name in wanted)
    assert {path.name.split("-")[0] for path in target.iterdir()} == {"bin", "emovec_lite"}


@pytest.mark.xdist_group("colab")  # one environment
@pytest.mark.parametrize("number", IN_COLAB)
def test_a_learner_who_answers_nothing_gets_to_the_end_in_colab(number, colab_kernel, tmp_path, monkeypatch, fetched):
    """As `tests/notebooks` has it for the other chapters: what is opened in Colab is a chapter without answers."""
    notebook = as_chapter(read_source(ROOT, CHAPTERS[number]))
    ask = (
        "import json\nfrom importlib import import_module\nfrom google.colab import output\n"
        f"versions = {{name: import_module(name).__version__ for name in {LOADED}}}\n"
        "print(json.dumps([versions, get_ipython().pip_lines, output.enabled]))"
    )
    notebook.cells.append(nbformat.v4.new_code_cell(ask))
    monkeypatch.setenv("JUPYTER_PATH", str(colab_kernel))
    execute(notebook, tmp_path)

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not any(output.output_type == "error" for output in outputs)
    text = "\n".join(output.text for output in outputs if output.output_type == "stream")
    versions, pip_lines, enabled = json.loads(notebook.cells[-1].outputs[0].text)
    colabs = pins(CONSTRAINTS.read_text())
    assert versions == {name: colabs[name.lower()] for name in LOADED}
    assert pip_lines == [f'install -q "emovec-lite @ git+{address(ROOT)}"']
    assert enabled >= 1 and "[OK]   Colab" in text, text  # an anywidget turns it on once more
    for own in CHAPTERS[number].numbers(exercises()):
        assert f"{own} ○ not yet" in text, text
    assert "✓" not in text
