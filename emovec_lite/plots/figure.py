"""A figure that carries its alt text, told apart without colour, on white so that it reads in light and dark."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emovec_lite.errors import disk_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#666666"  # Okabe-Ito, told apart by every kind of colour vision
MARKS = (("o", BLUE), ("s", ORANGE), ("^", "#009e73"), ("D", "#cc79a7"), ("v", "black"))
STYLE: dict[Any, Any] = {
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white", "text.color": "black",
    "axes.labelcolor": "black", "axes.edgecolor": "black", "xtick.color": "black", "ytick.color": "black",
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "text.parse_math": False,  # an emotion may be called "$x$"
}  # fmt: skip
LONGEST = 40  # characters of a name that are written into a figure


def show(figure: Figure, alt: str | None = None) -> None:
    """Display a figure in a notebook with its alt text (its own, unless `alt` says something better)."""
    from IPython.display import HTML, display

    display(HTML(as_html(figure, alt)))


def as_html(figure: Figure, alt: str | None = None) -> str:
    """A figure as an HTML image that carries its alt text."""
    import base64
    import html
    import io

    buffer = io.BytesIO()
    _write(figure, buffer, dpi=110)
    text = html.escape(alt or alt_text(figure), quote=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{text}" src="data:image/png;base64,{data}" style="max-width:100%">'


def save(figure: Figure, path: Path | str) -> None:
    """Write a PNG with its alt text as the file's description."""
    path = Path(os.path.expanduser(path))
    with disk_errors(path.parent):
        _write(figure, path, dpi=150, metadata={"Description": alt_text(figure)})


def _write(figure: Figure, file: Any, **options: Any) -> None:
    import matplotlib

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():  # ticks are made only now
        # What the font lacks, such as emoji, becomes a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from|Matplotlib currently does not support")
        figure.savefig(file, format="png", bbox_inches="tight", **options)


def alt_text(figure: Figure) -> str:
    """What a figure shows, in words."""
    return str(figure.get_label())


def blank(width: float, height: float, alt: str) -> tuple[Figure, Axes]:
    figure, (axes,) = panels(width, height, alt, 1, 1)
    return figure, axes


def panels(width: float, height: float, alt: str, rows: int, columns: int) -> tuple[Figure, list[Axes]]:
    # Not pyplot: its global state would show every figure twice in a notebook and keep it in memory.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.set_label(alt)
    return figure, [*figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat]


def short(names: Iterable[object]) -> list[str]:
    """Names as a figure shows them: none so long that it leaves no room."""
    names = [" ".join(str(name).split()) for name in names]
    return [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names]


def logarithmic(axes: Axes, which: str) -> None:
    """A logarithmic axis with its numbers as plain text."""
    from matplotlib.ticker import LogFormatter

    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(lambda value, place: f"{value:g}")
    axis.set_minor_formatter(LogFormatter())


def styled(draw):
    from functools import wraps

    @wraps(draw)
    def styled(*args, **kwargs):
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled
