"""What a learner has done, in one local file that never leaves the machine."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from emovec_lite.course.outline import CHAPTERS
from emovec_lite.errors import CacheError, disk_errors


def progress() -> None:
    """Print, a line a chapter, what is done, what is left, and about how many minutes that takes."""
    print(table(done()))


def progress_file() -> Path:
    """Where progress is kept: `EMOVEC_PROGRESS`, else beside the models."""
    from emovec_lite.models import cache_folder

    return Path(os.environ.get("EMOVEC_PROGRESS") or cache_folder() / "progress.json")


def done() -> set[str]:
    """Exercises ("2.1") and quiz questions ("quiz 02.1") that were answered right; nothing where the file is not."""
    try:
        items = json.loads(progress_file().read_text(encoding="utf-8"))
        return {item for item in items if isinstance(item, str)}
    except (OSError, ValueError, TypeError):
        return set()


def record(item: str) -> None:
    """Remember that an exercise or a question was answered right; say so where it cannot be kept."""
    items, path = done(), progress_file()
    if item in items:
        return
    try:
        with disk_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{os.getpid()}")
            part.write_text(json.dumps(sorted(items | {item}), indent=1) + "\n", encoding="utf-8")
            os.replace(part, path)
    except CacheError as error:
        print(f"Progress was not kept: {error}", file=sys.stderr)


def table(finished: set[str]) -> str:
    """Progress as lines of text."""
    from emovec_lite.course.checks import exercises
    from emovec_lite.course.quizzes import questions

    lines = [f"{'chapter':<36}{'exercises':>10}{'quiz':>8}{'minutes to go':>15}"]
    total = 0
    for chapter in CHAPTERS.values():
        tasks = [e for e in exercises() if e.split(".")[0] == str(int(chapter.number))]
        quiz = [f"quiz {q}" for q in questions() if q.split(".")[0] == chapter.number]
        solved, answered = (len(finished.intersection(items)) for items in (tasks, quiz))
        share = 1 - (solved + answered) / len(tasks + quiz)
        minutes = round(chapter.minutes * share)
        total += minutes
        name = f"{chapter.number}  {chapter.title}"
        counts = (f"{solved} of {len(tasks)}" if tasks else "-", f"{answered} of {len(quiz)}")
        lines.append(f"{name:<36}{counts[0]:>10}{counts[1]:>8}{minutes or 'done':>15}")
    return "\n".join([*lines, f"{'':<36}{'':>18}{total or 'all done':>15}"])
