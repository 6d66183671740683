"""What a learner has done, in one local file that never leaves the machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

PATIENCE = 5  # seconds to wait for another kernel that is writing


def progress_file() -> Path:
    """Where progress is kept: `EMOVEC_PROGRESS`, else beside what was computed."""
    from emovec_lite.models import results_folder

    chosen = os.environ.get("EMOVEC_PROGRESS")
    return Path(os.path.expanduser(chosen)) if chosen else results_folder() / "progress.json"


def done() -> set[str]:
    """Exercises ("2.1") and quiz questions ("quiz 02.1") that were answered right; nothing where the file is not."""
    try:
        return _read(progress_file())
    except OSError:
        return set()


def record(item: str) -> None:
    """Remember that an exercise or a question was answered right; say so where it cannot be kept."""
    from filelock import FileLock, Timeout

    if item in done():
        return
    path = progress_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Another kernel may write between reading and writing here: under the lock the two are one step.
        with FileLock(path.with_name(f"{path.name}.lock"), timeout=PATIENCE):
            items = _read(path) | {item}
            part = path.with_name(f"{path.name}.part")
            part.write_text(json.dumps(sorted(items), indent=1) + "\n", encoding="utf-8")
            os.replace(part, path)
    except Timeout:
        print(f"Progress was not kept: for {PATIENCE} seconds another kernel was writing to {path}. Try again.")
    except OSError as error:
        print(f"Progress was not kept ({error}). Set EMOVEC_PROGRESS to a file that can be written.")


def _read(path: Path) -> set[str]:
    """What the file holds; nothing where there is none, or where it is damaged."""
    try:
        items = json.loads(path.read_text(encoding="utf-8-sig"))
        return {item for item in items if isinstance(item, str)}
    except (FileNotFoundError, ValueError, TypeError):
        return set()
