"""Do the chapters fit Binder? On Linux, `python tests/benchmarks/binder.py [NN ...]`.

Runs the committed solutions, a kernel each, on one core, with one thread and in 2 GB, and prints seconds and peak
memory. What needs more is killed, as it would be there. Where systemd-run works, it sets the limit, and the system
kills; elsewhere this script looks every 20 ms. What counts is the resident memory of the kernel, of all that it
started, and of this script, which stands for the server beside Binder's kernels (about 0.1 GB, too). Address space
would be no measure: torch maps far more than it touches.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import psutil

from emovec_lite.course.executing import execute
from emovec_lite.course.outline import repository, select

LIMIT = 2 * 1024**3  # bytes
UNDER_SYSTEMD = ["systemd-run", "--scope", "--quiet", "-p", f"MemoryMax={LIMIT}", "-p", "MemorySwapMax=0"]


def main(arguments):
    inside = "--inside" in arguments
    chapters = select([number for number in arguments if number != "--inside"])
    if not inside and (prefix := systemd()):
        os.execvp(prefix[0], [*prefix, sys.executable, __file__, "--inside", *arguments])
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    os.environ |= {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "1048576"}  # as `binder/start` has them
    print(f"one core, one thread, 2 GB: {'limited by systemd-run' if inside else 'watched every 20 ms'}")
    print(f"{'solution':<28}{'seconds':>8}{'peak GB':>9}")
    fits = True
    for chapter in chapters:
        notebook = nbformat.read(repository() / "solutions" / f"{chapter.name}.ipynb", 4)
        started, problem = time.perf_counter(), ""
        with tempfile.TemporaryDirectory() as scratch, watch() as peak:
            try:
                execute(notebook, Path(scratch))
            except Exception as error:  # the notebook's own, or nbclient's at the death of a kernel
                problem = next(iter(str(error).splitlines()), type(error).__name__)
        seconds = time.perf_counter() - started
        print(f"{chapter.name:<28}{seconds:>8.1f}{peak() / 1e9:>9.2f}  {problem}".rstrip(), flush=True)
        fits = fits and not problem and peak() <= LIMIT
    return 0 if fits else 1


def systemd():
    """A command that runs another one within the limit, if this machine has it."""
    for prefix in (UNDER_SYSTEMD, [UNDER_SYSTEMD[0], "--user", *UNDER_SYSTEMD[1:]]):
        try:
            if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
                return prefix
        except FileNotFoundError:
            break
    return None


@contextmanager
def watch():
    """Watch this process and all below it, and kill those above the limit; calling what this gives tells the peak."""
    here, highest, ended = psutil.Process(), [0], threading.Event()

    def resident(process):
        try:
            return process.memory_info().rss
        except psutil.NoSuchProcess:
            return 0

    def look():
        while not ended.wait(0.02):
            below = here.children(recursive=True)
            highest[0] = max(highest[0], total := sum(map(resident, [here, *below])))
            if total > LIMIT:
                for process in below:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield lambda: highest[0]
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
