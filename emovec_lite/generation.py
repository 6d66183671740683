"""What a model writes after a prompt, whole or piece by piece, and how well it could have foreseen a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from emovec_lite.activations import check_fit, length_batches, listed, longest, pad_right, text_of, tokenize
from emovec_lite.errors import EmovecError

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from emovec_lite.models import Subject

LOGITS = 12_500_000  # at once, for 0.05 GB in float32: some vocabularies have 50,000 words, others 260,000
COLDEST = 1e-4  # temperature of a sample: logits divided by much less overflow


def generate(
    subject: Subject, prompt: str, max_new_tokens: int = 40, *, temperature: float = 0.0, seed: int = 0
) -> str:
    """The model's own continuation of a raw text: at temperature 0 the likeliest tokens, above it a seeded sample.

    The same seed gives the same random numbers on every device, and under steering too. Raises `EmovecError` for a
    temperature below 0 or not finite.
    """
    generators = [_generator(seed)] if _sampling(temperature) else None
    prompts = tokenize(subject, [prompt])
    return write(subject, prompts, max_new_tokens, temperature=temperature, generators=generators)[0]


def stream(
    subject: Subject, prompt: str, max_new_tokens: int = 40, *, temperature: float = 0.0, seed: int = 0
) -> Iterator[str]:
    """The same continuation as `generate` gives, in pieces, each as soon as it is written.

    Nothing runs between two pieces: to stop, ask for no more. So a worker thread can show them (`widgets`), a cell
    can print them, and two streams of one model can take turns, one of them steered.
    """
    import torch

    draws = torch.rand(max_new_tokens, generator=_generator(seed)) if _sampling(temperature) else None
    prompt_ids = begun(subject, tokenize(subject, [prompt])[0], max_new_tokens)
    ids, kept, written, shown = torch.tensor([prompt_ids], device=subject.device), {}, [], ""
    stops = subject.hf.generation_config.eos_token_id
    stops = {stops} if isinstance(stops, int) else set(stops or ())
    for i in range(max_new_tokens):
        with subject.lock, torch.inference_mode():
            out = subject.hf(input_ids=ids, use_cache=True, logits_to_keep=1, **kept)
        logits = check_logits(out.logits)[:, -1]
        # The cache goes in by the name that it comes out by: versions of transformers differ in it.
        kept = {name: value for name, value in out.items() if hasattr(value, "get_seq_length")}
        new = logits.argmax(dim=-1, keepdim=True) if draws is None else pick(logits, temperature, draws[i, None])
        ids = new if kept else torch.cat([ids, new.to(ids.device)], dim=1)
        written.append(int(new))
        text = _continuation(subject, prompt_ids, written)
        if not text.endswith("\ufffd"):  # else the first bytes of a letter whose others are still to come
            yield text[len(shown) :]
            shown = text
        if written[-1] in stops:
            break
    if text := _continuation(subject, prompt_ids, written)[len(shown) :]:
        yield text


def write(
    subject: Subject,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    *,
    min_new_tokens: int = 0,
    temperature: float = 1.0,
    generators: Sequence[Generator] | None = None,
) -> list[str]:
    """Continue prompts, given as token ids, side by side: by the likeliest tokens, or with `generators` by samples.

    A sample takes its random numbers from a generator of its own; but for rounding it does not depend on what stands
    beside it. Raises `EmovecError` for a prompt that leaves no room, or is empty where the tokenizer has no mark of
    the beginning, and for logits that are not finite.
    """
    import torch
    from transformers import LogitsProcessorList

    prompts = [begun(subject, prompt, max_new_tokens) for prompt in prompts]
    width = max(map(len, prompts))
    # On the left, here: every text goes on from the end of its prompt.
    ids = torch.tensor([[subject.tokenizer.pad_token_id] * (width - len(p)) + [*p] for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    processors = LogitsProcessorList([lambda written, scores: check_logits(scores)])
    if generators is not None:
        draws = torch.stack([torch.rand(max_new_tokens, generator=generator) for generator in generators])

        def sample(written: Tensor, scores: Tensor) -> Tensor:
            """All but one token of each row ruled out: the one that the row's own random number picks."""
            picked = pick(scores, temperature, draws[:, written.shape[1] - width])
            return torch.full_like(scores, float("-inf")).scatter(1, picked, 0.0)

        processors.append(sample)
    with subject.lock, torch.inference_mode():
        # Models with a head generate; the base of all models does not say so.
        out = subject.hf.generate(  # ty: ignore[not-callable]
            input_ids=ids.to(subject.device), attention_mask=mask.to(subject.device), do_sample=False,
            max_new_tokens=max_new_tokens, min_new_tokens=min_new_tokens or None,
            pad_token_id=subject.tokenizer.pad_token_id, logits_processor=processors,
        )  # fmt: skip
    return [_continuation(subject, p, new) for p, new in zip(prompts, out[:, width:].tolist(), strict=True)]


def pick(
    scores: Float[Tensor, "row vocabulary"], temperature: float, draws: Float[Tensor, " row"]
) -> Int[Tensor, "row 1"]:
    """The token of each row that a random number from 0 to 1 picks by the tokens' shares at a temperature."""
    import torch

    shares = (scores.float() / temperature).softmax(dim=-1).cumsum(dim=-1)
    found = torch.searchsorted(shares, draws[:, None].to(scores.device) * shares[:, -1:], right=True)
    return found.clamp(max=scores.shape[1] - 1)


def perplexity(
    subject: Subject, texts: Sequence[str], prompts: Sequence[str] | None = None
) -> Float[np.ndarray, " text"]:
    """How many tokens, on average, the model would have had to choose between at each token of a text.

    exp of the mean negative log likelihood (natural logarithm) of a text's tokens, given those before them and its
    prompt. Without a prompt the first token (a mark of the beginning, where the tokenizer puts one) counts as given;
    NaN for a text in which then nothing is left.
    """
    import torch

    texts = listed(texts)
    tokens, first = with_prompts(subject, texts, [""] * len(texts) if prompts is None else prompts)
    check_fit(subject, tokens)
    found = np.full(len(tokens), np.nan)
    held = [i for i, ids in enumerate(tokens) if len(ids) > first[i]]
    for batch in head_batches(subject, [len(tokens[i]) for i in held]):
        batch = [held[i] for i in batch]
        ids, _ = pad_right([tokens[i] for i in batch], subject.tokenizer.pad_token_id, subject.device)
        with subject.lock, torch.inference_mode():
            logits = subject.hf(input_ids=ids, use_cache=False).logits
        check_logits(logits)
        for row, i in enumerate(batch):
            found[i] = float(surprise(logits[row], tokens[i], first[i]).mean().exp())
    return found


def begun(subject: Subject, prompt: Sequence[int], new: int = 0) -> list[int]:
    """A prompt to go on from with so many new tokens: an empty one is the tokenizer's mark of the beginning.

    Raises `EmovecError` where there is no such mark, and where the model does not take so many tokens.
    """
    mark = subject.tokenizer.bos_token_id
    ids = list(prompt) or ([] if mark is None else [mark])
    if not ids:
        raise EmovecError(
            f"The prompt is empty, and {subject.spec.name} has no mark of the beginning to go on from. Say a word."
        )
    if len(ids) + new > longest(subject):
        raise EmovecError(
            f"The prompt has {len(ids)} tokens, and {new} are to follow; the model takes {longest(subject)}. Shorten "
            "the prompt, or ask for fewer."
        )
    return ids


def check_logits(logits: Float[Tensor, "*batch vocabulary"]) -> Float[Tensor, "*batch vocabulary"]:
    """Give logits back; raise `EmovecError` if they are not finite. (-inf rules a token out, and is meant.)"""
    if not (logits < float("inf")).all():
        raise EmovecError(
            "The model's logits are not finite, so it can pick no word. In fp16 large activations overflow: load the "
            "model in bf16 or fp32 (EMOVEC_DTYPE=float32). If it is steered, a smaller strength may do."
        )
    return logits


def head_batches(subject: Subject, lengths: Sequence[int]) -> list[list[int]]:
    """Indices of texts in batches of like length, for a pass that ends in logits at every token."""
    return length_batches(lengths, LOGITS // subject.hf.get_output_embeddings().weight.shape[0])


def surprise(logits: Float[Tensor, "token vocabulary"], ids: Sequence[int], first: int) -> Float[Tensor, " later"]:
    """Negative log likelihood of each token from `first` on, by the logits at the token before it."""
    import torch

    wanted = torch.tensor(ids[first:], device=logits.device)
    return torch.nn.functional.cross_entropy(logits[first - 1 : len(ids) - 1].float(), wanted, reduction="none")


def with_prompts(subject: Subject, texts: Sequence[str], prompts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
    """Token ids of each prompt with its text, and where the text begins: at 1 at the earliest."""
    texts, prompts = listed(texts), listed(prompts)
    alone = tokenize(subject, prompts)
    whole = tokenize(subject, [prompt + text for prompt, text in zip(prompts, texts, strict=True)])
    first = []
    for prompt, ids in zip(alone, whole, strict=True):
        # A text that begins inside a word changes the prompt's last token: that token then belongs to the text.
        same = next((i for i, (a, b) in enumerate(zip(prompt, ids, strict=False)) if a != b), len(prompt))
        first.append(max(same, 1))
    return whole, first


def next_tokens(subject: Subject, words: Sequence[str]) -> list[int]:
    """The token that each word begins with when it follows other words."""
    words = listed(words)
    tokens, first = with_prompts(subject, [f" {word}" for word in words], ["feels"] * len(words))
    return [ids[i] for ids, i in zip(tokens, first, strict=True)]


def _sampling(temperature: float) -> bool:
    """Whether a temperature asks for samples."""
    if not (temperature == 0 or COLDEST <= temperature < float("inf")):
        raise EmovecError(
            f"The temperature is {temperature}. Take 0 for the likeliest token at every step, or for samples a "
            f"finite number from {COLDEST} on, such as 0.7."
        )
    return temperature > 0


def _generator(seed: int) -> Generator:
    import torch

    return torch.Generator().manual_seed(int(seed))


def _continuation(subject: Subject, prompt: Sequence[int], new: Sequence[int]) -> str:
    """New tokens as text; decoded with their prompt, for some tokenizers drop the space before a first word."""
    return text_of(subject, [*prompt, *new])[len(text_of(subject, prompt)) :]
