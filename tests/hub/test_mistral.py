"""Mistral's classes with weights that mean something: Llama's architecture is theirs too, if their window is off."""

import json

import pytest
import torch

from emovec_lite.activations import mean_activations
from emovec_lite.models import load_model
from emovec_lite.steering import steer
from emovec_lite.vectors import Direction

TEXTS = [
    "The bus had stopped on the bridge, and nobody on it knew why. Two women in the back row began to sing, first "
    "softly, then so loud that the driver turned round and, after a moment, joined in.",
    "She read the letter twice, folded it, and put it back into the drawer with all the others that she had kept.",
]


@pytest.fixture(scope="module")
def mistral(fetched, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mistral")
    for path in fetched.iterdir():
        (folder / path.name).symlink_to(path)
    config = json.loads((fetched / "config.json").read_text())
    config |= {"model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": None}
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config))
    return load_model(folder, device="cpu")


@pytest.fixture(scope="module")
def llama(fetched):
    return load_model(device="cpu")


def logits(subject, text):
    with torch.inference_mode():
        return subject.hf(**subject.tokenizer(text, return_tensors="pt")).logits


def test_mistrals_classes_read_as_llamas_do(llama, mistral):
    assert type(mistral.hf).__name__ == "MistralForCausalLM" and type(llama.hf).__name__ == "LlamaForCausalLM"
    assert mistral.main_layer == llama.main_layer == 19 and mistral.dtype == llama.dtype == torch.float32
    for text in TEXTS:
        torch.testing.assert_close(logits(mistral, text), logits(llama, text))
    assert "bridge" in mistral.tokenizer.decode(mistral.tokenizer("on the bridge")["input_ids"])
    theirs, own = mean_activations(mistral, TEXTS, 5), mean_activations(llama, TEXTS, 5)
    torch.testing.assert_close(theirs.blocks, own.blocks, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("layer", (0, 19, 29))
def test_mistrals_classes_are_steered_as_llamas_are(llama, mistral, layer):
    vector = torch.nn.functional.normalize(torch.randn(llama.d_model, generator=torch.manual_seed(0)), dim=0)
    direction = Direction("some", layer, vector, 20.0)
    plain = logits(llama, TEXTS[0])
    with steer(mistral, direction, 0.4):
        theirs = logits(mistral, TEXTS[0])
    with steer(llama, direction, 0.4):
        own = logits(llama, TEXTS[0])
    torch.testing.assert_close(theirs, own)
    assert not torch.allclose(own, plain, atol=0.1)
    torch.testing.assert_close(logits(mistral, TEXTS[0]), plain)
