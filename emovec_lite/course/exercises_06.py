"""Chapter 06, steering: the course's own answers, and what an answer must do."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float

from emovec_lite.activations import mean_from, token_activations, tokenize
from emovec_lite.course.checks import (
    Answer,
    Blank,
    NotYet,
    agree,
    close,
    exercise,
    expect,
    left_as_it_was,
)
from emovec_lite.generation import perplexity
from emovec_lite.steering import steer as library_steer
from emovec_lite.vectors import Direction

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from emovec_lite.models import Subject

PROMPT = "When the phone rang, he"
OTHER_PROMPT = "Two days later the parcel had still not come. The shop"


def push(direction: Direction, strength: float) -> Float[Tensor, " d_model"]:
    return strength * direction.residual_norm * direction.vector


def generate_steered(
    subject: Subject, prompt: str, layer: int, vector: Float[Tensor, " d_model"], steps: int
) -> list[int]:
    with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
        for _ in tracer.iter[:steps]:
            subject.nn.model.layers[layer].output[:] += vector
        ids = tracer.result.save()
    return ids[0, -steps:].tolist()


@contextlib.contextmanager
def adding(subject: Subject, layer: int, vector: Float[Tensor, " d_model"]) -> Iterator[None]:
    handle = subject.blocks[layer].register_forward_hook(lambda module, args, output: output + vector)
    try:
        yield
    finally:
        handle.remove()


def diagonal_gap(matrix: Float[np.ndarray, "emotion emotion"], order: Sequence[int]) -> float:
    n = len(matrix)
    own = matrix[range(n), order]
    return own.mean() - (matrix.sum() - own.sum()) / (n * n - n)


def price(subject: Subject, prompt: str, text: str) -> float:
    return float(perplexity(subject, [text], [prompt])[0])


def compass(
    rows: Float[Tensor, "emotion d_model"],
    valence: Float[Tensor, " emotion"],
    arousal: Float[Tensor, " emotion"],
    degrees: float,
) -> Float[Tensor, " d_model"]:
    import math

    right, up = valence @ rows, arousal @ rows
    right = right / right.norm()
    up = up - (up @ right) * right
    angle = math.radians(degrees)
    return math.cos(angle) * right + math.sin(angle) * up / up.norm()


@exercise("6.1", "A push in units of the residual", difficulty=1, importance=5, minutes=4, reference=push)
def check_push(answer: Answer) -> Iterator[str]:
    import torch

    def run(direction: Direction, strength: float) -> Tensor:
        hints = {(): "That is one number. The push is a vector: it has a direction.",
                 (1, 3): "Without a batch dimension: one vector."}  # fmt: skip
        before = direction.vector.clone()
        got = answer.tensor(direction, strength, shape=(3,), axes="d_model", hints=hints)
        expect(
            torch.equal(direction.vector, before),
            "You changed `direction.vector` itself, and the direction is used again. Work on a copy: `a = a * b` "
            "instead of `a *= b`.",
        )
        return got

    yield "a vector"
    direction = Direction("toy", 3, torch.tensor([0.6, 0.0, -0.8]), 40.0)
    got = run(direction, 0.25)
    yield "strength x norm x direction"
    v = direction.vector
    agree(
        got, 10 * v,
        {
            "The norm is missing: 0.25 of what? Multiply by `direction.residual_norm`, the mean length of a residual at "
            "this layer.": 0.25 * v,
            "You divided by the norm. A layer with longer residuals needs a longer push.": 0.25 * v / 40,
            "The strength is missing.": 40 * v,
            "That pushes the other way.": -10 * v,
            "You *added* to the direction, which turns it. Multiply.": v + 10,
            "You added the strength to the norm. Multiply all three.": 40.25 * v,
            "You squared the norm.": 0.25 * 1600 * v,
        },
        "Not strength times residual_norm times direction.vector.",
    )  # fmt: skip
    yield "a push backwards and a push of nothing"
    got = run(direction, -0.5)
    expect(not close(got, 20 * v), "A negative strength must push the other way: do not take its absolute value.")
    expect(close(got, -20 * v), "Right for a positive strength, wrong for a negative one.")
    expect(close(run(direction, 0.0), 0 * v), "A strength of 0 must push nowhere.")
    yield "a sum of directions keeps its length"
    long = Direction("a + b", 3, torch.tensor([1.0, 2.0, 2.0]), 5.0)
    got = run(long, 1.0)
    expect(
        not close(got, 5 * long.vector / 3),
        "You made the vector unit length. Leave its length alone: `happy + proud` is longer than each, and is meant to "
        "push harder.",
    )
    expect(close(got, 5 * long.vector), "Wrong for a direction whose length is not 1.")


def _shove(subject: Subject, layer: int, prompt: str, seed: int) -> Float[Tensor, " d_model"]:
    """A random vector 0.8 as long as the prompt's residuals, in the model's dtype and on its device."""
    import torch

    norm = token_activations(subject, prompt)[layer, 1:].norm(dim=-1).mean()
    vector = torch.randn(subject.d_model, generator=torch.Generator().manual_seed(seed))
    return (0.8 * norm * vector / vector.norm()).to(subject.device, subject.dtype)


@contextlib.contextmanager
def _as_before(subject: Subject, plain: Float[Tensor, "layer token d_model"], when: str) -> Iterator[None]:
    """`NotYet` if the block leaves a hook on the model or changes what it gives for PROMPT, which was `plain`."""
    import torch

    with left_as_it_was(subject, when):
        yield
    expect(
        torch.equal(token_activations(subject, PROMPT), plain),
        f"The model is not what it was {when}, though no hook of yours is left on it. Whatever else you changed, change "
        "it back. And go on with a new one: `subject = load_model()`.",
    )


def _greedy(
    subject: Subject, prompt: str, written: Sequence[int], layer: int, edit: Callable[[Tensor], Tensor]
) -> bool:
    """Whether each id is the likeliest one after those before it, once `edit` has changed what block `layer` puts out.

    One pass over the whole text tells, for what happens at a token does not depend on what follows it.
    """
    import torch

    ids = tokenize(subject, [prompt])[0]
    text = torch.tensor([[*ids, *written[:-1]]], device=subject.device)
    hook = subject.blocks[layer].register_forward_hook(lambda module, args, output: edit(output))
    with subject.lock, hook, torch.inference_mode():
        logits = subject.hf(input_ids=text, use_cache=False).logits[0, len(ids) - 1 :].float()
        chosen = logits[range(len(written)), written]
        near = (1e-3 if subject.dtype == torch.float32 else 5e-2) * logits.std(dim=-1)  # ties fall either way
        ends = subject.hf.generation_config.eos_token_id
        if ends is not None:
            logits[:, ends] = -torch.inf  # `min_new_tokens` forbids to end
        return bool((logits.max(dim=-1).values - chosen <= near).all())


@exercise("6.2", "Steer every step with nnsight", difficulty=4, importance=5, minutes=12, reference=generate_steered)
def check_generate_steered(answer: Answer, subject: Subject) -> Iterator[str]:
    yield "the new tokens"
    steps, layer = 12, 2 * subject.n_layers // 3
    vector = _shove(subject, layer, PROMPT, seed=0)
    plain = token_activations(subject, PROMPT)

    def written(prompt: str, layer: int, vector: Tensor, steps: int) -> list[int]:
        try:
            with _as_before(subject, plain, "after your function returned"):
                result = answer(subject, prompt, layer, vector, steps)
        except NotYet as problem:
            if "vanishes when the trace" in str(problem):
                raise NotYet(
                    f"{problem} And after an open-ended `tracer.iter[:]`, or one that waits for more steps than there "
                    "are, no line runs any more: write `tracer.iter[:steps]`, and save `tracer.result` after the loop."
                ) from problem
            raise
        if hasattr(result, "tolist"):
            result = result.tolist()
        text = "That is text. Return the ids of the new tokens: they can be compared."
        expect(not isinstance(result, str), text)
        expect(isinstance(result, (list, tuple)), f"Return a list of ids, not a {type(result).__name__}.")
        expect(
            len(result) != 1 or not (isinstance(result[0], list) or getattr(result[0], "ndim", 0)),
            "There is a batch dimension left: take text 0 of the batch.",
        )
        ids = tokenize(subject, [prompt])[0]
        expect(
            len(result) != len(ids) + steps,
            f"You returned {len(result)} ids, the prompt's {len(ids)} among them. Return only the new ones.",
        )
        expect(
            len(result) >= steps,
            f"Expected {steps} new ids, got {len(result)}. (With `min_new_tokens=steps` the model does not end early.)",
        )
        expect(
            len(result) == steps,
            f"Expected {steps} new ids, got {len(result)}: `max_new_tokens=steps` says how many.",
        )
        expect(not any(isinstance(i, str) for i in result), text)
        try:
            result = [int(i) for i in result]
        except (TypeError, ValueError, RuntimeError):
            raise NotYet(f"Return a list of ids, not of {type(result[0]).__name__}s.") from None
        expect(
            all(0 <= i < subject.hf.config.get_text_config().vocab_size for i in result), "Those are no token ids."
        )
        begin = min(len(ids), steps)
        expect(result[:begin] != ids[:begin], "Those begin with the prompt. Return the ids that come after it.")
        return result

    got = written(PROMPT, layer, vector, steps)
    yield "steered at every step"
    n = len(tokenize(subject, [PROMPT])[0])

    def at(places, by: Tensor = vector) -> Callable[[Tensor], Tensor]:
        def edit(output: Tensor) -> Tensor:
            output = output.clone()
            output[:, places] += by
            return output

        return edit

    everywhere = at(slice(None))
    if not _greedy(subject, PROMPT, got, layer, everywhere):
        first = (
            "Only the first step was steered: without a loop over `tracer.iter[:steps]` an edit applies to the first "
            "forward pass alone, and nnsight does not complain."
        )
        mistakes = [
            ("Those are the tokens of the unsteered model: your edit did not arrive. Change `….output[:]` in place with "
             "`+=`, or assign to `….output`.", lambda output: output),
            (first, at(slice(0, n))),
            (f"{first} (A loop over `range(steps)` edits that one pass again and again.)",
             at(slice(0, n), steps * vector)),
            (f"{first} And all positions are wanted, not the last one only.", at([n - 1])),
            ("You left out position 0, `.output[:, 1:]`. After the first step each pass sees one position, number 0: take "
             "all, `.output[:]`.", at(slice(1, n))),
            ("You steered only the last position. During the first step that leaves out the rest of the prompt: steer "
             "all positions, `.output[:]`.", at(slice(n - 1, None))),
            ("You steered only position 0 of each step, which in the first step leaves out most of the prompt: steer "
             "all positions, `.output[:]`.", at([0, *range(n, n + steps - 1)])),
            ("The first step, in which the prompt is read, was left out.", at(slice(n, None))),
            ("The last step was left out: `tracer.iter[:steps]` counts up to steps - 1 by itself.",
             at(slice(0, n + steps - 2))),
            ("You subtracted the vector.", at(slice(None), -vector)),
            ("You put the vector in the residual's place. Add it: `+=`.", lambda output: 0 * output + vector),
            ("You steered with a vector of length 1. Take it as it comes: its length is the strength of the push.",
             at(slice(None), vector / vector.norm())),
        ]  # fmt: skip
        for message, edit in mistakes:
            expect(not _greedy(subject, PROMPT, got, layer, edit), message)
        expect(
            not _greedy(subject, PROMPT, got, layer - 1, everywhere),
            f"Those are the tokens of steering layer {layer - 1}, and layer {layer} was asked for. What a block "
            "*receives*, its `.input`, is layer - 1; layer l is the `.output` of block l.",
        )
        expect(
            not _greedy(subject, PROMPT, got, layer + 1, everywhere),
            f"Asked to steer layer {layer}, you steered layer {layer + 1}. Layer l is the output of `layers[l]`.",
        )
        raise NotYet(
            "Steered, but these are not the tokens that steering every step at every position gives. (Did you leave out "
            "`do_sample=False`? Is the vector added once a step, and as it is?)"
        )
    yield "another prompt, layer and number of steps"
    layer, steps = layer - 3 if subject.n_layers > 6 else layer - 1, 7
    vector = _shove(subject, layer, OTHER_PROMPT, seed=1)
    expect(
        _greedy(subject, OTHER_PROMPT, written(OTHER_PROMPT, layer, vector, steps), layer, at(slice(None), vector)),
        "Right for one prompt, layer and length, and wrong for others: does your function use all of its arguments?",
    )


class Broken(Exception):
    """What the check raises inside the learner's `with` block."""


class Interrupted(KeyboardInterrupt):
    """The same as if somebody had interrupted the cell."""


@exercise("6.3", "Your own `with` block", difficulty=3, importance=5, minutes=10, reference=adding)
def check_adding(answer: Answer, subject: Subject) -> Iterator[str]:
    import torch

    yield "a context manager"
    layer = subject.n_layers // 2
    vector, other = (_shove(subject, layer, PROMPT, seed) for seed in (0, 1))
    patch, other_patch = vector.float().cpu().clone(), other.float().cpu().clone()
    plain = token_activations(subject, PROMPT)

    def manager(layer: int, vector: Tensor):
        made = answer(subject, layer, vector)
        expect(
            not hasattr(made, "remove"),
            "You return the hook's handle, and the hook is on from the call on, `with` or no `with`. `yield` inside "
            "`try: … finally: handle.remove()`, and put `@contextmanager` above `def`.",
        )
        expect(
            not inspect.isgenerator(made),
            "A bare generator is no `with` block: put `@contextmanager` (from contextlib) above `def`.",
        )
        expect(
            hasattr(type(made), "__enter__") and hasattr(type(made), "__exit__"),
            f"`{answer.name}(…)` should be usable in a `with`, and returned a {type(made).__name__}. Put "
            "`@contextmanager` above `def`, and `yield` where the block is to run.",
        )
        return made

    def within(act: Callable, layer: int = layer, when: str = "after the `with` block"):
        """What `act` gives inside the learner's block, or the check's own error that it raised."""
        found, running = None, False
        with _as_before(subject, plain, when):
            try:
                with manager(layer, vector):
                    running = True
                    found = act()
                    running = False
            except (Broken, Interrupted) as stop:
                found = stop
            except (Blank, NotYet):
                raise
            except NotImplementedError as error:
                if not str(error) or str(error).startswith("exercise "):
                    raise Blank from error
                raise NotYet(f"`{answer.name}` raised NotImplementedError: {error}") from error
            except Exception as error:
                why = f"`with {answer.name}(…)` raised {type(error).__name__}: {str(error).rstrip('.')}."
                if running:
                    why += " What a block puts out is one tensor, (text, token, d_model): so must be what the hook returns."
                elif "iterator" in str(error) or "didn't yield" in str(error):
                    why += " No `yield` was reached: it stands where the block is to run."
                raise NotYet(why) from error
        expect(
            found is not None,
            "An error inside the block disappeared: your block swallows it. Clean up in `finally:`, without `except:`.",
        )
        expect(
            torch.equal(vector.float().cpu(), patch), "You changed the vector that you were given. Work on a copy."
        )
        return found

    def added(got: Tensor, plain: Tensor, by: Tensor) -> bool:
        """Up to rounding, which is coarse where a residual is huge: at the first token, in half precision."""
        slack = 1e-3 if subject.dtype == torch.float32 else 3e-2
        by = by.expand_as(plain)
        return torch.allclose(
            got, plain + by, rtol=4 * torch.finfo(subject.dtype).eps, atol=slack * float(by.square().mean().sqrt())
        )

    got = within(lambda: token_activations(subject, PROMPT))
    yield "original + vector at that layer"
    here, was = got[layer], plain[layer]
    if not added(here, was, patch):
        expect(
            not torch.equal(got, plain),
            "Nothing changed. What a hook *returns* takes the place of the block's output: return `output + vector`.",
        )
        with library_steer(subject, Direction("check", layer - 1, vector, 1.0), 1.0):
            before = token_activations(subject, PROMPT)
        expect(
            not added(here, was, before[layer] - was),
            f"You steered layer {layer - 1}, which is what block {layer} *receives*. Use a forward hook on block "
            f"{layer}, which sees the output.",
        )
        expect(
            not torch.equal(here, was),
            f"Layer {layer} is as it was, and a later one changed. Layer l is the output of `subject.blocks[l]`.",
        )
        expect(torch.equal(got[:layer], plain[:layer]), f"A layer before {layer} changed already.")
        expect(
            not added(here, 0 * was, patch), "You put the vector in the residual's place. Add it: `output + vector`."
        )
        times = float(((here - was).mean(dim=0) @ patch) / (patch @ patch))
        expect(not added(here, was, -patch), "You subtracted the vector.")
        expect(
            not added(here, was, times * patch),
            f"You added {times:.3g} times the vector. Add it once, and as it is: its length is the strength of the push.",
        )
        moved = [bool((a - b).norm() > 0.1 * patch.norm()) for a, b in zip(here, was, strict=True)]
        expect(all(moved), f"Only {sum(moved)} of {len(moved)} tokens were steered. Steer all of them.")
        raise NotYet(f"At layer {layer} the residual is not the original plus the vector.")
    expect(torch.equal(got[:layer], plain[:layer]), "An earlier layer changed.")
    yield "gone after an error or an interruption"

    def stop(error: type[BaseException]):
        raise error

    within(lambda: stop(Broken), when="when the block ended with an error")
    within(lambda: stop(Interrupted), when="when the block was interrupted")
    yield "two blocks, one inside the other"

    def nested() -> tuple[Tensor, Tensor]:
        with manager(layer, other):
            both = token_activations(subject, PROMPT)
        return both, token_activations(subject, PROMPT)

    both, outer = within(nested)
    expect(added(both[layer], was, patch + other_patch), "One block inside another must add both vectors.")
    expect(
        added(outer[layer], was, patch),
        "When the inner of two blocks ended, the outer one lost its vector. Remove your own hook, and only that.",
    )
    yield "another layer, and two texts at once"
    texts = tokenize(subject, [PROMPT, OTHER_PROMPT])
    means = [mean_from(subject, texts, [0, 0]).blocks]
    means.append(within(lambda: mean_from(subject, texts, [0, 0]).blocks, layer + 1))
    one, two = (added(means[1][i, layer + 1], means[0][i, layer + 1], patch) for i in range(2))
    expect(
        one == two,
        "Of two texts in a batch only one was steered rightly. `output[0]` is the first text of the batch: add to all of "
        "`output`.",
    )
    expect(one, "Right for one layer and one text, wrong for others.")


@exercise("6.4", "Own word against the others", difficulty=2, importance=5, minutes=8, reference=diagonal_gap)
def check_diagonal_gap(answer: Answer) -> Iterator[str]:
    import numpy as np
    import torch

    yield "a number"
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(5, 5))
    order = np.arange(5)
    each = "A value for each emotion: take the mean of them."
    got = answer.tensor(matrix, order, shape=(), axes="", hints={(5,): each, (5, 5): "Still a matrix."})
    yield "own minus others"
    rows = np.arange(5)

    def own(order):
        return matrix[rows, order]

    def gap(order):
        return torch.tensor(diagonal_gap(matrix, order))

    agree(
        got, gap(order),
        {
            "Others minus own: turn it around.": -gap(order),
            "That is 0 for any matrix: `matrix[:, order]` takes whole columns. To pair each row with its own column "
            "write `matrix[np.arange(n), order]`.": torch.tensor(0.0),
            "Among \"the others\" you counted the own words too. Leave them out: there are n² − n others.": torch.tensor(
                own(order).mean() - matrix.mean()
            ),
            "That is the mean of the own words alone. Subtract the mean of all the others.": torch.tensor(
                own(order).mean()
            ),
            "You divided the others' sum by n². There are n² − n of them.": torch.tensor(
                own(order).mean() - (matrix.sum() - own(order).sum()) / 25
            ),
            "Sums, where means are asked for: there are many more others than own.": torch.tensor(
                2 * own(order).sum() - matrix.sum()
            ),
        },
        "Not the mean of the own entries minus the mean of all the others.",
    )  # fmt: skip
    yield "another order"
    order = np.array([2, 0, 4, 1, 3])
    got = answer.tensor(matrix, order, shape=(), axes="")
    agree(
        got, gap(order),
        {
            "You always take the diagonal. With `order` the own word of row i is column `order[i]`.": gap(rows),
            "Row and column are swapped: row i, column `order[i]`.": torch.tensor(diagonal_gap(matrix.T, order)),
        },
        "Right for the diagonal, wrong for another order: the own entry of row i is `matrix[i, order[i]]`.",
    )  # fmt: skip
    yield "any size"
    matrix = rng.normal(size=(3, 3))
    got = answer.tensor(matrix, np.array([1, 2, 0]), shape=(), axes="")
    expect(
        close(got, torch.tensor(diagonal_gap(matrix, np.array([1, 2, 0])))),
        "Right for five emotions, wrong for three: is a number written into your function?",
    )


@exercise("6.5", "What a text costs", difficulty=3, importance=5, minutes=10, reference=price)
def check_price(answer: Answer, subject: Subject) -> Iterator[str]:
    import torch

    yield "a number"
    text = " picked it up and said that he would be late."
    hints: dict[tuple, str] = {}
    ids = tokenize(subject, [PROMPT + text])[0]
    n = len(tokenize(subject, [PROMPT])[0])
    hints[(len(ids) - n,)] = "A value for each token. Take the mean of the log probabilities first, then exp."
    hints[(1,)] = "Return one number: `.item()`, or index into it."
    with subject.lock, torch.inference_mode():
        logits = subject.hf(torch.tensor([ids], device=subject.device)).logits[0].float()
    logs = logits.log_softmax(dim=-1).cpu()
    own = torch.tensor([logs[i - 1, ids[i]] for i in range(n, len(ids))])
    tolerance = 1e-3 if subject.dtype == torch.float32 else 5e-2
    plain = token_activations(subject, PROMPT)

    def run(prompt: str, text: str) -> Tensor:
        with _as_before(subject, plain, "after your function returned"):
            return answer.tensor(subject, prompt, text, shape=(), axes="", hints=hints)

    got = run(PROMPT, text)
    yield "exp of the mean surprise of the text's tokens"
    everything = torch.tensor([logs[i - 1, ids[i]] for i in range(1, len(ids))])
    alone = float(perplexity(subject, [text])[0])
    agree(
        got, (-own.mean()).exp(),
        {
            "That is the mean surprise itself. Perplexity is exp of it.": -own.mean(),
            "That is the mean log probability. Perplexity is exp of *minus* that.": own.mean(),
            "That is the whole text's surprise. Take the mean over its tokens, then exp.": -own.sum(),
            "That is the probability of the whole text. Take exp of minus the *mean* log probability.": own.sum().exp(),
            "A sign is missing: that is exp of the mean *log probability*, the probability of a typical token. "
            "Perplexity is exp of minus that.": own.mean().exp(),
            "The prompt's tokens are in it. Only the text's own count: the prompt is given.": (-everything.mean()).exp(),
            "The prompt's last token is in it. The text's own begin at `len(prompt_ids)`.": (
                -torch.cat([everything[n - 2 : n - 1], own]).mean()
            ).exp(),
            "The text's last token is missing. It is predicted by the logits at the token before it.": (
                -own[:-1].mean()
            ).exp(),
            "You took the text for the prompt.": torch.tensor(float(perplexity(subject, [PROMPT], [text])[0])),
            "You took the text without its prompt. It is judged *after* the prompt.": torch.tensor(alone),
            "Off by one: the logits at token i say what comes at i + 1. You compared them with token i itself.": (
                -torch.tensor([logs[i, ids[i]] for i in range(n, len(ids))]).mean()
            ).exp(),
            "The text's first token is missing. It is predicted by the logits at the prompt's last "
            "token.": (-own[1:].mean()).exp(),
            "You took exp first and the mean then. Mean of the logarithms first.": (-own).exp().mean(),
            "One over the mean probability. Take the mean of the *log* probabilities.": 1 / own.exp().mean(),
            "You added up instead of taking the mean: a long text would cost more than a short one.": (-own.sum()).exp(),
            "Logarithms to base 2 need 2 to the power, not e.": (-own.mean() / torch.tensor(2.0).log()).exp(),
            "The logits are not probabilities yet: `log_softmax(dim=-1)` first.": (
                -torch.stack([logits[i - 1, ids[i]] for i in range(n, len(ids))]).mean()
            ).exp(),
        },
        "Not exp of the mean of −log p over the text's own tokens. (The ids are those of `prompt + text`, as they stand.)",
        tolerance,
    )  # fmt: skip
    yield "another text"
    for prompt, text in ((OTHER_PROMPT, " sent another one."), (PROMPT, " ran ran ran ran ran ran ran ran")):
        got = run(prompt, text)
        expect(
            close(got, torch.tensor(price(subject, prompt, text)), tolerance),
            f"Wrong for the text {text!r} after {prompt!r}, though right for another.",
        )


@exercise("6.6", "A compass of feeling words", difficulty=3, importance=4, minutes=10, reference=compass)
def check_compass(answer: Answer) -> Iterator[str]:
    import math

    import torch

    yield "a vector"
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(6, 4, generator=generator)
    rows = rows - rows.mean(dim=0)
    valence, arousal = torch.randn(2, 6, generator=generator)
    hints = {(): "That is one number, and a direction is wanted.", (6,): "A number for each emotion: the weights belong "
             "to the left, `valence @ rows`.", (2, 4): "Those are the two axes. Combine them by cosine and sine."}  # fmt: skip

    def run(degrees: float) -> Tensor:
        return answer.tensor(rows.clone(), valence, arousal, degrees, shape=(4,), axes="d_model", hints=hints)

    def unit(x: Tensor) -> Tensor:
        return x / x.norm()

    right, up = unit(valence @ rows), unit(arousal @ rows)
    got = run(0.0)
    yield "valence at 0 degrees"
    square = unit(up - (up @ right) * right)
    agree(
        got, right,
        {
            "At 0 degrees you point to arousal. Cosine belongs to valence, sine to arousal.": square,
            "At 0 degrees you point to arousal, and not at a right angle to valence.": up,
            "Unpleasant at 0 degrees: the sign of valence is turned.": -right,
            "Make the direction unit length.": valence @ rows,
            "You brought each emotion's row to length 1 first. Sum them as they are.": unit(
                valence @ (rows / rows.norm(dim=1, keepdim=True))
            ),
            "You straightened the valence axis. Leave valence as it is, and take its part out of *arousal*.": unit(
                right - (right @ up) * up
            ),
        },
        "At 0 degrees the direction must be the unit vector along `valence @ rows`.",
    )  # fmt: skip
    yield "arousal at 90 degrees, at a right angle"
    got = run(90.0)
    agree(
        got, square,
        {
            "The two axes are not at a right angle: moving up would also move you along valence. Subtract from the "
            "arousal axis its part along the valence axis.": up,
            "You took valence out of arousal's *weights*. That does not make the two axes meet at a right angle: take "
            "it out of the direction.": unit((arousal - (arousal @ valence) / (valence @ valence) * valence) @ rows),
            "`math.cos` counts in radians: `math.radians(degrees)`.": math.cos(90.0) * right + math.sin(90.0) * square,
            "Upside down: at 90 degrees arousal is high.": -square,
            "Make the arousal axis unit length *after* its part along valence is out.": up - (up @ right) * right,
            "`math.cos` counts in radians. And the two axes are not at a right angle.": math.cos(90.0) * right
            + math.sin(90.0) * up,
            "You took out the part along `valence @ rows` before that had length 1: the part of u along a *unit* vector "
            "v is (u · v) v.": unit(arousal @ rows - (arousal @ rows @ (valence @ rows)) * (valence @ rows)),
        },
        "At 90 degrees the direction must be the arousal axis, less its part along the valence axis, as a unit vector.",
    )  # fmt: skip
    yield "all the way round"
    for degrees in (30.0, 135.0, 250.0, -45.0):
        angle = math.radians(degrees)
        got = run(degrees)
        expect(
            abs(float(got.norm()) - 1) < 1e-3,
            f"At {degrees:.0f} degrees the length is {float(got.norm()):.2f}, not 1.",
        )
        expect(
            close(got, math.cos(angle) * right + math.sin(angle) * square),
            f"Right at 0 and 90 degrees, wrong at {degrees:.0f}. Each axis must have length 1 *before* you combine them "
            "by cosine and sine, signs and all.",
        )
    yield "rows of any length"
    got = answer.tensor(100 * rows, 2 * valence, 0.1 * arousal, 60.0, shape=(4,), axes="d_model")
    expect(
        close(got, 0.5 * right + math.sin(math.radians(60)) * square),
        "With longer rows or other weights the angle changes: bring both axes to length 1 before you combine them.",
    )
