"""Exercise 7.1: what a text costs."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from emovec_lite.course.chapters.c01_residual_stream.reading import WORDS, ids_of, some_text
from emovec_lite.course.exercise import Exercise
from emovec_lite.models import Subject

PROMPT, LONG = "When the phone rang, he", " ".join(WORDS * 8)
TEXT = " picked it up and said that he would be late."  # a space first: so a prompt's own tokens stay as they are


def price(subject: Subject, prompt: str, text: str) -> float:
    n = len(subject.tokenizer(prompt)["input_ids"])
    ids = subject.tokenizer(prompt + text)["input_ids"]
    with torch.inference_mode():
        logits = subject.hf(torch.tensor([ids], device=subject.device)).logits[0].float()
    own = logits.log_softmax(dim=-1)[range(n - 1, len(ids) - 1), ids[n:]]
    return (-own.mean()).exp().item()


def edges(subject: Subject) -> dict[str, tuple[str, str]]:
    return {
        "a short text": (PROMPT, TEXT),
        "a text of one token": (PROMPT, " ran"),
        "a prompt of one token": ("The", TEXT),
        "a long text": (PROMPT, f" {LONG}"),
        "a long prompt": (LONG, TEXT),
        "a text that goes on within a word": ("The bus", "ses broke"),
        "one word again and again": (PROMPT, " ran" * 9),
    }


def draw(rng: np.random.Generator, subject: Subject) -> tuple[str, str]:
    return some_text(rng), f" {some_text(rng)}"


def on_the_model(subject: Subject) -> dict[str, tuple[str, str]]:
    return {"your model": (PROMPT, TEXT), "your model, one token": (PROMPT, " ran")}


def of(f: Callable) -> Callable:
    """An answer made of the logits at each token, the ids, and the number of the prompt's."""

    def answer(subject, prompt, text):
        ids = ids_of(subject, prompt + text)
        with torch.inference_mode():
            return f(subject.hf(ids).logits[0].float(), ids[0], ids_of(subject, prompt).shape[1])

    return answer


def logs(logits: Tensor, ids: Tensor, first: int) -> Tensor:
    """The log probability of each token from the first on."""
    return logits[first - 1 : -1].log_softmax(dim=-1).gather(1, ids[first:, None])[:, 0]


def of_own(f: Callable) -> Callable:
    """An answer made of the log probabilities of the text's own tokens."""
    return of(lambda logits, ids, n: f(logs(logits, ids, n)))


def from_token(first: Callable) -> Callable:
    """The price of everything from token `first(n)` on, where the prompt has n."""
    return of(lambda logits, ids, n: (-logs(logits, ids, first(n)).mean()).exp())


def by_labels(subject: Subject, prompt: str, text: str) -> Tensor:
    ids = ids_of(subject, prompt + text)
    labels = ids.clone()
    labels[:, : ids_of(subject, prompt).shape[1]] = -100
    with torch.inference_mode():
        return subject.hf(input_ids=ids, labels=labels).loss.exp()


def token_by_token(subject: Subject, prompt: str, text: str) -> float:
    n, costs = ids_of(subject, prompt).shape[1], []
    for i in range(n, len(ids := ids_of(subject, prompt + text)[0])):
        with torch.no_grad():
            logits = subject.hf(ids[None, :i]).logits[0, -1]
        costs.append(-math.log(logits.double().softmax(dim=0)[ids[i]]))
    return math.exp(sum(costs) / len(costs))


def by_a_trace(subject: Subject, prompt: str, text: str) -> np.floating:
    ids, n = ids_of(subject, prompt + text), ids_of(subject, prompt).shape[1]
    with torch.no_grad(), subject.nn.trace(ids):
        logits = subject.nn.lm_head.output.save()
    costs = torch.nn.functional.cross_entropy(logits[0, n - 1 : -1].float(), ids[0, n:], reduction="sum")
    return np.exp(costs.numpy(force=True) / (ids.shape[1] - n))


exercise = Exercise(
    "7.1", "What a text costs", difficulty=3, importance=5, minutes=10, returns="number",
    reference=price, edges=edges, draw=draw, on_the_model=on_the_model, half=False,  # exp makes rounding large
    mistakes={
        "That is the mean surprise itself. Perplexity is exp of it.": of_own(lambda own: -own.mean()),
        "That is the mean log probability. Perplexity is exp of *minus* that.": of_own(lambda own: own.mean()),
        "That is the whole text's surprise. Take the mean over its tokens, then exp.": of_own(lambda own: -own.sum()),
        "That is the probability of the whole text. Take exp of minus the *mean* log probability.": of_own(lambda own: own.sum().exp()),
        "You added up instead of taking the mean: a long text would cost more than a short one.": of_own(lambda own: (-own.sum()).exp()),
        "A sign is missing: that is exp of the mean *log probability*, the probability of a typical token. Perplexity is "
        "exp of minus that.": of_own(lambda own: own.mean().exp()),
        "You took exp first and the mean then. Mean of the logarithms first.": of_own(lambda own: (-own).exp().mean()),
        "One over the mean probability. Take the mean of the *log* probabilities.": of_own(lambda own: 1 / own.exp().mean()),
        "That is the median surprise. Take the mean.": of_own(lambda own: (-own).median().exp()),
        "That is a tensor, and a number is wanted. If it has a value for each token, take the mean of the log probabilities "
        "first, then exp; if it has just one, `.item()`.": of_own(lambda own: (-own).exp()),
        "Logarithms to base 2 need 2 to the power, not e.": of_own(lambda own: (-own.mean() / math.log(2)).exp()),
        "The text's last token is missing. It is predicted by the logits at the token before it.": of_own(lambda own: (-own[:-1].mean()).exp()),
        "The text's first token is missing. It is predicted by the logits at the prompt's last token.": from_token(lambda n: n + 1),
        "The prompt's tokens are in it. Only the text's own count: the prompt is given.": from_token(lambda n: 1),
        "The prompt's last token is in it. The text's own begin at `len(prompt_ids)`.": from_token(lambda n: max(n - 1, 1)),
        "Off by one: the logits at token i say what comes at i + 1. You compared them with token i "
        "itself.": of(lambda logits, ids, n: (-logits[n:].log_softmax(dim=-1).gather(1, ids[n:, None]).mean()).exp()),
        "The logits are not probabilities yet: `log_softmax(dim=-1)` "
        "first.": of(lambda logits, ids, n: (-logits[n - 1 : -1].gather(1, ids[n:, None]).mean()).exp()),
        "You took the text for the prompt.": lambda subject, prompt, text: price(subject, text, prompt),
        "You took the text without its prompt. It is judged *after* the "
        "prompt.": lambda subject, prompt, text: from_token(lambda n: 1)(subject, "", text),
    },
    equivalent={
        "logits = subject.hf(torch.tensor([ids], device=subject.device)).logits[-1].float()": "one text in the batch",
        "logits = subject.hf(torch.tensor([ids], device=subject.device)).logits[0]": "half precision may be rounded",
        "logits = subject.hf(torch.tensor([ids])).logits[0].float()": "the same on a CPU",
        "own = logits.log_softmax(dim=1)[range(n - 1, len(ids) - 1), ids[n:]]": "two axes: the last is axis 1",
        "return (-own.mean()).exp()": "a tensor of one number is a number",
    },
    right=[by_labels, token_by_token, by_a_trace],
    discuss="Perplexity asks the unsteered model what it thinks of the steered text. Why is a low value not the same as "
    "good writing, and when is a high value no damage at all?",
)  # fmt: skip
