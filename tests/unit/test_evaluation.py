"""Held-out accuracy finds what is there, nothing where there is nothing, and nothing that only a topic betrays."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from emovec_lite import evaluation
from emovec_lite.activations import MeanActivations
from emovec_lite.errors import CorpusError, UnknownName
from emovec_lite.evaluation import (
    SWEEPS,
    Sweep,
    graded,
    held_out,
    implied,
    leak_report,
    logit_lens,
    token_projections,
    topic_interval,
    word_count_hits,
)
from emovec_lite.stories import Corpus, Story, _pattern, lexicon
from emovec_lite.vectors import Direction, EmotionVectors

EMOTIONS, TOPICS = [f"e{i}" for i in range(8)], [f"t{i}" for i in range(6)]


def crossed(text=lambda e, t: f"{e} {t}"):
    return Corpus("toy", tuple(Story(text(e, t), e, t) for e in EMOTIONS for t in TOPICS))


def activations(corpus, emotion=0.0, topic=0.0, noise=1.0, d=40, seed=0):
    rng = np.random.default_rng(seed)
    of_emotion, of_topic = rng.normal(size=(len(EMOTIONS), d)), rng.normal(size=(len(TOPICS), d))
    rows = [emotion * of_emotion[EMOTIONS.index(s.emotion)] + topic * of_topic[TOPICS.index(s.topic)] for s in corpus]
    return np.array(rows) + noise * rng.normal(size=(len(corpus), d))


def test_a_planted_emotion_is_named_on_new_topics():
    corpus = crossed()
    result = held_out(activations(corpus, emotion=2, topic=3), corpus, shuffles=100)
    assert result.accuracy > 0.9 and result.p == 1 / 101
    assert result.chance == 1 / 8
    assert np.quantile(result.shuffled, 0.95) < 0.35


def test_noise_is_not():
    corpus = crossed()
    result = held_out(activations(corpus, topic=3), corpus, shuffles=100)
    assert result.p > 0.05 and abs(result.shuffled.mean() - 1 / 8) < 0.05


def test_a_twin_on_the_same_topic_does_not_help():
    """Two stories a cell that share a vector of their own: with topics held out, the twin is held out as well."""
    corpus = Corpus("twins", tuple(s for s in crossed() for _ in range(2)))
    rng = np.random.default_rng(0)
    own = np.repeat(rng.normal(size=(len(corpus) // 2, 100)), 2, axis=0) + 0.1 * rng.normal(size=(len(corpus), 100))
    assert held_out(own, corpus, shuffles=0).accuracy < 0.3


def test_shuffles_keep_each_topic_its_labels():
    from emovec_lite.evaluation import _folds, _shuffled_within

    _, labels, folds = _folds(crossed())
    shuffled = _shuffled_within(folds, labels, np.random.default_rng(0))
    assert (shuffled != labels).any()
    for fold in np.unique(folds):
        assert sorted(shuffled[folds == fold]) == sorted(labels[folds == fold])


def test_word_counts_find_a_word_that_betrays():
    telling = crossed(lambda e, t: f"a {t} story with a word that says {e} twice {e}")
    assert word_count_hits(telling).mean() == 1
    silent = crossed(lambda e, t: f"a {t} story with no such word")
    assert word_count_hits(silent).mean() == pytest.approx(1 / 8)


def test_topics_are_needed():
    bare = Corpus("bare", tuple(Story(s.text, s.emotion) for s in crossed()))
    with pytest.raises(CorpusError, match="0 topic"):
        held_out(activations(crossed()), bare)
    confounded = Corpus("con", tuple(s for s in crossed() if s.emotion != "e0" or s.topic == "t0"))
    with pytest.raises(CorpusError, match="all stories of 'e0' are on the topic 't0'"):
        held_out(activations(confounded), confounded)


# --- Registers and intervals ---------------------------------------------------------------------------


def with_registers():
    return Corpus("two", tuple(replace(s, register="plain" if s.topic < "t3" else "oblique") for s in crossed()))


def test_what_only_one_register_shows_does_not_carry_over():
    corpus = with_registers()
    plain = np.array([s.register == "plain" for s in corpus])[:, None]
    both = activations(corpus, emotion=2)
    carried = held_out(both, corpus, shuffles=50, by="register")
    assert carried.accuracy > 0.9 and carried.p == 1 / 51
    # Shown in both registers, but by other directions: topics within a register can be told, registers cannot.
    turned = np.where(plain, both, activations(corpus, emotion=2, seed=1))
    assert held_out(turned, corpus, shuffles=0).accuracy > 0.9
    assert held_out(turned, corpus, shuffles=0, by="register").accuracy < 0.3
    with pytest.raises(CorpusError, match=r"0 register\(s\)"):
        held_out(both, crossed(), by="register")


def test_word_counts_are_held_to_the_same_folds():
    telling = Corpus(
        "two", tuple(replace(s, text=f"{s.register}{'abcdefgh'[int(s.emotion[1])]} it was") for s in with_registers())
    )
    assert word_count_hits(telling).mean() == 1
    assert word_count_hits(telling, "register").mean() == pytest.approx(1 / 8)


def test_the_interval_draws_whole_topics():
    topics = np.repeat(np.arange(12), 48)
    assert topic_interval(np.ones(576, dtype=bool), topics) == (1, 1)
    low, high = topic_interval(topics < 6, topics)  # a topic is all right or all wrong: 12 coins, not 576
    assert low < 0.3 and high > 0.7
    low, high = topic_interval(np.arange(576) % 2 == 0, topics)  # half of each topic: nothing to draw
    assert low == high == 0.5


def test_the_interval_covers():
    rng, covered = np.random.default_rng(0), 0
    topics = np.repeat(np.arange(12), 48)
    for seed in range(200):
        share = np.clip(0.4 + 0.1 * rng.normal(size=12), 0, 1)
        low, high = topic_interval(rng.random(576) < share[topics], topics, seed=seed, samples=400)
        covered += low <= 0.4 <= high
    assert 0.85 < covered / 200 <= 0.98  # a little narrow, as it says


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

    monkeypatch.setattr(evaluation, "prompt_activations", prompts)
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


def test_in_the_leak_report_a_name_is_not_read_as_markup():
    odd = ["home sick", "déjà vu", "a|b", "<b>", "$x$", "*x*", "all", "`x`"]
    report = leak_report(Corpus("toy", tuple(Story("w", e, t) for e in odd for t in TOPICS[:3]))).splitlines()[2:]
    assert len(report) == len(odd) + 1
    cells = {re.split(r"(?<!\\)\|", line)[1].strip(): line for line in report[:-1]}
    assert cells.keys() == {"home sick", "déjà vu", r"a\|b", r"\<b>", r"\$x\$", r"\*x\*", "all", r"\`x\`"}
    assert all(re.split(r"(?<!\\)\|", line)[2].strip() == "3" for line in cells.values())
    assert report[-1].startswith(f"| all | {3 * len(odd)} |")
