"""Quiz questions, with an explanation for every option; by mouse or keyboard, and as text where no widget runs."""

from __future__ import annotations

import html
import tomllib
from dataclasses import dataclass
from functools import cache

from emovec_lite.course.outline import FOLDERS
from emovec_lite.course.records import record
from emovec_lite.errors import UnknownName

LETTERS = "ABCDE"


@dataclass(frozen=True)
class Option:
    """One possible answer, and why it is right or wrong."""

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question with its options, exactly one of them right."""

    number: str
    text: str
    options: tuple[Option, ...]

    def verdict(self, choice: int) -> str:
        """What choosing an option earns, in words."""
        option = self.options[choice]
        return f"{LETTERS[choice]}: {'Right.' if option.right else 'Not this one.'} {option.why}"


@cache
def questions() -> dict[str, Question]:
    """All questions of the course by number: "02.1" is the first of chapter 02."""
    files = [folder / "quiz.toml" for folder in FOLDERS if (folder / "quiz.toml").is_file()]
    rows = {n: row for file in files for n, row in tomllib.loads(file.read_text(encoding="utf-8")).items()}
    return {n: Question(n, row["question"], tuple(Option(**o) for o in row["options"])) for n, row in rows.items()}


def quiz(chapter: str) -> None:
    """Show a chapter's questions; as text with folded explanations where widgets do not run.

    Raises `UnknownName` for a chapter that has none.
    """
    own = [q for q in questions().values() if q.number.startswith(f"{chapter}.")]
    if not own:
        raise UnknownName("quiz", chapter, {n.split(".")[0] for n in questions()})
    from IPython.display import display

    for question in own:
        display(bundle(question), raw=True)


def bundle(question: Question) -> dict:
    """One question as a widget, and beside it the same as HTML and plain text for pages where no widget runs."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget(question).model_id}
    return {
        "application/vnd.jupyter.widget-view+json": view,
        "text/html": as_html(question),
        "text/plain": as_text(question),
    }


def widget(question: Question):
    """The question with a button an option; pressing one shows what that choice earns.

    Buttons rather than radio buttons: their labels are one letter, so that long options can wrap above them, and Tab
    and Space reach them all.
    """
    import ipywidgets

    verdict = ipywidgets.HTML()
    buttons = [
        ipywidgets.Button(description=LETTERS[i], tooltip=option.text, layout={"width": "4em"})
        for i, option in enumerate(question.options)
    ]

    def choose(button) -> None:
        choice = buttons.index(button)
        verdict.value = f'<div role="status">{html.escape(question.verdict(choice))}</div>'
        if question.options[choice].right:
            record(f"quiz {question.number}")

    for button in buttons:
        button.on_click(choose)
    return ipywidgets.VBox([ipywidgets.HTML(_heading(question)), ipywidgets.HBox(buttons), verdict])


def as_html(question: Question) -> str:
    """The question as HTML, each option's explanation folded away."""
    folded = "".join(
        f"<details><summary>{LETTERS[i]}</summary>{html.escape(question.verdict(i))}</details>"
        for i in range(len(question.options))
    )
    return _heading(question) + folded


def as_text(question: Question) -> str:
    """The question as plain text, the explanations after the options."""
    options = [f"  {LETTERS[i]}. {option.text}" for i, option in enumerate(question.options)]
    return "\n".join([question.text, *options, "", *(question.verdict(i) for i in range(len(question.options)))])


def _heading(question: Question) -> str:
    options = "".join(f"<li>{html.escape(option.text)}</li>" for option in question.options)
    return f'<p><b>{html.escape(question.text)}</b></p><ol type="A">{options}</ol>'
