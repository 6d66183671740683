"""The chapters, in order: a folder each in `chapters/`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from emovec_lite.errors import EmovecError, UnknownName


@dataclass(frozen=True)
class Chapter:
    """What a chapter says of itself in its folder's `chapter.toml`."""

    name: str  # of its files, without the ending
    title: str
    minutes: int
    gpu: bool = False

    @property
    def number(self) -> str:
        return self.name[:2]

    def numbers(self, declared: Iterable[str]) -> list[str]:
        """Of the numbers of exercises ("2.1") or questions ("02.1") those of this chapter."""
        return [number for number in declared if number.split(".")[0].zfill(2) == self.number]


FOLDERS = sorted((Path(__file__).parent / "chapters").glob("c[0-9][0-9]_*"))
CHAPTERS: dict[str, Chapter] = {
    folder.name[1:3]: Chapter(folder.name[1:], **tomllib.loads((folder / "chapter.toml").read_text(encoding="utf-8")))
    for folder in FOLDERS
    if (folder / "chapter.toml").is_file()
}


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
