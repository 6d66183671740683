"""Running the solutions one after the other in this process: torch and the imports are paid for once."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from emovec_lite.course.executing import peak_memory
from emovec_lite.course.exercise import exercises
from emovec_lite.course.outline import Chapter, repository, select


def run(numbers: Sequence[str] = ()) -> bool:
    """Execute solution notebooks and print a line for each: seconds, peak memory, checks passed; True if all ran.

    The learner's own progress is not touched. Ctrl-C ends it between two lines of code, as it does in a notebook.
    """
    from tqdm.auto import tqdm

    root, chapters = repository(), select(list(numbers))
    if (model := os.path.expanduser(os.environ.get("EMOVEC_MODEL", ""))) and Path(model).is_dir():
        os.environ["EMOVEC_MODEL"] = str(Path(model).resolve())  # cells run in another folder
    print(f"{'notebook':<28}{'seconds':>8}{'peak GB':>9}{'checks':>10}")
    well = True
    with tqdm(chapters, desc="Running", unit=" notebooks", file=sys.stderr) as bar:
        for chapter in bar:
            bar.set_postfix_str(chapter.name)
            seconds, gb, passed, error = run_one(root, chapter)
            own = chapter.numbers(exercises())
            bar.clear()
            print(f"{chapter.name:<28}{seconds:>8.1f}{gb:>9.2f}{f'{passed} of {len(own)}':>10}", flush=True)
            if error:
                print(f"  failed: {error}", flush=True)
            well = well and not error and passed == len(own)
    return well


def run_one(root: Path, chapter: Chapter) -> tuple[float, float, int, str]:
    """Execute one solution; its seconds, peak GB of this process, checks passed, and the error if there was one."""
    import nbformat

    notebook = nbformat.read(root / "solutions" / f"{chapter.name}.ipynb", 4)
    kept = {name: os.environ.get(name) for name in ("EMOVEC_PROGRESS", "TQDM_DISABLE")}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(EMOVEC_PROGRESS=str(Path(scratch) / "progress.json"), TQDM_DISABLE="1")
        started = time.perf_counter()
        try:
            with peak_memory(os.getpid()) as peak:
                error = _cells([c.source for c in notebook.cells if c.cell_type == "code"], Path(scratch))
            from emovec_lite.course.records import done

            passed = sum(not item.startswith("quiz") for item in done())
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
    return time.perf_counter() - started, peak(), passed, error


def _cells(sources: list[str], folder: Path) -> str:
    """Run cells in a fresh namespace, their output unseen; the first error as a line of text, or nothing."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell, here = InteractiveShell.instance(), Path.cwd()
    shell.reset(new_session=False)
    os.chdir(folder)
    try:
        for i, source in enumerate(sources):
            with capture_output():
                result = shell.run_cell(source, store_history=False)
            error = result.error_before_exec or result.error_in_exec
            if isinstance(error, KeyboardInterrupt):
                raise error
            if error:
                return f"code cell {i}: {type(error).__name__}: {error}"
        return ""
    finally:
        os.chdir(here)
        shell.reset(new_session=False)
        gc.collect()
