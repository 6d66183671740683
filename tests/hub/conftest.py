"""A hub of this machine, tiny models as they lie on the real one, and children that know no other."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ARCHITECTURES, _config
from tests.hub.server import serving

PICTURE = b"\x89PNG\r\n"
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
# What lies on the hub beside a model, and is not to be fetched.
EVERYWHERE = ("README.md", ".gitattributes", "LICENSE", "picture.png")
BESIDE = {
    "llama": ("original/consolidated.00.pth", "original/params.json", "original/tokenizer.model", "USE_POLICY.md"),
    "mistral": ("consolidated.safetensors", "params.json", "tokenizer.model.v3"),
    "qwen3": ("merges.txt.bak", "onnx/model.onnx", "onnx/config.json"),
    "gemma3": ("model.gguf", "preprocessor_config.json"),
    "gemma4": ("preprocessor_config.json", "processor_config.json", "assets/tokenizer.json"),
    "apertus": ("modeling_apertus.py", "training.json"),
    "gpt2": ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "rust_model.ot", "onnx/model.onnx"),
    "gpt_neox": ("pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json"),
}
SHARDED = ("llama", "mistral", "qwen3", "apertus", "gpt_neox")


@pytest.fixture
def hub():
    """A model hub with no model in it."""
    with serving() as hub:
        yield hub


@pytest.fixture
def python(hub, tmp_path):
    """A function that runs code in a process of its own, for which `hub` is the model hub; gives what it printed."""

    def run(code, fails=False, **env):
        done = start(code, **env)
        out, err = done.communicate(timeout=300)
        assert bool(done.returncode) == fails, out + err
        return out + err

    def start(code, **env):
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "EMOVEC_"))}
        kept |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "EMOVEC_CACHE": str(tmp_path / "emovec")}
        kept |= {"NO_PROXY": "127.0.0.1,localhost", "HF_HUB_DISABLE_TELEMETRY": "1"}
        command = [sys.executable, "-c", code]
        return subprocess.Popen(command, env=kept | env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    run.start = start
    return run


@pytest.fixture(scope="session")
def stories():
    """A small corpus: eight emotions, three topics."""
    from emovec_lite.stories import load_corpus

    corpus = load_corpus()
    return [s for s in corpus if s.emotion in corpus.emotions[:8] and s.topic in corpus.topics[:3]]


@pytest.fixture(scope="session")
def checkpoints(stories, tmp_path_factory):
    """Of each architecture: the files that loading it takes, and those that lie beside them on the hub."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    core = ByteLevelBPETokenizer()
    core.train_from_iterator([s.text for s in stories], 400, special_tokens=["<s>", "</s>"], show_progress=False)
    made = {}
    for architecture in ARCHITECTURES:
        torch.manual_seed(0)
        folder = tmp_path_factory.mktemp(architecture)
        config = _config(architecture)
        config.update({"vocab_size": 400, "max_position_embeddings": 512})
        if architecture == "gemma4":
            config.vocab_size_per_layer_input = 400
        hf = AutoModelForCausalLM.from_config(config)
        hf.save_pretrained(folder, max_shard_size="100KB" if architecture in SHARDED else "1GB")
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=core._tokenizer, bos_token="<s>", eos_token="</s>")
        tokenizer.chat_template = None if architecture == "gpt2" else TEMPLATE
        tokenizer.save_pretrained(folder)
        if architecture == "gpt2":  # as of 2019
            core.save_model(str(folder))
        else:
            (folder / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
        needed = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        made[architecture] = needed, {name: PICTURE for name in (*EVERYWHERE, *BESIDE[architecture])}
    return made
