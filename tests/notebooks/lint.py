"""What a notebook may not have: each function gives the faults it finds, a line each."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from emovec_lite.models import MODELS

LONGEST = 25  # lines of a cell
SHORTEST_ALT = 20  # characters: "figure 1" is no description
IMAGE = re.compile(r"<img\b[^>]*>", re.S)
NUMBER = re.compile(r"(?<![\w.])\d*\.\d+(?![\w.]*\w)")
# What looks like a decimal number and is a name.
NAMES = re.compile(r"arXiv[: ]\d{4}\.\d{5}|[Ee]xercises? \d+\.\d+|https?://\S+|`[^`]*`")


def undescribed_images(notebook) -> list[str]:
    """Images without a text that stands for them, in outputs and in markdown."""
    faults = []
    for i, cell in enumerate(notebook.cells):
        pages = [cell.source] if cell.cell_type == "markdown" else []
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if any(kind.startswith("image/") for kind in data):
                faults.append(f"cell {i}: a figure without alt text; use `show`")
            pages.append("".join(data.get("text/html", "")))
        for page in pages:
            for tag in IMAGE.findall(page):
                alt = re.search(r'\balt="([^"]*)"', tag)
                if not alt or len(alt[1]) < SHORTEST_ALT:
                    faults.append(f"cell {i}: an image whose alt text is {alt[1] if alt else None!r}")
            faults += [f"cell {i}: a picture without alt text" for _ in re.findall(r"!\[\s*\]\(", page)]
    return faults


def unmade_numbers(notebook, allowed: Mapping[str, str]) -> list[str]:
    """Decimal numbers in prose that no executed cell holds or printed, and that have no source in `allowed`."""
    made = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts = [cell.source]
            for output in cell.get("outputs", []):
                texts += [output.get("text", ""), *(v for v in output.get("data", {}).values() if isinstance(v, str))]
            # Base64 of a picture holds no numbers.
            made |= {float(n) for text in texts for n in NUMBER.findall(re.sub(r'src="data:[^"]*"', "", text))}
    return [
        f"cell {i}: {number} in prose, made by no cell and without a source"
        for i, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown"
        for number in NUMBER.findall(NAMES.sub(" ", cell.source))
        if float(number) not in made and number not in allowed
    ]


def dead_links(text: str, folder: Path) -> list[str]:
    """Links to files that are not there."""
    targets = re.findall(r"\]\(([^)\s]+)\)|\bhref=\"([^\"]+)\"", text)
    paths = [(a or b).split("#")[0] for a, b in targets if "://" not in (a or b)]
    return [f"link to {path}, which is not there" for path in paths if path and not (folder / path).exists()]


def long_cells(notebook) -> list[str]:
    """Cells that hold more than a reader takes in at once."""
    lengths = {i: len(cell.source.splitlines()) for i, cell in enumerate(notebook.cells)}
    return [f"cell {i}: {n} lines, more than {LONGEST}" for i, n in lengths.items() if n > LONGEST]


# --- Code that fits one model alone ------------------------------------------------------------------------------

DEPTHS = {"layer", "layers", "n_layers", "d_model", "place", "depth"}  # what holds a layer's number, or a size
OF_ONE_FAMILY = {
    "layers",
    "norm",
    "embed_tokens",
    "h",
    "ln_f",
}  # parts by the names that a family of models gives them
WIDTH = 576  # the default model's


def fixed_to_a_model(source: str, *, calls: bool = True) -> list[str]:
    """Layers by number, a width, a model's name or its own names for its parts; vectors of no matter which model.

    Layers 0 and -1 every model has. Cells whose functions call each other are to be handed in together. Without
    `calls` functions may be called with numbers: an exercise's cases are for small models and vectors of its own.
    """
    tree = ast.parse(re.sub(r"^(\s*)%.*", r"\1pass", source, flags=re.M))
    parameters = _parameters(tree) if calls else {}
    return [
        f"{fault}: {ast.unparse(node).splitlines()[0][:80]}"
        for node in ast.walk(tree)
        for fault in _faults(node, parameters)
    ]


def _faults(node: ast.AST, parameters: Mapping[str, list[str]]) -> list[str]:
    match node:
        case ast.Attribute(value=ast.Attribute(attr="model" | "transformer"), attr=part) if part in OF_ONE_FAMILY:
            return ["a part by one family's name"]
        case ast.Subscript(value=ast.Attribute(attr="blocks" | "layers"), slice=index) if _numbers(index):
            return ["a layer by its number"]
        case ast.keyword(arg=name, value=value) if parameters and name in DEPTHS and _numbers(value):
            return ["a layer or a size by its number"]
        case ast.Assign(targets=[target], value=value):
            return ["a layer or a size by its number"] if any(_pairs(target, value)) else []
        case (
            ast.For(target=ast.Name(id=name), iter=values) | ast.comprehension(target=ast.Name(id=name), iter=values)
        ):
            return ["layers by number"] if name in DEPTHS and _numbers(values) else []
        case ast.Call(func=ast.Name(id="load_or_compute"), args=given) if [*map(ast.unparse, given)][:1] != [
            "subject"
        ]:
            return ["vectors without the subject that they are of"]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=given):
            names = parameters.get(name, [])
            return [
                "a layer by its number"
                for arg, value in zip(names, given, strict=False)
                if arg in DEPTHS and _numbers(value)
            ]
        case ast.Constant(value=value) if value == WIDTH:
            return ["a width by its number"]
        case ast.Constant(value=str(text)) if re.search(r"\blayers? [1-9]", text):
            return ["a layer by its number"]
        case ast.Constant(value=str(text)) if any(name in text.lower() for name in MODELS):
            return ["a model by its name"]
    return []


def _numbers(node: ast.expr) -> bool:
    """Whether a value is a number, or lists some, other than those that fit every model."""
    match node:
        case ast.Constant(value=int(n)):
            return not isinstance(n, bool) and n != 0
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return any(_numbers(part) for part in parts)
    return False


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[bool]:
    match target, value:
        case ast.Name(id=name), _:
            yield name in DEPTHS and _numbers(value)
        case ast.Tuple(elts=targets), ast.Tuple(elts=values):
            for pair in zip(targets, values, strict=False):
                yield from _pairs(*pair)


def _parameters(tree: ast.AST) -> dict[str, list[str]]:
    """Of functions defined here or imported from the library: the names of what they take."""
    found = {"at": ["layer"], "direction": ["emotion", "layer"]}  # methods
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            found[node.name] = [argument.arg for argument in node.args.args]
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emovec_lite"):
            for alias in node.names:
                made = getattr(import_module(node.module), alias.name, None)
                if inspect.isfunction(made):
                    found[alias.name] = [*inspect.signature(made).parameters]
    return found
