"""Work that shows itself on the page, step by step, and can be stopped between two steps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

from emovec_lite.environment import where
from emovec_lite.widgets.page import sentence, status_html

State = TypeVar("State")


def in_colab() -> bool:
    """Whether this kernel is Google Colab's."""
    return where() == "Colab"


class Live:
    """A place on the page that is redrawn after every step of some work, which can be stopped between two steps.

    In JupyterLab, Binder and VS Code a thread does the work, so that the kernel can hear a click on Stop. In Colab
    nothing that a thread sends reaches the page: there the click itself does the work and shows it below the cell,
    and Colab's own interrupt button ends it.
    """

    def __init__(self, hint: str) -> None:
        import ipywidgets

        how = "To stop a text before its end, use Colab's interrupt button." if in_colab() else ""
        self.area = ipywidgets.HTML(status_html(hint, how))
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._display = None

    def start(
        self,
        steps: Callable[[], Iterator[State]],
        draw: Callable[[State], str],
        end: Callable[[State, bool], Iterator[str]],
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """Draw each state that the steps yield, then what `end` makes of the last one and of whether it was stopped.

        Work that is still going on is stopped first. An exception becomes a sentence on the page.
        """
        self.stop()
        stop, before = threading.Event(), self._thread
        self._stop = stop

        def work() -> None:
            if before is not None:
                before.join()  # or both would draw
            state, stopped = None, True
            try:
                with suppress(KeyboardInterrupt):  # Colab's interrupt button
                    for state in steps():
                        if stop.is_set():
                            break
                        self._show(draw(state))
                    else:
                        stopped = False
                with suppress(KeyboardInterrupt):
                    for content in end(state, stopped) if state is not None else [status_html("Stopped.")]:
                        self._show(content)
            except Exception as error:
                self._show(status_html(sentence(error)))
            finally:
                after()

        if in_colab():
            work()
        else:
            self._thread = threading.Thread(target=work, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Let the work end after the step that it is at."""
        self._stop.set()

    def _show(self, content: str) -> None:
        if not in_colab():
            self.area.value = content
            return
        from IPython.display import HTML, display

        if self._display is None:
            self._display = display(HTML(content), display_id=True)
        else:
            self._display.update(HTML(content))
