"""Notebooks executed in real kernels, with their seconds and memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode


def execute(notebook: NotebookNode, folder: Path) -> tuple[float, float]:
    """Run a notebook in place in a real kernel inside `folder`; its seconds, and the kernel's peak memory in GB.

    A cell that raises ends it with nbclient's `CellExecutionError`. The learner's progress is not touched.
    """
    import os

    from nbclient import NotebookClient

    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    env = {**os.environ, "EMOVEC_PROGRESS": str(folder / "progress.json"), "TQDM_DISABLE": "1"}
    started = time.perf_counter()
    # The kernel is there once it is set up, and as a process of this machine it has a number.
    with (
        client.setup_kernel(env=env),
        peak_memory(client.km.provisioner.pid) as peak,  # ty: ignore[missing-attribute, missing-union-attribute]
    ):
        for i, cell in enumerate(notebook.cells):
            client.execute_cell(cell, i)
    return time.perf_counter() - started, peak()


@contextmanager
def peak_memory(pid: int) -> Generator[Callable[[], float]]:
    """Watch a process's resident memory; calling what this gives tells the most so far, in GB."""
    import threading

    import psutil

    process, highest, ended = psutil.Process(pid), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            try:
                highest[0] = max(highest[0], process.memory_info().rss)
            except psutil.NoSuchProcess:
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: highest[0] / 1e9
    finally:
        ended.set()
        thread.join()


def tidy(notebook: NotebookNode) -> None:
    """Leave out of an executed notebook what changes at every run or shows on no static page."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        kept: list = []
        for output in cell.get("outputs", []):
            if output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None):
                if "text/html" not in output["data"]:
                    continue  # a progress bar
            if output.output_type == "stream" and "Warning: " in output.text:
                continue
            if kept and output.output_type == kept[-1].output_type == "stream" and output.name == kept[-1].name:
                kept[-1].text += output.text  # a slow cell's text arrives in pieces, each time other ones
            else:
                kept.append(output)
        if cell.cell_type == "code":
            cell.outputs = kept
