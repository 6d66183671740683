"""What a model writes, whole or in pieces, and what it makes of a text."""

import threading
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers.utils import ModelOutput

from emovec_lite import generation
from emovec_lite.activations import token_activations, tokenize
from emovec_lite.effects import TEMPERATURE, sampled, word_odds
from emovec_lite.errors import ActivationError, EmovecError
from emovec_lite.generation import generate, next_tokens, perplexity, stream, with_prompts, write
from emovec_lite.steering import steer
from emovec_lite.vectors import Direction
from tests.conftest import ARCHITECTURES

TEXT = "w1 w2 w3 w4 w5"


@pytest.fixture
def direction():
    vector = torch.randn(32, generator=torch.Generator().manual_seed(1))
    return Direction("up", 2, vector / vector.norm(), 5.0)


def test_generate_continues_greedily_and_steering_changes_it(tiny, direction):
    subject = tiny()
    plain = generate(subject, TEXT, max_new_tokens=8)
    assert plain and plain == generate(subject, TEXT, max_new_tokens=8) and not plain.startswith("w1 w2")
    ids = subject.tokenizer(TEXT, return_tensors="pt")["input_ids"]
    assert plain.split()[0] == subject.tokenizer.decode(subject.hf(ids).logits[0, -1].argmax())
    with steer(subject, direction, 50.0):
        assert generate(subject, TEXT, max_new_tokens=8) != plain


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("positions", ["all", "generated", slice(3, 9)])
def test_a_stream_is_what_generate_gives_steered_or_not(tiny, direction, architecture, positions):
    subject = tiny(architecture)
    assert "".join(stream(subject, TEXT, 12)) == generate(subject, TEXT, 12)
    with steer(subject, direction, 3.0, positions):
        pieces = list(stream(subject, TEXT, 12))
        assert "".join(pieces) == generate(subject, TEXT, 12)
    assert len(pieces) > 1


def test_a_stream_runs_only_when_it_is_asked(tiny):
    subject, passes = tiny(), []
    handle = subject.blocks[0].register_forward_hook(lambda *args: passes.append(1))
    try:
        pieces = stream(subject, TEXT, 12)
        assert not passes
        next(pieces)
        assert len(passes) == 1
        next(pieces)
        pieces.close()
        assert len(passes) == 2
    finally:
        handle.remove()


def test_two_streams_take_turns_one_of_them_steered(tiny, direction):
    subject = tiny()
    with steer(subject, direction, 5.0):
        wanted = "".join(stream(subject, TEXT, 8))
    steered, plain, got = stream(subject, TEXT, 8), stream(subject, TEXT, 8), ["", ""]
    for _ in range(8):
        with steer(subject, direction, 5.0):
            got[0] += next(steered, "")
        got[1] += next(plain, "")
    assert got == [wanted, generate(subject, TEXT, 8)] and got[0] != got[1]


def test_a_stream_ends_with_the_end_of_text_and_never_shows_half_a_letter(tiny, monkeypatch):
    subject = tiny()
    whole = generate(subject, TEXT, 6)
    third = tokenize(subject, [whole])[0][2]
    monkeypatch.setattr(subject.hf.generation_config, "eos_token_id", [third, 63])
    assert "".join(stream(subject, TEXT, 6)) == generate(subject, TEXT, 6)
    assert generate(subject, TEXT, 6).split() == whole.split()[:3]

    halves = {5: "", 6: "\ufffd", 7: "é", 8: "é\ufffd"}  # the prompt has five
    monkeypatch.setattr(subject.hf.generation_config, "eos_token_id", None)
    monkeypatch.setattr(subject.tokenizer, "decode", lambda ids, **_: halves[len(ids)])
    assert list(stream(subject, TEXT, 3)) == ["é", "\ufffd"]


def test_samples_depend_on_their_generator_and_not_on_their_company(tiny):
    subject = tiny()
    prompts = tokenize(subject, [TEXT, "w9 w8", TEXT])

    def draws(*seeds):
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    together = write(subject, prompts, 10, generators=draws(1, 2, 3))
    assert together == [
        write(subject, [p], 10, generators=draws(s))[0] for p, s in zip(prompts, (1, 2, 3), strict=True)
    ]
    assert together[0] != together[2] != generate(subject, TEXT, 10)
    cold = write(subject, prompts, 10, generators=draws(1, 2, 3), temperature=1e-4)
    assert cold == write(subject, prompts, 10) and cold[0] == generate(subject, TEXT, 10)


def test_each_token_of_a_sample_is_picked_by_a_random_number_of_its_own(tiny):
    subject, (ids,) = tiny(), tokenize(tiny(), [TEXT])
    draws, wanted = torch.rand(10, generator=torch.Generator().manual_seed(3)), []
    for draw in draws:
        shares = (subject.hf(torch.tensor([ids + wanted])).logits[0, -1] / 0.7).softmax(dim=-1).cumsum(dim=-1)
        wanted.append(int((shares <= draw * shares[-1]).sum()))
    (text,) = write(subject, [ids], 10, temperature=0.7, generators=[torch.Generator().manual_seed(3)])
    assert text.split() == subject.tokenizer.decode(wanted, skip_special_tokens=True).split() and len(set(wanted)) > 3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_sampled_stream_is_what_generate_gives_by_the_same_seed(tiny, direction, architecture):
    subject, settings = tiny(architecture), {"temperature": TEMPERATURE, "seed": 3}
    plain = generate(subject, TEXT, 12, **settings)
    assert "".join(stream(subject, TEXT, 12, **settings)) == plain == sampled(subject, [TEXT], [3], 12)[0]
    assert len({plain, generate(subject, TEXT, 12, temperature=TEMPERATURE), generate(subject, TEXT, 12)}) == 3
    with steer(subject, direction, 0.0):  # the same random numbers, steered or not
        assert "".join(stream(subject, TEXT, 12, **settings)) == plain
    with steer(subject, direction, 3.0):
        pieces = list(stream(subject, TEXT, 12, **settings))
        assert "".join(pieces) == generate(subject, TEXT, 12, **settings)
    assert len(pieces) > 1


def test_a_stream_is_greedy_unless_asked_for_samples(tiny):
    subject = tiny()
    greedy = generate(subject, TEXT, 12)
    assert "".join(stream(subject, TEXT, 12)) == greedy == generate(subject, TEXT, 12, temperature=0, seed=9)
    assert "".join(stream(subject, TEXT, 12, temperature=1e-4, seed=9)) == greedy


@pytest.mark.parametrize("temperature", [-0.7, float("nan"), float("inf"), 1e-40])
def test_a_temperature_that_is_none_is_refused(tiny, temperature):
    for work in (generate, lambda *args, **settings: list(stream(*args, **settings))):
        with pytest.raises(EmovecError, match=rf"temperature is {temperature}\. Take 0 .* such as 0\.7"):
            work(tiny(), TEXT, 4, temperature=temperature)


def test_perplexity_is_exp_of_the_mean_surprise_at_a_texts_own_tokens(tiny):
    subject = tiny()
    texts, prompts = [" w5 w6 w7", " w9", " w1 w2 w3 w4"], ["w1 w2", "w3 w4 w5 w6 w7 w8", ""]
    wanted = []
    for text, prompt in zip(texts, prompts, strict=True):
        ids = subject.tokenizer(prompt + text, return_tensors="pt")["input_ids"]
        logs = subject.hf(ids).logits[0].log_softmax(dim=-1)
        first = max(len(prompt.split()), 1)
        wanted.append(np.exp(-np.mean([logs[i - 1, ids[0, i]].item() for i in range(first, ids.shape[1])])))
    np.testing.assert_allclose(perplexity(subject, texts, prompts), wanted, rtol=1e-4)
    np.testing.assert_allclose(perplexity(subject, texts[2:]), wanted[2:], rtol=1e-4)
    assert np.isnan(perplexity(subject, ["", "w1"], ["w1 w2", ""])).all()


def test_a_mark_of_the_beginning_belongs_to_no_text(tiny_with_bos, monkeypatch):
    subject = tiny_with_bos
    assert "".join(stream(subject, TEXT, 6)) == generate(subject, TEXT, 6)
    tokens, first = with_prompts(subject, [" w5", "w5"], ["w1 w2", ""])
    assert [ids[i:] for ids, i in zip(tokens, first, strict=True)] == [[9], [9]]
    assert [len(ids) for ids in tokens] == [4, 2]


def test_the_space_before_the_first_word_is_kept(tiny, monkeypatch):
    """Some tokenizers' decoders drop it: a text must go on from its prompt as it was written."""
    subject, decode = tiny(), tiny().tokenizer.decode
    monkeypatch.setattr(subject.tokenizer, "decode", lambda ids, **kw: decode(ids, **kw).lstrip())
    for text in (generate(subject, TEXT, 4), "".join(stream(subject, TEXT, 4))):
        assert text.startswith(" ") and tokenize(subject, [TEXT + text])[0][:5] == tokenize(subject, [TEXT])[0]


def test_where_a_text_begins_after_its_prompt(subject):
    """With the real tokenizer: a text that goes on inside a word takes the word's token with it."""
    tokens, first = with_prompts(subject, [" broke down.", "es came."], ["The bus", "The bus"])
    assert [subject.tokenizer.decode(ids[i:]) for ids, i in zip(tokens, first, strict=True)][0] == " broke down."
    assert (first[0], first[1]) == (2, 1) and subject.tokenizer.decode(tokens[1]) == "The buses came."


@pytest.mark.parametrize("name", ["past_key_values", "cache", None])
def test_a_stream_hands_the_cache_back_by_the_name_it_came_by_or_reads_all_anew(tiny, monkeypatch, name):
    subject, lengths = tiny(), []
    wanted, forward = generate(subject, TEXT, 6), subject.hf.forward

    def other(input_ids, **options):
        lengths.append(input_ids.shape[1])
        kept = {"past_key_values": options.pop(name)} if name in options else {}
        out = forward(input_ids, **options, **kept)
        kept = {} if name is None else {name: out.past_key_values}
        return ModelOutput(logits=out.logits, **kept)

    monkeypatch.setattr(subject.hf, "forward", other)
    assert "".join(stream(subject, TEXT, 6)) == wanted
    assert lengths == ([5, 6, 7, 8, 9, 10] if name is None else [5, 1, 1, 1, 1, 1])


WORKS = {
    "generate": lambda subject: generate(subject, TEXT, 4),
    "stream": lambda subject: next(stream(subject, TEXT, 4)),
    "sampled stream": lambda subject: next(stream(subject, TEXT, 4, temperature=0.7)),
    "write": lambda subject: write(subject, [[5, 6]], 4, generators=[torch.Generator()]),
    "perplexity": lambda subject: perplexity(subject, [TEXT]),
    "word_odds": lambda subject: word_odds(subject, ["w7"], ["w1", "w2 w3"]),
}


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_refused(tiny, work, poison):
    subject = tiny()

    def spoil(module, args, output):
        output[..., 7] = poison

    handle = subject.hf.get_output_embeddings().register_forward_hook(spoil)
    try:
        with pytest.raises(EmovecError, match="not finite.*EMOVEC_DTYPE=float32.*smaller strength"):
            work(subject)
    finally:
        handle.remove()
    assert work(subject) is not None


def test_a_token_ruled_out_is_no_fault_of_the_logits(tiny, monkeypatch):
    subject = tiny()
    (first,) = tokenize(subject, [generate(subject, TEXT, 1)])[0]
    monkeypatch.setattr(subject.hf.generation_config, "eos_token_id", first)
    assert write(subject, tokenize(subject, [TEXT]), 6, min_new_tokens=4)[0]
    monkeypatch.setattr(subject.hf.generation_config, "suppress_tokens", [first])
    assert generate(subject, TEXT, 4)


PROMPTED = {
    "generate": lambda subject, prompt: generate(subject, prompt, 4),
    "stream": lambda subject, prompt: "".join(stream(subject, prompt, 4)),
    "write": lambda subject, prompt: write(subject, tokenize(subject, [TEXT, prompt]), 4)[1],
    "word_odds": lambda subject, prompt: float(word_odds(subject, ["w7"], [prompt])[0]),
}


@pytest.mark.parametrize("work", PROMPTED.values(), ids=PROMPTED)
@pytest.mark.parametrize("prompt", ["", " \n"])
def test_an_empty_prompt_is_the_mark_of_the_beginning_where_there_is_one(tiny, work, prompt):
    subject = tiny()
    got, other = work(subject, prompt), work(subject, "w1")
    assert got == work(subject, "<s>") != other
    unmarked = deepcopy(subject.tokenizer)
    unmarked.bos_token = None
    with pytest.raises(EmovecError, match="prompt is empty.*no mark of the beginning"):
        work(replace(subject, tokenizer=unmarked), prompt)


@pytest.mark.parametrize("work", list(PROMPTED.values())[:3], ids=list(PROMPTED)[:3])
def test_a_prompt_that_leaves_no_room_is_refused(tiny, work):
    subject, prompt = tiny("gpt2"), " ".join(["w1"] * 125)
    with pytest.raises(EmovecError, match="prompt has 125 tokens, and 4 are to follow; the model takes 128"):
        work(subject, prompt)
    assert work(subject, prompt.removesuffix(" w1")) is not None


def test_too_long_a_text_has_no_perplexity(tiny):
    with pytest.raises(ActivationError, match="Text 1 has 129 tokens; the model takes 128"):
        perplexity(tiny("gpt2"), [TEXT, " w1" * 129])


def test_texts_with_nothing_in_them_have_no_perplexity(tiny):
    subject = tiny()
    assert np.isnan(perplexity(subject, ["", " ", "\n", "w1"])).all()
    got = perplexity(subject, ["", TEXT, "w1", TEXT])
    assert np.isnan(got).tolist() == [True, False, True, False] and got[1] == pytest.approx(got[3])
    assert got[1] == pytest.approx(perplexity(subject, [TEXT])[0]) and perplexity(subject, []).shape == (0,)


@pytest.mark.parametrize("work", [
    lambda subject, texts: perplexity(subject, texts), lambda subject, texts: perplexity(subject, ["w1"] * 2, texts),
    lambda subject, texts: word_odds(subject, texts), lambda subject, texts: word_odds(subject, ["w7"], texts),
    lambda subject, texts: next_tokens(subject, texts), lambda subject, texts: with_prompts(subject, texts, ["", ""]),
    lambda subject, texts: tokenize(subject, texts),
])  # fmt: skip
def test_one_text_where_a_list_is_wanted_is_refused(tiny, work):
    with pytest.raises(EmovecError, match=r"'ab' is one text: put it into a list, \[text\]"):
        work(tiny(), "ab")
    with pytest.raises(EmovecError, match="Text 1 is nan"):
        work(tiny(), ["w1", float("nan")])
    work(tiny(), ("w1", "w2")), work(tiny(), np.array(["w1", "w2"]))


@pytest.mark.parametrize("work", [
    lambda subject: generate(subject, TEXT, 4), lambda subject: "".join(stream(subject, TEXT, 4)),
    lambda subject: float(perplexity(subject, [TEXT])[0]),
    lambda subject: token_activations(subject, TEXT)[2].tolist(), lambda subject: word_odds(subject, ["w7"]).tolist(),
])  # fmt: skip
def test_another_thread_waits_while_a_model_is_steered(tiny, direction, work):
    subject = tiny()
    plain, found = work(subject), []
    other = threading.Thread(target=lambda: found.append(work(subject)))
    with steer(subject, direction, 50.0):
        other.start()
        other.join(0.3)
        assert other.is_alive()
        assert work(subject) != plain  # the thread that steers does not wait for itself
    other.join(30)
    assert found == [plain]


@pytest.mark.parametrize("vocabulary, batches", [(64, [[1, 2], [0]]), (256, [[1], [2], [0]])])
def test_the_larger_the_vocabulary_the_fewer_tokens_at_once(tiny, monkeypatch, vocabulary, batches):
    """So that logits take the same room in every model."""
    monkeypatch.setattr(generation, "LOGITS", 64 * 20)
    head = SimpleNamespace(weight=torch.empty(vocabulary, 32))
    subject = SimpleNamespace(hf=SimpleNamespace(get_output_embeddings=lambda: head))
    assert generation.head_batches(subject, [3, 10, 9]) == batches
