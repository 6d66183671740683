"""The course's machinery: the build, quizzes, progress, and running the solutions."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import pytest

from emovec_lite import cli
from emovec_lite.course import build, executing, outline, overview, progress, quizzes, records, run
from emovec_lite.course.exercise import exercises
from emovec_lite.errors import EmovecError, UnknownName
from emovec_lite.models import DEFAULT_MODEL


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOVEC_PROGRESS", str(tmp_path / "kept" / "progress.json"))


# --- The build ------------------------------------------------------------------------------------------------


def test_a_stub_keeps_the_indentation_and_names_its_exercise():
    source = (
        'def f(x):\n    """Doc."""\n    ### BEGIN SOLUTION\n    a = x\n    return a\n    ### END SOLUTION\n\n\n'
        'f = check("2.1", f)'
    )
    made = build.stub(source)
    assert made == (
        'def f(x):\n    """Doc."""\n    raise NotImplementedError("exercise 2.1: pool a batch of stories")\n\n\n'
        'f = check("2.1", f)'
    )
    with pytest.raises(NotImplementedError, match="exercise 2.1"):
        exec(made, {"check": lambda number, f: f(1)})


@pytest.mark.parametrize("source, problem", [
    ('def f():\n    ### BEGIN SOLUTION\n    return 1\n\nf = check("2.1", f)', "do not pair"),
    ('def f():\n    return 1\n    ### END SOLUTION\n### BEGIN SOLUTION\nf = check("2.1", f)', "do not pair"),
    ("def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n", "without a check"),
    ('def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\nf = check("9.9", f)', "without a check"),
])  # fmt: skip
def test_marks_that_do_not_fit_are_an_error(source, problem):
    with pytest.raises(EmovecError, match=problem):
        build.stub(source)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A small repository with one chapter."""
    chapter = outline.Chapter("02_toy", "Toy", 30)
    monkeypatch.setattr(build, "CHAPTERS", {"02": chapter})
    monkeypatch.setattr(outline, "CHAPTERS", {"02": chapter})
    root = tmp_path / "repository"
    (root / "solutions").mkdir(parents=True)
    (root / "emovec_lite").mkdir()
    (root / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/me/toy/"\n')
    (root / "README.md").write_text("# Toy\n<!-- chapters -->\nold\n<!-- end -->\nrest\n")
    (root / "solutions" / "INSTRUCTOR.md").write_text("# Teaching\n<!-- exercises -->\nold\n<!-- end -->\nrest\n")
    (root / "solutions" / "02_toy.py").write_text(
        "# %% [markdown]\n# # Toy\n# {{badges}}\n#\n# {{measured}} {{box}}\n\n# %%\n# setup\n\n"
        "# %% [markdown]\n# {{exercise 2.1}}\n\n"
        "# %%\nfrom emovec_lite.course import check\n\n\n# %%\ndef mean_pool(residual, mask, skip):\n"
        "    ### BEGIN SOLUTION\n    kept = mask.clone()\n    kept[:, :skip] = False\n"
        "    return (residual * kept[:, :, None]).sum(dim=1) / kept.sum(dim=1, keepdim=True)\n"
        "    ### END SOLUTION\n\n\n"
        'mean_pool = check("2.1", mean_pool)\n'
    )
    monkeypatch.chdir(root)
    return root


def test_build_makes_both_notebooks_and_the_readme_from_one_source(root):
    changed = build.build()
    assert [p.relative_to(root).as_posix() for p in changed] == [
        "chapters/02_toy.ipynb", "solutions/02_toy.ipynb", "README.md", "solutions/INSTRUCTOR.md",
    ]  # fmt: skip
    chapter, solution = (nbformat.read(root / folder / "02_toy.ipynb", 4) for folder in ("chapters", "solutions"))
    for notebook in (chapter, solution):
        nbformat.validate(notebook)
        assert [c["id"] for c in notebook.cells] == [f"02-{i:03d}" for i in range(5)]
        head = notebook.cells[0].source
        assert "colab.research.google.com/github/me/toy/blob/main/chapters/02_toy.ipynb" in head
        assert "mybinder.org/v2/gh/me/toy/main?urlpath=lab/tree/chapters/02_toy.ipynb" in head
        assert "not yet measured > **Representations, not feelings.**" in head
        setup = notebook.cells[1].source
        assert len(setup.splitlines()) <= 3 and "git+https://github.com/me/toy" in setup
        assert "### Exercise 2.1: Pool a batch of stories" in notebook.cells[2].source
        assert "●●●○○" in notebook.cells[2].source
        assert not any(c.get("outputs") for c in notebook.cells)
        assert notebook.metadata.colab == {"provenance": []} and "accelerator" not in notebook.metadata
    assert "raise NotImplementedError" in chapter.cells[4].source and "kept" not in chapter.cells[4].source
    assert "kept = mask.clone()" in solution.cells[4].source and "###" not in solution.cells[4].source
    readme = (root / "README.md").read_text()
    assert "old" not in readme and "| 02 | [Toy](chapters/02_toy.ipynb) | 30 |" in readme and "rest" in readme
    assert build.build() == []


def test_a_chapter_that_gains_from_a_gpu_opens_on_one_in_colab(root):
    chapter = replace(outline.CHAPTERS["02"], gpu=True)
    metadata = build.read_source(root, chapter).metadata
    assert metadata.accelerator == "GPU" and metadata.colab == {"gpuType": "T4", "provenance": []}
    assert metadata.kernelspec.name == "python3"


def test_executing_keeps_outputs_and_what_they_cost_until_the_code_changes(root, capsys):
    assert build.stale() == [
        "chapters/02_toy.ipynb is missing", "solutions/02_toy.ipynb is missing", "README.md differs from its source",
        "solutions/INSTRUCTOR.md differs from its source",
    ]  # fmt: skip
    source = root / "solutions" / "02_toy.py"
    text = source.read_text()
    source.write_text(text.replace("# setup\n", "1 + 1\n"))
    assert cli.main(["build"]) == 0
    assert build.stale() == ["solutions/02_toy.ipynb was not executed"]
    assert cli.main(["build", "--execute", "2"]) == 0
    solution = root / "solutions" / "02_toy.ipynb"
    outputs = [c.outputs for c in nbformat.read(solution, 4).cells if c.cell_type == "code"]
    assert outputs[0][0]["data"]["text/plain"] == "2" and "2.1 ✓" in outputs[2][0].text
    measured = json.loads((root / "solutions" / "measured.json").read_text())["02"]
    assert measured["seconds"] > 0 and measured["gb"] > 0
    assert f"{measured['seconds']} s, {measured['gb']:.1f} GB" in (root / "README.md").read_text()
    assert "A right answer earns: 2.1 ✓ Pool a batch" in (root / "solutions" / "INSTRUCTOR.md").read_text()
    assert not records.progress_file().exists()  # building is not learning
    capsys.readouterr()
    assert cli.main(["build", "--check"]) == 0

    source.write_text(source.read_text().replace("# # Toy", "# # Toys"))
    assert cli.main(["build", "--check"]) == 1
    assert "chapters/02_toy.ipynb differs from its source" in capsys.readouterr().out
    build.build()
    assert nbformat.read(solution, 4).cells[1].outputs and build.stale() == []

    source.write_text(source.read_text().replace("1 + 1", "1 + 2"))
    build.build()
    assert not nbformat.read(solution, 4).cells[1].outputs
    assert build.stale() == ["solutions/02_toy.ipynb was not executed"]
    shutil.copy(solution, root / "chapters" / "03_gone.ipynb")
    assert "03_gone.ipynb has no source" in build.stale()


def test_the_instructors_page_is_made_of_outputs_mistakes_and_prompts(root):
    page = root / "solutions" / "INSTRUCTOR.md"
    build.build()
    text = page.read_text()
    assert text.startswith("# Teaching") and text.endswith("<!-- end -->\nrest\n") and "\nold\n" not in text
    own = text.split("#### 2.2")[0].split("#### 2.1")[1]
    assert "10 minutes · difficulty ●●●○○" in own and "A right answer earns: not yet executed" in own
    task = exercises()["2.1"]
    assert [line[2:] for line in own.splitlines() if line.startswith("- ")] == [*task.mistakes]
    assert own.rstrip().endswith(f"**Discuss.** {task.discuss}")
    page.write_text(text.replace(next(iter(task.mistakes)), "Wrong."))
    assert "solutions/INSTRUCTOR.md differs from its source" in build.stale()


def test_tidy_leaves_out_what_changes_at_every_run():
    new = nbformat.v4
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/html": "a quiz"}
    cell = new.new_code_cell("x", metadata={"execution": {"started": "now"}}, outputs=[
        new.new_output("stream", name="stdout", text="a"), new.new_output("stream", name="stdout", text="b"),
        new.new_output("stream", name="stderr", text="x.py: UserWarning: y"), new.new_output("display_data", widget),
    ])  # fmt: skip
    notebook = new.new_notebook(cells=[cell], metadata={"widgets": {"state": {}}})
    executing.tidy(notebook)
    assert [o.get("text") or dict(o.data) for o in cell.outputs] == ["ab", {"text/html": "a quiz"}]
    assert "widgets" not in notebook.metadata and "execution" not in cell.metadata


def test_errors_of_the_build_say_what_to_do(root, tmp_path, monkeypatch):
    source = root / "solutions" / "02_toy.py"
    source.write_text("# %% [markdown]\n# {{exercise 9.9}}\n")
    with pytest.raises(EmovecError, match="unknown marker {{exercise 9.9}}"):
        build.build()
    source.unlink()
    with pytest.raises(EmovecError, match="No source"):
        build.build()
    with pytest.raises(UnknownName, match="Unknown chapter '07'"):
        build.build(["7"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(outline, "__file__", str(tmp_path / "site" / "emovec_lite" / "course" / "outline.py"))
    with pytest.raises(EmovecError, match="inside a clone"):
        outline.repository()


def test_run_executes_solutions_in_this_process_and_counts_their_checks(root, monkeypatch, capsys):
    monkeypatch.setattr(run, "exercises", lambda: {"2.1": None})
    source = root / "solutions" / "02_toy.py"
    source.write_text(source.read_text().replace("# setup\n", "hidden = 1\n"))
    build.build()
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    assert run.run() is True
    assert "1 of 1" in capsys.readouterr().out
    assert records.progress_file().parent.name == "kept" and "TQDM_DISABLE" not in os.environ
    assert not records.progress_file().exists()
    source.write_text(source.read_text().replace("hidden = 1", "1 / 0"))
    build.build()
    assert cli.main(["run", "02"]) == 1
    out = capsys.readouterr().out
    assert "failed: code cell 0: ZeroDivisionError" in out and "0 of 1" in out
    source.write_text(source.read_text().replace("1 / 0", "raise KeyboardInterrupt"))
    build.build()
    assert cli.main(["run"]) == 130


@pytest.mark.parametrize("model", ["mine", "~/mine"])
def test_a_models_folder_is_still_found_from_the_folder_that_cells_run_in(root, tmp_path, monkeypatch, model):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("EMOVEC_MODEL", model)
    seen = []
    monkeypatch.setattr(run, "run_one", lambda *args: seen.append(os.environ["EMOVEC_MODEL"]) or (1.0, 1.0, 0, ""))
    run.run()
    assert seen == [str(tmp_path / "mine")]


@pytest.fixture
def lab(root, monkeypatch):
    """Runs `emovec lab`, and gives the options that JupyterLab would be started with."""
    monkeypatch.setattr("emovec_lite.models.fetch", lambda model: None)
    monkeypatch.setattr(outline, "CHAPTERS", {"00": SimpleNamespace(name="00_first")})
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)

    def run_lab(*argv):
        called = []
        with monkeypatch.context() as patch:
            patch.setattr("subprocess.call", lambda command: called.append(command) or 0)
            assert cli.main(["lab", *argv]) == 0
        assert called[0][:3] == [sys.executable, "-m", "jupyterlab"]
        return called[0][3:]

    return run_lab


def test_lab_opens_the_chapters_with_the_model_at_hand(lab, root, monkeypatch, capsys):
    fetched = []
    monkeypatch.setattr("emovec_lite.models.fetch", fetched.append)
    monkeypatch.delenv("EMOVEC_MODEL", raising=False)
    assert lab() == [f"--ServerApp.root_dir={root}", "--LabApp.default_url=/lab/tree/chapters/00_first.ipynb"]
    monkeypatch.setenv("EMOVEC_MODEL", "gemma-3-270m")
    lab()
    assert fetched == [DEFAULT_MODEL, "gemma-3-270m"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["lab"]) == 1
    assert "emovec-lite[lab]" in capsys.readouterr().err


REMOTE = ["--no-browser", "--ip", "0.0.0.0", "--port=9999"]


def test_lab_passes_options_on_to_jupyterlab(lab, monkeypatch):
    own = lab()
    assert lab(*REMOTE) == lab("--", *REMOTE) == [*own, *REMOTE]
    assert lab("--version") == [*own, "--version"]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert lab(*REMOTE) == [*own, "--allow-root", *REMOTE]
    assert lab("--ServerApp.allow_root=False") == [*own, "--ServerApp.allow_root=False"]


@pytest.mark.parametrize("given, folder, page", [
    ([], "repository", "/lab/tree/chapters/00_first.ipynb"),
    (["--ServerApp.root_dir=FOLDER"], "FOLDER", None),
    (["--notebook-dir", "FOLDER"], "FOLDER", None),
    (["--LabApp.default_url=/lab/tree/README.md"], "repository", "/lab/tree/README.md"),
])  # fmt: skip
def test_jupyter_understands_what_lab_gives_it_and_the_callers_options_win(lab, tmp_path, given, folder, page):
    """Jupyter's own reader: of an option that it gets twice it makes an error, or a list that nobody can use."""
    from jupyter_server.serverapp import ServerApp

    jupyter = ServerApp()
    jupyter.parse_command_line(lab(*(part.replace("FOLDER", str(tmp_path)) for part in given), *REMOTE))
    assert jupyter.root_dir == str(tmp_path if folder == "FOLDER" else tmp_path / folder)
    assert jupyter.config.LabApp.get("default_url") == page
    assert (jupyter.ip, jupyter.port, jupyter.open_browser) == ("0.0.0.0", 9999, False)


def test_other_commands_refuse_options_that_they_do_not_have(capsys):
    with pytest.raises(SystemExit) as error:
        cli.main(["doctor", "--no-browser"])
    assert error.value.code == 2 and "unrecognized arguments: --no-browser" in capsys.readouterr().err


# --- Declarations ------------------------------------------------------------------------------------------------


def test_every_exercise_is_declared_in_full():
    assert [*exercises()] == [f"{c}.{i + 1}" for c, n in enumerate((6, 6, 6, 6, 5, 5, 4), start=1) for i in range(n)]
    for task in exercises().values():
        assert 1 <= task.difficulty <= 5 and 1 <= task.importance <= 5 and 2 <= task.minutes <= 20 and task.title
        assert len(task.discuss) >= 80 and "?" in task.discuss
        assert sys.modules[task.reference.__module__].__doc__.startswith(f"Exercise {task.number}: ")
        assert f".chapters.c{outline.CHAPTERS[task.chapter].name}." in task.reference.__module__
    assert len({task.discuss for task in exercises().values()}) == len(exercises())
    for chapter in outline.CHAPTERS.values():
        own = [t.minutes for t in exercises().values() if t.number.startswith(f"{int(chapter.number)}.")]
        assert sum(own) <= chapter.minutes and len(own) in (0, 4, 5, 6)


def test_the_schedules_add_up_and_give_each_chapter_its_minutes():
    text = (outline.repository() / "solutions" / "INSTRUCTOR.md").read_text()
    days = text.split("| at | minutes | what |\n|---|---|---|\n")[1:]
    totals = []
    for day in days:
        rows = [[cell.strip() for cell in row.split("|")[1:4]] for row in day.split("\n\n")[0].splitlines()]
        clock = 0
        for at, minutes, what in rows:
            assert at == f"{clock // 60}:{clock % 60:02d}", what
            clock += int(minutes)
            chapter = re.match(r"Chapter (\d\d)(?! as a demonstration)", what)
            if chapter and chapter[1] in outline.CHAPTERS:
                assert int(minutes) == outline.CHAPTERS[chapter[1]].minutes, what
        totals.append(clock)
    assert totals[:2] == [90, 240] and all(300 <= total <= 400 for total in totals[2:]) and len(totals) == 4


# --- Quizzes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", quizzes.questions().values(), ids=lambda q: q.number)
def test_every_question_has_one_right_option_and_explains_them_all(question):
    assert 2 <= len(question.options) <= 5
    assert sum(option.right for option in question.options) == 1
    assert all(len(option.why) > 20 for option in question.options)
    assert len({option.text for option in question.options}) == len(question.options)


def test_every_chapter_has_three_questions_and_the_right_one_has_no_fixed_place():
    numbers = [*quizzes.questions()]
    assert numbers == [f"{chapter}.{i}" for chapter in outline.CHAPTERS for i in (1, 2, 3)]
    places = [[o.right for o in q.options].index(True) for q in quizzes.questions().values()]
    assert len({*places}) >= 3


def test_pressing_a_button_explains_that_choice_and_records_a_right_one():
    question = quizzes.questions()["01.1"]
    box = quizzes.widget(question)
    buttons, verdict = box.children[1].children, box.children[2]
    right = [o.right for o in question.options].index(True)
    for i, (button, option) in enumerate(zip(buttons, question.options, strict=True)):
        if i == right:
            continue
        button.click()
        assert "Not this one." in verdict.value and option.why[:20] in verdict.value.replace("&#x27;", "'")
    assert records.done() == set()
    buttons[right].click()
    assert "Right." in verdict.value and 'role="status"' in verdict.value
    assert records.done() == {"quiz 01.1"}


def test_where_no_widget_runs_there_is_text_with_every_explanation():
    question = quizzes.questions()["02.1"]
    shown = quizzes.bundle(question)
    assert shown["application/vnd.jupyter.widget-view+json"]["model_id"]
    for option in question.options:
        assert option.text in shown["text/plain"] and option.why in shown["text/plain"]
    assert shown["text/html"].count("<details>") == len(question.options)
    evil = quizzes.Question("1", "<script>a</script>", (quizzes.Option("<b>", "x < y", True),))
    page = quizzes.as_html(evil)
    assert "<script>" not in page and "x &lt; y" in page and "<li>&lt;b&gt;</li>" in page
    with pytest.raises(UnknownName, match="Unknown quiz '77'"):
        quizzes.quiz("77")


# --- Progress -------------------------------------------------------------------------------------------------


def test_progress_counts_what_is_done_and_the_minutes_that_are_left(capsys):
    for item in ("1.1", "1.2", "1.3", "quiz 01.1", "1.1"):
        records.record(item)
    assert json.loads(records.progress_file().read_text()) == ["1.1", "1.2", "1.3", "quiz 01.1"]
    progress()
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("01"))
    assert "3 of 6" in row and "1 of 3" in row and row.endswith("31")  # 55 minutes, five of nine things left
    everything = {*exercises(), *(f"quiz {q}" for q in quizzes.questions())}
    assert overview.table(everything, exercises(), quizzes.questions()).splitlines()[-1].strip() == "all done"
    assert overview.table(everything, exercises(), quizzes.questions()).count("done") == len(outline.CHAPTERS) + 1


@pytest.mark.parametrize("content", ["", "not json", "3", '{"a": 1}', "[1, null]"])
def test_a_damaged_progress_file_is_as_none_at_all(content):
    path = records.progress_file()
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert records.done() - {"a"} == set()
    records.record("1.1")
    assert "1.1" in records.done()


@pytest.mark.parametrize("start", ["[", "\ufeff["])
def test_progress_saved_by_an_editor_with_a_byte_order_mark_is_read(start):
    path = records.progress_file()
    path.parent.mkdir(parents=True)
    path.write_bytes(f'{start}\r\n "1.1"\r\n]\r\n'.encode())
    assert records.done() == {"1.1"}
    records.record("1.2")
    assert records.done() == {"1.1", "1.2"}


def test_a_tilde_in_emovec_progress_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("EMOVEC_PROGRESS", "~/mine/progress.json")
    records.record("1.1")
    assert json.loads((tmp_path / "mine" / "progress.json").read_text()) == ["1.1"]


def test_by_default_progress_is_kept_where_results_are(tmp_path, monkeypatch):
    monkeypatch.delenv("EMOVEC_PROGRESS")
    monkeypatch.setattr("emovec_lite.models.results_folder", lambda: tmp_path / "own")
    assert records.progress_file() == tmp_path / "own" / "progress.json"


def test_progress_that_cannot_be_kept_is_said_and_stops_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMOVEC_PROGRESS", str(tmp_path / "file" / "progress.json"))
    records.record("1.1")
    said = capsys.readouterr()
    assert "Progress was not kept" in said.out and "Set EMOVEC_PROGRESS" in said.out and not said.err


def test_progress_that_cannot_be_read_is_not_written_over(monkeypatch, capsys):
    """As on a network drive that is away for a moment: what is there stays there."""
    records.record("1.1")
    with monkeypatch.context() as patch:
        patch.setattr(type(records.progress_file()), "read_text", refusing)
        assert records.done() == set()
        records.record("1.2")
        assert "Progress was not kept ([Errno 5]" in capsys.readouterr().out
    assert records.done() == {"1.1"}


def refusing(*args, **kwargs):
    raise OSError(5, "Input/output error")


def test_kernels_that_write_at_once_lose_nothing():
    """Each of four processes records items of its own, all at the same time."""
    code = (
        "import sys; from emovec_lite.course.records import record; sys.stdin.readline();"
        "[record(f'{sys.argv[1]}.{i}') for i in range(25)]"
    )
    start = [sys.executable, "-c", code]
    kernels = [subprocess.Popen([*start, str(k)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for k in range(4)]
    for kernel in kernels:
        kernel.stdin.write(b"\n")
        kernel.stdin.flush()
    assert [kernel.communicate()[0] for kernel in kernels] == [b""] * 4
    assert records.done() == {f"{k}.{i}" for k in range(4) for i in range(25)}


def test_another_kernel_that_hangs_is_not_waited_for_without_end(monkeypatch, capsys):
    from filelock import FileLock

    monkeypatch.setattr(records, "PATIENCE", 0.2)
    path = records.progress_file()
    path.parent.mkdir(parents=True)
    with FileLock(path.with_name("progress.json.lock")):
        records.record("1.1")
    assert "another kernel was writing to" in capsys.readouterr().out and records.done() == set()
    records.record("1.1")
    assert records.done() == {"1.1"}
