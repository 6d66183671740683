"""That the tests do check shapes: every annotation with one, and at every call."""

import ast
import builtins
import pkgutil
import sys
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

import emovec_lite
from emovec_lite.activations import pad_right
from emovec_lite.geometry import ridge_axis
from emovec_lite.vectors import Direction, project_out
from tests.shapes import CHECKED, names_in, shapes_in

MODULES = sorted(module.name for module in pkgutil.walk_packages(emovec_lite.__path__, "emovec_lite."))


@pytest.mark.parametrize("name", MODULES)
def test_every_shape_in_a_signature_is_checked(name):
    module = import_module(name)
    for function, parameter, hint in shapes_in(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
        where = f"{function}, {parameter}: {ast.unparse(hint)}"
        if "<locals>" in function:  # made anew at each call, with what its module has then
            missing = [
                found for found in names_in(hint) if not hasattr(module, found) and not hasattr(builtins, found)
            ]
            assert not missing, f"{where} cannot be looked up"
        else:
            assert parameter in CHECKED.get((name, function), ()), f"{where} is not checked"


def test_a_wrong_shape_is_an_error():
    with pytest.raises(TypeCheckError, match="parameter 'components'"):
        project_out(torch.zeros(3), torch.zeros(2, 4))
    with pytest.raises(TypeCheckError, match="parameter 'target'"):
        ridge_axis(np.zeros((5, 3)), np.zeros(4))
    direction = Direction("happy", 0, torch.zeros(4), 1.0)
    with pytest.raises(TypeCheckError, match="parameter 'vector'"):
        replace(direction, vector=torch.zeros(1, 4))


def test_a_wrong_result_is_an_error(monkeypatch):
    monkeypatch.setattr(torch, "zeros_like", lambda ids, dtype: torch.zeros(len(ids), 9, dtype=dtype))
    with pytest.raises(TypeCheckError, match="return value of emovec_lite.activations.pad_right"):
        pad_right([[1, 2], [3]], 0)


SOURCE = """
from __future__ import annotations
from typing import TYPE_CHECKING
from jaxtyping import Float
if TYPE_CHECKING:
    from torch import Tensor

def mean(values: Float[Tensor, "text token"]) -> Float[Tensor, "{result}"]:
    return values.mean(dim=1)
"""


@pytest.mark.parametrize("result, right", [(" text", True), (" token", False), ("text token", False)])
def test_a_wrong_annotation_is_an_error(tmp_path, monkeypatch, result, right):
    (tmp_path / "mended.py").write_text(SOURCE.format(result=result), encoding="utf-8")
    monkeypatch.setattr(emovec_lite, "__path__", [*emovec_lite.__path__, str(tmp_path)])
    module = import_module("emovec_lite.mended")
    del sys.modules["emovec_lite.mended"], emovec_lite.mended
    assert not hasattr(module, "Tensor")  # as for a learner: see `_NamesAtHand`
    with nullcontext() if right else pytest.raises(TypeCheckError, match="return value of emovec_lite.mended.mean"):
        module.mean(torch.zeros(2, 3))
