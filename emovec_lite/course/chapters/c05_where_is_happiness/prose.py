"""Whether a text is one paragraph of prose on this chapter's results, as far as its words tell."""

from __future__ import annotations

import re

_FUNCTION_WORDS = set(
    "a an and are as at be been but by can do does for from had has have if in into is it its no nor not of on only or so than "
    "that the their them then there these they this to up was we were what when where which while with would".split()
)
_ABOUT = re.compile(
    r"(?:embed|layer|block|model|valence|pleasant|happ|joy|emotion|feel|concept|represent|correlat|predict|ridge|axis|"
    r"shuffl|permut|chance|luck|random|rating|depth|deep|component|direction|vector|network|token|linear|read|human|"
    r"people|unseen|held|measur|signific|probab|maxim|result|regress|number|nice|cheer|glad|sad|guess|learn|mix|p-val)|"
    r"(?:rated|words?|stor(?:y|ies)|r|p|best|tests?|found)$"
)
_VALENCE = re.compile(r"valence|pleasant|happ(?:y|i)|joy|positiv|nice|cheer", re.IGNORECASE)
_LIST = re.compile(r"^\s*(?:[-*•#>]|\d+[.)])\s", re.MULTILINE)


def not_a_paragraph(text: str) -> str | None:
    """Why a text is not one paragraph of prose, 40 to 250 words, on these results."""
    words = [word.strip(".,;:!?()[]\"'“”‘’`*_").lower() for word in re.split(r"[\s=]+", text) if word]
    n = len(text.split())
    if re.search(r"\{(?!-?\d)", text):
        return "There are braces in your text. Is the f missing in front of it, or did you put in all of `found`?"
    if n < 40:
        return f"Write a paragraph of at least 40 words: what you found, and what supports it. Yours has {n}."
    if n > 250:
        return f"Write one paragraph, of 250 words at most. Yours has {n}."
    if re.search(r"\n\s*\n", text.strip()) or _LIST.search(text):
        return "Write one paragraph of running prose: no blank lines in it, no list, no headings."
    if any(len(set(words[i : i + 30])) < 15 for i in range(max(1, len(words) - 29))) or _says_twice(words):
        return "The same words come again and again. Say each thing once."
    if sum(word in _FUNCTION_WORDS for word in words) < 0.2 * n:
        return "That reads like a list of keywords. Write whole sentences, in English."
    if sum(bool(_ABOUT.match(word)) for word in words) < 6 + n / 40:  # the bare numbers bring six
        return "Few of your words are about your results. Keep to the model, its layers, and what you found there."
    if not _VALENCE.search(text):
        return "Your text does not say what the correlations are with: valence, how pleasant an emotion is to people."
    return None


def _says_twice(words: list[str], run: int = 12) -> bool:
    runs = [tuple(words[i : i + run]) for i in range(len(words) - run + 1)]
    return len(set(runs)) < len(runs)
