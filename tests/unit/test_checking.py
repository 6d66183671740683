"""The engine of the checks: what is compared, what is said, and how the model is left."""

import contextlib
from dataclasses import replace
from threading import Thread

import numpy as np
import pandas
import pytest
import torch

from emovec_lite.course import check, checking, records
from emovec_lite.course.checking import assess, passes
from emovec_lite.course.exercise import Case, Exercise, exercises
from emovec_lite.course.stand_in import stand_ins
from emovec_lite.course.values import agree, plain, show
from emovec_lite.errors import UnknownName
from emovec_lite.models import ModelSpec, Subject
from emovec_lite.vectors import Direction
from tests.conftest import ARCHITECTURES


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOVEC_PROGRESS", str(tmp_path / "kept" / "progress.json"))


def declare(monkeypatch, reference, **fields):
    """Make an exercise of a function the only one of the course."""
    prose = {"number": "9.1", "title": "Try it", "difficulty": 1, "importance": 1, "minutes": 1, "discuss": "Why?"}
    task = Exercise(**prose, reference=reference, **fields)
    monkeypatch.setattr(checking, "exercises", lambda: {"9.1": task})
    return task


def double(x):
    return 2 * x


@pytest.fixture
def doubling(monkeypatch):
    """An exercise: return twice the tensor."""
    return declare(
        monkeypatch, double, axes="pair",
        edges=lambda: {"ones": (torch.ones(2),), "zeros": (torch.zeros(3),)},
        draw=lambda rng: (torch.tensor(rng.normal(size=rng.integers(2, 6))),),
        mistakes={
            "You squared it.": lambda x: x**2,
            "You left out the last one.": lambda x: 2 * x[:-1],
            "You took its absolute value.": lambda x: 2 * abs(x),
        },
    )  # fmt: skip


def test_check_gives_the_answer_back_if_it_passes_and_the_courses_own_if_not(doubling, capsys):
    def good(x):
        return x + x

    assert check("9.1", good) is good
    assert capsys.readouterr().out == "9.1 ✓ Try it: ones, zeros, and on 20 cases drawn at random.\n"
    assert check("9.1", lambda x: x**2) is double
    out = capsys.readouterr().out
    assert "9.1 ✗ not yet: You squared it." in out and "stands in" in out
    assert records.done() == {"9.1"}


def test_check_without_an_answer_says_what_to_do_next(doubling, capsys):
    def stub(x):
        raise NotImplementedError("exercise 9.1: try it")

    for answer in (None, stub):
        assert check("9.1", answer) is double
        out = capsys.readouterr().out
        assert "9.1 ○ not yet: Try it. Write the body of `double`" in out.replace("\n", " ")
    assert records.done() == set()
    with pytest.raises(UnknownName, match="Unknown exercise '9.2'. Nearest: '9.1'"):
        check("9.2")


def test_the_course_version_does_not_pass_for_an_answer(doubling):
    assert "not yours" in assess("9.1", double).message
    assert "Pass the function itself, `double`, not a Tensor" in assess("9.1", torch.ones(2)).message


def test_a_mistake_is_named_only_if_it_gives_the_same_on_every_case(doubling):
    assert assess("9.1", lambda x: x * x).message == "You squared it."
    outcome = assess("9.1", lambda x: x**2 if len(x) < 4 else 3 * x)  # squared on some of them
    assert "Not what is wanted, in " in outcome.message and "squared" not in outcome.message
    outcome = assess("9.1", lambda x: 2 * x if (x >= 0).all() else 2 * abs(x))  # right wherever the mistake is right
    assert outcome.message == "You took its absolute value."


def test_else_the_smallest_failing_case_is_shown(doubling):
    outcome = assess("9.1", lambda x: 2 * x + 1)
    assert "in 22 of 22 cases. The smallest of them is “ones”:" in outcome.message
    assert outcome.example == "x       [1, 1]\nwanted  [2, 2]\ngot     [3, 3]"
    outcome = assess("9.1", lambda x: (2 * x)[None])
    assert "Expected shape (2,) (pair 2), got (1, 2), in 22 of 22 cases." in outcome.message
    only_long = assess("9.1", lambda x: 2 * x if len(x) < 5 else x)
    assert "one drawn at random" in only_long.message and only_long.example.count(",") > 8


def test_large_values_are_told_by_their_greatest_difference(monkeypatch):
    declare(monkeypatch, double, edges=lambda: {"a large one": (torch.arange(60.0).reshape(6, 10),)})
    outcome = assess("9.1", lambda x: 2 * x + (x == 37))
    assert outcome.example == "x        tensor of shape (6, 10)\ndiffers  most at [3, 7]: 74 is wanted, 75 came"


def test_an_answer_that_never_changes_is_told_so(doubling):
    kept = []

    def stale(x):
        kept.append(2 * x)
        return kept[0]

    assert "returns what it returned the first time" in assess("9.1", stale).message


@pytest.mark.parametrize("answer, message", [
    (lambda x: None, "returned nothing. Did you forget `return`"),
    (lambda x: [x, x], "should return a tensor, not a list (torch.stack makes"),
    (lambda x: (2 * x).numpy(), "should return a tensor, not an array"),
    (lambda x: x.add_(x), "changed one of its inputs in place"),
    (lambda x: x + "a", "`double` raised TypeError"),
    (lambda: 1, "`double` raised TypeError"),
    (lambda x: 2 * x + 0j, "returned complex numbers"),
    (lambda x: torch.empty(2, device="meta"), "could not use what `double` returned (NotImplementedError"),
    (lambda x: 2 * x / 0, "Not what is wanted"),
])  # fmt: skip
def test_what_goes_wrong_is_told_in_the_learners_terms(doubling, answer, message):
    outcome = assess("9.1", answer)
    assert outcome.status == "not yet" and message in outcome.message and "Traceback" not in outcome.message
    assert not passes(doubling, answer)


def test_an_error_names_the_learners_own_line_and_where_it_happens(doubling):
    def broken(x):
        y = x + 1
        return y.no_such_thing

    assert "(in your line `return y.no_such_thing`)" in assess("9.1", broken).message

    def now_and_then(x):
        if len(x) == 4:
            raise ValueError("four")
        return 2 * x

    outcome = assess("9.1", now_and_then)
    assert "raised ValueError: four" in outcome.message and "It happens in" in outcome.message
    assert outcome.example.startswith("x  [")

    def unsaved(x):
        if len(x) > 99:
            y = x
        return y

    assert "unless you call `.save()` on it inside" in assess("9.1", unsaved).message

    def layer_19(x):
        raise AttributeError("'Envoy' object (nor its module) has attribute '19'")  # nnsight's words

    assert "There is no block 19 here" in assess("9.1", layer_19).message


def test_half_precision_is_precise_enough_and_wrong_in_half_is_wrong(doubling):
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert assess("9.1", lambda x, dtype=dtype: (2 * x).to(dtype)).status == "passed"
        assert assess("9.1", lambda x, dtype=dtype: (2.2 * x).to(dtype)).status == "not yet"
    assert assess("9.1", lambda x: 2.01 * x).status == "not yet"


@pytest.mark.parametrize("value, spoil", [
    (torch.ones(2), lambda x: x.add_(1)), (np.ones(2), lambda x: x.fill(3)), ([2, 1], lambda x: x.sort()),
    ({"a": [1]}, lambda x: x["a"].append(2)), ([torch.ones(1)], lambda x: x[0].mul_(3)),
    (Direction("d", 1, torch.ones(2), 3.0), lambda x: x.vector.mul_(2)),
    (pandas.Series([1.0, 2.0]), lambda x: x.__setitem__(0, 5.0)),
])  # fmt: skip
def test_inputs_of_every_kind_must_be_left_as_they_were(monkeypatch, value, spoil):
    def length(x):
        return 1

    declare(monkeypatch, length, returns="number", edges=lambda: {"one": (value,)})
    assert assess("9.1", lambda x: 1).status == "passed"
    outcome = assess("9.1", lambda x: spoil(x) or 1)
    assert "changed one of its inputs in place" in outcome.message
    assert assess("9.1", lambda x: 1).status == "passed"  # the case itself was not spoilt


def test_what_may_come_back_is_what_the_next_cell_can_use(monkeypatch):
    def three(x):
        return 3.0

    declare(monkeypatch, three, returns="number array", edges=lambda: {"one": (1,)})
    for answer in (3, 3.0, np.float32(3), torch.tensor(3), np.array(3)):
        assert assess("9.1", lambda x, answer=answer: answer).status == "passed"
    for answer, kind in (([3.0], "a list"), ("3", "a text"), (True, "a bool"), ((3.0,), "a tuple")):
        message = assess("9.1", lambda x, answer=answer: answer).message
        assert f"should return a number, not {kind}" in message


def test_where_many_answers_are_right_a_judge_says_what_is_wrong(monkeypatch):
    def long_text(x):
        return "a long text"

    declare(monkeypatch, long_text, returns="text", edges=lambda: {"one": (1,)},
            judge=lambda value, x: None if len(value) > 5 else "Too short.")  # fmt: skip
    assert assess("9.1", lambda x: "another text").status == "passed"
    assert assess("9.1", lambda x: "short").message == "Too short."
    assert "should return a text" in assess("9.1", lambda x: 5).message


def test_what_is_observed_and_what_is_viewed_is_compared(monkeypatch):
    def up_to_sign(x):
        return x

    def observe(answer, x):
        return {"the length": len(answer(x)), "the sum": float(answer(x).sum())}

    draw = {"edges": lambda: {"one": (torch.tensor([1.0, -2.0]),)}}
    declare(monkeypatch, up_to_sign, view=abs, **draw)
    assert assess("9.1", lambda x: -x).status == "passed"
    declare(monkeypatch, up_to_sign, observe=observe, **draw)
    assert assess("9.1", lambda x: x.flip(0)).status == "passed"
    assert "wanted  the sum: -1\ngot     the sum: 1" in assess("9.1", lambda x: -x).example


# --- With a model ---------------------------------------------------------------------------------------------


def first_logits(subject, text):
    ids = subject.tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return subject.hf(ids).logits[0]


@pytest.fixture
def reading(monkeypatch, tiny):
    declare(monkeypatch, first_logits, edges=lambda subject: {"a text": ("w1 w2 w3",)},
            draw=lambda rng, subject: (" ".join(f"w{i}" for i in rng.integers(60, size=rng.integers(1, 9))),),
            on_the_model=lambda subject: {"your model": ("w4",)})  # fmt: skip
    return tiny.__wrapped__("llama")  # a new one


def test_an_exercise_on_the_model_asks_for_it(reading):
    assert 'check("9.1", first_logits, subject)' in assess("9.1", lambda subject, text: 1).message
    assert assess("9.1", lambda subject, text: first_logits(subject, text), reading).status == "passed"


def test_the_learners_own_model_is_the_last_to_be_tried(reading):
    on = []

    def answer(subject, text):
        on.append(subject)
        return first_logits(subject, text) + (subject is reading)

    outcome = assess("9.1", answer, reading)
    assert "in 1 of 22 cases. The smallest of them is “your model”:" in outcome.message
    assert on.index(reading) == len(on) - 1 and "subject  tiny-llama" in outcome.example


def leave_a_hook(subject):
    subject.blocks[1].register_forward_hook(lambda *args: None)


def leave_a_global_hook(subject):
    torch.nn.modules.module.register_module_forward_pre_hook(lambda *args: None)


def leave_a_hook_before(subject):
    subject.blocks[1].register_forward_pre_hook(lambda *args: None)


def clear_all_hooks(subject):
    for block in subject.blocks:
        block._forward_hooks.clear()


def spoil_the_weights(subject):
    subject.hf.lm_head.weight.data.add_(1)


@pytest.mark.parametrize("change, message", [
    (leave_a_hook, "Your hook is still on the model"), (leave_a_hook_before, "Your hook is still on the model"),
    (leave_a_global_hook, "Your hook is still on the model"),
    (clear_all_hooks, "somebody else had put on the model is gone"), (spoil_the_weights, "weights are not what they"),
    (lambda subject: subject.hf.half(), "You left the model in torch.float16; it was in torch.float32"),
    (lambda subject: setattr(subject.tokenizer, "model_max_length", 64), "the tokenizer's `model_max_length`"),
    (lambda subject: setattr(subject.hf.lm_head, "bias", torch.nn.Parameter(torch.zeros(64))), "other modules"),
    (lambda subject: subject.hf.train(), "left the model in another mode"),
    (lambda subject: subject.hf.requires_grad_(True), "`requires_grad` of the model's weights"),
    (lambda subject: setattr(subject.hf.config, "use_cache", False), "configuration is not what it was"),
    (lambda subject: setattr(subject.hf.generation_config, "max_length", 7), "configuration is not what it was"),
])  # fmt: skip
def test_a_model_left_changed_is_noticed_put_back_and_never_the_learners_own(reading, change, message):
    ours = reading.blocks[0].register_forward_hook(lambda *args: None)
    small = stand_ins(reading)
    theirs = [b.register_forward_hook(lambda *args: None) for s in small for b in s.blocks]
    before = first_logits(reading, "w1 w2")

    def answer(subject, text):
        logits = first_logits(subject, text)
        change(subject)
        return logits

    outcome = assess("9.1", answer, reading)
    assert outcome.status == "not yet" and message in outcome.message, outcome.message
    assert "“a text”" in outcome.message
    assert torch.equal(first_logits(reading, "w1 w2"), before)
    assert (
        reading.hf.dtype == torch.float32 and not reading.hf.training and len(reading.blocks[0]._forward_hooks) == 1
    )
    assert not torch.nn.modules.module._global_forward_pre_hooks
    assert assess("9.1", lambda subject, text: first_logits(subject, text), reading).status == "passed"
    for handle in (ours, *theirs):
        handle.remove()


def test_what_only_the_learners_own_model_can_show_is_put_back_there(monkeypatch, reading):
    declare(monkeypatch, first_logits, edges=lambda subject: {}, on_the_model=lambda subject: {"your model": ("w4",)})
    ours = reading.blocks[0].register_forward_hook(lambda *args: None)

    def spoil(subject, text):
        logits = first_logits(subject, text)
        clear_all_hooks(subject)
        leave_a_hook_before(subject)
        subject.hf.half().train().requires_grad_(True)
        subject.tokenizer.padding_side = "left"
        return logits

    assert assess("9.1", spoil, reading).status == "not yet"
    assert [*reading.blocks[0]._forward_hooks] == [ours.id] and not reading.blocks[1]._forward_pre_hooks
    assert {p.dtype for p in reading.hf.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in reading.hf.parameters())
    assert not any(m.training for m in reading.hf.modules())
    reading.tokenizer.padding_side = "right"
    assess("9.1", spoil, reading)
    assert reading.tokenizer.padding_side == "right"


def test_hooks_that_transformers_leaves_are_not_blamed_on_the_learner(reading):
    """It puts them on at the first `output_hidden_states=True`, once, and returns nothing if they are taken off."""

    def answer(subject, text):
        ids = subject.tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            states = subject.hf(ids, output_hidden_states=True).hidden_states
        return subject.hf.lm_head(states[-1])[0]

    for _ in range(2):
        assert assess("9.1", answer, reading).status == "passed"


def test_what_happens_around_a_case_and_is_not_compared(monkeypatch, reading):
    @contextlib.contextmanager
    def failing(subject):
        def fail(*args):
            raise RuntimeError("the last block fails")

        with subject.blocks[-1].register_forward_pre_hook(fail):
            yield

    declare(monkeypatch, first_logits, edges=lambda subject: {
        "a pass that fails": Case(("w1",), lambda: failing(subject), value=False)
    })  # fmt: skip

    def carefully(subject, text):
        with subject.blocks[0].register_forward_hook(lambda *args: None):
            return first_logits(subject, text)

    def carelessly(subject, text):
        handle = subject.blocks[0].register_forward_hook(lambda *args: None)
        logits = first_logits(subject, text)
        handle.remove()
        return logits

    assert assess("9.1", carefully, reading).status == "passed"
    assert assess("9.1", lambda subject, text: "stopped before it failed", reading).status == "passed"
    assert "still on the model" in assess("9.1", carelessly, reading).message


def test_hooks_that_a_case_puts_on_are_others_too(monkeypatch, reading):
    def watched_by_others(subject):
        return subject.blocks[0].register_forward_hook(lambda *args: None)

    declare(monkeypatch, first_logits, edges=lambda subject: {
        "others have hooks": Case(("w1",), lambda: watched_by_others(subject))
    })  # fmt: skip

    def clearing(subject, text):
        logits = first_logits(subject, text)
        clear_all_hooks(subject)
        return logits

    assert "somebody else had put on the model is gone" in assess("9.1", clearing, reading).message
    assert assess("9.1", lambda subject, text: first_logits(subject, text), reading).status == "passed"


def test_no_other_thread_runs_the_model_meanwhile_and_prints_are_not_repeated(monkeypatch, reading, capsys):
    free = []

    def answer(subject, text):
        print("a learner looks at something")
        other = Thread(target=lambda: free.append(subject.lock.acquire(blocking=False)))
        other.start()
        other.join()
        return first_logits(subject, text)

    assert assess("9.1", answer, reading).status == "passed"
    assert len(free) == 22 and not any(free)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_stand_ins_are_small_models_of_the_same_architecture(tiny, architecture):
    subject, state = tiny(architecture), torch.get_rng_state()
    made = stand_ins(subject)
    assert torch.equal(torch.get_rng_state(), state) and stand_ins(subject) is made
    assert [s.n_layers for s in made] == [3, 5, 2, 4] and len({s.d_model for s in made}) > 1
    assert [s.dtype for s in made] == [torch.float32] * 3 + [torch.bfloat16]
    for one in made:
        assert type(one.hf) is type(subject.hf) and one.tokenizer is subject.tokenizer
        assert first_logits(one, "w1 w2").isfinite().all()
        assert one.final_norm.weight.float().std() > 0.1
    torch.rand(1)  # whatever else was drawn meanwhile
    again = stand_ins(replace(subject))
    assert torch.equal(first_logits(again[0], "w1"), first_logits(made[0], "w1"))


@pytest.mark.parametrize("own, small", [(256, 8), (0, 0)])
def test_stand_ins_are_small_where_a_model_has_embeddings_in_each_layer_and_have_none_where_it_has_none(
    tokenizer, own, small
):
    from transformers import AutoModelForCausalLM, Gemma4TextConfig

    config = Gemma4TextConfig(
        vocab_size=64, vocab_size_per_layer_input=64, hidden_size=32, num_hidden_layers=6, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, intermediate_size=64, hidden_size_per_layer_input=own,
        num_kv_shared_layers=4, layer_types=["sliding_attention", "full_attention"] * 3, pad_token_id=0,
    )  # fmt: skip
    hf = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    for one in stand_ins(Subject(ModelSpec("gemma4"), hf, tokenizer, "gemma4")):
        assert first_logits(one, "w1 w2").isfinite().all()
        assert one.hf.config.hidden_size_per_layer_input == small
        if own:
            assert one.hf.get_decoder().embed_tokens_per_layer.weight.shape[1] == small * one.n_layers


# --- Values ---------------------------------------------------------------------------------------------------


def test_values_agree_up_to_rounding_and_not_further():
    one = np.array([1.0, 2.0, 3.0])
    assert agree(one * 1.0005, one, 1e-3) and not agree(one * 1.002, one, 1e-3)
    assert not agree(one[:2], one, 1e-3) and not agree(one[None], one, 1e-3)
    assert agree(np.array([np.nan, np.inf, 1.0]), np.array([np.nan, np.inf, 1.0]), 1e-3)
    assert not agree(np.array([np.nan, 1.0]), np.array([1.0, 1.0]), 1e-3)
    assert not agree(np.array([1.0, -np.inf]), np.array([1.0, np.inf]), 1e-3)
    assert agree(np.array([1e-8]), np.array([0.0]), 1e-3, floor=1e-6) and not agree(one * 1e-4, one * 0, 1e-3, 1e-6)
    assert agree(["a", one], ["a", one], 1e-3) and not agree(["a"], ["b"], 1e-3) and not agree("a", one, 1e-3)
    assert agree({"a": one}, {"a": one}, 1e-3) and not agree({"a": one}, {"b": one}, 1e-3)


def test_values_are_read_and_shown_plainly():
    assert plain(torch.tensor([1, 2])).dtype == float and plain([1, np.float32(2), torch.tensor(3)]).tolist() == [
        1,
        2,
        3,
    ]
    assert plain(["a", 1])[0] == "a" and isinstance(plain((torch.ones(2), torch.ones(3))), list)
    assert plain(pandas.Series([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert (
        show(torch.tensor([[1.23456, 2.0]])) == "[[1.235, 2]]" and show(torch.ones(9, 9)) == "tensor of shape (9, 9)"
    )
    assert show(["x"] * 3) == "['x', 'x', 'x']" and "list of 99: 1, 1, 1, 1 …" == show([1.0] * 99)
    assert show("a" * 100).endswith("… (100 characters)") and show(double) == "double"


def test_every_check_runs_on_at_least_twenty_drawn_cases():
    assert checking.DRAWN >= 20
    assert [task.number for task in exercises().values() if task.draw is None and task.judge is None] == []
