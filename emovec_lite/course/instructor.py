"""What an instructor needs for each exercise: expected output, common errors with what the check says, a prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from emovec_lite.course.exercise import Exercise, exercises
from emovec_lite.course.outline import Chapter


def guide(root: Path, chapters: Sequence[Chapter]) -> str:
    """The exercises of these chapters in markdown; the message of a right answer is the executed solution's."""
    lines = []
    for chapter in chapters:
        own = [exercises()[number] for number in chapter.numbers(exercises())]
        if own:
            lines += [f"### {chapter.number} {chapter.title}", ""]
        outputs = _outputs(root, chapter)
        for task in own:
            lines += _entry(task, outputs)
    return "\n".join(lines)


def _entry(task: Exercise, outputs: str) -> Iterator[str]:
    difficulty, importance = ("●" * n + "○" * (5 - n) for n in (task.difficulty, task.importance))
    yield f"#### {task.number} {task.title}"
    yield ""
    yield f"{task.minutes} minutes · difficulty {difficulty} · importance {importance}"
    yield ""
    earned = re.search(rf"^{re.escape(task.number)} ✓ .*?\.$", outputs, re.M | re.S)
    yield f"A right answer earns: {' '.join(earned[0].split()) if earned else 'not yet executed'}"
    yield ""
    yield "<details><summary>Common errors, by what the check says to them</summary>"
    yield ""
    yield from (f"- {message}" for message in task.mistakes)
    yield ""
    yield "</details>"
    yield ""
    yield f"**Discuss.** {task.discuss}"
    yield ""


def _outputs(root: Path, chapter: Chapter) -> str:
    """What the executed solution printed."""
    path = root / "solutions" / f"{chapter.name}.ipynb"
    if not path.is_file():
        return ""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = [output["text"] for cell in cells for output in cell.get("outputs", []) if "text" in output]
    return "\n".join("".join(text) for text in texts)
