"""The answers as they stand in the chapters' sources: solved, and as the stubs that a learner begins with."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable
from pathlib import Path

from emovec_lite.course.build import CHECKED, as_chapter, as_solution, read_source
from emovec_lite.course.outline import CHAPTERS, repository


def answers(chapter: str, solved: bool, folder: Path) -> dict[str, Callable]:
    """Each exercise's function, in a module of its own with the chapter's imports and nothing else of it.

    So an answer that leans on a variable of the notebook is found out. In a file, for nnsight reads it from disk.
    """
    notebook = read_source(repository(), CHAPTERS[chapter])
    notebook = as_solution(notebook) if solved else as_chapter(notebook)
    imports, functions, names = [], [], {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or "get_ipython" in cell.source:
            continue
        tree = ast.parse(cell.source)
        imports += [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        if found := CHECKED.search(cell.source):
            (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
            first = min(node.lineno for node in (function, *function.decorator_list))
            functions.append("\n".join(cell.source.splitlines()[first - 1 : function.end_lineno]))
            names[found[1]] = function.name
    path = folder / f"chapter_{chapter}_{'solved' if solved else 'stubs'}.py"
    path.write_text("\n".join(imports) + "\n\n\n" + "\n\n\n".join(functions) + "\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {number: getattr(module, name) for number, name in names.items()}
