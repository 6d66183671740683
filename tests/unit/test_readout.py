"""A direction is read as it is: in words, in messages, token by token and by degree."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emovec_lite import readout
from emovec_lite.activations import MeanActivations
from emovec_lite.errors import UnknownName
from emovec_lite.readout import SWEEPS, Sweep, graded, implied, logit_lens, token_projections
from emovec_lite.rules import _pattern, lexicon
from emovec_lite.stories import Corpus, Story
from emovec_lite.vectors import Direction, EmotionVectors

# --- Logit lens ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "gpt2", "gpt_neox"])
def test_the_lens_is_norm_and_unembedding_by_hand(tiny, architecture):
    subject = tiny(architecture)
    direction = Direction("x", 2, 7 * torch.randn(32, generator=torch.manual_seed(1)), 1.0)
    normed = direction.vector / direction.vector.norm()
    if architecture.startswith("gpt"):
        normed = (normed - normed.mean()) / normed.std(correction=0) / 32**0.5  # layer norm centres before it scales
    expected = subject.hf.get_output_embeddings().weight @ normed
    lens = logit_lens(subject, direction, k=64)
    by_hand = sorted(((float(x), subject.tokenizer.decode([i])) for i, x in enumerate(expected)), reverse=True)
    np.testing.assert_allclose([x for _, x in lens.top], [x for x, _ in by_hand], atol=1e-4)
    assert [t for t, _ in lens.top] == [t for _, t in by_hand]
    assert lens.bottom == lens.top[::-1]


def test_the_lens_sees_the_scale_of_the_norm_and_not_its_bias(tiny):
    subject = tiny("gpt_neox")
    direction = Direction("x", 2, torch.randn(32, generator=torch.manual_seed(1)), 1.0)
    before = logit_lens(subject, direction)
    norm = subject.final_norm
    weight, bias = norm.weight.data.clone(), norm.bias.data.clone()
    try:
        norm.bias.data += 5 * torch.randn(32, generator=torch.manual_seed(2))
        for (a, x), (b, y) in zip(before.top, logit_lens(subject, direction).top, strict=True):
            assert a == b and x == pytest.approx(y, abs=1e-4)
        norm.weight.data[:16] = 0
        assert logit_lens(subject, direction) != before
    finally:
        norm.weight.data, norm.bias.data = weight, bias


# --- Implied emotion -----------------------------------------------------------------------------------

FEELINGS = tuple(f"f{i:02}" for i in range(20))


def toy_vectors(layers=2, d=30, seed=0):
    means = torch.randn(len(FEELINGS), layers, d, generator=torch.manual_seed(seed))
    means = means - means.mean(dim=0)
    none = torch.zeros(layers, 1, d)
    stories = MeanActivations(torch.zeros(0, layers, d), tuple(range(layers)), torch.zeros(0, d), torch.ones(layers))
    return EmotionVectors(FEELINGS, means, means[:, 0], none[:, 0], none, none[0], torch.ones(layers), stories, {})


def messages(emotions=FEELINGS):
    return Corpus("messages", tuple(Story(f"m {e}", e) for e in emotions))


def read(blocks):
    layers = blocks.shape[1]
    return MeanActivations(
        blocks, tuple(range(layers)), torch.zeros(len(blocks), blocks.shape[-1]), torch.ones(layers)
    )


def test_implied_emotions_are_found_if_what_all_prompts_share_is_taken_off():
    vectors = toy_vectors()
    shared = 50 * vectors.means[3]  # every prompt's last token looks much like emotion 3
    prompts = read(vectors.means + shared)
    centred = implied(prompts, vectors, messages(), permutations=200)
    assert (centred.ranks == 1).all() and centred.p == 1 / 201
    assert centred.top(1).tolist() == [20, 20] and centred.best == (0, 1.0)
    uncentred = implied(prompts, vectors, messages(), centred=False, permutations=200)
    assert uncentred.top(1).tolist() == [1, 1] and uncentred.mean_rank.min() > 5


def test_messages_need_not_come_in_the_order_of_the_emotions():
    vectors = toy_vectors()
    order = [5, 2, 11, 0, 17, 8]
    lengths = torch.linspace(0.2, 5, 20)[:, None, None]  # a long vector has no advantage
    uneven = replace(vectors, means=vectors.means * lengths)
    result = implied(read(vectors.means[order]), uneven, messages([FEELINGS[i] for i in order]), centred=False)
    assert (result.ranks == 1).all()
    with pytest.raises(UnknownName, match="emotion 'g'. Nearest"):
        implied(read(vectors.means[:2]), vectors, messages(["f00", "g"]))


def test_a_tie_earns_nothing():
    vectors = toy_vectors()
    flat = implied(read(torch.ones_like(vectors.means)), vectors, messages(), permutations=99)
    assert (flat.ranks == 20).all() and flat.p == 1


def test_only_denoised_vectors_are_looked_at():
    vectors = toy_vectors()
    axis = torch.eye(30)[:1]
    loud = 100 * axis * torch.randn(20, 1, 1, generator=torch.manual_seed(4))
    noisy = replace(vectors, means=vectors.means + loud, neutral=axis.repeat(2, 1, 1))
    prompts = read(vectors.means + 100 * axis * torch.randn(20, 1, 1, generator=torch.manual_seed(3)))
    assert implied(prompts, noisy, messages(), permutations=9).top(1).min() >= 18


def test_implied_p_is_uniform_on_noise_although_the_best_layer_is_reported():
    ps = []
    for seed in range(100):
        noise = torch.randn(20, 6, 30, generator=torch.manual_seed(seed))
        ps.append(implied(read(noise), toy_vectors(6, seed=1000 + seed), messages(), permutations=99, seed=seed).p)
    assert 0.4 < np.mean(ps) < 0.6 and np.mean(np.array(ps) <= 0.1) < 0.2


# --- Graded emotion ------------------------------------------------------------------------------------


def test_the_sweeps_grade_without_naming():
    assert len(SWEEPS) == 6
    for sweep in SWEEPS:
        assert sweep.message.count("{x}") == 1 and sweep.rises and sweep.falls
        assert len(set(sweep.values)) >= 6 and list(sweep.values) == sorted(sweep.values)
        assert {*sweep.rises, *sweep.falls} <= set(lexicon())
        for emotion in (*sweep.rises, *sweep.falls):
            said = {*lexicon()[emotion]["forms"], *lexicon()[emotion]["synonyms"]}
            assert _pattern(said).search(sweep.message) is None, sweep.message


@pytest.mark.parametrize(("sign", "right"), [(1, 4), (-1, 0)])
def test_graded_counts_signs(tiny, monkeypatch, sign, right):
    sweeps = (
        Sweep("a {x}", (1, 2, 3, 5, 8, 13), ("f00", "f01"), ("f02",)),
        Sweep("b {x}", tuple(range(6)), (), ("f03",)),
    )
    vectors = toy_vectors(d=32)
    directions = {e: vectors.direction(e, 1).vector for e in FEELINGS}
    a, b = directions["f00"] + directions["f01"] - directions["f02"], -directions["f03"]

    def prompts(subject, texts):
        assert texts[:2] == ["a 1", "a 2"] and texts[6] == "b 0"
        rows = [sign * float(t[2:]) * (a if t[0] == "a" else b) for t in texts]
        return read(torch.stack([torch.zeros(len(rows), 32), torch.stack(rows)], dim=1))

    monkeypatch.setattr(readout, "prompt_activations", prompts)
    result = graded(tiny(), vectors, 1, sweeps, randoms=100)
    assert result.right == right and [c[1:] for c in result.checks] == [
        ("f00", 1),
        ("f01", 1),
        ("f02", -1),
        ("f03", -1),
    ]
    assert np.abs(result.rho).tolist() == pytest.approx([1, 1, 1, 1])
    assert np.abs(result.random_rho).min() == pytest.approx(1)  # on a straight line every direction is perfect
    assert 1.5 < result.random_right.mean() < 2.5  # and right half of the time
    assert (result.p < 0.2) == (right == 4)


def test_graded_reads_the_model(tiny):
    vectors = replace(toy_vectors(4, 32), emotions=tuple(sorted(lexicon())[:20]))
    sweeps = (Sweep("w1 w{x} w3", (1, 2, 3, 4, 5, 6), ("afraid",), ("calm",)),)
    result = graded(tiny(), vectors, 2, sweeps, randoms=5)
    assert result.random_rho.shape == (5, 2) and np.abs(result.rho).max() <= 1


# --- At the edges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [np.int64, torch.tensor])
def test_layers_may_be_numpy_or_torch_numbers(tiny, number):
    vectors, corpus = toy_vectors(), messages()
    prompts = read(torch.tensor(np.random.default_rng(0).normal(size=(len(corpus), 2, 30)), dtype=torch.float32))
    found, plain = (implied(prompts, vectors, corpus, [layer], permutations=5) for layer in (number(1), 1))
    assert found.layers == (1,) and type(found.best[0]) is int and (found.ranks == plain.ranks).all()
    wide = toy_vectors(layers=4, d=32)
    one, other = (token_projections(tiny(), wide, "w1 w2 w3", FEELINGS[0], layer) for layer in (number(2), 2))
    assert one[0] == other[0] and np.array_equal(one[1], other[1], equal_nan=True)
    sweep = Sweep("w1 w{x}", (1, 2, 3), (FEELINGS[0],), ())
    one, other = (graded(tiny(), wide, layer, [sweep], 5) for layer in (number(2), 2))
    np.testing.assert_array_equal(one.random_rho, other.random_rho)
