"""From one source, `solutions/NN_name.py`, to what a learner opens and what shows the answers.

`chapters/NN_name.ipynb` has the answers taken out and no outputs; `solutions/NN_name.ipynb` has both. The build is
byte-deterministic but for the solutions' outputs, so that a test can rebuild and compare.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emovec_lite.course.executing import execute, tidy
from emovec_lite.course.exercise import exercises
from emovec_lite.course.instructor import guide
from emovec_lite.course.outline import CHAPTERS, Chapter, address, repository, select
from emovec_lite.course.tables import MEASURED, badges, chapter_table, cost, measured, tier_table
from emovec_lite.errors import EmovecError

if TYPE_CHECKING:
    from nbformat import NotebookNode

LARGEST = 1_000_000  # bytes of an executed solution
SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n(.*?)^[ \t]*### END SOLUTION[ \t]*(?:\n|\Z)", re.M | re.S)
CHECKED = re.compile(r"check\(\s*\"(\d+\.\d+)\"")
MARKER = re.compile(r"\{\{([a-z]+)(?: ([\d.]+))?\}\}")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
BOX = (
    "> **Representations, not feelings.** An emotion vector is a direction in a model's activations. It represents "
    "the *concept* of an emotion, whoever has it: a character in a story, a speaker, nobody in particular. Nothing "
    "in this course says that a model feels anything."
)


def build(numbers: Sequence[str] = (), *, run: bool = False, root: Path | None = None) -> list[Path]:
    """Write chapters and solutions from their sources, the README's table and the instructor's page; what changed.

    With `run`, execute the solutions and keep their outputs, seconds and memory. Without it, outputs stay as they
    are where no code has changed, and go where some has.
    """
    root = root or repository()
    chosen = select(list(numbers))
    if run:
        for chapter in chosen:
            _execute(root, chapter)
    changed = []
    for path, made in _made(root, chosen):
        if path.suffix == ".ipynb" and path.parent.name == "solutions":
            made = _with_outputs(made, path)
        if not path.is_file() or path.read_bytes() != made:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(made)
            changed.append(path)
    return changed


def stale(root: Path | None = None) -> list[str]:
    """What a fresh build would change, a line a file; solutions' outputs are not compared, but must be there."""
    root = root or repository()
    lines = []
    for path, made in _made(root, list(CHAPTERS.values())):
        name = path.relative_to(root).as_posix()
        if not path.is_file():
            lines.append(f"{name} is missing")
            continue
        is_solution = path.suffix == ".ipynb" and path.parent.name == "solutions"
        found = _without_outputs(path) if is_solution else path.read_bytes()
        if found != made:
            lines.append(f"{name} differs from its source")
        elif is_solution and not _executed(path):
            lines.append(f"{name} was not executed")
    strays = {p.name for folder in ("chapters", "solutions") for p in (root / folder).glob("*.ipynb")}
    return lines + [
        f"{name} has no source" for name in sorted(strays - {f"{c.name}.ipynb" for c in CHAPTERS.values()})
    ]


def read_source(root: Path, chapter: Chapter) -> NotebookNode:
    """A chapter's source as a notebook: markers filled in, answers between their marks, ids that stay the same."""
    import jupytext

    path = root / "solutions" / f"{chapter.name}.py"
    if not path.is_file():
        raise EmovecError(f"No source {path} for chapter {chapter.number}.")
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata.clear()
    notebook.metadata.update(METADATA, **colab(chapter))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"{chapter.number}-{i:03d}"
        cell.source = MARKER.sub(lambda match: _fill(root, chapter, *match.groups()), cell.source)
        if cell.source == "# setup":
            cell.source = setup_cell(root)
    return notebook


def as_chapter(notebook: NotebookNode) -> NotebookNode:
    """The notebook with every answer replaced by a `NotImplementedError` that names its exercise."""
    from copy import deepcopy

    notebook = deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code" and "### BEGIN SOLUTION" in cell.source:
            cell.source = stub(cell.source)
    return notebook


def as_solution(notebook: NotebookNode) -> NotebookNode:
    """The notebook with the answers in, without the marks around them."""
    from copy import deepcopy

    notebook = deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = SOLUTION.sub(lambda match: match[2], cell.source).rstrip("\n")
    return notebook


def stub(source: str) -> str:
    """An exercise's code with its answer taken out; raises `EmovecError` where the marks do not pair or name none."""
    found = CHECKED.search(source)
    if not found or found[1] not in exercises():
        raise EmovecError(f"An answer without a check of an exercise that is declared:\n{source}")
    number = found[1]
    text = f'raise NotImplementedError("exercise {number}: {exercises()[number].title.lower().rstrip("?")}")\n'
    source = SOLUTION.sub(lambda match: match[1] + text, source).rstrip("\n")
    if "### BEGIN SOLUTION" in source or "### END SOLUTION" in source:
        raise EmovecError(f"Marks of an answer that do not pair, in exercise {number}:\n{source}")
    return source


def setup_cell(root: Path) -> str:
    """The first code of every chapter: three lines, the first two for Colab alone."""
    return (
        'if "google.colab" in str(get_ipython()):\n'
        f'    %pip install -q "emovec-lite @ git+{address(root)}"\n'
        "from emovec_lite import setup; subject = setup()"
    )


def colab(chapter: Chapter) -> dict:
    """The metadata from which Colab picks a runtime: a T4 for a chapter that gains from one."""
    if chapter.gpu:
        return {"accelerator": "GPU", "colab": {"gpuType": "T4", "provenance": []}}
    return {"colab": {"provenance": []}}


def to_bytes(notebook: NotebookNode) -> bytes:
    """A notebook as the bytes of its file, always the same for the same notebook."""
    import nbformat

    nbformat.validate(notebook)
    return (json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _made(root: Path, chapters: Sequence[Chapter]) -> Iterator[tuple[Path, bytes]]:
    for chapter in chapters:
        notebook = read_source(root, chapter)
        yield root / "chapters" / f"{chapter.name}.ipynb", to_bytes(as_chapter(notebook))
        yield root / "solutions" / f"{chapter.name}.ipynb", to_bytes(as_solution(notebook))
    yield _with_parts(root / "README.md", chapters=chapter_table(root, CHAPTERS.values()), tiers=tier_table())
    yield _with_parts(root / "solutions" / "INSTRUCTOR.md", exercises=guide(root, list(CHAPTERS.values())))


def _with_parts(path: Path, **made: str) -> tuple[Path, bytes]:
    """A file as it should be, with what was made between the mark of each name and the next `<!-- end -->`."""
    text = path.read_text(encoding="utf-8")
    for name, part in made.items():
        text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda m, p=part: m[1] + p + m[2], text, flags=re.S)
    return path, text.encode()


def _fill(root: Path, chapter: Chapter, name: str, number: str | None) -> str:
    match name:
        case "badges":
            return badges(root, chapter)
        case "box":
            return BOX
        case "measured":
            return cost(root, chapter) or "not yet measured"
        case "exercise" if number in exercises():
            task = exercises()[number]
            difficulty, importance = ("●" * n + "○" * (5 - n) for n in (task.difficulty, task.importance))
            return (
                f"### Exercise {number}: {task.title}\n\n"
                f"Difficulty {difficulty} · importance {importance} · {task.minutes} minutes"
            )
    raise EmovecError(f"Chapter {chapter.number}: unknown marker {{{{{name} {number or ''}}}}}.")


def _execute(root: Path, chapter: Chapter) -> None:
    """Run a solution in a kernel of its own and write it with outputs; note its seconds and peak memory."""
    notebook = as_solution(read_source(root, chapter))
    with tempfile.TemporaryDirectory() as scratch:
        seconds, gb = execute(notebook, Path(scratch))
    tidy(notebook)
    content = to_bytes(notebook)
    if len(content) > LARGEST:
        raise EmovecError(
            f"{chapter.name}: {len(content) / 1e6:.1f} MB with outputs; {LARGEST / 1e6:.0f} MB at most."
        )
    (root / "solutions" / f"{chapter.name}.ipynb").write_bytes(content)
    found = {**measured(root), chapter.number: {"seconds": round(seconds), "gb": round(gb, 2)}}
    path = root / "solutions" / MEASURED
    path.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", encoding="utf-8")
    print(f"{chapter.name}: {seconds:.0f} s, {gb:.2f} GB", file=sys.stderr)


def _with_outputs(made: bytes, path: Path) -> bytes:
    """A fresh solution with the outputs of the one on disk, if its code is still the same."""
    import nbformat

    if not path.is_file():
        return made
    old, new = nbformat.read(path, 4), nbformat.reads(made.decode(), 4)

    def code(notebook: NotebookNode) -> list[str]:
        return [cell.source for cell in notebook.cells if cell.cell_type == "code"]

    if code(old) != code(new):
        return made
    outputs = iter([cell for cell in old.cells if cell.cell_type == "code"])
    for cell in new.cells:
        if cell.cell_type == "code":
            before = next(outputs)
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
    return to_bytes(new)


def _without_outputs(path: Path) -> bytes:
    import nbformat

    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return to_bytes(notebook)


def _executed(path: Path) -> bool:
    import nbformat

    return all(c.execution_count for c in nbformat.read(path, 4).cells if c.cell_type == "code")
