"""The corpus: stories in which a character plainly feels an emotion that the text never names.

48 emotions x 12 topics are fully crossed, so that no topic can stand in for an emotion (Sofroniew et al.
2026 draw topics at random; arXiv 2606.26987 draws three per emotion independently, which confounds them).
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import combinations, cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emovec_lite.errors import CorpusError, UnknownName, disk_errors

if TYPE_CHECKING:
    from emovec_lite.models import Subject

DATA = Path(__file__).parent / "data"
CORPORA = {
    "course": DATA / "stories.jsonl",
    "own": DATA / "own_stories.jsonl",  # written by the default model itself
    "scenarios": DATA / "scenarios.jsonl",
}

WORDS_PER_STORY = (90, 130)
NAMES_IN_CORPUS = 150
LENGTH_TOLERANCE = 0.08  # of the corpus mean, for the mean length of each emotion
SEQUENCE, SEQUENCE_STORIES = 6, 2  # no six words in a row may stand in more than two stories
OPENING = 4  # words that no two stories may begin with alike

OWN_TOPICS = (
    "an unexpected letter", "a bus that stops on the way", "a new neighbour", "a meal cooked for others",
    "an evening class", "a walk with a dog",
)  # fmt: skip
OWN_PROMPT = (
    "Write a short story of about a hundred words about {topic}. The main character feels {emotion} from beginning "
    "to end. Show it in what the character does, thinks and says, and never use the word {emotion} or any other word "
    "for it. Begin with the story at once."
)
OWN_WORDS = (60, 150)
OWN_TOKENS = 170  # about 130 words, before the cut at a sentence's end
OWN_TEMPERATURE = 0.7
OWN_BATCH = 16


@dataclass(frozen=True)
class Story:
    """One text with the emotion it was written for; `names` are the characters it names."""

    text: str
    emotion: str
    topic: str = ""
    narrator: str = ""  # "first", "third", or "" where the corpus does not say
    names: tuple[str, ...] = ()
    register: str = ""  # "plain" or "oblique": how directly the emotion shows; one register a topic
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


def load_corpus(name_or_path: str | Path = "course") -> Corpus:
    """Read a corpus: "course", "own", "scenarios", or a file of JSON lines.

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


# --- What may not stand in a story ---------------------------------------------------------------------


@cache
def lexicon() -> dict[str, dict]:
    """The course's 48 emotions: the forms of each word, its close synonyms, and its family of near-synonyms."""
    return json.loads((DATA / "emotions.json").read_text(encoding="utf-8"))


def _pattern(words: set[str]) -> re.Pattern:
    pattern = "|".join(re.escape(w).replace(r"\*", r"\w*") for w in sorted(words))
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)  # \b finds no "😀" and no "<b>"


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
    return _pattern(banned)


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
    named = {n for n in story.names if re.search(rf"(?<!\w){re.escape(n)}(?!\w)", story.text)}
    problems += [f"name {n!r} is not in the text" for n in story.names if n not in named]
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
    openings, sequences = _repeated(corpus)
    cells = [f"{story.emotion}/{story.topic}" for story in corpus]
    problems = [f"same opening {o!r}: {', '.join(cells[i] for i in where)}" for o, where in openings.items()]
    return problems + [f"{s!r} stands in {len(where)} stories" for s, where in sequences.items()]


def _repeated(corpus: Corpus) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Openings that two stories or more begin with, and runs of words in more than two: each with its stories."""
    openings, sequences = defaultdict(list), defaultdict(list)
    for i, story in enumerate(corpus):
        words = words_of(story.text)
        openings[" ".join(words[:OPENING])].append(i)
        for run in {" ".join(words[j : j + SEQUENCE]) for j in range(len(words) - SEQUENCE + 1)}:
            sequences[run].append(i)
    return (
        {opening: where for opening, where in openings.items() if len(where) > 1},
        {run: where for run, where in sequences.items() if len(where) > SEQUENCE_STORIES},
    )


# --- Corpora with the topics chosen otherwise ----------------------------------------------------------


def confounded(corpus: Corpus, topics_per_emotion: int = 2, seed: int = 0) -> Corpus:
    """The stories of each emotion that are on its own few topics, so that topics can stand in for emotions.

    No two emotions get the same set of topics while there are sets left: the draw of arXiv 2606.26987 (three topics
    for each emotion by itself) at its worst. Raises `CorpusError` for more topics than there are, and for an emotion
    without stories on the topics drawn for it.
    """
    sets = list(combinations(corpus.topics, _enough_topics(corpus, topics_per_emotion)))
    random.Random(seed).shuffle(sets)
    return _on_topics(corpus, "confounded", dict(zip(corpus.emotions, cycle(sets), strict=False)))


def balanced(corpus: Corpus, topics: int = 2, seed: int = 0) -> Corpus:
    """The stories on a few topics that all emotions share: as many as `confounded` keeps, without the confound.

    Raises `CorpusError` as `confounded` does.
    """
    drawn = random.Random(seed).sample(corpus.topics, _enough_topics(corpus, topics))
    return _on_topics(corpus, "balanced", dict.fromkeys(corpus.emotions, drawn))


def _enough_topics(corpus: Corpus, n: int) -> int:
    if not 1 <= n <= len(corpus.topics):
        raise CorpusError(f"{corpus.name}: cannot draw {n} topics from {len(corpus.topics)}. Ask for fewer.")
    return n


def _on_topics(corpus: Corpus, what: str, drawn: dict[str, Sequence[str]]) -> Corpus:
    kept = tuple(s for s in corpus if s.topic in drawn[s.emotion])
    cells = {(s.emotion, s.topic) for s in kept}
    for emotion, topics in drawn.items():
        for topic in topics:
            if (emotion, topic) not in cells:
                raise CorpusError(
                    f"{corpus.name}: no story of {emotion!r} on the topic {topic!r}, which was drawn for it. "
                    "Choosing topics needs a corpus with every emotion on every topic."
                )
    return Corpus(f"{corpus.name}, {what}", kept)


# --- A model's own stories -----------------------------------------------------------------------------


def generate_corpus(
    subject: Subject,
    emotions: Sequence[str],
    topics: Sequence[str] = OWN_TOPICS,
    per_cell: int = 1,
    seed: int = 0,
    path: Path | str | None = None,
) -> Corpus:
    """Have a model write its own stories, `per_cell` for each emotion and topic (Sofroniew et al. 2026, Methods).

    Stories are appended to `path` (default: a file in the cache, named after model and request) batch by batch, as
    they are finished. After an interruption the same call goes on where the file ends and gives the same corpus:
    every story has random numbers of its own, drawn from the seed and its cell, and batches are cut alike. Nothing is
    filtered; `faults` says what came out. Raises `CorpusError` for a file that holds the stories of another request.
    """
    from tqdm.auto import tqdm

    cells = [(e, t, i) for e in emotions for t in topics for i in range(per_cell)]
    if not cells:
        raise CorpusError(f"Nothing to write: {len(emotions)} emotions, {len(topics)} topics, {per_cell} per cell.")
    path = Path(os.path.expanduser(path)) if path is not None else _own_path(subject, cells, seed)
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        done = _resume(path, cells, subject.spec.name, seed)
        bar = tqdm(total=len(cells), initial=done, desc="Writing", unit=" stories", file=sys.stderr)
        with path.open("a", encoding="utf-8") as file, bar:
            while done < len(cells):
                # Whole batches from fixed places: in another company a story's sums round otherwise, and a token may
                # come out differently.
                start = done // OWN_BATCH * OWN_BATCH
                batch = cells[start : start + OWN_BATCH]
                written = list(zip(batch, _write(subject, batch, seed), strict=True))
                for (emotion, topic, _), text in written[done - start :]:
                    row = {"emotion": emotion, "topic": topic, "model": subject.spec.name, "seed": seed, "text": text}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    file.flush()
                    done += 1
                    bar.update()
    corpus = Corpus(path.stem, _read(path))
    found = ", ".join(f"{share:.0%} {what}" for what, share in faults(corpus).items())
    print(f"{len(corpus)} stories in {path}. Of these: {found}")
    return corpus


def faults(corpus: Corpus) -> dict[str, float]:
    """Shares of a corpus's stories that name what they should show, or say what others say too."""
    openings, runs = _repeated(corpus)
    counts = {
        "say the word itself": sum(bool(leaks(s.emotion, family=False).search(s.text)) for s in corpus),
        "say it or a word of its family": sum(bool(leaks(s.emotion).search(s.text)) for s in corpus),
        "open with the same four words as another": len({i for where in openings.values() for i in where}),
        "share six words in a row with two others or more": len({i for where in runs.values() for i in where}),
    }
    return {what: count / len(corpus) for what, count in counts.items()}


@cache
def leaks(emotion: str, family: bool = True) -> re.Pattern:
    """What gives an emotion away in a text: its own forms, with `family` also its synonyms and near-synonyms.

    An emotion outside the course's 48 has no listed forms or synonyms: only the word itself can leak.
    """
    entry = lexicon().get(emotion, {"forms": [f"{emotion}*"], "family": None, "synonyms": []})
    kin = [e for e in lexicon().values() if family and e["family"] == entry["family"]]
    return _pattern({*entry["forms"], *(word for e in kin for word in (*e["forms"], *e["synonyms"]))})


def _own_path(subject: Subject, cells: list[tuple[str, str, int]], seed: int) -> Path:
    from emovec_lite.models import results_folder

    request = [cells, seed, subject.weights_sha256, OWN_PROMPT, OWN_TEMPERATURE, OWN_TOKENS, OWN_BATCH]
    request = hashlib.sha256(json.dumps(request).encode()).hexdigest()
    return results_folder() / "stories" / f"{subject.spec.name}-{request[:12]}.jsonl"


def _resume(path: Path, cells: list[tuple[str, str, int]], model: str, seed: int) -> int:
    """How many stories a file already holds; drops a last line that a kill cut short."""
    if not path.exists():
        return 0
    lines = path.read_bytes().split(b"\n")[:-1]  # what stands after the last line's end was cut short
    for i, line in enumerate(lines):
        try:
            row = dict(json.loads(line))
        except (TypeError, ValueError):
            row = {}
        found = tuple(row.get(key) for key in ("emotion", "topic", "model", "seed"))
        expected = (*cells[i][:2], model, seed) if i < len(cells) else None
        if found != expected:
            raise CorpusError(
                f"{path}, line {i + 1}: holds {found}, where this request has {expected}. It was written for another "
                "request: choose another path, or delete it."
            )
    with path.open("r+b") as file:  # only now: another's file stays as it was
        file.truncate(sum(len(line) + 1 for line in lines))
    return len(lines)


def _write(subject: Subject, cells: Sequence[tuple[str, str, int]], seed: int) -> list[str]:
    """One story for each cell, written side by side."""
    from emovec_lite.generation import write

    texts = write(
        subject,
        [subject.chat(OWN_PROMPT.format(emotion=e, topic=t)) for e, t, _ in cells],
        OWN_TOKENS,
        min_new_tokens=OWN_TOKENS // 2,  # about 65 words: an end of text before that is not sampled
        temperature=OWN_TEMPERATURE,
        generators=[_generator(cell, seed) for cell in cells],
    )
    return [_cut(text) for text in texts]


def _generator(cell: tuple[str, str, int], seed: int):
    import torch

    digest = hashlib.sha256(json.dumps([seed, *cell]).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


def _cut(text: str) -> str:
    """A story up to its last whole sentence within 150 words; up to the limit where none ends after 60."""
    low, high = OWN_WORDS
    text = " ".join(text.split())
    ends = [m.end() for m in re.finditer(r"[.!?][\"'”’)]*(?=\s|$)", text)]
    good = [end for end in ends if low <= word_count(text[:end]) <= high]
    if good:
        return text[: good[-1]]
    return " ".join(text.split()[:high])


if __name__ == "__main__":  # write the shipped stories anew: python -m emovec_lite.stories
    import torch

    from emovec_lite.models import load_model

    generate_corpus(load_model(dtype=torch.float32), list(lexicon()), path=CORPORA["own"])
