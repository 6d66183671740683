"""The corpus: stories in which a character plainly feels an emotion that the text never names.

48 emotions x 12 topics are fully crossed, so that no topic can stand in for an emotion (Sofroniew et al.
2026 draw topics at random; arXiv 2606.26987 draws three per emotion independently, which confounds them).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from emovec_lite.errors import CorpusError, UnknownName

DATA = Path(__file__).parent / "data"
CORPORA = {"course": DATA / "stories.jsonl", "scenarios": DATA / "scenarios.jsonl"}

WORDS_PER_STORY = (90, 130)
NAMES_IN_CORPUS = 150
LENGTH_TOLERANCE = 0.08  # of the corpus mean, for the mean length of each emotion
SEQUENCE, SEQUENCE_STORIES = 6, 2  # no six words in a row may stand in more than two stories
OPENING = 4  # words that no two stories may begin with alike


@dataclass(frozen=True)
class Story:
    """One text with the emotion it was written for; `names` are the characters it names."""

    text: str
    emotion: str
    topic: str = ""
    narrator: str = ""  # "first", "third", or "" where the corpus does not say
    names: tuple[str, ...] = ()
    register: str = ""  # "plain" or "oblique": how directly the emotion shows; one register a topic


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

    def select(self, emotion: str) -> list[Story]:
        """The stories of one emotion."""
        if emotion not in self.emotions:
            raise UnknownName("emotion", emotion, self.emotions)
        return [s for s in self.stories if s.emotion == emotion]


def load_corpus(name_or_path: str | Path = "course") -> Corpus:
    """Read a corpus: "course", "scenarios", or a file of JSON lines.

    A line holds `emotion`, and `text` or a list `stories`, and optionally `topic`, as the published corpora
    do. Raises `UnknownName` for a name that is no corpus, `CorpusError` for a file that is not there, for a line that
    cannot be read (naming file and line), and for a corpus with fewer than two emotions.
    """
    path = CORPORA.get(str(name_or_path), Path(name_or_path))
    if not path.is_file() and (path.suffix or len(path.parts) > 1):
        raise CorpusError(f"No corpus file at {path}. Known by name: {', '.join(CORPORA)}.")
    if not path.is_file():
        raise UnknownName("corpus", str(name_or_path), CORPORA)
    stories = tuple(story for where, row in _rows(path) for story in _stories(where, row))
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


def _rows(path: Path) -> Iterator[tuple[str, dict]]:
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
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
            raise CorpusError(f"{where}: not JSON ({error.msg} at column {error.colno}).") from error
        if not isinstance(row, dict):
            raise CorpusError(f"{where}: expected a JSON object, got {type(row).__name__}.")
        yield where, row


def _stories(where: str, row: dict) -> list[Story]:
    emotion, texts = row.get("emotion"), row.get("stories", [row.get("text")])
    if not isinstance(emotion, str) or not emotion.strip():
        raise CorpusError(f"{where}: 'emotion' must be a word, got {emotion!r}.")
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) and t.strip() for t in texts):
        raise CorpusError(f"{where}: expected a 'text', or a list 'stories' of texts, none of them empty.")
    extra = {key: str(row.get(key) or "") for key in ("topic", "narrator", "register")}
    return [Story(t, emotion.strip(), **extra, names=tuple(row.get("names") or ())) for t in texts]


# --- What may not stand in a story ---------------------------------------------------------------------


@cache
def lexicon() -> dict[str, dict]:
    """The course's 48 emotions: the forms of each word, its close synonyms, and its family of near-synonyms."""
    return json.loads((DATA / "emotions.json").read_text(encoding="utf-8"))


@cache
def banned_words(emotion: str | None) -> re.Pattern:
    """What a story of this emotion may not say: all 48 words with their inflections, and its family's synonyms.

    `None` gives what a neutral passage may not say: everything.
    """
    words = lexicon()
    if emotion is not None and emotion not in words:
        raise UnknownName("emotion", emotion, words)
    family = None if emotion is None else words[emotion]["family"]
    banned = {form for entry in words.values() for form in entry["forms"]}
    banned |= {s for e in words.values() if family in (None, e["family"]) for s in e["synonyms"]}
    pattern = "|".join(re.escape(b).replace(r"\*", r"\w*") for b in sorted(banned))
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)


def words_of(text: str) -> list[str]:
    """Lower-case words, with apostrophes kept inside them."""
    return re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+", text.lower())


def word_count(text: str) -> int:
    """Words as a reader counts them: runs of characters between spaces that hold a letter or a digit."""
    return sum(any(c.isalnum() for c in token) for token in text.split())


def check_corpus(corpus: Corpus) -> list[str]:
    """Everything that breaks the course corpus's rules, a line each; an empty list when all is well."""
    problems = []
    expected = set(lexicon())
    cells = Counter((s.emotion, s.topic) for s in corpus)
    topics = corpus.topics
    if len(topics) != 12:
        problems.append(f"expected 12 topics, found {len(topics)}: {topics}")
    problems += [f"unknown emotion {e!r}" for e in sorted(set(corpus.emotions) - expected)]
    for emotion in sorted(expected):
        for topic in topics:
            if cells[emotion, topic] != 1:
                problems.append(f"{emotion}/{topic}: expected 1 story, found {cells[emotion, topic]}")
        narrators = Counter(s.narrator for s in corpus if s.emotion == emotion)
        if narrators["first"] != narrators["third"]:
            problems.append(f"{emotion}: narrators are not half and half: {dict(narrators)}")
    for story in corpus:
        problems += [f"{story.emotion}/{story.topic}: {p}" for p in check_story(story)]
    return problems + _check_names(corpus) + _check_lengths(corpus) + _check_repetition(corpus)


def check_story(story: Story) -> list[str]:
    """What is wrong with one story by itself: its length, words that are banned, names it does not name."""
    problems = []
    low, high = WORDS_PER_STORY
    if not low <= word_count(story.text) <= high:
        problems.append(f"{word_count(story.text)} words, not {low}-{high}")
    if story.emotion in lexicon():
        found = sorted({m.group().lower() for m in banned_words(story.emotion).finditer(story.text)})
        problems += [f"banned word {word!r}" for word in found]
    problems += [f"name {n!r} is not in the text" for n in story.names if not re.search(rf"\b{n}\b", story.text)]
    if story.narrator not in ("first", "third"):
        problems.append(f"narrator {story.narrator!r} is neither 'first' nor 'third'")
    elif (story.narrator == "first") != _speaks_in_first_person(story.text):
        problems.append(f"told in the other person than narrator={story.narrator!r} says")
    return problems


def _speaks_in_first_person(text: str) -> bool:
    outside_quotes = re.sub(r"“[^”]*”|\"[^\"]*\"", " ", text)
    return bool(re.search(r"\b(?:I|me|my|mine|myself|we|us|our)\b", outside_quotes))


def _check_names(corpus: Corpus) -> list[str]:
    names = {n for s in corpus for n in s.names}
    enough = len(names) >= NAMES_IN_CORPUS
    return [] if enough else [f"{len(names)} distinct character names, fewer than {NAMES_IN_CORPUS}"]


def _check_lengths(corpus: Corpus) -> list[str]:
    lengths = defaultdict(list)
    for story in corpus:
        lengths[story.emotion].append(word_count(story.text))
    mean = sum(map(sum, lengths.values())) / len(corpus)
    off = {e: sum(n) / len(n) / mean - 1 for e, n in lengths.items()}
    return [f"{e}: mean length is {d:+.1%} off the corpus mean" for e, d in off.items() if abs(d) > LENGTH_TOLERANCE]


def _check_repetition(corpus: Corpus) -> list[str]:
    openings, sequences = defaultdict(list), defaultdict(set)
    for i, story in enumerate(corpus):
        words = words_of(story.text)
        openings[" ".join(words[:OPENING])].append(f"{story.emotion}/{story.topic}")
        for j in range(len(words) - SEQUENCE + 1):
            sequences[" ".join(words[j : j + SEQUENCE])].add(i)
    problems = [f"same opening {o!r}: {', '.join(where)}" for o, where in openings.items() if len(where) > 1]
    return problems + [
        f"{s!r} stands in {len(where)} stories" for s, where in sequences.items() if len(where) > SEQUENCE_STORIES
    ]
