"""Reading the residual stream with plain forward hooks, pooled inside the hook.

Hooks rather than nnsight here, for two reasons: this is the hot path (a trace costs about as much again as a
small forward pass), and pooling on the spot means that no token-level tensor of all layers is ever kept.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, SupportsIndex, TypeVar, cast

from jaxtyping import Bool, Float, Int

from emovec_lite.errors import ActivationError, EmovecError, UnknownName

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from emovec_lite.models import Subject

Layer = int | Literal["embed"]
Known = TypeVar("Known", bound=Layer)

SKIP = 30  # tokens, for stories of 90 to 145 words; Sofroniew et al. 2026 skip 50 of their longer ones
BATCH_TOKENS = 1024  # about eight stories: larger batches fall out of a laptop's cache and are slower


@dataclass(frozen=True)
class MeanActivations:
    """Each text's residual stream, averaged over its tokens."""

    blocks: Float[Tensor, "text layer d_model"]
    layers: tuple[int, ...]  # which layer each row of `blocks` holds
    embed: Float[Tensor, "text d_model"] | None  # the token embeddings, pooled alike: the baseline
    norms: Float[Tensor, " layer"]  # mean norm of a token's residual, the unit of steering strength

    def at(self, layer: Layer) -> Float[Tensor, "text d_model"]:
        """One layer's activations; "embed" for the token embeddings."""
        layer = known_layer(layer, self.held)
        if layer == "embed":
            return cast("Tensor", self.embed)
        return self.blocks[:, self.layers.index(layer)]

    @property
    def held(self) -> tuple[Layer, ...]:
        """The layers that `at` knows."""
        return self.layers if self.embed is None else (*self.layers, "embed")


def as_layer(layer: object) -> Layer:
    """A layer as a plain number, whether it comes as Python's, NumPy's or torch's; anything else as it is."""
    with suppress(TypeError):
        return layer if isinstance(layer, bool) else operator.index(cast("SupportsIndex", layer))
    return cast("Layer", layer)


def known_layer(layer: object, known: Iterable[Known]) -> Known:
    """The same, if it is one of those known; else raises `UnknownName`."""
    found, known = as_layer(layer), list(known)
    if type(found) not in (int, str) or found not in known:  # True and 1.0 are equal to 1
        raise UnknownName("layer", layer, known)
    return cast("Known", found)


def mean_activations(subject: Subject, texts: Sequence[str], skip: int = SKIP) -> MeanActivations:
    """Mean residual stream of each text at every layer, from its token `skip` on (Sofroniew et al. 2026, Methods).

    Runs the decoder without its LM head, in batches of texts of like length, padded on the right whatever the
    tokenizer says. Raises `ActivationError` for a text not longer than `skip` tokens or too long for the
    model, and for activations that are not finite.
    """
    tokens = tokenize(subject, texts)
    _check_lengths(subject, tokens, skip)
    return mean_from(subject, tokens, [skip] * len(tokens))


def prompt_activations(subject: Subject, messages: Sequence[str]) -> MeanActivations:
    """The residual stream at the last prompt token of each user message, where the model is about to answer.

    Sofroniew et al. 2026 read what a prompt evokes there. Each message stands in the model's chat format; the "mean"
    of a text is that one token. Raises `ActivationError` as `mean_activations` does.
    """
    tokens = [subject.chat(message) for message in listed(messages)]
    _check_lengths(subject, tokens, skip=0)
    return mean_from(subject, tokens, [len(ids) - 1 for ids in tokens])


def mean_from(subject: Subject, tokens: Sequence[Sequence[int]], first: Sequence[int]) -> MeanActivations:
    """Mean residual stream of each text, given as token ids, from its token `first` on."""
    import torch
    from tqdm.auto import tqdm

    if not tokens:
        raise ActivationError("No texts to read.")
    n, d = len(tokens), subject.d_model
    blocks = torch.empty(n, subject.n_layers, d)
    embed = torch.empty(n, d)
    norms = torch.zeros(subject.n_layers, dtype=torch.float64)
    read = 0
    with tqdm(total=n, desc="Reading", unit=" stories", file=sys.stderr, disable=n < 8) as bar:
        for batch in length_batches([len(t) for t in tokens]):
            ids, mask = pad_right([tokens[i] for i in batch], subject.tokenizer.pad_token_id, subject.device)
            mask &= torch.arange(mask.shape[1], device=mask.device) >= torch.tensor(
                [[first[i]] for i in batch], device=mask.device
            )
            count = mask.sum(dim=1, keepdim=True)
            weights = (mask / count).to(torch.float32)

            pooled: dict[Layer, Tensor] = {}  # stays on its device until the batch is through
            totals: dict[Layer, Tensor] = {}

            def add_up(layer, residual, mask=mask, weights=weights, pooled=pooled, totals=totals) -> None:
                residual, device = residual.float(), residual.device
                pooled[layer] = torch.bmm(weights[:, None].to(device), residual)[:, 0]
                totals[layer] = residual.norm(dim=-1)[mask.to(device)].sum()

            with torch.inference_mode(), reading(subject, add_up):
                subject.hf.base_model(input_ids=ids, use_cache=False)
                embed[batch] = pooled["embed"].cpu()
                layers = range(subject.n_layers)
                blocks[batch] = torch.stack([pooled[layer].cpu() for layer in layers], dim=1)
                norms += torch.stack([totals[layer].cpu() for layer in layers])
            read += int(count.sum())
            _check_finite(blocks[batch], batch)
            bar.update(len(batch))
    return MeanActivations(blocks, tuple(range(subject.n_layers)), embed, (norms / read).float())


def token_activations(subject: Subject, text: str) -> Float[Tensor, "layer token d_model"]:
    """The residual stream of one text at every layer and token, on the CPU in fp32."""
    import torch

    (ids,) = tokenize(subject, [text])
    _check_lengths(subject, [ids], skip=0)
    layers: list[Tensor] = []

    def keep(layer: Layer, residual: Tensor) -> None:
        if layer != "embed":
            layers.append(residual[0].float().cpu())

    with torch.inference_mode(), reading(subject, keep):
        subject.hf.base_model(input_ids=torch.tensor([ids], device=subject.device), use_cache=False)
    stacked = torch.stack(layers).clone()
    _check_finite(stacked.transpose(0, 1), ["the text"] * len(ids))
    return stacked


@contextmanager
def reading(subject: Subject, on_residual: Callable[[Layer, Tensor], None]) -> Generator[None]:
    """Call `on_residual(layer, residual)` with the token embeddings and then with what every block puts out.

    The hooks are gone when the block ends, however it ends.
    """

    def hook(layer: Layer):
        # Blocks return a tensor or a tuple that begins with it, by architecture and version.
        return lambda module, args, output: on_residual(layer, output if hasattr(output, "shape") else output[0])

    handles = []
    with subject.lock:  # a thread that steers would steer what is read here
        try:
            handles.append(subject.hf.get_input_embeddings().register_forward_hook(hook("embed")))
            for layer, block in enumerate(subject.blocks):
                handles.append(block.register_forward_hook(hook(layer)))
            yield
        finally:
            for handle in handles:
                handle.remove()


def tokenize(subject: Subject, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, as raw text: no chat template."""
    texts = listed(texts)
    return subject.tokenizer(texts, return_attention_mask=False)["input_ids"] if texts else []


def listed(texts: Iterable[str]) -> list[str]:
    """Texts as a list; refuses one text alone, whose letters would be taken for texts, and what is no text."""
    if isinstance(texts, str):
        raise EmovecError(f"A list of texts is wanted, and {texts[:40]!r} is one text: put it into a list, [text].")
    texts = list(texts)
    if odd := [(i, text) for i, text in enumerate(texts) if not isinstance(text, str)]:
        raise EmovecError(f"Text {odd[0][0]} is {odd[0][1]!r}, and no string: leave it out, or make it one.")
    return texts


def text_of(subject: Subject, ids: Sequence[int], *, marks: bool = False) -> str:
    """Token ids as text; with `marks`, those of its beginning and end too."""
    # One list of ids is one text: `decode` would give a list only for a batch.
    return cast("str", subject.tokenizer.decode(list(ids), skip_special_tokens=not marks))


def length_batches(lengths: Sequence[int], budget: int = BATCH_TOKENS) -> list[list[int]]:
    """Indices in batches of like length, longest first, each at most `budget` tokens with its padding.

    Longest first, so that memory peaks at once and not at the end.
    """
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def pad_right(
    tokens: Sequence[Sequence[int]], pad_id: int, device: torch.device | str = "cpu"
) -> tuple[Int[Tensor, "text token"], Bool[Tensor, "text token"]]:
    """Ids padded on the right, and where they are real.

    On the left, "skip the first 30 tokens" would skip padding and keep the story's beginning; and a causal
    decoder needs no attention mask for what stands to the right.
    """
    import torch

    ids = torch.full((len(tokens), max(map(len, tokens))), pad_id)
    mask = torch.zeros_like(ids, dtype=torch.bool)
    for row, text in enumerate(tokens):
        ids[row, : len(text)] = torch.tensor(text)
        mask[row, : len(text)] = True
    return ids.to(device), mask.to(device)


def longest(subject: Subject) -> int:
    """How many tokens the model takes."""
    return getattr(subject.hf.config.get_text_config(), "max_position_embeddings", None) or sys.maxsize


def check_fit(subject: Subject, tokens: Sequence[Sequence[int]]) -> None:
    """Raise `ActivationError` for a text that is too long for the model."""
    limit = longest(subject)
    for i, ids in enumerate(tokens):
        if len(ids) > limit:
            raise ActivationError(f"Text {i} has {len(ids)} tokens; the model takes {limit}. Cut it into parts.")


def _check_lengths(subject: Subject, tokens: Sequence[Sequence[int]], skip: int) -> None:
    check_fit(subject, tokens)
    for i, ids in enumerate(tokens):
        if not ids:
            raise ActivationError(f"Text {i} is empty: it has no tokens to read. Leave it out.")
        if len(ids) <= skip:
            raise ActivationError(
                f"Text {i} has {len(ids)} tokens, and the first {skip} are skipped: nothing is left to average. "
                f"Use longer texts, or a smaller skip."
            )


def _check_finite(values: Float[Tensor, "text layer d_model"], names: Sequence[object]) -> None:
    bad = ~values.isfinite().all(dim=-1)
    if bad.any():
        text, layer = bad.nonzero()[0].tolist()
        raise ActivationError(
            f"Activations of text {names[text]} are not finite from layer {layer} on. In fp16 large activations "
            f"overflow: load the model in bf16 or fp32."
        )
