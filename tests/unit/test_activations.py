"""What is recorded is exactly the residual stream, pooled over exactly the right tokens."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emovec_lite.activations import (
    length_batches,
    mean_activations,
    pad_right,
    prompt_activations,
    reading,
    token_activations,
)
from emovec_lite.errors import ActivationError, EmovecError, UnknownName
from tests.conftest import ARCHITECTURES


def text(n, start=0):
    return " ".join(f"w{(start + i) % 60}" for i in range(n))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_recorded_at_a_layer_is_what_the_next_block_receives(tiny, architecture):
    subject = tiny(architecture)
    received = {}

    def before(layer):
        return lambda module, args, kwargs: received.update({layer: (args or (kwargs["hidden_states"],))[0]})

    handles = [b.register_forward_pre_hook(before(i), with_kwargs=True) for i, b in enumerate(subject.blocks)]
    try:
        recorded = token_activations(subject, text(12))
    finally:
        [h.remove() for h in handles]
    assert recorded.shape == (subject.n_layers, 12, subject.d_model)
    for layer in range(subject.n_layers - 1):
        assert torch.equal(recorded[layer], received[layer + 1][0])
    assert not torch.equal(recorded[-1], recorded[-2])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padded_equals_unpadded(tiny, architecture):
    subject = tiny(architecture)
    texts = [text(40), text(17, 3), text(25, 9), text(9, 30)]
    together = mean_activations(subject, texts, skip=5)
    for i, one in enumerate(texts):
        alone = mean_activations(subject, [one], skip=5)
        torch.testing.assert_close(together.blocks[i], alone.blocks[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together.embed[i], alone.embed[0], rtol=1e-4, atol=1e-6)


def test_pools_the_tokens_after_the_skip_and_no_others(tiny):
    subject = tiny()
    one = text(20)
    tokens = token_activations(subject, one)
    pooled = mean_activations(subject, [one, text(33)], skip=7)
    torch.testing.assert_close(pooled.blocks[0], tokens[:, 7:].mean(dim=1), rtol=1e-4, atol=1e-6)
    ids = torch.tensor(subject.tokenizer(one)["input_ids"])
    embed = subject.hf.get_input_embeddings()(ids)[7:].mean(dim=0)
    torch.testing.assert_close(pooled.embed[0], embed)
    torch.testing.assert_close(pooled.at("embed"), pooled.embed)
    torch.testing.assert_close(pooled.at(2), pooled.blocks[:, 2])


def test_norms_are_the_mean_norm_of_a_read_token(tiny):
    subject = tiny()
    texts = [text(20), text(33, 5), *(text(100, i) for i in range(20))]  # more than one batch
    pooled = mean_activations(subject, texts, skip=7)
    norms = torch.cat([token_activations(subject, t)[:, 7:].norm(dim=-1) for t in texts], dim=1)
    torch.testing.assert_close(pooled.norms, norms.mean(dim=1), rtol=1e-4, atol=1e-5)


def test_order_of_texts_is_kept(tiny):
    subject = tiny()
    texts = [text(n, n) for n in (12, 40, 9, 31, 12, 25)]
    forward, backward = (mean_activations(subject, t, skip=3).blocks for t in (texts, texts[::-1]))
    torch.testing.assert_close(forward, backward.flip(0), rtol=1e-4, atol=1e-5)


def test_batches_hold_every_text_once_and_keep_the_budget():
    lengths = [5, 90, 33, 33, 120, 7, 64, 2000]
    batches = length_batches(lengths, budget=256)
    assert sorted(i for b in batches for i in b) == list(range(len(lengths)))
    assert all(len(b) == 1 or len(b) * max(lengths[i] for i in b) <= 256 for b in batches)
    assert batches[0] == [7]


def test_pads_on_the_right():
    ids, mask = pad_right([[5, 6, 7], [8]], pad_id=0)
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[True] * 3, [True, False, False]]


def test_too_short_a_text_is_named(tiny):
    with pytest.raises(ActivationError, match=r"Text 1 has 5 tokens, and the first 5 are skipped"):
        mean_activations(tiny(), [text(20), text(5)], skip=5)


def test_no_texts_at_all(tiny):
    with pytest.raises(ActivationError, match="No texts to read"):
        mean_activations(tiny(), [])


def test_too_long_a_text_is_named(tiny):
    with pytest.raises(ActivationError, match="Text 0 has 140 tokens; the model takes 128"):
        mean_activations(tiny(), [text(140)], skip=5)


def test_an_empty_text_is_named(tiny):
    for work in (token_activations, lambda subject, empty: mean_activations(subject, [text(20), empty], skip=0)):
        for empty in ("", "  "):
            with pytest.raises(ActivationError, match=r"Text [01] is empty"):
                work(tiny(), empty)


@pytest.mark.parametrize("work", [mean_activations, prompt_activations])
def test_one_text_where_a_list_is_wanted_is_refused(tiny, work):
    with pytest.raises(EmovecError, match=r"'w1 w2' is one text: put it into a list, \[text\]"):
        work(tiny(), "w1 w2")
    with pytest.raises(EmovecError, match="Text 1 is None"):
        work(tiny(), [text(40), None])


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused_with_text_and_layer(tiny, poison):
    subject = tiny()

    def spoil(module, args, output):
        output = output.clone()
        output[-1, 10] = poison  # the last row of the only batch: the shortest text
        return output

    handle = subject.blocks[2].register_forward_hook(spoil)
    try:
        with pytest.raises(ActivationError, match="text 1 are not finite from layer 2 on"):
            mean_activations(subject, [text(30), text(20)], skip=5)
    finally:
        handle.remove()


def test_hooks_are_gone_after_an_interrupt(tiny):
    subject = tiny()
    calls = 0

    def interrupt(module, args, output):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt

    handle = subject.blocks[1].register_forward_hook(interrupt)
    before = [len(m._forward_hooks) for m in subject.hf.modules()]
    try:
        with pytest.raises(KeyboardInterrupt):
            mean_activations(subject, [text(100, i) for i in range(30)], skip=5)
    finally:
        assert [len(m._forward_hooks) for m in subject.hf.modules()] == before
        handle.remove()


def test_hooks_are_gone_after_an_error_in_the_block(tiny):
    subject = tiny()
    with pytest.raises(ZeroDivisionError), reading(subject, lambda layer, residual: None):
        assert any(m._forward_hooks for m in subject.hf.modules())
        raise ZeroDivisionError
    assert not any(m._forward_hooks for m in subject.hf.modules())


def test_reading_does_not_change_the_model(tiny):
    subject = tiny()
    ids = torch.tensor([subject.tokenizer(text(20))["input_ids"]])
    before = subject.hf(ids).logits
    mean_activations(subject, [text(20)], skip=3)
    assert torch.equal(subject.hf(ids).logits, before)


def test_a_layer_that_is_not_held_is_named(tiny):
    pooled = mean_activations(tiny(), [text(20)], skip=3)
    with pytest.raises(UnknownName, match="Unknown layer 9"):
        pooled.at(9)


def test_a_prompt_is_read_at_its_last_token_whatever_its_length(tiny):
    subject = tiny()
    messages = [text(3), text(17, 5), text(1, 30), text(40, 9)]
    read = prompt_activations(subject, messages)
    for i, message in enumerate(messages):
        alone = token_activations(subject, f"User: {message}\n\nAssistant:")
        torch.testing.assert_close(read.blocks[i], alone[:, -1], rtol=1e-4, atol=1e-5)
    ids = subject.chat(messages[0])
    assert torch.allclose(read.embed[0], subject.hf.get_input_embeddings().weight[ids[-1]])
    with pytest.raises(ActivationError):
        prompt_activations(subject, [text(500)])


def test_a_layer_that_is_not_held_is_refused(tiny):
    acts = mean_activations(tiny(), [text(40), text(45)])
    assert acts.held == (0, 1, 2, 3, "embed")
    bare = replace(acts, embed=None)
    assert bare.held == (0, 1, 2, 3)
    for layer in (True, 1.0, "1", None, -1, torch.tensor([1, 2]), [1]):
        with pytest.raises(UnknownName, match="layer"):
            acts.at(layer)
    for layer in (np.int64(2), torch.tensor(2)):
        assert torch.equal(acts.at(layer), acts.blocks[:, 2])
    with pytest.raises(UnknownName, match="layer 'embed'"):
        bare.at("embed")
