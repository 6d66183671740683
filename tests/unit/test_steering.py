"""Steering is exact addition at one layer, and leaves nothing behind; and what it is compared with is fair."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from emovec_lite import controls, effects
from emovec_lite.activations import mean_activations, token_activations, tokenize
from emovec_lite.controls import all_story_mean, random_directions, shuffled_label_directions
from emovec_lite.effects import dose_response, judge, odds_matrix, repetition, text_measures, word_odds
from emovec_lite.errors import ActivationError, ArtifactError, EmovecError, UnknownName
from emovec_lite.extraction import load_or_compute, vectors_from
from emovec_lite.generation import generate, perplexity, stream
from emovec_lite.geometry import ridge_axis
from emovec_lite.models import DEFAULT_MODEL
from emovec_lite.norms import ratings
from emovec_lite.steering import plane_direction, steer
from emovec_lite.stories import Corpus, Story, load_corpus
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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("positions, steered", [
    ("generated", [4]), (slice(1, 3), [1, 2]), (slice(3, None), [3, 4]), (slice(0, 9, 2), [0, 2, 4]),
    (slice(7, 9), []),
])  # fmt: skip
def test_only_the_chosen_positions_are_steered(tiny, direction, architecture, positions, steered):
    subject = tiny(architecture)
    plain = token_activations(subject, TEXT)
    with steer(subject, direction, 0.5, positions):
        got = token_activations(subject, TEXT)
    patch = torch.zeros(5, 1)
    patch[steered] = 0.5 * 5.0
    torch.testing.assert_close(got[2], plain[2] + patch * direction.vector)
    untouched = [i for i in range(5) if i not in steered]
    assert torch.equal(got[2][untouched], plain[2][untouched]) and torch.equal(got[:2], plain[:2])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("positions", ["all", slice(2, 4), slice(4, 7), slice(6, None)])
def test_a_position_is_the_same_with_a_cache_and_without(tiny, direction, architecture, positions):
    """Token by token, as in generation, what is steered is what one pass over the whole text steers."""
    subject = tiny(architecture)
    ids = torch.tensor(tokenize(subject, ["w1 w2 w3 w4 w5 w6 w7 w8"]))
    with steer(subject, direction, 2.0, positions), torch.inference_mode():
        whole = subject.hf(ids, use_cache=False).logits[0, -1]
        out = subject.hf(ids[:, :5], use_cache=True)
        for i in (5, 6, 7):
            out = subject.hf(ids[:, i : i + 1], past_key_values=out.past_key_values, use_cache=True)
    torch.testing.assert_close(out.logits[0, -1], whole, rtol=1e-4, atol=1e-5)


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


def test_what_others_hold_of_the_stream_is_not_overwritten(tiny, direction, monkeypatch):
    subject, kept = tiny(), []
    plain, forward = token_activations(subject, TEXT), subject.blocks[2].forward

    def keeping(*args, **kwargs):
        kept.append(forward(*args, **kwargs))
        return kept[-1]

    monkeypatch.setattr(subject.blocks[2], "forward", keeping)
    for positions in ("all", "generated", slice(1, 3)):
        with steer(subject, direction, 1.0, positions):
            token_activations(subject, TEXT)
    assert len(kept) == 3 and all(torch.equal(tensor[0], plain[2]) for tensor in kept)
    assert subject.blocks[2].forward is keeping


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_hooks_see_the_layer_steered_whenever_they_came(tiny, direction, architecture):
    subject, seen = tiny(architecture), []

    def see(module, args, output):
        seen.append(first(output)[0])

    early = subject.blocks[2].register_forward_hook(see)
    with steer(subject, direction, 0.5):
        late = subject.blocks[2].register_forward_hook(see)
        steered = token_activations(subject, TEXT)
    early.remove(), late.remove()
    assert len(seen) == 2 and all(torch.equal(one, steered[2]) for one in seen)


def first(output):
    return output if hasattr(output, "shape") else output[0]


def state(subject):
    """What steering could leave on a model: hooks, and attributes of its modules."""
    return [
        ([*vars(m)], dict(m._forward_hooks), dict(m._forward_pre_hooks), vars(m).get("forward"))
        for m in subject.hf.modules()
    ]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_model_is_as_before_after_an_exception(tiny, direction, error):
    subject = tiny()
    plain, before = token_activations(subject, TEXT), state(subject)
    with pytest.raises(error), steer(subject, direction, 1.0, slice(0, 2)):
        assert state(subject) != before
        raise error
    assert state(subject) == before
    assert torch.equal(token_activations(subject, TEXT), plain)


def test_steering_ends_in_any_order(tiny, direction):
    subject = tiny()
    plain, before = token_activations(subject, TEXT), state(subject)
    one, other = (
        steer(subject, direction, 1.0),
        steer(subject, replace(direction, vector=direction.vector.flip(0)), 1.0),
    )
    one.__enter__(), other.__enter__(), one.__exit__(None, None, None)
    torch.testing.assert_close(token_activations(subject, TEXT)[2], plain[2] + 5.0 * direction.vector.flip(0))
    other.__exit__(None, None, None)
    assert state(subject) == before and torch.equal(token_activations(subject, TEXT), plain)


@pytest.fixture
def fresh(tiny):
    """A function that gives a `Subject` of its own: no nnsight has ever been put on the model."""

    from transformers import AutoModelForCausalLM

    def make(architecture="llama"):
        subject = tiny(architecture)
        hf = AutoModelForCausalLM.from_config(deepcopy(subject.hf.config)).eval().requires_grad_(False)
        hf.load_state_dict(subject.hf.state_dict())
        return replace(subject, hf=hf)

    return make


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("made", ["before", "inside", "after"])
def test_nnsight_sees_the_layer_steered_while_it_is(fresh, direction, architecture, made):
    subject = fresh(architecture)
    plain = token_activations(subject, TEXT)
    if made == "before":
        assert subject.nn
    before = state(subject)
    for layer in range(subject.n_layers):
        with steer(subject, replace(direction, layer=layer), 0.5):
            steered = token_activations(subject, TEXT)
            if made != "after":
                torch.testing.assert_close(seen_by_nnsight(subject), steered)
    if made == "before":
        assert state(subject) == before
    assert not any("_hf_hook" in vars(block) for block in subject.blocks)
    torch.testing.assert_close(seen_by_nnsight(subject), plain)
    assert torch.equal(token_activations(subject, TEXT), plain)
    assert "hidden_states" in str(subject.nn.blocks[2].source)  # nnsight found the block's own source


def seen_by_nnsight(subject):
    """The residual stream at every layer, each as the next block's input, too."""
    seen, received = [], []
    with torch.no_grad(), subject.nn.trace(TEXT):
        for block, following in zip(subject.nn.blocks, [*subject.nn.blocks[1:], subject.nn.final_norm], strict=True):
            seen.append(first(block.output)[0].save())
            received.append(following.input[0].save())
    assert all(torch.equal(a, b) for a, b in zip(seen, received, strict=True))
    return torch.stack(seen)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_edit_by_nnsight_comes_on_top_of_steering(tiny, direction, architecture):
    subject, other = tiny(architecture), replace(direction, vector=direction.vector.flip(0))
    with steer(subject, direction, 1.0):
        with steer(subject, other, 1.0):
            both = subject.hf(torch.tensor(tokenize(subject, [TEXT]))).logits
        with torch.no_grad(), subject.nn.trace(TEXT):
            first(subject.nn.blocks[2].output)[:] += 5.0 * other.vector
            logits = subject.nn.output.logits.save()
    torch.testing.assert_close(logits, both, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "gpt2"])
@pytest.mark.parametrize("positions", ["all", slice(0, 1), slice(3, 9), slice(6, None)])
def test_generation_by_nnsight_and_by_transformers_is_steered_as_one_pass_is(
    tiny, direction, architecture, positions
):
    subject = tiny(architecture)
    ids = torch.tensor(tokenize(subject, [TEXT]))
    options = dict(max_new_tokens=6, do_sample=False, return_dict_in_generate=True, output_logits=True)
    with steer(subject, direction, 3.0, positions), torch.inference_mode():
        plain = subject.hf.generate(ids, **options)
        with subject.nn.generate(ids, **options) as tracer:
            traced = tracer.result.save()
        whole = subject.hf(plain.sequences, use_cache=False).logits[:, 4:-1]
    for made in (plain, traced):
        assert torch.equal(made.sequences, plain.sequences)
        torch.testing.assert_close(torch.stack(made.logits, dim=1), whole, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(whole, subject.hf(plain.sequences, use_cache=False).logits[:, 4:-1], atol=1e-3)


@pytest.mark.parametrize("name", ["past_key_values", "cache", "state"])
def test_a_slice_counts_what_the_cache_holds_by_whatever_name_it_comes(tiny, direction, name):
    """transformers 5.24 renamed it: what was steered in every step was then each step's first token."""
    subject, names = tiny(), []
    (ids,) = torch.tensor(tokenize(subject, ["w1 w2 w3 w4 w5 w6 w7"])).split(7)

    def renamed(module, args, kwargs):
        names.extend(key for key, value in kwargs.items() if hasattr(value, "get_seq_length"))
        return args, {name if key in names else key: value for key, value in kwargs.items()}

    def named_back(module, args, kwargs):
        return args, {names[-1] if key == name and names else key: value for key, value in kwargs.items()}

    with steer(subject, direction, 2.0, slice(0, 1)), torch.inference_mode():
        whole = subject.hf(ids, use_cache=False).logits[0, -1]
    handles = [subject.hf.base_model.register_forward_pre_hook(renamed, with_kwargs=True)]
    with steer(subject, direction, 2.0, slice(0, 1)), torch.inference_mode():
        handles.append(subject.hf.base_model.register_forward_pre_hook(named_back, with_kwargs=True))
        out = subject.hf(ids[:, :5], use_cache=True)
        out = subject.hf(ids[:, 5:], past_key_values=out.past_key_values, use_cache=True)
    [handle.remove() for handle in handles]
    assert names and len(handles) == 2
    torch.testing.assert_close(out.logits[0, -1], whole, rtol=1e-4, atol=1e-5)


def test_a_pass_within_a_pass_counts_for_itself(tiny, direction):
    subject = tiny()
    ids = torch.tensor(tokenize(subject, ["w1 w2 w3 w4 w5 w6"]))
    inner, failing = [], []

    def begin_another(module, args, output):
        if len(inner) % 2 == 0:
            inner.append(None)
            inner.append(subject.hf(ids[:, :3], use_cache=False).logits)
            if failing:
                raise ZeroDivisionError

    with steer(subject, direction, 2.0, slice(0, 1)), torch.inference_mode():
        whole, alone = (subject.hf(part, use_cache=False).logits for part in (ids, ids[:, :3]))
        handle = subject.blocks[0].register_forward_hook(begin_another)
        try:
            out = subject.hf(ids[:, :5], use_cache=True)
            failing.append(True)
            with pytest.raises(ZeroDivisionError):
                subject.hf(ids, use_cache=False)
            failing.clear()
            last = subject.hf(ids[:, 5:], past_key_values=out.past_key_values, use_cache=True)
        finally:
            handle.remove()
    assert len(inner) == 6 and all(torch.equal(logits, alone) for logits in inner[1::2])
    torch.testing.assert_close(torch.cat([out.logits, last.logits], dim=1), whole, rtol=1e-4, atol=1e-5)


def test_a_cache_that_cannot_be_counted_is_refused_for_a_slice(tiny, direction):
    subject = tiny()
    ids = torch.tensor(tokenize(subject, [TEXT]))
    with steer(subject, direction, 1.0, slice(0, 1)):
        for unknown in ({"past_key_values": ((ids, ids),)}, {"cache_params": object()}):
            with pytest.raises(EmovecError, match='which does not say how many tokens.*steer "all"'):
                subject.hf.base_model(input_ids=ids, **unknown)
        assert subject.hf.base_model(input_ids=ids, cache_position=torch.arange(5))  # says where, and is no cache


@pytest.mark.parametrize("architecture", ["llama", "gemma4", "gpt2"])
@pytest.mark.parametrize("made", ["before", "inside", "after"])
def test_a_model_that_accelerate_has_spread_is_steered_and_read_alike(
    fresh, direction, architecture, made, tmp_path, monkeypatch
):
    """Two blocks on the disk stand in for a second GPU: accelerate's hooks are the same, the device is not."""
    subject = fresh(architecture)
    plain = token_activations(subject, TEXT)
    spread(subject, [*range(2, 4)], tmp_path)
    if made == "before":
        assert subject.nn
    before = state(subject)
    torch.testing.assert_close(token_activations(subject, TEXT), plain)
    for layer in range(4):
        with steer(subject, replace(direction, layer=layer), 0.5):
            steered = token_activations(subject, TEXT)
            torch.testing.assert_close(steered[layer], plain[layer] + 2.5 * direction.vector)
            if made != "after":
                torch.testing.assert_close(seen_by_nnsight(subject), steered)
            pooled = mean_activations(subject, [TEXT], skip=0)
            torch.testing.assert_close(pooled.blocks[0], steered.mean(dim=1), rtol=1e-4, atol=1e-5)
    if made != "inside":
        assert state(subject) == before
    torch.testing.assert_close(seen_by_nnsight(subject), plain)
    torch.testing.assert_close(token_activations(subject, TEXT), plain)


def test_what_accelerate_does_at_a_block_is_done_while_it_is_steered(fresh, direction):
    from accelerate.hooks import ModelHook, add_hook_to_module

    class Moving(ModelHook):
        def pre_forward(self, module, *args, **kwargs):
            return (args[0] + 1, *args[1:]), kwargs

        def post_forward(self, module, output):
            return output * 2

    subject = fresh()
    add_hook_to_module(subject.blocks[2], Moving())
    moved = token_activations(subject, TEXT)
    for nnsight in (False, True):
        assert not nnsight or subject.nn
        before = state(subject)
        with steer(subject, direction, 0.5):
            torch.testing.assert_close(token_activations(subject, TEXT)[2], moved[2] + 2.5 * direction.vector)
        assert state(subject) == before


def spread(subject, layers, folder):
    """Put some blocks on the disk, as `device_map="auto"` does with what fits nowhere else."""
    from accelerate import dispatch_model

    paths = {module: name for name, module in subject.hf.named_modules()}
    lists = paths[subject.blocks]
    off = {f"{lists}.{layer}" for layer in layers}
    places = {}
    for name, module in subject.hf.named_modules():
        leaf = not list(module.children()) or name.rpartition(".")[0] == lists
        if leaf and not any(name.startswith(f"{place}.") for place in places):
            places[name] = "disk" if name in off else "cpu"
    dispatch_model(subject.hf, places, main_device="cpu", offload_dir=folder)
    assert all(
        (next(block.parameters()).device.type == "meta") == (i in layers) for i, block in enumerate(subject.blocks)
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a second device")
def test_blocks_on_two_devices_are_steered_and_read_as_on_one(fresh, direction):
    from accelerate import dispatch_model

    subject = fresh()
    plain, odds = mean_activations(subject, [TEXT, "w1 w2"], skip=0), word_odds(subject, ["w7"], ["w1"])
    with steer(subject, direction, 0.5):
        steered = mean_activations(subject, [TEXT, "w1 w2"], skip=0)
    names = {"model.embed_tokens": "cpu", "model.norm": 0, "model.rotary_emb": "cpu", "lm_head": 0}
    dispatch_model(
        subject.hf, names | {f"model.layers.{i}": 0 if i > 1 else "cpu" for i in range(4)}, main_device="cpu"
    )
    for wanted, strength in ((plain, 0.0), (steered, 0.5)):
        with steer(subject, direction, strength):
            got = mean_activations(subject, [TEXT, "w1 w2"], skip=0)
        torch.testing.assert_close(got.blocks, wanted.blocks, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(got.norms, wanted.norms, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(word_odds(subject, ["w7"], ["w1"]), odds, rtol=1e-3)
    assert generate(subject, TEXT, 4) == "".join(stream(subject, TEXT, 4))


def test_logits_that_are_not_finite_are_refused_under_steering(fresh, direction):
    """As they come in fp16, of the model itself or of too hard a push."""
    subject = fresh()
    subject.hf.half()
    ids = torch.tensor(tokenize(subject, [TEXT]))
    assert generate(subject, TEXT, 4) and subject.hf(ids).logits.isfinite().all()
    for work in (lambda: subject.hf(ids), lambda: generate(subject, TEXT, 4)):
        with steer(subject, direction, 1e6), pytest.raises(EmovecError, match="smaller strength"):
            work()
    assert subject.hf(ids).logits.isfinite().all()


def test_directions_that_do_not_fit_are_refused(tiny, direction):
    for layer in (4, "embed"):
        with pytest.raises(UnknownName, match="layer"), steer(tiny(), replace(direction, layer=layer), 1.0):
            pass
    for bad, problem in (
        (slice(-1, None), "counts from the end"),
        (slice(0, -2), "from the end"),
        ("last", "positions"),
    ):
        with pytest.raises(EmovecError, match=problem), steer(tiny(), direction, 1.0, bad):
            pass
    with pytest.raises(EmovecError, match="32 wide"), steer(tiny(), replace(direction, vector=torch.ones(8)), 1.0):
        pass


@pytest.mark.parametrize("layer", [np.int64(2), np.array([1, 2])[1], torch.tensor(2)])
def test_a_layer_may_be_numpys_or_torchs(tiny, direction, vectors, layer):
    subject = tiny()
    plain = token_activations(subject, TEXT)
    with steer(subject, replace(direction, layer=layer), 0.5):
        torch.testing.assert_close(token_activations(subject, TEXT)[2], plain[2] + 2.5 * direction.vector)
    for made in (plane_direction(vectors, layer, 1, 0), *random_directions(replace(direction, layer=layer), 1)):
        assert made.layer == 2 and type(made.layer) is int
    got = judge(subject, vectors, layer, [" w5"], ["w1"])
    assert got["projection"] == judge(subject, vectors, 2, [" w5"], ["w1"])["projection"]


@pytest.mark.parametrize("layer", [True, 1.0, "2", "embed", None, 4, -1])
def test_what_is_no_layer_is_refused(tiny, direction, vectors, layer):
    with pytest.raises(UnknownName, match="Unknown layer"), steer(tiny(), replace(direction, layer=layer), 1.0):
        pass
    with pytest.raises(UnknownName, match="Unknown layer"):
        judge(tiny(), vectors, layer, [" w5"], ["w1"])


def test_steering_that_is_not_finite_is_refused_and_by_nothing_is_allowed(tiny, direction):
    subject = tiny()
    plain = token_activations(subject, TEXT)
    spoiled = direction.vector.clone()
    spoiled[3] = float("nan")
    for bad, strength in (
        (direction, float("nan")), (direction, float("inf")), (replace(direction, vector=spoiled), 1.0),
        (replace(direction, residual_norm=float("nan")), 1.0),
    ):  # fmt: skip
        with pytest.raises(EmovecError, match="'up' is not finite"), steer(subject, bad, strength):
            pass
    with steer(subject, 0 * direction, 1.0):
        assert torch.equal(token_activations(subject, TEXT), plain)
    with steer(subject, direction, np.float32(0.5)):
        torch.testing.assert_close(token_activations(subject, TEXT)[2], plain[2] + 2.5 * direction.vector)


# --- Directions to compare with ------------------------------------------------------------------------------

EMOTIONS = ("afraid", "angry", "bored", "calm", "excited", "happy", "lonely", "peaceful", "sad", "tired")


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)

    def text():
        return " ".join(f"w{i}" for i in rng.integers(60, size=40))

    return Corpus("toy", tuple(Story(text(), e, topic) for e in EMOTIONS for topic in ("a", "b", "c")))


@pytest.fixture(scope="module")
def vectors(tiny, corpus):
    neutral = mean_activations(tiny(), [" ".join(f"w{(7 * i + j) % 60}" for j in range(35)) for i in range(6)])
    stories = mean_activations(tiny(), corpus.texts)
    return vectors_from(stories, corpus.labels, neutral, {"corpus_sha256": corpus.sha256, "corpus": "toy"})


def test_random_directions_are_a_control_of_the_same_length(direction):
    long = replace(direction, vector=3 * direction.vector)
    drawn = random_directions(long, 4)
    assert [d.vector.norm().item() for d in drawn] == pytest.approx([3.0] * 4)
    assert all((d.layer, d.residual_norm) == (2, 5.0) for d in drawn)
    assert abs(torch.nn.functional.cosine_similarity(drawn[0].vector, drawn[1].vector, dim=0)) < 0.9
    again, other = random_directions(long, 4), random_directions(long, 4, seed=1)
    assert all(torch.equal(a.vector, b.vector) for a, b in zip(drawn, again, strict=True))
    assert not torch.equal(drawn[0].vector, other[0].vector)


def test_shuffled_labels_make_directions_of_the_same_stories_topic_by_topic(vectors, corpus, monkeypatch):
    like = 2 * vectors.direction("happy", 2)
    drawn = shuffled_label_directions(vectors, corpus, like, 12)
    assert [d.vector.norm().item() for d in drawn] == pytest.approx([2.0] * 12)
    assert {(d.layer, d.residual_norm) for d in drawn} == {(2, like.residual_norm)}
    own = torch.stack([vectors.direction(e, 2).vector for e in EMOTIONS])
    assert max((own @ d.vector / 2).abs().max() for d in drawn) < 0.999  # none is an emotion's own
    assert max((vectors.neutral_at(2) @ d.vector).abs().max() for d in drawn) < 1e-4
    seen = []
    monkeypatch.setattr(
        controls, "centred_means", lambda x, labels: seen.append(labels) or (x[: len(EMOTIONS)], None)
    )
    shuffled_label_directions(vectors, corpus, like, 2)
    for labels in seen:
        assert labels != corpus.labels
        for topic in "abc":
            assert sorted(la for la, s in zip(labels, corpus, strict=True) if s.topic == topic) == sorted(EMOTIONS)
    with pytest.raises(ArtifactError):
        shuffled_label_directions(vectors, load_corpus(), like, 1)


def test_the_all_story_mean_is_what_centring_took_off(vectors):
    like = 0.5 * vectors.direction("sad", 1)
    mean = all_story_mean(vectors, like)
    assert mean.vector.norm().item() == pytest.approx(0.5) and mean.layer == 1
    assert torch.nn.functional.cosine_similarity(mean.vector, vectors.center[1], dim=0).item() == pytest.approx(1)


def test_the_plane_has_valence_to_the_right_and_arousal_upwards(vectors):
    right, up = plane_direction(vectors, 2, 1, 0), plane_direction(vectors, 2, 0, 1)
    assert right.vector.norm().item() == pytest.approx(1) == up.vector.norm().item()
    assert abs(right.vector @ up.vector) < 1e-5 and right.residual_norm == float(vectors.norms[2])
    human = {scale: ratings(EMOTIONS, scale) for scale in ("valence", "arousal")}
    rows = vectors.at(2)
    assert np.corrcoef(rows @ right.vector, human["valence"])[0, 1] > 0.5
    partial = human["arousal"] - np.polyval(np.polyfit(human["valence"], human["arousal"], 1), human["valence"])
    assert np.corrcoef(rows @ up.vector, partial)[0, 1] > 0.5
    point = plane_direction(vectors, 2, -0.6, 0.3)
    torch.testing.assert_close(point.vector, -0.6 * right.vector + 0.3 * up.vector)
    assert plane_direction(vectors, 2, 0, 0).vector.norm() == 0


# --- Odds, judges, dose and response --------------------------------------------------------------------------


def test_word_odds_are_log_odds_of_the_next_word_averaged_over_prompts(tiny):
    subject, prompts = tiny(), ("w1 w2", "w3 w4 w5")
    wanted = []
    for prompt in prompts:
        p = subject.hf(torch.tensor(tokenize(subject, [prompt]))).logits[0, -1].softmax(dim=-1)
        ids = [ids[0] for ids in tokenize(subject, ["w7", "w8 w9"])]
        wanted.append([(p[i].log() - (1 - p[i]).log()).item() for i in ids])
    np.testing.assert_allclose(word_odds(subject, ["w7", "w8 w9"], prompts), np.mean(wanted, axis=0), rtol=1e-4)


def test_the_odds_matrix_is_steered_minus_plain_and_leaves_the_model_alone(tiny, vectors):
    subject, happy = tiny(), vectors.direction("happy", 2)
    plain = word_odds(subject, ["w7", "w8"])
    # More of one layer than go into a batch, and layers that come back.
    directions = [happy, vectors.direction("sad", 1), *random_directions(happy, 40), vectors.direction("happy", 0)]
    matrix = odds_matrix(subject, directions, ["w7", "w8"], 0.5)
    assert matrix.shape == (43, 2) and np.abs(matrix).min() > 0
    for row, direction in zip(matrix, directions, strict=True):
        with steer(subject, direction, 0.5):
            np.testing.assert_allclose(row, word_odds(subject, ["w7", "w8"]) - plain, rtol=1e-3, atol=1e-5)
    assert np.array_equal(word_odds(subject, ["w7", "w8"]), plain)


def test_the_judges_read_the_text_and_not_its_prompt(tiny, vectors):
    subject = tiny()
    texts, prompts = [" w5 w6 w7", " w9 w1"], ["w1 w2", "w3 w4 w5 w6"]
    got = judge(subject, vectors, 1, texts, prompts)
    np.testing.assert_allclose(got["perplexity"], perplexity(subject, texts, prompts), rtol=1e-4)
    axis, intercept = ridge_axis(vectors.at(1).double().numpy(), ratings(EMOTIONS, "valence"))
    for i, (text, prompt) in enumerate(zip(texts, prompts, strict=True)):
        mean = token_activations(subject, prompt + text)[1, len(prompt.split()) :].mean(dim=0)
        wanted = (mean - vectors.center[1]).double().numpy() @ axis + intercept
        assert got["projection"][i] == pytest.approx(wanted, rel=1e-4)
    # Side by side they get what they get alone.
    for i in range(2):
        for name, values in judge(subject, vectors, 1, texts[i : i + 1], prompts[i : i + 1]).items():
            assert got[name][i] == pytest.approx(values[0], rel=1e-4, abs=1e-5), name
    assert np.isnan(judge(subject, vectors, 1, [""], ["w1"])["perplexity"]).all()


def test_a_mark_of_the_beginning_is_not_taken_for_the_word(tiny_with_bos, vectors, monkeypatch):
    subject, (a, b) = tiny_with_bos, tokenize(tiny_with_bos, ["w7", "w8"])
    assert a[0] == b[0] == 1
    p = subject.hf(torch.tensor(tokenize(subject, ["w1 w2"]))).logits[0, -1].softmax(dim=-1)
    wanted = [(p[i].log() - (1 - p[i]).log()).item() for i in (a[1], b[1])]
    np.testing.assert_allclose(word_odds(subject, ["w7", "w8"], ["w1 w2"]), wanted, rtol=1e-4)
    monkeypatch.setattr(effects, "PLEASANT", ("w7", "w9"))
    monkeypatch.setattr(effects, "UNPLEASANT", ("w8",))
    monkeypatch.setattr(effects, "VERDICT", " w3 w4")
    texts, prompts = [" w5 w6 w7", " w9"], ["w1", "w2 w3"]
    got = judge(subject, vectors, 1, texts, prompts)
    for i, (text, prompt) in enumerate(zip(texts, prompts, strict=True)):
        logs = (
            subject.hf(torch.tensor(tokenize(subject, [f"{prompt}{text} w3 w4"]))).logits[0, -1].log_softmax(dim=-1)
        )
        good, bad = logs[[11, 13]].logsumexp(dim=0), logs[12]
        assert got["odds"][i] == pytest.approx(float(good - bad), abs=1e-4)
    np.testing.assert_allclose(got["perplexity"], perplexity(subject, texts, prompts), rtol=1e-4)


def test_judges_refuse_logits_that_are_not_finite_texts_that_are_too_long_and_one_text_for_a_list(tiny, vectors):
    subject = tiny("gpt2")
    with pytest.raises(ActivationError, match="Text 1 has 13[0-9] tokens; the model takes 128"):
        judge(subject, vectors, 1, ["w1", " w1" * 124], ["w1", "w1"])
    for texts, prompts in (("w1", ["w1"]), (["w1"], "w1")):
        with pytest.raises(EmovecError, match="put it into a list"):
            judge(subject, vectors, 1, texts, prompts)
    with pytest.raises(EmovecError, match="put it into a list"):
        text_measures("w1")
    handle = subject.hf.get_output_embeddings().register_forward_hook(lambda module, args, output: output * torch.nan)
    try:
        with pytest.raises(EmovecError, match="not finite"):
            judge(subject, vectors, 1, [" w1"], ["w1"])
    finally:
        handle.remove()


def test_the_verdict_is_pleasant_words_against_unpleasant_ones(subject, monkeypatch):
    vectors = load_or_compute(DEFAULT_MODEL)
    texts = [" smiled, and it was the best day of her life.", " cried, and it was the worst day of her life."]
    got = judge(subject, vectors, 24, texts, ["She", "She"])
    for name in ("odds", "projection", "lexicon"):
        assert got[name][0] > got[name][1], name
    monkeypatch.setattr(effects, "PLEASANT", effects.UNPLEASANT)
    np.testing.assert_allclose(judge(subject, vectors, 24, texts, ["She", "She"])["odds"], 0, atol=1e-4)


def test_words_of_the_verdict_are_no_emotions_of_the_course():
    named = {e.lower() for e in load_corpus().emotions}
    assert not named & {*effects.PLEASANT, *effects.UNPLEASANT}
    assert len(set(effects.PLEASANT)) == len(set(effects.UNPLEASANT)) == 6


def test_repetition_and_the_lexicon():
    assert repetition("a b c d".split(), 2) == 0 == repetition(["a"], 4)
    assert repetition("a b a b a b".split(), 2) == pytest.approx(3 / 5)
    got = text_measures(["A wonderful, happy day.", "a terrible, cruel day", "no no no no no no", ""])
    assert got["lexicon"][0] > 0.5 and got["lexicon"][1] < -0.5 and got["lexicon"][3] == 0
    assert got["distinct"].tolist() == pytest.approx([1, 1, 1 / 5, 1]) and got["repeated"][2] == pytest.approx(2 / 3)


def test_dose_and_response_is_a_row_a_text_with_one_unsteered_group(tiny, vectors, monkeypatch):
    monkeypatch.setattr(effects, "TEMPERATURE", 0.01)  # at more, a random model's words hang on the draw alone
    subject, happy = tiny(), vectors.direction("happy", 2)
    directions = {"emotion": [happy, vectors.direction("sad", 1)], "random": random_directions(happy, 2)}
    options = {"prompts": ("w1 w2", "w3"), "seeds": (0, 1, 2), "tokens": 6}
    table = dose_response(subject, vectors, directions, [0.7, 2.0], judged_at=3, **options)
    assert len(table) == 6 * (1 + 4 * 2) and not table.text.isna().any()
    groups = table.groupby(["kind", "direction", "strength"], sort=False).size()
    assert (groups == 6).all() and groups.index[0] == ("unsteered", "unsteered", 0.0)
    assert set(table.direction) == {"unsteered", "happy", "sad", "random 0", "random 1"}
    assert len(set(table[table.seed == 0].text)) >= 8  # or a mix-up of conditions would not show
    # Each text is what steering by its direction at its strength makes of its prompt with its seed.
    known = {d.name: d for group in directions.values() for d in group}
    for row in table.itertuples():
        with steer(subject, known.get(row.direction, happy), row.strength):
            (text,) = effects.sampled(subject, [row.prompt], [row.seed], 6)
        assert row.text == text
    for row in table.iloc[::11].itertuples():
        for name, values in judge(subject, vectors, 3, [row.text], [row.prompt]).items():
            assert getattr(row, name) == pytest.approx(values[0], rel=1e-3), name


def test_dose_and_response_gives_back_what_is_done_when_interrupted(tiny, vectors, monkeypatch, capsys):
    calls, real = [], judge

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(effects, "judge", interrupted)
    monkeypatch.setattr(effects, "ROWS", 4)
    subject, options = tiny(), {"prompts": ("w1", "w2"), "seeds": (0,), "tokens": 3}
    before, sad = token_activations(subject, TEXT), {"emotion": [vectors.direction("sad", 2)]}
    table = dose_response(subject, vectors, sad, np.arange(1, 9) / 10, 1, **options)
    assert len(table) == 4 * 2 and "4 of 9 conditions" in capsys.readouterr().out
    assert torch.equal(token_activations(subject, TEXT), before)
    calls[:] = [1, 1]
    table = dose_response(subject, vectors, sad, [0.1], 1, **options)
    assert len(table) == 0 and "perplexity" in table.columns


def test_dose_and_response_refuses_a_direction_that_does_not_fit_before_it_writes(tiny, vectors, monkeypatch):
    monkeypatch.setattr(effects, "judge", None)
    directions = {"emotion": [vectors.direction("sad", 2)], "baseline": [vectors.direction("sad", "embed")]}
    with pytest.raises(UnknownName, match="'embed'"):
        dose_response(tiny(), vectors, directions, [0.1], 1)


def test_the_shipped_doses_hold_every_condition_and_their_measures_are_of_their_texts():
    table = effects.shipped_doses()
    kinds = table.groupby("kind").direction.nunique()
    assert kinds.to_dict() == {"emotion": 6, "random": 20, "shuffled": 5, "all stories": 1, "unsteered": 1}
    sizes = table.groupby(["kind", "direction", "strength"]).size()
    assert len(sizes) == 32 * 4 + 1 and (sizes == 24).all()
    assert set(table.prompt) == set(effects.OPENINGS) and not table.text.isna().any()
    some = table.iloc[::29]
    for name, values in text_measures(list(some.text)).items():
        np.testing.assert_allclose(some[name], values, atol=6e-4)
