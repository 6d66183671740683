"""Exercise 6.2: steer every step with nnsight."""

import contextlib
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from emovec_lite.course.chapters.c01_residual_stream.add_at import a_vector
from emovec_lite.course.chapters.c01_residual_stream.reading import SHORT, WORDS, ids_of
from emovec_lite.course.chapters.c06_steering.edit import EDITS, edited
from emovec_lite.course.exercise import Case, Exercise
from emovec_lite.course.values import Unreadable, read
from emovec_lite.models import Subject

ENDS = "Nobody"  # where the model wants to end its text at once
CUT_SHORT = (
    "The loop waited for a step that the model did not make, and no line after it was run. After an open-ended "
    "`tracer.iter[:]` that is always so: write `tracer.iter[:steps]`. And a model that ends its text early ends the loop: "
    "ask for exactly `steps` tokens, `min_new_tokens=steps`."
)


def generate_steered(
    subject: Subject, prompt: str, layer: int, vector: Float[Tensor, " d_model"], steps: int
) -> list[int]:
    with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        for _ in tracer.iter[:steps]:
            subject.nn.blocks[layer].output[:] += vector
        ids = tracer.result.save()
    return ids[0, -steps:].tolist()


def written(answer: Callable, subject: Subject, prompt: str, *args):
    """The new ids; where the model wants to end, how many: who lets it write its end and go on is right, too."""
    with warnings.catch_warnings(record=True) as said, torch.random.fork_rng(devices=[]):
        warnings.simplefilter("always")
        torch.manual_seed(0)  # a text that is sampled is the same each time, too
        try:
            ids, _ = read(exercise, answer(subject, prompt, *args))
        except UnboundLocalError as error:
            if any("was never reached" in str(warning.message) for warning in said):
                raise Unreadable(CUT_SHORT) from error
            raise
    ids = ids.astype(int).tolist() if isinstance(ids, np.ndarray) else ids
    return {"new ids": len(ids)} if prompt == ENDS else ids


@contextlib.contextmanager
def generating(subject: Subject, **settings) -> Iterator[None]:
    """A model that by default generates otherwise."""
    config = vars(subject.hf.generation_config)
    before = dict(config)
    config.update(settings)
    try:
        yield
    finally:
        config.clear()
        config.update(before)


def some_case(rng: np.random.Generator, subject: Subject, prompt: str, layer: int, steps: int) -> tuple:
    return prompt, layer, a_vector(rng, subject, SHORT, layer), steps


def edges(subject: Subject) -> dict[str, tuple | Case]:
    rng = np.random.default_rng(0)
    ending, sampling = (some_case(rng, subject, prompt, 1, 5) for prompt in (ENDS, SHORT))
    (end,) = generate_steered(subject, *ending[:-1], 1)
    return {
        "a short prompt": some_case(rng, subject, SHORT, 2, 6),
        "one step": some_case(rng, subject, SHORT, 1, 1),
        "a prompt of one token": some_case(rng, subject, "The", 1, 4),
        "thirty steps": some_case(rng, subject, SHORT, 1, 30),
        "the first layer": some_case(rng, subject, SHORT, 0, 5),
        "the last layer": some_case(rng, subject, SHORT, subject.n_layers - 1, 5),
        "a model that wants to end": Case(ending, lambda: generating(subject, eos_token_id=end)),
        "a model set to sample": Case(sampling, lambda: generating(subject, do_sample=True)),
    }


def draw(rng: np.random.Generator, subject: Subject) -> tuple:
    prompt = " ".join(rng.choice(WORDS, size=rng.integers(1, 21)))
    return some_case(rng, subject, prompt, int(rng.integers(subject.n_layers)), int(rng.integers(1, 9)))


def on_the_model(subject: Subject) -> dict[str, tuple]:
    if subject.dtype != torch.float32:
        return {}  # two tokens may be the likeliest, up to rounding
    return {"your model": some_case(np.random.default_rng(0), subject, SHORT, 2 * subject.n_layers // 3, 4)}


def by(edit: Callable, shift: int = 0, **settings) -> Callable:
    """The new ids when a hook edits what block `layer + shift` puts out."""

    def answer(subject, prompt, layer, vector, steps):
        ids = ids_of(subject, prompt)
        exactly = {"attention_mask": torch.ones_like(ids), "max_new_tokens": steps, "min_new_tokens": steps}
        with edited(subject, layer + shift, vector, edit):
            return subject.hf.generate(ids, **exactly, **(settings or {"do_sample": False}))[0, -steps:]

    return answer


def by_steps(edit: Callable) -> Callable:
    """The same for an edit made of the number of steps."""
    return lambda *args: by(edit(args[-1]))(*args)


def assigned_back(subject: Subject, prompt: str, layer: int, vector: Tensor, steps: int) -> Tensor:
    ids, block = ids_of(subject, prompt), subject.nn.blocks[layer]
    with subject.nn.generate(ids, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        for _step in tracer.iter[0:steps]:
            block.output = block.output + vector.to(block.output)
        out = tracer.result.save()
    return out[0][ids.shape[1] :]


def with_a_cache(subject: Subject, prompt: str, layer: int, vector: Tensor, steps: int) -> tuple[int, ...]:
    ids, new, cache = ids_of(subject, prompt), [], None
    with subject.blocks[layer].register_forward_hook(lambda m, a, output: output + vector), torch.no_grad():
        for _ in range(steps):
            out = subject.hf(ids, past_key_values=cache, use_cache=True)
            cache, ids = out.past_key_values, out.logits[:, -1:].argmax(-1)
            new.append(ids.item())
    return tuple(new)


def by_logits(subject: Subject, prompt: str, layer: int, vector: Tensor, steps: int) -> list[int]:
    new = []
    with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        for _step in tracer.iter[:steps]:
            subject.nn.blocks[layer].output[0] += vector  # all positions of text 0, the only one
            new.append(subject.nn.lm_head.output[0, -1].argmax().item())
    return new


FIRST = (
    "Only the first step was steered: without a loop over `tracer.iter[:steps]` an edit applies to the first forward pass "
    "alone, and nnsight does not complain."
)

exercise = Exercise(
    "6.2", "Steer every step with nnsight", difficulty=4, importance=5, minutes=12, returns="list tuple tensor array",
    reference=generate_steered, edges=edges, draw=draw, on_the_model=on_the_model, observe=written, half=False,
    mistakes={
        FIRST: by(lambda x, v, i: x.add_((i == 0) * v)),
        f"{FIRST} And all positions are wanted, not the last one only.": by(lambda x, v, i: x[:, -1].add_((i == 0) * v)),
        f"{FIRST} (A loop over `range(steps)` edits that one pass again and again.)": by_steps(
            lambda steps: lambda x, v, i: x.add_((i == 0) * steps * v)
        ),
        "The last step was left out: `tracer.iter[:steps]` counts up to steps - 1 by itself.": by_steps(
            lambda steps: lambda x, v, i: x.add_((i < steps - 1) * v)
        ),
        "Those are the tokens of the unsteered model: your edit did not arrive. Change `….output[:]` in place with `+=`, "
        "or assign to `….output`.": by(lambda x, v, i: None),
        "Each step was pushed harder than the one before. Add the vector once a step.": by(lambda x, v, i: x.add_((i + 1) * v)),
        **{message: by(*edit) for message, edit in EDITS.items()},
        "You steered layer l + 1. Layer l is the output of `blocks[l]`.": lambda subject, prompt, layer, *others: (
            generate_steered(subject, prompt, layer + 1, *others)
        ),
        "You let the model sample where it is set to, and every run gives another text. The likeliest token is wanted at "
        "each step: `do_sample=False`.": by(lambda x, v, i: x.add_(v), num_beams=1),
        "You let the model sample. The likeliest token is wanted at each step: `do_sample=False`.": by(
            lambda x, v, i: x.add_(v), do_sample=True
        ),
        "The prompt's ids are among them. Return only the new ones: the last `steps`.": lambda subject, prompt, *others: (
            [*subject.tokenizer(prompt)["input_ids"], *generate_steered(subject, prompt, *others)]
        ),
        "There is a batch dimension left: take text 0 of the batch.": lambda *args: [generate_steered(*args)],
    },
    equivalent={
        "return ids[-1, -steps:].tolist()": "one text in the batch",
        "return ids[0, -steps:]": "a tensor of ids will do",
    },
    right=[assigned_back, with_a_cache, by_logits],
    discuss="One edit in the first pass, or one in every pass: both are called steering in the literature. How would you "
    "find out from a paper which of them was done? Which differences in its results could come from this alone?",
)  # fmt: skip
