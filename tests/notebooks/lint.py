"""What a notebook may not have: each function gives the faults it finds, a line each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

LONGEST = 25  # lines of a cell
SHORTEST_ALT = 20  # characters: "figure 1" is no description
IMAGE = re.compile(r"<img\b[^>]*>", re.S)
NUMBER = re.compile(r"(?<![\w.])\d*\.\d+(?![\w.]*\w)")
# What looks like a decimal number and is a name.
NAMES = re.compile(r"arXiv[: ]\d{4}\.\d{5}|[Ee]xercises? \d+\.\d+|https?://\S+|`[^`]*`")


def undescribed_images(notebook) -> list[str]:
    """Images without a text that stands for them, in outputs and in markdown."""
    faults = []
    for i, cell in enumerate(notebook.cells):
        pages = [cell.source] if cell.cell_type == "markdown" else []
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if any(kind.startswith("image/") for kind in data):
                faults.append(f"cell {i}: a figure without alt text; use `show`")
            pages.append("".join(data.get("text/html", "")))
        for page in pages:
            for tag in IMAGE.findall(page):
                alt = re.search(r'\balt="([^"]*)"', tag)
                if not alt or len(alt[1]) < SHORTEST_ALT:
                    faults.append(f"cell {i}: an image whose alt text is {alt[1] if alt else None!r}")
            faults += [f"cell {i}: a picture without alt text" for _ in re.findall(r"!\[\s*\]\(", page)]
    return faults


def unmade_numbers(notebook, allowed: Mapping[str, str]) -> list[str]:
    """Decimal numbers in prose that no executed cell holds or printed, and that have no source in `allowed`."""
    made = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts = [cell.source]
            for output in cell.get("outputs", []):
                texts += [output.get("text", ""), *(v for v in output.get("data", {}).values() if isinstance(v, str))]
            # Base64 of a picture holds no numbers.
            made |= {float(n) for text in texts for n in NUMBER.findall(re.sub(r'src="data:[^"]*"', "", text))}
    return [
        f"cell {i}: {number} in prose, made by no cell and without a source"
        for i, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown"
        for number in NUMBER.findall(NAMES.sub(" ", cell.source))
        if float(number) not in made and number not in allowed
    ]


def dead_links(text: str, folder: Path) -> list[str]:
    """Links to files that are not there."""
    targets = re.findall(r"\]\(([^)\s]+)\)|\bhref=\"([^\"]+)\"", text)
    paths = [(a or b).split("#")[0] for a, b in targets if "://" not in (a or b)]
    return [f"link to {path}, which is not there" for path in paths if path and not (folder / path).exists()]


def long_cells(notebook) -> list[str]:
    """Cells that hold more than a reader takes in at once."""
    lengths = {i: len(cell.source.splitlines()) for i, cell in enumerate(notebook.cells)}
    return [f"cell {i}: {n} lines, more than {LONGEST}" for i, n in lengths.items() if n > LONGEST]
