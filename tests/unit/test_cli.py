"""The command line: what it prints, what it writes, and how it fails."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from inspect import unwrap
from pathlib import Path

import pytest

from emovec_lite import cli, environment, stories
from emovec_lite import extraction as v
from emovec_lite import models as m
from emovec_lite.alignment import align
from emovec_lite.errors import EmovecError
from emovec_lite.held_out import carried_over
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

    def corpus(emotions=EMOTIONS, topics=("a", "b", "c"), first=40):
        rows = [
            {"emotion": e, "text": words(first + i, 7 * i + 11 * j), **({"topic": t} if t else {})}
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
        rows = result["geometry"][scale]
        for row in (rows[name] for name in ("pc", "pc1", "ridge", "ridge_main")):
            assert 1 / 51 <= row["p"] <= 1 and re.search(rf"{row['r']:.2f} .*L{row['layer']} .*{row['p']:.4f}", out)
        for name in ("pc", "pc1", "ridge"):
            assert 1 / 51 <= rows["embed"][name]["p"] <= 1 and f"{rows['embed'][name]['r']:.2f}" in out
        assert f"PC{rows['pc']['component']} L{rows['pc']['layer']}" in out
        assert rows["pc1"]["r"] <= rows["pc"]["r"] and rows["pc1"]["p"] >= rows["pc"]["p"]
        assert rows["ridge_main"]["layer"] == 2 and rows["ridge_main"]["r"] <= rows["ridge"]["r"]
        assert rows["ridge_main"]["r"] == rows["by_layer"]["ridge"][2]
    held = result["held_out"]
    assert held["layer"] == 2 and held["chance"] == 1 / 10
    for line, key in (("tiny, layer 2", "accuracy"), ("word counts", "word_counts"), ("chance", "chance")):
        assert re.search(rf"{line}.*{held[key]:.3f}", out)
    assert "Gemma-4-E4B" in out and "For reference, other models" in out
    assert result["carried_over"] is None and result["other_models"] == {} and "told" not in out
    assert "do not say that the model feels" in out
    assert sorted(p.name for p in (tmp_path / "figures").iterdir()) == [
        "circumplex.png", "cosine_map.png", "layers_valence.png",
    ]  # fmt: skip
    assert result["provenance"]["model"] == "tiny" and result["seconds"] > 0 and result["peak_memory_gb"] > 0


def test_demo_uses_the_cache_unless_told_to_recompute(toy, capsys):
    path = toy()
    assert cli.main(["demo", "--model", "tiny", "--corpus", path]) == 0
    out = capsys.readouterr().out
    assert "Computed vectors" in out and "24 stories of 10 emotions read afresh" in out
    assert cli.main(["demo", "--model", "tiny", "--corpus", path, "--json", "-"]) == 0
    captured = capsys.readouterr()
    assert "Loaded kept vectors" in captured.err and json.loads(captured.out)["model"] == "tiny"
    assert cli.main(["demo", "--model", "tiny", "--corpus", path, "--recompute", "--json"]) == 0
    captured = capsys.readouterr()
    assert "Loaded" not in captured.err and "about 4 minutes" in captured.err and "token embeddings" in captured.err
    assert "read afresh" not in captured.err
    assert (result := json.loads(captured.out))["model"] == "tiny" and result["afresh"] is None


def altered(path, change):
    """A file of vectors with its single stories changed."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, framework="pt") as file:
        meta, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    tensors["story_blocks"] = change(tensors["story_blocks"]).contiguous()
    save_file(tensors, path, metadata=meta)


def test_stories_are_read_afresh_and_altered_ones_do_not_agree(toy, tmp_path, capsys):
    demo = ["demo", "--model", "tiny", "--corpus", toy(), "--json", "r.json"]
    assert cli.main(demo) == 0
    found = json.loads((tmp_path / "r.json").read_text())["afresh"]
    assert found["stories"][0] == 0 and found["stories"][-1] == 29 and len(found["stories"]) == 24
    assert found["emotions"] == 10 and found["layers"] == [0, 1, 2, 3] and found["dtypes"] == ["float32"]
    assert 0.9999 < found["smallest_cosine"] < 1.0001 and found["agree"] is True
    assert "24 stories of 10 emotions read afresh, layers 0, 1, 2, 3" in (out := capsys.readouterr().out)
    assert "they agree" in out and "DO NOT AGREE" not in out

    kept, drawn = next(tmp_path.rglob("*.safetensors")), found["stories"][5]

    def half_of_one_story_is_gone(blocks):
        blocks[drawn, 3, ::2] = 0
        return blocks

    altered(kept, half_of_one_story_is_gone)
    assert cli.main(demo) == 0
    found = json.loads((tmp_path / "r.json").read_text())["afresh"]
    assert 0.3 < found["smallest_cosine"] < 0.99 and found["agree"] is False
    assert "DO NOT AGREE" in capsys.readouterr().out


def test_where_activations_are_rounded_the_cosine_is_given_without_a_verdict(toy, tmp_path, monkeypatch, capsys):
    demo = ["demo", "--model", "tiny", "--corpus", toy(), "--json", "r.json"]
    assert cli.main(demo) == 0 and "they agree" in capsys.readouterr().out
    monkeypatch.setattr(m.Subject, "dtype", "torch.bfloat16")
    assert cli.main(demo) == 0
    assert json.loads((tmp_path / "r.json").read_text())["afresh"]["agree"] is None
    assert "no verdict" in (out := capsys.readouterr().out) and "bfloat16 and float32" in out
    assert "they agree" not in out


def test_a_sample_steered_beside_an_unsteered_and_a_random_one(toy, tmp_path, tiny, capsys):
    from emovec_lite.generation import generate

    assert cli.main(["demo", "--model", "tiny", "--corpus", toy(), "--json", "r.json"]) == 0
    sample, out = json.loads((tmp_path / "r.json").read_text())["sample"], capsys.readouterr().out
    plain, steered, random = sample["texts"]
    assert sample["emotion"] == steered["direction"] == ("happy" if "happy" in EMOTIONS else sorted(EMOTIONS)[0])
    assert [text["strength"] for text in sample["texts"]] == [0, 0.25, 0.25] and sample["layer"] == 2
    how = {"temperature": sample["temperature"], "seed": sample["seed"]}
    assert plain["text"] == generate(tiny(), sample["opening"], sample["tokens"], **how)
    assert len({text["text"] for text in sample["texts"]}) == 3
    assert "no evidence" in out and "a random direction, strength 0.25" in out and "unsteered (" in out
    assert all(f"repetition {text['repetition']:.2f}" in out for text in sample["texts"])


def test_a_sample_that_cannot_be_written_is_a_note(toy, monkeypatch, capsys):
    def refuse(*args, **options):
        raise EmovecError("the logits are not finite")

    monkeypatch.setattr("emovec_lite.generation.generate", refuse)
    assert cli.main(["demo", "--model", "tiny", "--corpus", toy()]) == 0
    out = capsys.readouterr().out
    assert "Note: no sample: the logits are not finite" in out and "One sample" not in out


@pytest.fixture
def shipping(toy, tiny, tmp_path, monkeypatch):
    """Two models' vectors of a tiny corpus that is the course's, and of told stories of it; the file of each."""
    path = toy()
    monkeypatch.setitem(stories.CORPORA, "shown", Path(path))
    monkeypatch.setitem(stories.CORPORA, "told", Path(path).with_name("told.jsonl"))
    rows = [json.loads(line) | {"topic": f"t{i % 2}"} for i, line in enumerate(Path(path).read_text().splitlines())]
    stories.CORPORA["told"].write_text("\n".join(json.dumps(row) for i, row in enumerate(rows) if i % 3 < 2))
    monkeypatch.setattr(v, "DATA", tmp_path)
    files = {}
    for name in ("tiny", "smollm2-135m"):
        weights = m.MODELS[name].gguf_sha256 or tiny().weights_sha256
        made = replace(tiny(), spec=m.MODELS[name], weights_sha256=weights)
        for corpus in map(stories.load_corpus, ("shown", "told")):
            files[name, corpus.name] = v.shipped_path(name, corpus)
            v.extract(made, corpus).save(files[name, corpus.name], story_layers=[2], story_embed=name == "tiny")
    return files


def test_other_models_stand_beside_with_the_course_s_corpus(shipping, tmp_path, capsys):
    demo = ["demo", "--model", "tiny", "--json", "r.json"]
    assert cli.main(demo) == 0
    result, out = json.loads((tmp_path / "r.json").read_text()), capsys.readouterr().out
    assert "Loaded shipped vectors" in out and result["afresh"]["agree"] and result["afresh"]["layers"] == [2]
    assert [*result["other_models"]] == ["smollm2-135m"] and not result["notes"]
    other = result["other_models"]["smollm2-135m"]
    assert other["geometry"] == result["geometry"] and other["provenance"]["model"] == "smollm2-135m"
    assert len(re.findall(r"^(tiny|smollm2-135m) .*PC\d L\d", out, re.M)) == 4  # both, for two scales
    told = result["carried_over"]
    shown, new = (v.EmotionVectors.load(shipping["tiny", name]).stories.at(2).numpy() for name in ("shown", "told"))
    expected = carried_over(shown, stories.load_corpus(), new, stories.load_corpus("told"))
    assert (told["accuracy"], told["word_counts"]) == (expected.accuracy, expected.word_counts)
    assert other["carried_over"] == {**told, "embed": None} and told["layer"] == 2
    assert re.search(rf"embeddings +{result['held_out']['embed']:.3f} +{told['embed']:.3f}\n", out)
    assert "shown to told" in out and told["accuracy"] > told["chance"] == 1 / 10
    assert re.search(rf"tiny, layer 2 .*{result['held_out']['accuracy']:.3f}  .*{told['accuracy']:.3f}  p", out)
    assert re.search(rf"smollm2-135m, layer 2 +{told['accuracy']:.3f}  p", out)

    (copied := tmp_path / "mine.jsonl").write_bytes((tmp_path / "corpus.jsonl").read_bytes()[:-200])
    copied.write_text("\n".join(copied.read_text().splitlines()[:-1]))
    assert cli.main([*demo, "--corpus", str(copied)]) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["other_models"] == {} and result["carried_over"] is None


def test_what_is_not_shipped_or_damaged_is_left_out_and_the_damage_told(shipping, tmp_path, capsys):
    demo = ["demo", "--model", "tiny", "--json", "r.json"]
    shipping["tiny", "told"].unlink()
    shipping["smollm2-135m", "told"].write_bytes(b"damaged")
    assert cli.main(demo) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["carried_over"] is None and result["other_models"]["smollm2-135m"]["carried_over"] is None
    assert "told stories are left out" in str(result["notes"]) and "shown to told" not in capsys.readouterr().out
    shipping["smollm2-135m", "shown"].write_bytes(b"damaged")
    assert cli.main(demo) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["other_models"] == {} and "smollm2-135m is not shown beside" in str(result["notes"])


def test_lines_stay_readable_with_all_models_that_are_shipped(shipping, tmp_path):
    from emovec_lite.demo_table import table

    assert cli.main(["demo", "--model", "tiny", "--json", "r.json"]) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    result["other_models"] = dict.fromkeys(["qwen2.5-coder-1.5b"], result["other_models"]["smollm2-135m"])
    result["provenance"]["model"] = "HuggingFaceTB--SmolLM2-360M"
    assert max(map(len, table(result).splitlines())) <= 100


def test_demo_says_what_a_corpus_cannot_give(toy, capsys):
    assert cli.main(["demo", "--model", "tiny", "--corpus", toy([*EMOTIONS, "zestful", "wistful"], ("",))]) == 0
    out = capsys.readouterr().out
    assert "2 emotions have no human rating" in out and "no held-out accuracy" in out and "ridge" in out
    assert cli.main(["demo", "--model", "tiny", "--corpus", toy(["zestful", "wistful", *EMOTIONS[:3]])]) == 0
    out = capsys.readouterr().out
    assert "no correlations: Only 3 of 5 emotions" in out and "tiny, layer 2" in out


@pytest.mark.parametrize("argv, message", [
    (["demo", "--corpus", "shwon"], "Unknown corpus 'shwon'. Nearest: 'shown'"),
    (["fetch", "smolm"], "Unknown model 'smolm'. Nearest: 'smollm2-"),
])  # fmt: skip
def test_errors_are_one_line_and_exit_1(argv, message, capsys):
    assert cli.main(argv) == 1
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err


@pytest.mark.parametrize("options", [
    ["--out", "file/figures"], ["--out", "file"], ["--json", "file/r.json"], ["--json", "folder"],
    ["--out", "n" * 300], ["--json", "n" * 300],
])  # fmt: skip
def test_where_results_cannot_be_written_is_said_before_anything_is_computed(
    toy, tmp_path, monkeypatch, capsys, options
):
    monkeypatch.setattr("emovec_lite.demo._subject", lambda *args: pytest.fail("began to compute"))
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    assert cli.main(["demo", "--model", "tiny", "--corpus", toy(), *options]) == 1
    assert "Cannot write to" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_may_not_be_written_is_found_out_as_well(toy, tmp_path, monkeypatch, capsys):
    def refuse(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("emovec_lite.demo.tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("emovec_lite.demo._subject", lambda *args: pytest.fail("began to compute"))
    assert cli.main(["demo", "--model", "tiny", "--corpus", toy()]) == 1
    assert "Cannot write to emovec-demo: Permission denied" in capsys.readouterr().err


def test_folders_for_results_are_made_and_a_tilde_is_the_home_folder(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    where = ["--out=~/a/figures", "--json=~/b/r.json"]
    assert cli.main(["demo", "--model", "tiny", "--corpus", toy(), *where]) == 0
    result = json.loads((tmp_path / "home" / "b" / "r.json").read_text())
    assert all((tmp_path / "home" / "a" / "figures" / name).is_file() for name in ("cosine_map.png",))
    assert all(figure.startswith(str(tmp_path / "home" / "a" / "figures")) for figure in result["figures"])


def test_a_demo_that_fails_leaves_no_empty_result_and_an_old_one_as_it_was(toy, tmp_path):
    (tmp_path / "old.json").write_text("old")
    for name in ("new.json", "old.json"):
        assert cli.main(["demo", "--model", "no-model", "--corpus", toy(), "--json", name]) == 1
    assert not (tmp_path / "new.json").exists() and (tmp_path / "old.json").read_text() == "old"


def test_short_stories_are_left_out_and_a_smaller_skip_reads_them_all(toy, tmp_path, capsys):
    path = toy(first=30)  # of the first emotion each story has 30 tokens, of the next 31, and so on
    demo = ["demo", "--model", "tiny", "--corpus", path, "--json"]
    assert cli.main(demo) == 1
    error = f"all stories of {EMOTIONS[0]!r} have at most 30 tokens"
    assert error in (said := capsys.readouterr().err) and "a skip of at most 29 (`emovec demo --skip`)" in said
    assert cli.main([*demo, "-", "--skip", "29"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["corpus"]["stories"] == 30 and result["provenance"]["skip"] == "29" and not result["notes"]

    rows = [json.loads(line) for line in Path(path).read_text().splitlines()[3:]]  # without the first emotion
    rows[4]["text"], rows[7]["text"] = "w1 w2", "w3"
    Path(path).write_text("\n".join(map(json.dumps, rows)))
    for how in ("Computed", "Loaded kept"):
        assert cli.main([*demo, "-"]) == 0
        captured = capsys.readouterr()
        assert how in captured.err
        result = json.loads(captured.out)
        assert result["corpus"]["stories"] == 25 and json.loads(result["provenance"]["left_out"]) == [4, 7]
        assert "2 of 27 stories have at most 30 tokens and were left out" in result["notes"]
        assert 0 <= result["held_out"]["accuracy"] <= 1
        if how == "Computed":
            assert "were left out: lines 5, 8" in captured.err


ODD_NAMES = ["home sick", "déjà vu", 'a"b', "<b>", "$x$", "none", "😀", "x" * 300]


@pytest.mark.parametrize("rated", [0, 1, 8])
def test_demo_takes_emotions_of_any_name_rated_or_not(toy, tmp_path, capsys, rated):
    path = toy([*EMOTIONS[:rated], *ODD_NAMES])
    assert cli.main(["demo", "--model", "tiny", "--corpus", path, "--out", "figures", "--json", "-"]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert ("valence" in result["geometry"]) == (rated == 8) == ("circumplex" in str(result["figures"]))
    few = f"no correlations: Only {rated} of {rated + 8} emotions have a human rating"
    assert ("8 emotions have no human rating" if rated == 8 else few) in captured.err
    assert result["held_out"]["chance"] == 1 / (rated + 8) and "Warning" not in captured.err
    assert (tmp_path / "figures" / "cosine_map.png").is_file()


# --- What is printed where ------------------------------------------------------------------------------------


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
    def fetch(name):
        print("Fetching")
        return tmp_path / name

    monkeypatch.setattr(m, "fetch", fetch)
    assert cli.main(["fetch"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'smollm2-135m'}\n" and captured.err == "Fetching\n"


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


# --- Consoles that cannot print everything ----------------------------------------------------------------------

SESSION = """
from emovec_lite import cli
from emovec_lite.course import check, checking, progress, quizzes
from emovec_lite.stories import Corpus, Story, long_enough
check("2.1")
for status in ("passed", "not yet"):
    print(checking.Outcome("2.1", status, "Łódź"))
progress()
for question in quizzes.questions().values():
    print(quizzes.as_text(question))
long_enough(Corpus("c", (Story("a", "é"), Story("a", "é"), Story("a", "b"))), [1, 9, 9], 5)
print(cli.main(["demo", "--corpus", "Łódź ✓.jsonl"]))
print(cli.main(["run", "00"]))
"""


def test_nothing_ends_in_a_console_that_cannot_print_a_mark(tmp_path):
    """A session whose output is not UTF-8, as in a pipe on Windows: checks, progress, quizzes, commands."""
    import nbformat

    for folder in ("solutions", "emovec_lite"):
        (tmp_path / folder).mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("raise ValueError('✗ Łódź')")])
    nbformat.write(notebook, tmp_path / "solutions" / "00_first_taste.ipynb")
    sessions = {}
    for encoding in ("ascii", "cp1252"):
        env = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
        sessions[encoding] = subprocess.Popen(
            [sys.executable, "-c", SESSION], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    for encoding, session in sessions.items():
        out, err = (text.decode(encoding) for text in session.communicate())
        assert session.returncode == 0, err
        assert "2.1 ? not yet:" in out and "2.1 ? ?" in out and "chapter " in out and "were left out" in out
        assert "No corpus file at" in err and "failed: code cell 0: ValueError: ? ?" in out
