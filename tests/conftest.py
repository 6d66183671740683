"""Tiny random models of every architecture that the registry names, and the real default model."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may wait for a hub

import pytest

from tests import shapes

shapes.install()


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
        spec = ModelSpec(f"tiny-{architecture}", "", "", "0.1M", 4, 0.1, 0.0)
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
def subject():
    """The real default model, fetched and converted if it is not in the cache."""
    from emovec_lite.models import load_model

    return load_model()
