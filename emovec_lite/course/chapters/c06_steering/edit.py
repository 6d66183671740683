"""What the exercises on pushing a model share: wrong ways to push, by hooks that edit the residual stream."""

import contextlib
from collections.abc import Callable, Iterator
from itertools import count

import torch

from emovec_lite.models import Subject

# What each does to the residuals in place, given the vector and which forward pass it is; and at which layer.
EDITS: dict[str, tuple[Callable, int]] = {
    "You subtracted the vector.": (lambda x, v, i: x.sub_(v), 0),
    "You put the vector in the residual's place. Add it.": (lambda x, v, i: x.copy_(v.expand_as(x)), 0),
    "You made the vector unit length. Take it as it comes: its length is the strength of the push.": (lambda x, v, i: x.add_(v / v.norm()), 0),
    "You pushed only the last position of each pass. In the first pass that leaves out the rest of the prompt: push all "
    "positions.": (lambda x, v, i: x[:, -1].add_(v), 0),
    "You pushed only position 0 of each pass. In the first pass that leaves out most of the prompt: push all "
    "positions.": (lambda x, v, i: x[:, 0].add_(v), 0),
    "You left out position 0 of each pass. After the first each pass sees one position, number 0: push all of "
    "them.": (lambda x, v, i: x[:, 1:].add_(v), 0),
    "You left out the first token. Push all of them.": (lambda x, v, i: x[:, int(i == 0) :].add_(v), 0),
    "The first pass, in which the prompt is read, was left out.": (lambda x, v, i: x.add_((i > 0) * v), 0),
    "You pushed what block `layer` *receives*. Layer l is the *output* of block l.": (lambda x, v, i: x.add_(v), -1),
}  # fmt: skip


@contextlib.contextmanager
def edited(subject: Subject, layer: int, vector: torch.Tensor, edit: Callable) -> Iterator[None]:
    """While it lasts a hook edits what block `layer` puts out; layer -1 are the embeddings."""
    modules, passes = [subject.hf.get_input_embeddings(), *subject.blocks], count()

    def hook(module, args, output):
        output = output.clone()
        edit(output, vector, next(passes))
        return output

    with modules[layer + 1].register_forward_hook(hook):
        yield
