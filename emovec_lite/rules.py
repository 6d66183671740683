"""What a story of the course may not say, and what its corpora keep: words, lengths, narrators, names, repetition."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache

from emovec_lite.errors import UnknownName
from emovec_lite.stories import DATA, Corpus, Story, word_count, words_of

LENGTH_TOLERANCE = 0.08  # of the corpus mean, for the mean length of each emotion
RUN, RUN_STORIES = 6, 2  # words in a row that may not stand in more than two stories
OPENING = 4  # words that two stories may not both begin with


@dataclass(frozen=True)
class Rules:
    """What the stories of one register keep."""

    topics: int
    words: tuple[int, int]  # of a story
    run: int  # so many words in a row stand in no more than two stories
    opening: int  # so many words no two stories begin with alike; 0 where they may
    names: int  # distinct names of characters, at least
    narrators: float  # of an emotion's stories, the share that each narrator tells at least


RULES = {
    # Stories of related emotions are meant to sound alike here, so that only templates are refused.
    "shown": Rules(topics=12, words=(100, 145), run=8, opening=0, names=150, narrators=1 / 2),
    "told": Rules(topics=6, words=(90, 130), run=RUN, opening=OPENING, names=75, narrators=1 / 3),
    "oblique": Rules(topics=6, words=(90, 130), run=RUN, opening=OPENING, names=75, narrators=1 / 3),
}


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


@cache
def leaks(emotion: str, family: bool = True) -> re.Pattern:
    """What gives an emotion away in a text: its own forms, with `family` also its synonyms and near-synonyms.

    An emotion outside the course's 48 has no listed forms or synonyms: only the word itself can leak.
    """
    entry = lexicon().get(emotion, {"forms": [f"{emotion}*"], "family": None, "synonyms": []})
    kin = [e for e in lexicon().values() if family and e["family"] == entry["family"]]
    return _pattern({*entry["forms"], *(word for e in kin for word in (*e["forms"], *e["synonyms"]))})


def check_corpus(corpus: Corpus) -> list[str]:
    """Everything that breaks the rules of a corpus's register, a line each; an empty list when all is well.

    Raises `UnknownName` for a corpus of another register than those in `RULES`.
    """
    registers = {story.register for story in corpus}
    register = registers.pop() if len(registers) == 1 else ", ".join(sorted(map(repr, registers)))
    if register not in RULES:
        raise UnknownName("register", register, RULES)
    rules = RULES[register]
    problems = []
    expected = set(lexicon())
    cells = Counter((s.emotion, s.topic) for s in corpus)
    topics = corpus.topics
    if len(topics) != rules.topics:
        problems.append(f"expected {rules.topics} topics, found {len(topics)}: {topics}")
    problems += [f"unknown emotion {e!r}" for e in sorted(set(corpus.emotions) - expected)]
    for emotion in sorted(expected):
        for topic in topics:
            if cells[emotion, topic] != 1:
                problems.append(f"{emotion}/{topic}: expected 1 story, found {cells[emotion, topic]}")
        narrators = Counter(s.narrator for s in corpus if s.emotion == emotion)
        if min(narrators["first"], narrators["third"]) < rules.narrators * narrators.total():
            problems.append(f"{emotion}: a narrator tells less than {rules.narrators:.0%}: {dict(narrators)}")
    for story in corpus:
        problems += [f"{story.emotion}/{story.topic}: {p}" for p in check_story(story)]
    names = {name for story in corpus for name in story.names}
    if len(names) < rules.names:
        problems.append(f"{len(names)} distinct character names, fewer than {rules.names}")
    return problems + _check_lengths(corpus) + _check_repetition(corpus, rules)


def check_story(story: Story) -> list[str]:
    """What is wrong with one story by itself: its length, words that are banned, names it does not name."""
    problems = []
    if story.register not in RULES:
        raise UnknownName("register", story.register, RULES)
    low, high = RULES[story.register].words
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


def _check_lengths(corpus: Corpus) -> list[str]:
    lengths = defaultdict(list)
    for story in corpus:
        lengths[story.emotion].append(word_count(story.text))
    mean = sum(map(sum, lengths.values())) / len(corpus)
    off = {e: sum(n) / len(n) / mean - 1 for e, n in lengths.items()}
    return [f"{e}: mean length is {d:+.1%} off the corpus mean" for e, d in off.items() if abs(d) > LENGTH_TOLERANCE]


def _check_repetition(corpus: Corpus, rules: Rules) -> list[str]:
    openings, sequences = _repeated(corpus, rules.run, rules.opening)
    cells = [f"{story.emotion}/{story.topic}" for story in corpus]
    problems = [f"same opening {o!r}: {', '.join(cells[i] for i in where)}" for o, where in openings.items()]
    return problems + [f"{s!r} stands in {len(where)} stories" for s, where in sequences.items()]


def _repeated(
    corpus: Corpus, length: int = RUN, opening: int = OPENING
) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Openings that two stories or more begin with, and runs of words in more than two: each with its stories."""
    openings, sequences = defaultdict(list), defaultdict(list)
    for i, story in enumerate(corpus):
        words = words_of(story.text)
        openings[" ".join(words[:opening])].append(i)
        for run in {" ".join(words[j : j + length]) for j in range(len(words) - length + 1)}:
            sequences[run].append(i)
    return (
        {words: where for words, where in openings.items() if words and len(where) > 1},
        {run: where for run, where in sequences.items() if len(where) > RUN_STORIES},
    )


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
