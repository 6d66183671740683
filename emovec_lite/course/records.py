"""What a learner has done, in one local file that never leaves the machine."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from emovec_lite.errors import CacheError, disk_errors


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
