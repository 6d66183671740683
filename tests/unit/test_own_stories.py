"""A model writes its own stories: the same after an interruption, cut at a sentence, their faults counted."""

import pytest

from emovec_lite import own_stories as o
from emovec_lite.errors import CorpusError
from emovec_lite.rules import faults, lexicon
from emovec_lite.stories import DATA, Corpus, Story, load_corpus, word_count

CELLS = dict(emotions=["sad", "happy", "calm"], topics=["rain", "snow"], per_cell=2)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(o, "OWN_TOKENS", 12)
    monkeypatch.setattr(o, "OWN_BATCH", 5)


@pytest.fixture
def uninterrupted(tiny, short, tmp_path):
    path = tmp_path / "whole.jsonl"
    o.generate_corpus(tiny(), **CELLS, path=path)
    return path.read_bytes()


def test_a_model_writes_a_story_for_each_cell(tiny, short, tmp_path, capsys):
    corpus = o.generate_corpus(tiny(), **CELLS, path=tmp_path / "own.jsonl")
    cells = [(e, t) for e in CELLS["emotions"] for t in CELLS["topics"] for _ in range(2)]
    assert [(x.emotion, x.topic) for x in corpus] == cells
    assert len(set(corpus.texts)) == 12  # two stories of one cell are two
    assert "12 stories in" in (said := capsys.readouterr().out) and "0% say the word itself" in said
    assert load_corpus(tmp_path / "own.jsonl").sha256 == corpus.sha256
    other = o.generate_corpus(tiny(), **CELLS, seed=1, path=tmp_path / "other.jsonl")
    assert not set(other.texts) & set(corpus.texts)


@pytest.mark.parametrize("batch", [0, 1, 2])
def test_stopped_and_called_again_it_gives_the_same(tiny, uninterrupted, tmp_path, monkeypatch, batch):
    path, write, calls = tmp_path / "own.jsonl", o._write, []

    def dies(*args):
        calls.append(args)
        if len(calls) > batch:
            raise KeyboardInterrupt
        return write(*args)

    monkeypatch.setattr(o, "_write", dies)
    with pytest.raises(KeyboardInterrupt):
        o.generate_corpus(tiny(), **CELLS, path=path)
    assert path.read_bytes().count(b"\n") == 5 * batch  # what was finished is on the disk
    monkeypatch.setattr(o, "_write", write)
    o.generate_corpus(tiny(), **CELLS, path=path)
    assert path.read_bytes() == uninterrupted


@pytest.mark.parametrize("share", [0.01, 0.3, 0.55, 0.99])
def test_killed_in_the_middle_of_a_line_it_gives_the_same(tiny, uninterrupted, tmp_path, share, monkeypatch):
    path, write, sizes = tmp_path / "own.jsonl", o._write, []
    path.write_bytes(uninterrupted[: int(share * len(uninterrupted))])
    monkeypatch.setattr(
        o, "_write", lambda subject, cells, seed: sizes.append(len(cells)) or write(subject, cells, seed)
    )
    o.generate_corpus(tiny(), **CELLS, path=path)
    assert path.read_bytes() == uninterrupted
    assert sizes == [5, 5, 2][3 - len(sizes) :]  # in the same company as without the kill


def test_a_finished_file_is_read_and_not_written_anew(tiny, uninterrupted, tmp_path, monkeypatch):
    monkeypatch.setattr(o, "_write", lambda *args: pytest.fail("wrote again"))
    assert len(o.generate_corpus(tiny(), **CELLS, path=tmp_path / "whole.jsonl")) == 12


@pytest.mark.parametrize("content", ['{"emotion": "sad", "text": "Mine."}\nno end', "notes\nmore", "[1]\n", None])
def test_a_file_of_another_request_is_left_as_it_is(tiny, uninterrupted, tmp_path, content):
    path = tmp_path / "whole.jsonl"
    if content is not None:
        path.write_text(content)
    before = path.read_bytes()
    with pytest.raises(CorpusError, match="It was written for another request"):
        o.generate_corpus(tiny(), **CELLS, seed=7, path=path)
    assert path.read_bytes() == before


def test_by_default_each_request_has_a_file_of_its_own(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path))
    one = o._own_path(tiny(), [("sad", "rain", 0)], 0)
    assert one == o._own_path(tiny(), [("sad", "rain", 0)], 0) and one.is_relative_to(tmp_path)
    monkeypatch.setattr(o, "OWN_PROMPT", "Another {emotion} {topic}")
    assert o._own_path(tiny(), [("sad", "rain", 0)], 0) != one != o._own_path(tiny(), [("sad", "rain", 0)], 1)


def test_where_the_cache_cannot_be_written_the_stories_go_elsewhere(tiny, monkeypatch, tmp_path):
    monkeypatch.setattr("emovec_lite.models.results_folder", lambda: tmp_path / "own")
    assert o._own_path(tiny(), [("sad", "rain", 0)], 0).is_relative_to(tmp_path / "own")


def test_a_tilde_in_the_path_is_the_home_folder(tiny, short, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    o.generate_corpus(tiny(), **CELLS, path="~/new/own.jsonl")
    assert len(load_corpus(tmp_path / "new" / "own.jsonl")) == 12


def test_emotions_with_odd_names_are_written_and_found(tiny, short, tmp_path):
    odd = ["home sick", "déjà vu", 'a"b', "<b>", "$x$", "none", "😀", "{x}", "long " * 10 + "name"]
    corpus = o.generate_corpus(tiny(), odd, ["rain"], path=tmp_path / "own.jsonl")
    assert corpus.labels == odd
    for name in odd:
        said = faults(Corpus("toy", (Story(f"He felt {name}, so.", name), Story("No.", "sad"))))
        assert said["say the word itself"] == 0.5, name


def test_nothing_to_write(tiny, tmp_path):
    with pytest.raises(CorpusError, match="Nothing to write: 0 emotions"):
        o.generate_corpus(tiny(), [], path=tmp_path / "x")


def test_a_story_is_the_same_in_any_company(tiny, short):
    """Its prompt is padded beside a longer one, and its random numbers are its own."""
    cells = [("sad", "w1 " * (i % 3 * 5) + "rain", i) for i in range(8)]
    together = o._write(tiny(), cells, seed=0)
    for i in (3, 4, 5):
        assert o._write(tiny(), cells[i : i + 1], seed=0) == together[i : i + 1]
        assert o._write(tiny(), cells[i : i + 1], seed=1) != together[i : i + 1]


def test_the_temperature_sharpens(tiny, monkeypatch):
    monkeypatch.setattr(o, "OWN_TOKENS", 2)
    cells = [("sad", "rain", i) for i in range(200)]

    def distinct(temperature):
        monkeypatch.setattr(o, "OWN_TEMPERATURE", temperature)
        return len({text.split()[0] for text in o._write(tiny(), cells, 0) if text})

    assert distinct(1e-4) == 1 < distinct(0.02) < distinct(1.0)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("w " * 70 + "end. And then", 71),
        ("w " * 70 + 'end." And then', 71),
        ("w " * 70 + "end. " + "w " * 20 + "stop! " + "w " * 70, 92),
        ("Short. " + "w " * 100, 101),  # a sentence that ends before 60 words does not count
        ("w " * 200, 150),
    ],
)
def test_a_story_is_cut_at_the_end_of_a_sentence(text, kept):
    assert word_count(o._cut(text)) == kept


def test_faults_are_counted():
    texts = {
        "sad": "Ann was sad as the long grey day went on and on.",  # itself; opens as the next
        "happy": "Ann was sad as the long grey evening went cheerful.",  # of its family
        "calm": "Rain as the long grey day went on, and nothing else.",
        "angry": "Nobody came.",
    }
    found = faults(Corpus("toy", tuple(Story(text, e) for e, text in texts.items())))
    assert list(found.values()) == [0.25, 0.5, 0.5, 0]
    shared = "as the long grey day went on"
    found = faults(Corpus("toy", tuple(Story(f"{w} {shared}.", e) for w, e in zip("pqr", texts, strict=False))))
    assert list(found.values()) == [0, 0, 0, 1]
    assert (
        faults(Corpus("own word", (Story("So zestfully!", "zestful"), Story("No.", "wistful"))))[
            "say the word itself"
        ]
        == 0.5
    )


def test_told_and_oblique_stories_have_no_faults():
    for name in ("told", "oblique"):
        assert set(faults(load_corpus(name)).values()) == {0}


def test_the_models_own_stories_are_complete_and_the_datasheet_tells_their_faults():
    own = load_corpus("own")
    assert {(x.emotion, x.topic) for x in own} == {(e, t) for e in lexicon() for t in o.OWN_TOPICS}
    assert len(own) == 288 and all(word_count(x.text) <= 150 for x in own)
    sheet = " ".join((DATA / "DATASHEET.md").read_text(encoding="utf-8").split())
    for share in faults(own).values():
        assert f"{round(share * 288)}" in sheet and f"({share:.0%})".replace("%", " %") in sheet
