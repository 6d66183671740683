"""Adding a direction to the residual stream while a model runs, or taking it out.

Strength is in units of the layer's mean residual norm (Sofroniew et al. 2026): a raw coefficient that changes
everything in one model changes nothing in another, whose norms are a hundred times larger.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float

from emovec_lite.activations import known_layer
from emovec_lite.errors import EmovecError, UnknownName
from emovec_lite.generation import check_logits
from emovec_lite.hooks import changing
from emovec_lite.norms import ratings
from emovec_lite.vectors import Direction, EmotionVectors

if TYPE_CHECKING:
    from torch import Tensor

    from emovec_lite.models import Subject

Positions = Literal["all", "generated"] | slice


@contextmanager
def steer(subject: Subject, direction: Direction, strength: float, positions: Positions = "all") -> Generator[None]:
    """Add strength x mean residual norm x direction to the residual stream at the direction's layer.

    At every token; or with `positions="generated"` only where the model is about to write, at the last token of a
    prompt and at each one that follows (in a pass over a whole text that is only its last); or at a slice of the
    tokens of one text, counted from its beginning. Blocks nest and add up. Earlier layers are untouched, and the
    model is as before when the block ends, however it ends. Hooks and nnsight see the layer steered. Other threads
    that steer, read or generate with this library wait until then. Raises `UnknownName` for a layer that the model
    has not, `EmovecError` for a direction of another width, for what is not finite (the logits of a pass, too), and
    for a slice that counts from the end.
    """
    layer, patch = push(subject, direction, strength)
    if isinstance(positions, slice) and any((x or 0) < 0 for x in (positions.start, positions.stop, positions.step)):
        raise EmovecError(
            f"{positions} counts from the end, which moves as the text grows: count from the beginning."
        )
    if not isinstance(positions, slice) and positions not in ("all", "generated"):
        raise UnknownName("positions", positions, ["all", "generated", "a slice"])
    with adding(subject, layer, patch, positions):
        yield


@contextmanager
def ablate(subject: Subject, direction: Direction) -> Generator[None]:
    """Take a direction out of the residual stream at its layer, at every token: what is left is orthogonal to it.

    With the direction goes what all texts have along it, not only what this one has. Later blocks can write it anew:
    nest one block for each layer's own direction to take it out everywhere (Arditi et al. 2024). Nested blocks act in
    the order in which they were entered. Otherwise as `steer`, and raises as it does; also `EmovecError` for a
    direction of length 0.
    """
    unit = direction.unit()
    layer, _ = push(subject, unit, 1)

    def without(residual):
        along = unit.vector.to(residual.device)
        # In float32, whatever the model's own precision: rounding would leave some of it.
        return (residual.float() - (residual.float() @ along)[..., None] * along).to(residual.dtype)

    with editing(subject, layer, without):
        yield


def push(subject: Subject, direction: Direction, strength: float) -> tuple[int, Float[Tensor, " d_model"]]:
    """Where steering adds what; refuses a layer or a width that the model has not, and what is not finite."""
    layer = known_layer(direction.layer, range(subject.n_layers))
    if direction.vector.shape != (subject.d_model,):
        raise EmovecError(
            f"{direction.name!r} has shape {tuple(direction.vector.shape)}, the model's residual stream is "
            f"{subject.d_model} wide: take a direction from this model's own vectors."
        )
    patch = float(strength) * direction.residual_norm * direction.vector
    if not patch.isfinite().all():
        raise EmovecError(
            f"Steering by {direction.name!r} is not finite: its strength is {strength}, its residual norm "
            f"{direction.residual_norm:g}, its length {direction.vector.norm():g}. Take a finite strength, and a "
            "direction whose numbers are finite."
        )
    return layer, patch


@contextmanager
def adding(
    subject: Subject, layer: int, patch: Float[Tensor, "*#batch_and_token d_model"], positions: Positions = "all"
) -> Generator[None]:
    """Add a vector, or one for each text of a batch, to what a block puts out."""
    with editing(subject, layer, lambda residual: residual + patch.to(residual.device, residual.dtype), positions):
        yield


@contextmanager
def editing(
    subject: Subject, layer: int, edit: Callable[[Tensor], Tensor], positions: Positions = "all"
) -> Generator[None]:
    """Put a function of what a block puts out, (batch, token, d_model), in its place, at some of the tokens."""
    held = []  # of each pass under way (a hook may begin another), the tokens that earlier ones left in its cache

    def begin(module, args, kwargs) -> None:
        held.append(0)
        held[-1] = _tokens_held(args, kwargs)

    def end(module, args, output) -> None:
        held.pop()

    def places(n: int) -> slice | list[int]:
        """Which of this pass's n tokens to edit."""
        if isinstance(positions, slice):
            return [i - held[-1] for i in range(held[-1] + n)[positions] if i >= held[-1]]
        return slice(None) if positions == "all" else [n - 1]

    def change(output):
        # Blocks return a tensor or a tuple that begins with it, by architecture and version.
        plain = output if hasattr(output, "shape") else output[0]
        edited, where = plain.clone(), places(plain.shape[1])
        edited[:, where] = edit(plain[:, where])
        return edited if plain is output else (edited, *output[1:])

    def check(module, args, output) -> None:
        if getattr(output, "logits", None) is not None:
            check_logits(output.logits)

    with subject.lock, ExitStack() as stack:
        if isinstance(positions, slice):
            decoder = subject.hf.base_model
            stack.callback(decoder.register_forward_pre_hook(begin, with_kwargs=True).remove)
            stack.callback(decoder.register_forward_hook(end, always_call=True).remove)
        stack.callback(subject.hf.register_forward_hook(check).remove)
        stack.enter_context(changing(subject.blocks[layer], change))
        yield


def _tokens_held(args: Sequence[object], kwargs: Mapping[str, object]) -> int:
    """How many tokens of the text a pass finds in its cache, under whatever name the cache comes.

    Raises `EmovecError` for one that does not say: without its count a slice of positions would mean others.
    """
    for name, value in [*enumerate(args), *kwargs.items()]:
        if count := getattr(value, "get_seq_length", None):
            return int(count())
        named = isinstance(name, str) and ("cache" in name or "past" in name)
        if named and value is not None and not isinstance(value, bool) and not hasattr(value, "shape"):
            raise EmovecError(
                f"This model keeps {name}, a {type(value).__name__}, which does not say how many tokens it holds, so "
                'positions cannot be counted: steer "all" or "generated" positions instead of a slice.'
            )
    return 0


def plane_direction(vectors: EmotionVectors, layer: int, valence: float, arousal: float) -> Direction:
    """A point of the valence-arousal plane as a direction of the length of (valence, arousal).

    Each axis is the sum of all rated emotions' vectors, weighted by their human ratings. The second is made
    orthogonal to the first, which also takes out of arousal what goes with valence: moving up is not moving right.
    """
    import torch

    names = [name for name in vectors.emotions if not np.isnan(ratings([name], "valence")[0])]
    weights = np.stack([ratings(names, scale) - ratings(names, scale).mean() for scale in ("valence", "arousal")])
    rows = vectors.at(layer)[[vectors.emotions.index(name) for name in names]]
    to_right, up = torch.tensor(weights, dtype=rows.dtype) @ rows
    to_right = to_right / to_right.norm()
    up = up - (up @ to_right) * to_right
    name = f"valence {valence:+.2f}, arousal {arousal:+.2f}"
    vector = valence * to_right + arousal * up / up.norm()
    return replace(vectors.direction(names[0], layer), name=name, vector=vector)
