"""The chapters, in order."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from emovec_lite.errors import EmovecError, UnknownName


@dataclass(frozen=True)
class Chapter:
    number: str
    name: str  # of its files, without the ending
    title: str
    minutes: int
    gpu: bool = False  # faster on one with the default model: Colab then opens it there


_ALL = [
    Chapter("00", "00_first_taste", "A first taste", 15),
    Chapter("01", "01_residual_stream", "Inside the residual stream", 45),
    Chapter("02", "02_stories_to_vectors", "From stories to vectors", 60),
    Chapter("03", "03_do_they_mean_it", "Do the vectors mean it?", 60),
    Chapter("04", "04_geometry", "The geometry of feeling words", 60),
    Chapter("05", "05_where_is_happiness", "Where do models find happiness?", 60),
    Chapter("06", "06_steering", "Steering", 75, gpu=True),
]
CHAPTERS: dict[str, Chapter] = {chapter.number: chapter for chapter in _ALL}


def select(numbers: list[str]) -> list[Chapter]:
    """The chapters with these numbers ("1" and "01" alike); all of them for an empty list."""
    numbers = [number.zfill(2) for number in numbers]
    for number in numbers:
        if number not in CHAPTERS:
            raise UnknownName("chapter", number, CHAPTERS)
    return [CHAPTERS[number] for number in numbers or CHAPTERS]


def repository() -> Path:
    """The folder that holds `chapters` and `solutions`: here, above here, or where the library was installed from."""
    for folder in (Path.cwd(), *Path.cwd().parents, Path(__file__).parents[2]):
        if (folder / "solutions").is_dir() and (folder / "emovec_lite").is_dir():
            return folder
    raise EmovecError(
        f"No chapters in or above {Path.cwd()}: the notebooks come with the repository, not with the package. "
        "Run this inside a clone of it."
    )


def address(root: Path) -> str:
    """The repository's web address, from the one place where it stands."""
    with (root / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]["urls"]["Repository"].rstrip("/")
