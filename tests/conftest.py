"""How tests share the machine; tiny random models of the registry's architectures, and the real default model."""

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may wait for a hub
if "PYTEST_XDIST_WORKER" in os.environ:  # a thread for each worker, and for each kernel that it starts
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from tests import shapes

shapes.install()

SLOWEST = ("colab", "browser", "notebooks")
WORKER_GB = 3  # a worker with the model, and a kernel


def pytest_xdist_auto_num_workers(config):
    """A worker a core if a folder is to be tested; files and single tests run in this process."""
    import psutil

    if not any(Path(argument).is_dir() for argument in config.args):
        return 0
    workers = min(psutil.cpu_count(), int(psutil.virtual_memory().total / 1e9 / WORKER_GB))
    return workers if workers > 1 else 0


def pytest_xdist_setupnodes():
    """Once and not in each worker: a conversion takes a minute and 1.7 GB. If it fails, the tests say why."""
    from emovec_lite.errors import EmovecError
    from emovec_lite.models import fetch

    with suppress(EmovecError):
        fetch()


def pytest_collection_modifyitems(items):
    """Long tests begin early, so that no worker is left with one when the others are done."""
    parts = (*SLOWEST, "")
    items.sort(key=lambda item: next(i for i, part in enumerate(parts) if item.nodeid.startswith(f"tests/{part}")))


def pytest_terminal_summary(terminalreporter):
    """How many tests each part has, and the seconds that they took together; workers' seconds overlap."""
    seconds, tests = defaultdict(float), defaultdict(set)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                part = report.nodeid.split("/")[1]
                seconds[part] += report.duration
                tests[part].add(report.nodeid)
    if len(tests) > 1:
        terminalreporter.section("seconds of each part")
        for part in sorted(tests, key=seconds.get, reverse=True):
            terminalreporter.line(f"{part:<12}{len(tests[part]):>5} tests {seconds[part]:>7.0f} s")


@pytest.fixture(scope="session")
def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<s>", "</s>", "<unk>", *(f"w{i}" for i in range(60))]
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        padding_side="left",  # as Gemma's: the library must pad right whatever the tokenizer says
    )  # fmt: skip


def _config(architecture):
    import transformers as t

    small = dict(
        vocab_size=64, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, max_position_embeddings=128
    )
    gated = dict(small, intermediate_size=64, num_key_value_heads=2, head_dim=8, pad_token_id=0)
    match architecture:
        case "llama":
            return t.LlamaConfig(**gated)
        case "mistral":
            return t.MistralConfig(**gated)
        case "qwen3":
            return t.Qwen3Config(**gated)
        case "gemma3":
            return t.Gemma3TextConfig(**gated, sliding_window=16)
        case "gemma4":
            return t.Gemma4TextConfig(
                **gated, sliding_window=16, vocab_size_per_layer_input=64, hidden_size_per_layer_input=8
            )
        case "apertus":
            return t.ApertusConfig(**gated)
        case "gpt2":
            return t.GPT2Config(vocab_size=64, n_embd=32, n_layer=4, n_head=4, n_positions=128)
        case "gpt_neox":
            return t.GPTNeoXConfig(**small, intermediate_size=64)


ARCHITECTURES = ("llama", "mistral", "qwen3", "gemma3", "gemma4", "apertus", "gpt2", "gpt_neox")


@pytest.fixture(scope="session")
def tiny(tokenizer):
    """A function that gives a `Subject` over a tiny random model of an architecture, the same one each time."""
    from functools import cache

    import torch
    from transformers import AutoModelForCausalLM

    from emovec_lite.models import ModelSpec, Subject

    @cache
    def make(architecture="llama"):
        torch.manual_seed(0)
        hf = AutoModelForCausalLM.from_config(_config(architecture)).eval().requires_grad_(False)
        spec = ModelSpec(f"tiny-{architecture}", parameters=10**5, layers=4)
        return Subject(spec, hf, tokenizer, "tiny")

    return make


@pytest.fixture(scope="session")
def tiny_with_bos(tiny):
    """The tiny Llama with a tokenizer that puts a mark at the beginning of every text, as Gemma's and Llama's do."""
    from copy import deepcopy
    from dataclasses import replace

    from tokenizers.processors import TemplateProcessing

    marking = deepcopy(tiny().tokenizer)
    marking.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    assert marking("w1")["input_ids"] == [1, 5]
    return replace(tiny(), tokenizer=marking)


@pytest.fixture(scope="session")
def fetched():
    """The files of the default model, fetched and converted if they are not in the cache."""
    from emovec_lite.models import fetch

    return fetch()


@pytest.fixture(scope="session")
def subject(fetched):
    """The real default model."""
    from emovec_lite.models import load_model

    return load_model()
