"""Values as a check sees them: read from what an answer returned, compared, and shown to a learner."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from emovec_lite.course.exercise import Exercise

SLACK = {torch.float16: 1e-2, torch.bfloat16: 3e-2}  # how far half precision may be off
A = {"number": "a number", "tensor": "a tensor", "array": "an array", "list": "a list", "tuple": "a tuple",
     "text": "a text"}  # fmt: skip


class Unreadable(Exception):
    """What came back is not of a type that can be used; the message says so to the learner."""


def read(task: Exercise, result: Any) -> tuple[Any, float]:
    """What an answer returned as arrays of doubles, lists and texts, and the slack that its precision needs.

    Raises `Unreadable` where the chapter's next cell could not go on with its type.
    """
    wanted = task.returns.split()
    found = kind(result)
    if result is None:
        raise Unreadable(f"`{task.name}` returned nothing. Did you forget `return`?")
    if found not in wanted:
        stack = found in ("list", "tuple") and any(isinstance(x, torch.Tensor) for x in result)
        inside = " (torch.stack makes one tensor of several)" if stack and "tensor" in wanted else ""
        name = A.get(found, f"a {type(result).__name__}")
        raise Unreadable(f"`{task.name}` should return {A[wanted[0]]}, not {name}{inside}.")
    if found in ("number", "tensor", "array") and _is_complex(result):
        raise Unreadable(f"`{task.name}` returned complex numbers.")
    return plain(result), SLACK.get(getattr(result, "dtype", None), 1e-2 if _is_half(result) else 0.0)


def kind(value: Any) -> str:
    """The type of a value, by the word that `Exercise.returns` uses for it."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | np.bool_):
        return "truth value"
    if isinstance(value, int | float | complex | np.number):
        return "number"
    if isinstance(value, torch.Tensor | np.ndarray):
        if value.ndim == 0:
            return "number"
        return "tensor" if isinstance(value, torch.Tensor) else "array"
    return type(value).__name__


def plain(value: Any) -> Any:
    """Tensors, arrays, numbers and lists of numbers as arrays of doubles; the rest as it is, inside and out."""
    if hasattr(value, "to_numpy"):  # pandas
        value = value.to_numpy()
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return (value.to_dense() if value.is_sparse else value).double().numpy()
    if isinstance(value, np.ndarray | np.number | int | float):
        array = np.asarray(value)
        return array.astype(float) if array.dtype.kind in "fiub" else array.tolist()
    if isinstance(value, str):
        return str(value)  # NumPy has a kind of its own
    if isinstance(value, list | tuple):
        items = [plain(x) for x in value]
        numbers = [x for x in items if isinstance(x, np.ndarray)]
        if len(numbers) == len(items) and len({x.shape for x in numbers}) == 1:
            return np.stack(numbers)
        return items
    if isinstance(value, dict):
        return {key: plain(x) for key, x in value.items()}
    return value


def agree(a: Any, b: Any, tolerance: float, floor: float = 1e-9) -> bool:
    """Whether two plain values are the same; arrays up to `tolerance` of the length of `b`, plus `floor` an entry."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.shape != b.shape:
            return False
        odd = ~np.isfinite(b)
        if not np.array_equal(a[odd], b[odd], equal_nan=True):
            return False
        off = np.linalg.norm(a[~odd] - b[~odd])
        return bool(off <= tolerance * np.linalg.norm(b[~odd]) + floor * math.sqrt(a.size))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(agree(x, y, tolerance, floor) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(agree(a[key], b[key], tolerance, floor) for key in a)
    return type(a) is type(b) and bool(a == b)


def size(value: Any) -> int:
    """How much there is to look at in a value."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return int(math.prod(value.shape)) + 1
    if isinstance(value, list | tuple | set):
        return 1 + sum(map(size, value))
    if isinstance(value, dict):
        return 1 + sum(map(size, value.values()))
    return 1 + len(value) // 8 if isinstance(value, str) else 1


def show(value: Any, most: int = 24) -> str:
    """A value on one line: whole where it is small, its kind and shape where it is not."""
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim:
        shape = tuple(value.shape)
        small = math.prod(shape) <= most
        what = f"{'tensor' if isinstance(value, torch.Tensor) else 'array'} of shape {shape}"
        return _nested(plain(value)) if small and math.prod(shape) else what
    if isinstance(value, torch.Tensor | np.ndarray | float | np.number):
        return f"{float(value):.4g}"
    if isinstance(value, str):
        return repr(value) if len(value) <= 70 else f"{value[:60]!r} … ({len(value)} characters)"
    if isinstance(value, list | tuple | set):
        if sum(map(size, value)) > 4 * most or len(value) > most:
            return f"{type(value).__name__} of {len(value)}: {', '.join(show(x) for x in list(value)[:4])} …"
        left, right = {"tuple": ("(", ",)" if len(value) == 1 else ")"), "set": "{}"}.get(type(value).__name__, "[]")
        return left + ", ".join(show(x) for x in value) + right
    if isinstance(value, dict):
        return ", ".join(f"{key}: {show(x)}" for key, x in value.items())
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:90]} …"


def difference(got: Any, wanted: Any) -> str:
    """Where two values of one shape differ most, if they are too large to be shown."""
    if not isinstance(got, np.ndarray) or not isinstance(wanted, np.ndarray) or got.shape != wanted.shape:
        return ""
    if got.size <= 24:
        return ""
    off = np.abs(np.nan_to_num(got, nan=np.inf) - wanted)
    worst = np.unravel_index(int(off.argmax()), off.shape)
    place = ", ".join(map(str, map(int, worst)))
    return f"most at [{place}]: {wanted[worst]:.4g} is wanted, {got[worst]:.4g} came"


def _nested(array: np.ndarray) -> str:
    if array.ndim == 0:
        return f"{float(array):.4g}"
    return "[" + ", ".join(_nested(x) for x in np.asarray(array)) + "]"


def _is_complex(value: Any) -> bool:
    return value.is_complex() if isinstance(value, torch.Tensor) else np.iscomplexobj(value)


def _is_half(value: Any) -> bool:
    return getattr(value, "dtype", None) == np.float16
