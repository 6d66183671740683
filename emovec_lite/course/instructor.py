"""What an instructor needs for each exercise, taken from where it already stands.

The message of a right answer comes from the executed solution, common errors from the wrong answers in
`tests/mutants`, what the check says to them from its source, and the prompts from `discussion.toml`. Nothing is run.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from emovec_lite.course.checks import Exercise, exercises
from emovec_lite.course.outline import Chapter
from emovec_lite.errors import EmovecError

HERE = Path(__file__).parent


@cache
def prompts() -> dict[str, str]:
    """What to discuss after each exercise, by its number."""
    return tomllib.loads((HERE / "discussion.toml").read_text(encoding="utf-8"))


def guide(root: Path, chapters: Sequence[Chapter]) -> str:
    """The exercises of these chapters in markdown: expected output, common errors, a prompt for a discussion."""
    lines = []
    for chapter in chapters:
        own = [task for task in exercises().values() if task.number.split(".")[0] == str(int(chapter.number))]
        if own:
            lines += [f"### {chapter.number} {chapter.title}", ""]
        outputs, errors = _outputs(root, chapter), common_errors(root, chapter)
        for task in own:
            lines += _entry(task, outputs, errors.get(task.number, []))
    return "\n".join(lines)


def common_errors(root: Path, chapter: Chapter) -> dict[str, list[tuple[str, str]]]:
    """For each exercise of a chapter the wrong answers that we know of: what they do, and what the check says."""
    path = root / "tests" / "mutants" / f"chapter_{chapter.number}.py"
    if not path.is_file():
        return {}
    found: dict[str, list[tuple[str, str]]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for call in getattr(node, "decorator_list", []):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "wrong":
                number, hint = (argument.value for argument in call.args)
                found.setdefault(number, []).append((node.name.replace("_", " "), _message(number, hint)))
    return found


def _entry(task: Exercise, outputs: str, errors: list[tuple[str, str]]) -> Iterator[str]:
    difficulty, importance = ("●" * n + "○" * (5 - n) for n in (task.difficulty, task.importance))
    yield f"#### {task.number} {task.title}"
    yield ""
    yield f"{task.minutes} minutes · difficulty {difficulty} · importance {importance}"
    yield ""
    earned = re.search(rf"^{re.escape(task.number)} ✓ .*?\.$", outputs, re.M | re.S)
    yield f"A right answer earns: {' '.join(earned[0].split()) if earned else 'not yet executed'}"
    yield ""
    if errors:
        yield "<details><summary>Common errors, and what the check says</summary>"
        yield ""
        yield from (f"- {name}: {message}" for name, message in errors)
        yield ""
        yield "</details>"
        yield ""
    if task.number not in prompts():
        raise EmovecError(f"Exercise {task.number} has nothing to discuss: add a line to {HERE / 'discussion.toml'}.")
    yield f"**Discuss.** {prompts()[task.number]}"
    yield ""


def _outputs(root: Path, chapter: Chapter) -> str:
    """What the executed solution printed."""
    path = root / "solutions" / f"{chapter.name}.ipynb"
    if not path.is_file():
        return ""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = [output["text"] for cell in cells for output in cell.get("outputs", []) if "text" in output]
    return "\n".join("".join(text) for text in texts)


def _message(number: str, hint: str) -> str:
    """The whole message that a hint is a phrase of, from the check's source; … is what a run would fill in."""
    chapter = f"exercises_{int(number.split('.')[0]):02d}.py"
    own, shared = [], []
    for node in ast.parse((HERE / chapter).read_text(encoding="utf-8")).body:
        declared = [call.args[0].value for call in getattr(node, "decorator_list", []) if _declares(call)]
        if number in declared:
            own += _texts(node)
        elif not declared:
            shared += _texts(node)
    shared += _texts(ast.parse((HERE / "checks.py").read_text(encoding="utf-8")))
    found = next((text for text in own + shared if hint in text), f"… {hint} …")
    return re.sub(r"^…[…. ]+(?=[A-Z])", "", found)


def _declares(call: ast.expr) -> bool:
    return isinstance(call, ast.Call) and getattr(call.func, "id", "") == "exercise"


def _texts(node: ast.AST) -> list[str]:
    """The strings in a piece of source, but for docstrings and the names of stages."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr():
            return ["".join(p.value if isinstance(p, ast.Constant) else "…" for p in node.values)]
        case ast.Expr(value=ast.Constant() | ast.Yield(value=ast.Constant())):
            return []
    return [text for child in ast.iter_child_nodes(node) for text in _texts(child)]
