"""The chapters with other models than the default: a tiny random one of each architecture."""

import os
import subprocess
import sys

import pytest

from emovec_lite.course.outline import CHAPTERS, repository
from tests.conftest import ARCHITECTURES, _config

LAYERS = dict(zip(ARCHITECTURES, (4, 5, 6, 4, 5, 4, 5, 6), strict=True))
MARKED = ("llama", "mistral", "gemma3", "gemma4", "apertus")  # whose tokenizers begin every text with a mark
# All chapters with all of them (`EMOVEC_ALL=1`) take minutes. Code of a chapter meets that of a model in 01 (its
# blocks and their parts), 02 (batches) and 06 (generating); 04 meets only vectors. GPT-2 is least like the default.
COVERING = dict.fromkeys(ARCHITECTURES, ["01"])
COVERING |= dict.fromkeys(("gemma3", "gemma4", "gpt_neox"), ["01", "02", "06"])
COVERING["gpt2"] = [number for number in CHAPTERS if number != "04"]


def _sized(architecture, vocabulary):
    """The configuration of the tests' tiny model, for real texts, and with layers and widths that differ."""
    config, layers = _config(architecture), LAYERS[architecture]
    sizes = {
        "vocab_size": vocabulary, "vocab_size_per_layer_input": vocabulary, "max_position_embeddings": 1024,
        "n_positions": 1024, "num_hidden_layers": layers, "n_layer": layers, "initializer_range": 0.1,
        "hidden_size": 8 * layers, "n_embd": 8 * layers,
    }  # fmt: skip
    made = config.to_dict()
    made |= {name: size for name, size in sizes.items() if name in made}
    if architecture == "gemma4":
        made["final_logit_softcapping"] = 30.0
    return type(config)(
        **{name: value for name, value in made.items() if name not in ("layer_types", "per_layer_config")}
    )


@pytest.fixture(scope="session")
def words():
    """A tokenizer for real text: the thousand commonest pieces of the course's stories."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    from emovec_lite.stories import load_corpus, load_neutral

    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000, special_tokens=["<pad>", "<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    core.train_from_iterator([*load_corpus().texts, *load_neutral()], trainer)
    return core


@pytest.fixture
def model_folder(words, tmp_path):
    """A function that makes a folder with a tiny random model of an architecture, and its tokenizer."""
    from copy import deepcopy

    import torch
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    def make(architecture):
        core = deepcopy(words)
        if architecture in MARKED:
            core.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=core, pad_token="<pad>", bos_token="<s>", eos_token="</s>", padding_side="left"
        )
        torch.manual_seed(0)
        hf = AutoModelForCausalLM.from_config(_sized(architecture, len(tokenizer)))
        folder = tmp_path / f"tiny-{architecture}"
        hf.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_chapters_run_with_a_model_of_another_architecture(architecture, model_folder, tmp_path):
    chapters = [*CHAPTERS] if "EMOVEC_ALL" in os.environ else COVERING[architecture]
    env = {
        **os.environ, "EMOVEC_MODEL": str(model_folder(architecture)), "EMOVEC_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "emovec_lite.cli", "run", *chapters],
        cwd=repository(), env=env, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    ran = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    assert [*ran] == [CHAPTERS[number].name for number in chapters], done.stdout
