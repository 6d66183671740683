"""Ablation leaves nothing of a direction at its layer, and all else as it was."""

from dataclasses import replace

import pytest
import torch

from emovec_lite.activations import token_activations, tokenize
from emovec_lite.errors import EmovecError, UnknownName
from emovec_lite.generation import generate
from emovec_lite.steering import ablate, steer
from emovec_lite.vectors import Direction
from tests.conftest import ARCHITECTURES

TEXT = "w1 w2 w3 w4 w5"


@pytest.fixture
def direction():
    vector = torch.randn(32, generator=torch.Generator().manual_seed(1))
    return Direction("up", 2, vector / vector.norm(), 5.0)


def without(residual, vector):
    unit = vector / vector.norm()
    return residual - (residual @ unit)[:, None] * unit


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_left_is_the_original_without_its_part_along_the_direction(tiny, direction, architecture):
    subject = tiny(architecture)
    plain = token_activations(subject, TEXT)
    assert (plain[2] @ direction.vector).abs().min() > 1e-3
    with ablate(subject, direction):
        ablated = token_activations(subject, TEXT)
    assert torch.equal(ablated[:2], plain[:2])
    torch.testing.assert_close(ablated[2], without(plain[2], direction.vector))
    assert (ablated[2] @ direction.vector).abs().max() < 1e-5 * plain[2].norm(dim=-1).max()
    assert not torch.allclose(ablated[3], plain[3])
    assert torch.equal(token_activations(subject, TEXT), plain)


@pytest.mark.parametrize("factor", [-1, 1e-3, 30])
def test_neither_length_nor_side_nor_norm_of_the_direction_matters(tiny, direction, factor):
    subject = tiny()
    with ablate(subject, direction):
        one = token_activations(subject, TEXT)
    other = replace(direction, vector=factor * direction.vector, residual_norm=0.1)
    with ablate(subject, other):
        torch.testing.assert_close(token_activations(subject, TEXT), one)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_little_more_than_rounding_is_left(tiny, direction, dtype):
    subject = tiny()
    half = replace(subject, hf=subject.hf.to(dtype))
    try:
        plain = token_activations(half, TEXT)
        with ablate(half, direction):
            ablated = token_activations(half, TEXT)
    finally:
        subject.hf.float()
    left = (ablated[2] @ direction.vector).abs() / plain[2].norm(dim=-1)
    assert left.max() < torch.finfo(dtype).eps
    assert torch.equal(ablated[:2], plain[:2])


def test_nested_blocks_act_in_the_order_in_which_they_were_entered(tiny, direction):
    subject = tiny()
    plain = token_activations(subject, TEXT)
    other = replace(direction, vector=direction.vector.flip(0))
    with ablate(subject, direction), steer(subject, direction, 1.0):
        ablated_then_pushed = token_activations(subject, TEXT)[2]
    torch.testing.assert_close(ablated_then_pushed, without(plain[2], direction.vector) + 5.0 * direction.vector)
    with steer(subject, direction, 1.0), ablate(subject, direction):
        pushed_then_ablated = token_activations(subject, TEXT)[2]
    torch.testing.assert_close(pushed_then_ablated, without(plain[2], direction.vector))
    with ablate(subject, direction), ablate(subject, other):
        both = token_activations(subject, TEXT)[2]
    torch.testing.assert_close(both, without(without(plain[2], direction.vector), other.vector))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_direction_can_be_taken_out_of_every_layer(tiny, direction, architecture):
    from contextlib import ExitStack

    subject = tiny(architecture)
    with ExitStack() as stack:
        for layer in range(subject.n_layers):
            stack.enter_context(ablate(subject, replace(direction, layer=layer)))
        left = token_activations(subject, TEXT)
    assert (left @ direction.vector).abs().max() < 1e-4 * left.norm(dim=-1).max()


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "gpt2"])
def test_what_is_generated_is_ablated_at_every_step(tiny, direction, architecture):
    subject = tiny(architecture)
    ids = torch.tensor(tokenize(subject, [TEXT]))
    options = dict(max_new_tokens=6, do_sample=False, return_dict_in_generate=True, output_logits=True)
    with ablate(subject, direction), torch.inference_mode():
        made = subject.hf.generate(ids, **options)
        whole = subject.hf(made.sequences, use_cache=False).logits[:, 4:-1]
    torch.testing.assert_close(torch.stack(made.logits, dim=1), whole, rtol=1e-4, atol=1e-5)


def test_nothing_stays_behind_after_an_exception(tiny, direction):
    subject = tiny()
    plain = generate(subject, TEXT, 8)
    hooks = [dict(m._forward_hooks) for m in subject.hf.modules()]
    with pytest.raises(KeyboardInterrupt), ablate(subject, direction):
        raise KeyboardInterrupt
    assert [dict(m._forward_hooks) for m in subject.hf.modules()] == hooks
    assert not any("_hf_hook" in vars(block) for block in subject.blocks)
    assert generate(subject, TEXT, 8) == plain


def test_what_cannot_be_taken_out_is_refused_at_once(tiny, direction):
    subject = tiny()
    for wrong, error, message in (
        (replace(direction, layer=99), UnknownName, "layer"),
        (replace(direction, layer="embed"), UnknownName, "layer"),
        (replace(direction, vector=torch.zeros(32)), EmovecError, "length 0"),
        (replace(direction, vector=torch.full((32,), float("nan"))), EmovecError, "points nowhere"),
        (replace(direction, vector=torch.ones(7)), EmovecError, "shape"),
    ):
        with pytest.raises(error, match=message), ablate(subject, wrong):
            raise AssertionError("entered")
