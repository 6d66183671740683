"""The corpora: stories in which a character is plainly in the state of an emotion that the text never names.

Emotions and topics are fully crossed, so that no topic can stand in for an emotion (Sofroniew et al. 2026 draw topics
at random; arXiv 2606.26987 draws three per emotion independently, which confounds them).
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import random
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from emovec_lite.errors import CorpusError, UnknownName

DATA = Path(__file__).parent / "data"
CORPORA = {
    "shown": DATA / "shown.jsonl",  # the first: what the course's vectors are made of
    "told": DATA / "told.jsonl",
    "oblique": DATA / "oblique.jsonl",
    "own": DATA / "own_stories.jsonl",  # written by the default model itself
    "scenarios": DATA / "scenarios.jsonl",
}


@dataclass(frozen=True)
class Story:
    """One text with the emotion it was written for; `names` are the characters it names."""

    text: str
    emotion: str
    topic: str = ""
    narrator: str = ""  # "first", "third", or "" where the corpus does not say
    names: tuple[str, ...] = ()
    register: str = ""  # "shown", "told" or "oblique": how the emotion comes across; see the datasheet
    line: int = field(default=0, compare=False, repr=False)  # of the file it was read from


@dataclass(frozen=True)
class Corpus:
    """Stories in file order, with the emotions and topics they cover."""

    name: str
    stories: tuple[Story, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.stories)

    def __iter__(self) -> Iterator[Story]:
        return iter(self.stories)

    @cached_property
    def texts(self) -> list[str]:
        return [s.text for s in self.stories]

    @cached_property
    def labels(self) -> list[str]:
        """The emotion of each story."""
        return [s.emotion for s in self.stories]

    @cached_property
    def emotions(self) -> list[str]:
        return sorted(set(self.labels))

    @cached_property
    def topics(self) -> list[str]:
        return sorted({s.topic for s in self.stories} - {""})

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that the vectors depend on: emotions, topics and texts, in order."""
        rows = [[s.emotion, s.topic, s.text] for s in self.stories]
        return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()

    def without(self, places: Collection[int]) -> Corpus:
        """The same corpus without the stories at some places, counted from 0."""
        return replace(self, stories=tuple(s for i, s in enumerate(self.stories) if i not in places))

    def select(self, emotion: str) -> list[Story]:
        """The stories of one emotion."""
        if emotion not in self.emotions:
            raise UnknownName("emotion", emotion, self.emotions)
        return [s for s in self.stories if s.emotion == emotion]


def load_corpus(name_or_path: str | Path = "shown") -> Corpus:
    """Read a corpus: "shown", "told", "oblique", "own", "scenarios", or a file of JSON lines.

    A line holds `emotion`, and `text`, `story` or a list `stories`, and optionally `topic`, as the published corpora
    do. Raises `UnknownName` for a name that is no corpus, `CorpusError` for a file that is not there, for a line that
    cannot be read (naming file and line), and for a corpus with fewer than two emotions.
    """
    path = CORPORA.get(str(name_or_path), Path(os.path.expanduser(name_or_path)))
    if not path.is_file() and (path.suffix or len(path.parts) > 1):
        raise CorpusError(f"No corpus file at {path}. Known by name: {', '.join(CORPORA)}.")
    if not path.is_file():
        raise UnknownName("corpus", str(name_or_path), CORPORA)
    stories = _read(path)
    if not stories:
        raise CorpusError(f"{path}: no stories. Expected one JSON object a line with 'emotion' and 'text'.")
    corpus = Corpus(str(name_or_path) if str(name_or_path) in CORPORA else path.stem, stories)
    if len(corpus.emotions) < 2:
        raise CorpusError(
            f"{path}: only one emotion ({corpus.emotions[0]!r}). Vectors are differences between emotions: "
            "add stories of at least one more."
        )
    return corpus


def load_neutral() -> list[str]:
    """The 60 neutral passages: factual, no feeling; their components are projected out of the vectors."""
    return [row["text"] for _, row in _rows(DATA / "neutral.jsonl")]


def _read(path: Path) -> tuple[Story, ...]:
    return tuple(story for number, row in _rows(path) for story in _stories(path, number, row))


def _rows(path: Path) -> Iterator[tuple[int, dict]]:
    """The JSON objects of a file, each with its line, from 1."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}.") from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:
        raise CorpusError(f"{path}: not UTF-8, but UTF-16 or no text at all. Save it as UTF-8.")
    for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).splitlines(), start=1):
        where = f"{path}, line {number}"
        try:
            text = line.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"{where}: not UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8."
            ) from error
        if not text:
            continue
        try:
            row = json.loads(text)
        except json.JSONDecodeError as error:
            raise CorpusError(
                f"{where}: not JSON ({error.msg} at column {error.colno}). Each line is a JSON object by itself."
            ) from error
        if not isinstance(row, dict):
            raise CorpusError(f"{where}: expected a JSON object, got {type(row).__name__}.")
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise CorpusError(f"{where}: half of a character ({error.reason}). Write the line anew.") from error
        yield number, row


def _stories(path: Path, number: int, row: dict) -> list[Story]:
    where = f"{path}, line {number}"
    emotion, names = row.get("emotion"), row.get("names") or []
    texts: Any = row.get("stories") or [row.get("text") or row.get("story")]
    if not isinstance(emotion, str) or not emotion.strip():
        raise CorpusError(f"{where}: 'emotion' must be a word, got {emotion!r}.")
    if not isinstance(texts, list) or not all(isinstance(t, str) and t.strip() for t in texts):
        raise CorpusError(f"{where}: expected a 'text' or 'story', or a list 'stories' of texts, none of them empty.")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CorpusError(f"{where}: 'names' must be a list of names, got {names!r}.")
    given = {key: row[key] for key in ("topic", "narrator", "register") if row.get(key) is not None}
    extra = {key: str(value) for key, value in given.items()}  # topics may be numbers
    return [Story(text, emotion.strip(), **extra, names=tuple(names), line=number) for text in texts]


def long_enough(corpus: Corpus, lengths: Sequence[int], skip: int) -> Corpus:
    """The stories of more than `skip` tokens, given how many each has; says how many are left out, and which.

    Raises `CorpusError` where an emotion would be left without stories.
    """
    short = [i for i, length in enumerate(lengths) if length <= skip]
    if not short:
        return corpus
    kept = corpus.without(set(short))
    if gone := sorted({*corpus.emotions} - {*kept.emotions}):
        longest = [max(n for n, label in zip(lengths, corpus.labels, strict=True) if label == e) for e in gone]
        raise CorpusError(
            f"{corpus.name}: all stories of {_first(map(repr, gone))} have at most {skip} tokens, and so many are "
            f"skipped: nothing is left to average. Use longer stories, or a skip of at most {min(longest) - 1} "
            "(`emovec demo --skip`)."
        )
    lines = dict.fromkeys(corpus.stories[i].line for i in short)
    where = f": line{'s' if len(lines) > 1 else ''} {_first(lines)}" if all(lines) else ""  # unless made by hand
    print(f"{len(short)} of {len(corpus)} stories have at most {skip} tokens and were left out{where}")
    return kept


def _first(names: Iterable[object], n: int = 10) -> str:
    """The first few of some names, and whether there are more."""
    names = [*map(str, names)]
    return ", ".join(names[:n]) + (" ..." if len(names) > n else "")


def words_of(text: str) -> list[str]:
    """Lower-case words, with apostrophes kept inside them."""
    return re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+", text.lower())


def word_count(text: str) -> int:
    """Words as a reader counts them: runs of characters between spaces that hold a letter or a digit."""
    return sum(any(c.isalnum() for c in token) for token in text.split())


def balanced(corpus: Corpus, topics: int = 2, seed: int = 0) -> Corpus:
    """The stories on a few topics, drawn at random, that all emotions share.

    Raises `CorpusError` for more topics than there are, and for an emotion without stories on one that was drawn.
    """
    if not 1 <= topics <= len(corpus.topics):
        raise CorpusError(f"{corpus.name}: cannot draw {topics} topics from {len(corpus.topics)}. Ask for fewer.")
    drawn = random.Random(seed).sample(corpus.topics, topics)
    kept = tuple(story for story in corpus if story.topic in drawn)
    cells = {(story.emotion, story.topic) for story in kept}
    for emotion, topic in product(corpus.emotions, drawn):
        if (emotion, topic) not in cells:
            raise CorpusError(
                f"{corpus.name}: no story of {emotion!r} on the topic {topic!r}, which was drawn. Choosing topics "
                "needs a corpus with every emotion on every topic."
            )
    return Corpus(f"{corpus.name}, balanced", kept)
