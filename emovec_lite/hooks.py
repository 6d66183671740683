"""Changing what a block of a model puts out, so that whoever looks at it sees it changed."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.nn import Module


@contextmanager
def changing(block: Module, change: Callable[[Any], Any]) -> Generator[None]:
    """Let `change` have what a block puts out before anyone else: other hooks, nnsight, the next block.

    Changes add up, each on what the earlier ones made; they may end in any order.
    """
    hook = vars(block).get("_hf_hook")
    if not isinstance(hook, _Inside):
        hook = _Inside(block)
    try:
        hook.changes.append(change)
        yield
    finally:
        hook.changes = [kept for kept in hook.changes if kept is not change]
        if not hook.changes:
            hook.leave()


class _Inside:
    """What acts inside a block's `forward`: a hook as accelerate has them.

    nnsight puts a controller in the place of `forward`, and what torch's own hooks change comes too late for it. But
    it calls accelerate's hook from within, for models that lie on several devices.
    """

    def __init__(self, block: Module) -> None:
        self.own, self.changes = vars(block), []
        self.before = self.own.get("_hf_hook")  # accelerate's own
        self.no_grad = getattr(self.before, "no_grad", False)
        self.was = self.forward = self.own.get("forward")
        forward = block.forward
        if self.before is None and not type(forward).__module__.startswith("nnsight."):  # these call the hook

            @wraps(forward)
            def hooked(*args, **kwargs):
                return self.post_forward(block, forward(*args, **kwargs))

            self.own["forward"] = self.forward = hooked
        self.own["_hf_hook"] = self

    def pre_forward(self, module: Module, *args, **kwargs) -> tuple[tuple, dict]:
        return self.before.pre_forward(module, *args, **kwargs) if self.before else (args, kwargs)

    def post_forward(self, module: Module, output: Any) -> Any:
        output = self.before.post_forward(module, output) if self.before else output
        for change in self.changes:
            output = change(output)
        return output

    def leave(self) -> None:
        """Put back what was there; but a controller that has come meanwhile stays."""
        self._put_back("_hf_hook", self, self.before)
        self._put_back("forward", self.forward, self.was)

    def _put_back(self, name: str, ours: object, earlier: object) -> None:
        if self.own.get(name) is ours and earlier is None:
            self.own.pop(name, None)
        elif self.own.get(name) is ours:
            self.own[name] = earlier
