"""Adding a direction to the residual stream while a model writes.

Strength is in units of the layer's mean residual norm (Sofroniew et al. 2026): a raw coefficient that changes
everything in one model changes nothing in another, whose norms are a hundred times larger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from emovec_lite.errors import EmovecError, UnknownName

if TYPE_CHECKING:
    from emovec_lite.models import Subject
    from emovec_lite.vectors import Direction


@contextmanager
def steer(subject: Subject, direction: Direction, strength: float) -> Iterator[None]:
    """Add strength x mean residual norm x direction to every token's residual at the direction's layer.

    Earlier layers are untouched, and the model is as before when the block ends, however it ends. Raises
    `UnknownName` for a layer that the model has not, `EmovecError` for a direction of another width.
    """
    if direction.layer not in range(subject.n_layers):
        raise UnknownName("layer", direction.layer, range(subject.n_layers))
    if direction.vector.shape != (subject.d_model,):
        raise EmovecError(
            f"{direction.name!r} has shape {tuple(direction.vector.shape)}, the model's residual stream is "
            f"{subject.d_model} wide: take a direction from this model's own vectors."
        )
    patch = (strength * direction.residual_norm * direction.vector).to(subject.device, subject.dtype)

    def add(module, args, output):
        # Blocks return a tensor or a tuple that begins with it, by architecture and version.
        return output + patch if hasattr(output, "shape") else (output[0] + patch, *output[1:])

    handle = subject.blocks[direction.layer].register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()


def random_directions(like: Direction, n: int, seed: int = 0) -> list[Direction]:
    """Directions drawn evenly from all there are, as long as `like` and at its layer: every effect's control."""
    import torch

    drawn = torch.randn(n, len(like.vector), generator=torch.Generator().manual_seed(seed))
    drawn *= like.vector.norm() / drawn.norm(dim=1, keepdim=True)
    return [replace(like, name=f"random {i}", vector=vector) for i, vector in enumerate(drawn)]


def generate(subject: Subject, prompt: str, max_new_tokens: int = 40) -> str:
    """The model's own continuation of a raw text: at every step the likeliest token, so always the same."""
    import torch

    ids = subject.tokenizer(prompt, return_tensors="pt").to(subject.device)["input_ids"]
    with torch.inference_mode():
        out = subject.hf.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_new_tokens, do_sample=False,
            pad_token_id=subject.tokenizer.pad_token_id,
        )  # fmt: skip
    return subject.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
