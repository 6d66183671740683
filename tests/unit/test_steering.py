"""Steering is exact addition at one layer, and leaves nothing behind."""

from dataclasses import replace

import pytest
import torch

from emovec_lite.activations import token_activations
from emovec_lite.errors import EmovecError, UnknownName
from emovec_lite.generation import generate
from emovec_lite.steering import random_directions, steer
from emovec_lite.vectors import Direction
from tests.conftest import ARCHITECTURES

TEXT = "w1 w2 w3 w4 w5"


@pytest.fixture
def direction():
    vector = torch.randn(32, generator=torch.Generator().manual_seed(1))
    return Direction("up", 2, vector / vector.norm(), 5.0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_steered_is_original_plus_strength_times_norm_times_direction(tiny, direction, architecture):
    subject = tiny(architecture)
    plain = token_activations(subject, TEXT)
    with steer(subject, direction, strength=0.5):
        steered = token_activations(subject, TEXT)
    assert torch.equal(steered[:2], plain[:2])
    torch.testing.assert_close(steered[2], plain[2] + 0.5 * 5.0 * direction.vector)
    assert not torch.allclose(steered[3], plain[3])
    assert torch.equal(token_activations(subject, TEXT), plain)


def test_nested_steering_adds_up_and_each_ends_with_its_block(tiny, direction):
    subject = tiny()
    plain = token_activations(subject, TEXT)
    other = replace(direction, vector=direction.vector.flip(0))
    with steer(subject, direction, 1.0):
        with steer(subject, other, -0.5):
            both = token_activations(subject, TEXT)
        one = token_activations(subject, TEXT)
    torch.testing.assert_close(both[2], plain[2] + 5.0 * direction.vector - 2.5 * other.vector)
    torch.testing.assert_close(one[2], plain[2] + 5.0 * direction.vector)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_model_is_as_before_after_an_exception(tiny, direction, error):
    subject = tiny()
    plain = token_activations(subject, TEXT)
    with pytest.raises(error), steer(subject, direction, 1.0):
        raise error
    assert torch.equal(token_activations(subject, TEXT), plain)


def test_directions_that_do_not_fit_are_refused(tiny, direction):
    for layer in (4, "embed"):
        with pytest.raises(UnknownName, match="layer"), steer(tiny(), replace(direction, layer=layer), 1.0):
            pass
    with pytest.raises(EmovecError, match="32 wide"), steer(tiny(), replace(direction, vector=torch.ones(8)), 1.0):
        pass


def test_random_directions_are_a_control_of_the_same_length(direction):
    long = replace(direction, vector=3 * direction.vector)
    drawn = random_directions(long, 4)
    assert [d.vector.norm().item() for d in drawn] == pytest.approx([3.0] * 4)
    assert all((d.layer, d.residual_norm) == (2, 5.0) for d in drawn)
    assert abs(torch.nn.functional.cosine_similarity(drawn[0].vector, drawn[1].vector, dim=0)) < 0.9
    again, other = random_directions(long, 4), random_directions(long, 4, seed=1)
    assert all(torch.equal(a.vector, b.vector) for a, b in zip(drawn, again, strict=True))
    assert not torch.equal(drawn[0].vector, other[0].vector)


def test_generate_continues_greedily_and_steering_changes_it(tiny, direction):
    subject = tiny()
    plain = generate(subject, TEXT, max_new_tokens=8)
    assert plain and plain == generate(subject, TEXT, max_new_tokens=8) and not plain.startswith("w1 w2")
    ids = subject.tokenizer(TEXT, return_tensors="pt")["input_ids"]
    assert plain.split()[0] == subject.tokenizer.decode(subject.hf(ids).logits[0, -1].argmax())
    with steer(subject, direction, 50.0):
        assert generate(subject, TEXT, max_new_tokens=8) != plain
