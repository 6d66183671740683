"""The shapes in the library's annotations, `Float[Tensor, "text d_model"]`, checked at every call in a test."""

import ast
import sys
from importlib.abc import MetaPathFinder
from typing import get_args

import jaxtyping
from beartype import beartype

CHECKED = {}  # by module and qualified name: the hints that its calls are held against


def install():
    """From here on, every module of the library is imported with its calls checked."""
    assert "emovec_lite" not in sys.modules, "the library is there already, unchecked"
    jaxtyping.install_import_hook("emovec_lite", "tests.shapes.check")
    sys.meta_path[0] = _NamesAtHand(sys.meta_path[0])


def check(function):
    """Hold a function to its shapes. Other types are left to `ty`: a test may pass a wrong one on purpose."""
    shapes = {name: hint for name, hint in function.__annotations__.items() if _has_shape(hint)}
    CHECKED.setdefault((function.__module__, function.__qualname__), {}).update(shapes)
    function.__annotations__ = shapes
    return beartype(function) if shapes else function


def _has_shape(hint):
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(map(_has_shape, get_args(hint)))


class _NamesAtHand(MetaPathFinder):
    """Lets jaxtyping's hook look up what a module imports only `if TYPE_CHECKING:`; else it would let all pass.

    Once the module is made the names are gone: a function that forgot to import torch must fail in tests as well.
    """

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        spec = self.finder.find_spec(name, path, target)
        if spec is not None:
            loader = spec.loader

            def exec_module(module):
                source = loader.get_data(loader.path)
                names = _checkers_imports(ast.parse(source), loader.path)
                module.__dict__.update(names)
                # Not by the loader itself: it would have all that is imported meanwhile, torch too, compiled anew.
                exec(loader.source_to_code(source, loader.path), module.__dict__)
                for imported, value in names.items():
                    if module.__dict__.get(imported) is value:
                        del module.__dict__[imported]

            loader.exec_module = exec_module
        return spec


def _checkers_imports(tree, path):
    """Of what a module imports `if TYPE_CHECKING:`, what its shapes name: nnsight takes seconds, and they do not."""
    wanted = {name for _, _, hint in shapes_in(tree) for name in names_in(hint)}
    found = {}
    for block in tree.body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for line in block.body:
                line.names = [alias for alias in line.names if (alias.asname or alias.name) in wanted]
            block.body = [line for line in block.body if line.names]
            exec(compile(ast.Module(block.body, []), path, "exec"), found)
    return {name: found[name] for name in wanted & found.keys()}


def shapes_in(node, inside=""):
    """Every hint with a shape in a module's source: the function's qualified name, the parameter, the hint."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            fields = {line.target.id: line.annotation for line in child.body if isinstance(line, ast.AnnAssign)}
            yield from _with_shape(f"{inside}{child.name}.__init__", fields)
            yield from shapes_in(child, f"{inside}{child.name}.")
        elif isinstance(child, ast.FunctionDef):
            parameters = {arg.arg: arg.annotation for arg in ast.walk(child.args) if isinstance(arg, ast.arg)}
            yield from _with_shape(inside + child.name, {**parameters, "return": child.returns})
            yield from shapes_in(child, f"{inside}{child.name}.<locals>.")
        else:
            yield from shapes_in(child, inside)


def _with_shape(qualified, hints):
    for name, hint in hints.items():
        named = names_in(hint) if hint else ()
        # Nobody can see what a function given as an argument takes before it is called.
        if any(hasattr(jaxtyping, found) for found in named) and "Callable" not in named:
            yield qualified, name, hint


def names_in(hint):
    return [node.id for node in ast.walk(hint) if isinstance(node, ast.Name)]
