"""Mutants: a function with one thing changed, made automatically from its source.

Each names itself by the statement it changed, as it reads afterwards.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

COMPARED = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}  # fmt: skip
COMBINED = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div, ast.Add), ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,), ast.MatMult: (ast.Mult,), ast.FloorDiv: (ast.Div,), ast.Mod: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
}  # fmt: skip
NAMED = {
    "mean": "sum", "sum": "mean", "max": "min", "min": "max", "argmax": "argmin", "argmin": "argmax", "cos": "sin",
    "sin": "cos", "any": "all", "all": "any", "sorted": "list", "True": "False", "norm": "sum", "ones": "zeros",
    "zeros": "ones", "spearmanr": "pearsonr", "permutation": "sort", "log_softmax": "softmax", "exp": "log",
    "enter": "exit",
}  # fmt: skip


def mutants(function: Callable, folder: Path) -> Iterator[tuple[str, Callable]]:
    """Every mutant of a function that compiles, by name: in a file of its own, since nnsight reads it from disk."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    tree = ast.parse(source)
    definition = tree.body[0]
    definition.body = [s for s in definition.body if not _is_docstring(s)]
    home = vars(sys.modules[function.__module__])
    seen = {ast.unparse(tree)}
    for i, (name, mutant) in enumerate(_mutated(tree)):
        text = ast.unparse(ast.fix_missing_locations(mutant))
        if text in seen:
            continue
        seen.add(text)
        path = folder / f"{function.__name__}_{i}.py"
        path.write_text(text + "\n", encoding="utf-8")
        names = dict(home)
        try:
            exec(compile(text, str(path), "exec"), names)
        except SyntaxError:
            continue
        yield name, names[function.__name__]


def _mutated(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    for i, node in enumerate(ast.walk(tree)):
        for variant in range(sum(1 for _ in _changes(node))):
            copied = deepcopy(tree)
            parents = {child: parent for parent in ast.walk(copied) for child in ast.iter_child_nodes(parent)}
            target = next(n for j, n in enumerate(ast.walk(copied)) if j == i)
            if _in_signature(target, parents):
                break
            statement = _statement(target, parents)
            before = ast.unparse(statement).splitlines()[0]
            replacement = next(c for j, c in enumerate(_changes(target)) if j == variant)
            if isinstance(replacement, list):
                _replace_statement(parents[target], target, replacement)
                yield f"without: {before}", copied
                continue
            if replacement is not None:
                _replace(parents[target], target, replacement)
                if target is statement:
                    statement = replacement
            yield ast.unparse(statement).splitlines()[0], copied


def _changes(node: ast.AST) -> Iterator[ast.AST | list | None]:
    """Each way to change a node: made in place (None), by another node, or by a list of statements in its stead."""
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Compare(ops=[op]):
            for other in COMPARED.get(type(op), ()):
                node.ops = [other()]
                yield None
            node.ops = [op]
        case ast.BinOp(op=op):
            for other in COMBINED.get(type(op), ()):
                node.op = other()
                yield None
            node.op = op
        case ast.AugAssign(op=op):
            for other in COMBINED.get(type(op), ()):
                node.op = other()
                yield None
            node.op = op
            yield [ast.Pass()]
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert(), operand=operand):
            yield operand
        case ast.BoolOp(op=op):
            node.op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield None
            node.op = op
        case ast.Slice(lower=lower, upper=upper):
            for field, value in (("lower", lower), ("upper", upper)):
                if value is not None:
                    setattr(node, field, None)
                    yield None
                    setattr(node, field, ast.BinOp(value, ast.Add(), ast.Constant(1)))
                    yield None
                    setattr(node, field, value)
        case ast.Call(func=func, args=args, keywords=keywords):
            for k in range(len(keywords)):
                node.keywords = keywords[:k] + keywords[k + 1 :]
                yield None
                node.keywords = keywords
            if isinstance(func, ast.Attribute) and not args and not isinstance(func.value, ast.Name):
                yield func.value
            if len(args) == 1 and not keywords:
                yield args[0]
            if len(args) == 2:
                node.args = args[::-1]
                yield None
                node.args = args
        case ast.Attribute(attr=name) if name in NAMED:
            node.attr = NAMED[name]
            yield None
            node.attr = name
        case ast.Attribute(attr="T", value=value):
            yield value
        case ast.Name(id=name, ctx=ast.Load()) if name in NAMED:
            yield ast.Name(NAMED[name], ast.Load())
        case ast.comprehension(ifs=[condition, *_]):
            node.ifs = []
            yield None
            node.ifs = [ast.UnaryOp(ast.Not(), condition)]
            yield None
            node.ifs = [condition]
        case ast.If(test=test) | ast.IfExp(test=test):
            node.test = ast.UnaryOp(ast.Not(), test)
            yield None
            node.test = test
        case ast.Expr(value=value) if not isinstance(value, ast.Yield):
            yield [ast.Pass()]
        case ast.Assign():
            yield [ast.Pass()]
        case ast.Try(body=body, finalbody=final) if final:
            yield [*body, *final]
            yield body
        case ast.For(body=body):
            yield body
        case ast.Break() | ast.Continue() | ast.Raise():
            yield [ast.Pass()]


def _replace(parent: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for field, value in ast.iter_fields(parent):
        if value is old:
            setattr(parent, field, new)
        elif isinstance(value, list) and any(x is old for x in value):
            setattr(parent, field, [new if x is old else x for x in value])


def _replace_statement(parent: ast.AST, old: ast.AST, new: list[ast.stmt]) -> None:
    for field, value in ast.iter_fields(parent):
        if isinstance(value, list) and any(x is old for x in value):
            setattr(parent, field, [y for x in value for y in (new if x is old else [x])])


def _statement(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> ast.AST:
    while not isinstance(node, ast.stmt):
        node = parents[node]
    return node


def _in_signature(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether a node belongs to the signature or the decorators: annotations are no code."""
    while node in parents:
        above = parents[node]
        if (
            isinstance(above, ast.FunctionDef)
            and parents.get(above).__class__ is ast.Module
            and node not in above.body
        ):
            return True
        node = above
    return False


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
