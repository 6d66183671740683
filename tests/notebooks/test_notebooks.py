"""Every notebook runs to its end in a kernel of its own, solved and unsolved, and passes the lint."""

import json
import tomllib
from pathlib import Path

import nbformat
import pytest

from emovec_lite.course.build import LARGEST, as_chapter, as_solution, read_source, stale
from emovec_lite.course.executing import execute
from emovec_lite.course.exercise import exercises
from emovec_lite.course.outline import CHAPTERS, repository
from tests.colab.conftest import IN_COLAB
from tests.notebooks import lint

ROOT = repository()
ALLOWED = tomllib.loads((Path(__file__).parent / "allowed_numbers.toml").read_text(encoding="utf-8"))
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS.values(), ids=lambda c: c.number)


def printed(notebook):
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    return "\n".join(o.text for o in outputs if o.output_type == "stream")


def numbers_of(chapter):
    return chapter.numbers(exercises())


def test_what_is_committed_is_what_the_sources_make():
    assert stale(ROOT) == []


@each_chapter
def test_the_solution_runs_and_passes_every_check(chapter, tmp_path, fetched):
    notebook = as_solution(read_source(ROOT, chapter))
    execute(notebook, tmp_path)
    text = printed(notebook)
    for number in numbers_of(chapter):
        assert f"{number} ✓" in text, text
    assert "not yet" not in text.replace("not yet measured", "")
    if numbers_of(chapter):
        done = json.loads((tmp_path / "progress.json").read_text())
        assert [n for n in done if not n.startswith("quiz")] == numbers_of(chapter)


@pytest.mark.parametrize(
    "chapter", [c for c in CHAPTERS.values() if c.number not in IN_COLAB], ids=lambda c: c.number
)
def test_a_learner_who_answers_nothing_gets_to_the_end(chapter, tmp_path, fetched):
    notebook = as_chapter(read_source(ROOT, chapter))
    assert not any("BEGIN SOLUTION" in cell.source for cell in notebook.cells)
    execute(notebook, tmp_path)
    text = printed(notebook)
    for number in numbers_of(chapter):
        assert f"{number} ○ not yet" in text, text
    assert "✓" not in text
    assert not (tmp_path / "progress.json").exists()


@each_chapter
def test_every_exercise_has_a_header_two_hints_and_one_check(chapter):
    cells = read_source(ROOT, chapter).cells
    for number in numbers_of(chapter):
        headers = [c for c in cells if c.cell_type == "markdown" and f"### Exercise {number}:" in c.source]
        assert len(headers) == 1, number
        assert headers[0].source.count("<details><summary>Hint") == 2 == headers[0].source.count("</details>")
        assert sum(f'check("{number}"' in c.source for c in cells if c.cell_type == "code") == 1
    assert sum(f'quiz("{chapter.number}")' in c.source for c in cells) == 1
    assert any("**Representations, not feelings.**" in c.source for c in cells)


@each_chapter
def test_the_committed_solution_passes_the_lint(chapter):
    path = ROOT / "solutions" / f"{chapter.name}.ipynb"
    notebook = nbformat.read(path, 4)
    measured = json.loads((ROOT / "solutions" / "measured.json").read_text())[chapter.number]
    allowed = {**ALLOWED, f"{measured['gb']:.1f}": "measured.json"}
    faults = lint.undescribed_images(notebook) + lint.unmade_numbers(notebook, allowed) + lint.long_cells(notebook)
    for cell in notebook.cells:
        faults += lint.dead_links(cell.source, path.parent) if cell.cell_type == "markdown" else []
    assert faults == []
    assert path.stat().st_size <= LARGEST and "widgets" not in notebook.metadata
    assert not any(output.output_type == "error" for cell in notebook.cells for output in cell.get("outputs", []))


@each_chapter
def test_a_chapters_code_and_its_exercises_fit_every_model(chapter):
    cells = [cell.source for cell in as_solution(read_source(ROOT, chapter)).cells if cell.cell_type == "code"]
    assert lint.fixed_to_a_model("\n".join(cells)) == []
    for path in sorted((ROOT / "emovec_lite" / "course" / "chapters").glob(f"c{chapter.number}_*/*.py")):
        assert lint.fixed_to_a_model(path.read_text(encoding="utf-8"), calls=False) == [], path.name


@each_chapter
def test_the_committed_chapter_has_no_outputs_and_no_dead_links(chapter):
    path = ROOT / "chapters" / f"{chapter.name}.ipynb"
    notebook = nbformat.read(path, 4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert lint.long_cells(notebook) == []
    assert [
        f for c in notebook.cells if c.cell_type == "markdown" for f in lint.dead_links(c.source, path.parent)
    ] == []


@pytest.mark.parametrize("page", ["README.md", "emovec_lite/data/DATASHEET.md"])
def test_no_page_has_dead_links(page):
    assert lint.dead_links((ROOT / page).read_text(encoding="utf-8"), (ROOT / page).parent) == []


# --- The lint itself --------------------------------------------------------------------------------------------


def notebook_of(*cells):
    new = nbformat.v4
    made = [new.new_markdown_cell(c) if isinstance(c, str) else new.new_code_cell(c[0], outputs=c[1]) for c in cells]
    return new.new_notebook(cells=made)


def shown(**data):
    return nbformat.v4.new_output("display_data", {k.replace("_", "/"): v for k, v in data.items()})


def said(text):
    return nbformat.v4.new_output("stream", name="stdout", text=text)


def test_lint_finds_images_without_a_description():
    good = '<img alt="A scatter of 48 emotions, happy to the right." src="data:image/png;base64,AA.5=">'
    assert (
        lint.undescribed_images(notebook_of(("show(f)", [shown(text_html=good)]), "![A long description](a.png)"))
        == []
    )
    for cell in (
        ("plt.plot(x)", [shown(image_png="AAAA")]),
        ("show(f)", [shown(text_html='<img src="data:">')]),
        ("show(f)", [shown(text_html='<img alt="figure" src="data:">')]),
        "![](picture.png)",
        '<img src="picture.png">',
    ):
        assert len(lint.undescribed_images(notebook_of(cell))) == 1, cell


def test_lint_finds_numbers_that_no_cell_made():
    cells = [("x = 0.25", [said("r = 0.71, p 0.003")])]
    fine = "With 0.25 it is .71 (arXiv 2606.26987; Exercise 2.1; `f(0.9)`); 576 stories. Sonnet: .81."
    assert lint.unmade_numbers(notebook_of(*cells, fine), {".81": "Sofroniew et al. 2026"}) == []
    assert lint.unmade_numbers(notebook_of(*cells, "It is 0.72, or .81."), {}) == [
        "cell 1: 0.72 in prose, made by no cell and without a source",
        "cell 1: .81 in prose, made by no cell and without a source",
    ]


def test_lint_finds_dead_links_and_long_cells(tmp_path):
    (tmp_path / "there.ipynb").write_text("")
    text = "[a](there.ipynb#part) [b](https://example.org/x) [c](#part) [d](gone.ipynb)"
    assert lint.dead_links(text, tmp_path) == ["link to gone.ipynb, which is not there"]
    assert lint.long_cells(notebook_of("\n".join("x" * 25), "\n".join("x" * 26))) == [
        "cell 1: 26 lines, more than 25"
    ]


@pytest.mark.parametrize("code", [
    "residual = subject.nn.model.layers[layer].output.save()",
    "subject.hf.model.norm(residual)",
    "subject.blocks[7].register_forward_hook(look)",
    "vectors = load_or_compute()",
    "own = load_or_compute(own_corpus)",
    "afraid = vectors.direction('afraid', 19)",
    "afraid = vectors.direction('afraid', layer=19)",
    "here = vectors.at(14)",
    "layer, skip = 14, 30",
    "names, layer = list(vectors.emotions), 19",
    "for layer in (0, 10, 20): pass",
    "[vectors.at(place) for place in [14, 19]]",
    "from emovec_lite.plots import circumplex\nshow(circumplex(vectors, 19))",
    "def read(subject, text, layer): ...\nread(subject, text, 12)",
    "x = torch.zeros(576)",
    "print(f'at layer 19: {x}')",
    "scores = {'layer 19': 1}",
    "subject = load_model('gemma-3-270m')",
    "if colab:\n    %pip install x\nlayer = 19",
])  # fmt: skip
def test_lint_finds_code_that_fits_one_model_alone(code):
    assert len(lint.fixed_to_a_model(code)) == 1, lint.fixed_to_a_model(code)


def test_lint_lets_code_for_every_model_be():
    assert (
        lint.fixed_to_a_model("""
from emovec_lite import generate, load_or_compute
vectors, layer, skip = load_or_compute(subject), subject.main_layer, 30
own = load_or_compute(subject, own_corpus)
first, last = vectors.layers[0], vectors.layers[-1]
handle = subject.blocks[layer].register_forward_hook(look)
for layer in sorted({subject.layer_at(share) for share in (0, 0.37, 1)}):
    print(f"layer {layer}: {generate(subject, prompt, 24)}", texts[19], 30, "layer 0")
with subject.nn.trace(text):
    residual = subject.nn.blocks[layer].output.save()
rows = [vectors.at(place) for place in range(0, subject.n_layers, 2)]
seen = random_directions(vectors.direction("afraid", layer), 20)
""")
        == []
    )
