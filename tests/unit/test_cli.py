"""The command line: what it prints, what it writes, and how it fails."""

import json
import re
from dataclasses import replace
from inspect import unwrap

import pytest

from emovec_lite import cli, environment
from emovec_lite import extraction as v
from emovec_lite import models as m
from emovec_lite.geometry import align
from emovec_lite.norms import glasgow

EMOTIONS = list(glasgow())[:10]


@pytest.fixture
def toy(tiny, tmp_path, monkeypatch):
    """A tiny model under a name of the registry, an empty cache and a corpus it can read."""
    subject = tiny()
    monkeypatch.setitem(m.MODELS, "tiny", replace(subject.spec, name="tiny"))
    subject = replace(subject, spec=m.MODELS["tiny"])
    monkeypatch.setattr(m, "load_model", lambda name: subject)
    monkeypatch.setattr(v, "load_model", lambda name: subject)
    monkeypatch.setattr(v, "load_neutral", lambda: [words(40, 5 * i) for i in range(6)])
    monkeypatch.setattr(unwrap(align), "__defaults__", (None, 50, 0))
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def corpus(emotions=EMOTIONS, topics=("a", "b", "c")):
        rows = [
            {"emotion": e, "text": words(40 + i, 7 * i + 11 * j), **({"topic": t} if t else {})}
            for i, e in enumerate(emotions)
            for j, t in enumerate(topics)
        ]
        path = tmp_path / "corpus.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        return str(path)

    return corpus


def words(n, start):
    return " ".join(f"w{(start + 3 * i * i) % 60}" for i in range(n))


def test_demo_prints_a_table_and_writes_figures_and_json(toy, tmp_path, capsys):
    assert cli.main(["demo", "--model", "tiny", "--corpus", toy(), "--out", "figures", "--json", "r.json"]) == 0
    out = capsys.readouterr().out
    result = json.loads((tmp_path / "r.json").read_text())
    for scale in ("valence", "arousal"):
        pc, ridge = result["geometry"][scale]["pc"], result["geometry"][scale]["ridge"]
        for row in (pc, ridge):
            assert 1 / 51 <= row["p"] <= 1 and 1 / 51 <= row["embed"]["p"] <= 1
            assert f"{row['r']:.2f}" in out and f"{row['p']:.4f}" in out and f"{row['embed']['r']:.2f}" in out
        assert f"PC{pc['component']}, layer {pc['layer']}" in out
    held = result["held_out"]
    assert held["layer"] == 2 and held["chance"] == 1 / 10
    for line, key in (("vectors, accuracy", "accuracy"), ("word counts", "word_counts"), ("chance", "chance")):
        assert re.search(rf"{line}.*{held[key]:.3f}", out)
    assert "Gemma-4-E4B" in out and "reference, other models" in out
    assert "do not say that the model feels" in out
    assert sorted(p.name for p in (tmp_path / "figures").iterdir()) == [
        "circumplex.png", "cosine_map.png", "layers_valence.png",
    ]  # fmt: skip
    assert result["provenance"]["model"] == "tiny" and result["seconds"] > 0 and result["peak_memory_gb"] > 0


def test_demo_uses_the_cache_unless_told_to_recompute(toy, capsys):
    path = toy()
    assert cli.main(["demo", "--model", "tiny", "--corpus", path]) == 0
    assert "Computed vectors" in capsys.readouterr().err
    assert cli.main(["demo", "--model", "tiny", "--corpus", path]) == 0
    assert "Loaded cached vectors" in capsys.readouterr().err
    assert cli.main(["demo", "--model", "tiny", "--corpus", path, "--recompute", "--json"]) == 0
    captured = capsys.readouterr()
    assert "Loaded" not in captured.err and "Reading" in captured.err
    assert json.loads(captured.out)["model"] == "tiny"


def test_demo_says_what_a_corpus_cannot_give(toy, capsys):
    assert cli.main(["demo", "--model", "tiny", "--corpus", toy([*EMOTIONS, "zestful", "wistful"], ("",))]) == 0
    out = capsys.readouterr().out
    assert "2 emotions have no human rating" in out and "no held-out accuracy" in out and "ridge" in out
    assert cli.main(["demo", "--model", "tiny", "--corpus", toy(["zestful", "wistful", *EMOTIONS[:3]])]) == 0
    out = capsys.readouterr().out
    assert "no correlations: Only 3 of 5 emotions" in out and "vectors, accuracy" in out


@pytest.mark.parametrize("argv, message", [
    (["demo", "--corpus", "cuorse"], "Unknown corpus 'cuorse'. Nearest: 'course'"),
    (["fetch", "smolm"], "Unknown model 'smolm'. Nearest: 'smollm2-"),
])  # fmt: skip
def test_errors_are_one_line_and_exit_1(argv, message, capsys):
    assert cli.main(argv) == 1
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err


def test_a_folder_for_figures_that_cannot_be_made(toy, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["demo", "--model", "tiny", "--corpus", toy(), "--out", "file/figures"]) == 1
    assert "Cannot write to" in capsys.readouterr().err


def test_ctrl_c_is_quiet_and_exits_130(toy, tmp_path, tiny, capsys):
    def interrupt(*args):
        raise KeyboardInterrupt

    handle = tiny().blocks[0].register_forward_hook(interrupt)
    try:
        assert cli.main(["demo", "--model", "tiny", "--corpus", toy()]) == 130
    finally:
        handle.remove()
    assert "interrupted" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.safetensors")) and not list(tmp_path.rglob("*.png"))


def test_fetch_prints_the_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(m, "fetch", lambda name: tmp_path / name)
    assert cli.main(["fetch"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "smollm2-135m")


# --- doctor ---------------------------------------------------------------------------------------------------


def report():
    lines = []
    return environment.doctor(lines.append), "\n".join(lines)


def test_doctor_finds_nothing_wrong_where_nothing_is(monkeypatch, subject):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"available": 4e9}))
    well, text = report()
    assert text.count("[OK]") == 8, text
    assert well and "[FAIL]" not in text


def test_doctor_names_each_failure_with_its_fix(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(environment.sys, "version_info", (3, 9))
    monkeypatch.setattr(
        environment.importlib.metadata, "requires",
        lambda name: ["numpy>=999", "no-such-package", "ancient; python_version < '3'", "tqdm"],
    )  # fmt: skip
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"available": 5e8}))
    monkeypatch.setattr(v, "shipped_path", lambda *a: tmp_path / "none.safetensors")
    well, text = report()
    assert not well and text.count("[FAIL]") == text.count("Fix: ") == 6
    assert "numpy" in text and "is not >=999" in text and "no-such-package is missing" in text
    assert "ancient" not in text and "cannot be written" in text and "set EMOVEC_CACHE" in text
    assert "0.5 GB of memory free" in text and "run `emovec fetch`" in text and "No vectors at" in text
    assert cli.main(["doctor"]) == 1
    assert "[FAIL]" in capsys.readouterr().out


def test_doctor_counts_the_disk(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path))
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda p: type("D", (), {"free": 2e8}))
    assert "[FAIL] 0.2 GB of disk free" in report()[1]
