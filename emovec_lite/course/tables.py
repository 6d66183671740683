"""What the README's tables and the chapters' heads say of cost: seconds, memory, links."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from emovec_lite.course.outline import Chapter, address
from emovec_lite.models import MODELS
from emovec_lite.models.memory import memory_gb

MEASURED = "measured.json"  # seconds and memory of each solution, as last executed


def badges(root: Path, chapter: Chapter) -> str:
    """Links that open a chapter in Colab and in Binder."""
    web = address(root)
    slug = web.removeprefix("https://github.com/")
    path = f"chapters/{chapter.name}.ipynb"
    return (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{slug}/blob/main/{path}) "
        "[![Open in Binder](https://mybinder.org/badge_logo.svg)]"
        f"(https://mybinder.org/v2/gh/{slug}/main?urlpath=lab/tree/{path})"
    )


def chapter_table(root: Path, chapters: Iterable[Chapter]) -> str:
    """The chapters with their minutes, cost and links, as markdown."""
    lines = ["| | chapter | minutes | runs in | |", "|---|---|---|---|---|"]
    for chapter in chapters:
        link = f"[{chapter.title}](chapters/{chapter.name}.ipynb)"
        row = [chapter.number, link, str(chapter.minutes), cost(root, chapter), badges(root, chapter)]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def tier_table() -> str:
    """The registry's models with what they need, as markdown."""
    names = ("`EMOVEC_MODEL`", "parameters", "layers", "download", "CPU", "GPU", "GPU, 4 bits", "licence")
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for m in MODELS.values():
        download = f"{m.download_gb:g} GB" + ("" if m.wheels else ", from the hub")
        half = "float32" if m.parameters < 1e9 else "bfloat16"
        memory = [memory_gb(m, "float32"), memory_gb(m, half, "cuda"), memory_gb(m, half, "cuda", 4)]
        row = [f"`{m.name}`", m.size, str(m.layers), download, *(f"{gb:.1f} GB" for gb in memory), m.licence]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def cost(root: Path, chapter: Chapter) -> str:
    """Seconds and memory of a chapter's solution; nothing where it was never executed."""
    found = measured(root).get(chapter.number)
    return f"{found['seconds']} s, {found['gb']:.1f} GB" if found else ""


def measured(root: Path) -> dict[str, dict]:
    """What `build(run=True)` noted of each chapter."""
    path = root / "solutions" / MEASURED
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
