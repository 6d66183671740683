"""How far a learner has come, a line a chapter."""

from __future__ import annotations

from collections.abc import Iterable

from emovec_lite.course.exercise import exercises
from emovec_lite.course.outline import CHAPTERS
from emovec_lite.course.quizzes import questions
from emovec_lite.course.records import done


def progress() -> None:
    """Print, a line a chapter, what is done, what is left, and about how many minutes that takes."""
    print(table(done(), exercises(), questions()))


def table(finished: set[str], exercises: Iterable[str], questions: Iterable[str]) -> str:
    """Progress as lines of text, from the numbers of all exercises and questions."""
    lines = [f"{'chapter':<36}{'exercises':>10}{'quiz':>8}{'minutes to go':>15}"]
    total = 0
    for chapter in CHAPTERS.values():
        tasks, quiz = chapter.numbers(exercises), [f"quiz {q}" for q in chapter.numbers(questions)]
        solved, answered = (len(finished.intersection(items)) for items in (tasks, quiz))
        share = 1 - (solved + answered) / max(1, len(tasks + quiz))
        minutes = round(chapter.minutes * share)
        total += minutes
        name = f"{chapter.number}  {chapter.title}"
        counts = (f"{solved} of {len(tasks)}" if tasks else "-", f"{answered} of {len(quiz)}")
        lines.append(f"{name:<36}{counts[0]:>10}{counts[1]:>8}{minutes or 'done':>15}")
    return "\n".join([*lines, f"{'':<36}{'':>18}{total or 'all done':>15}"])
