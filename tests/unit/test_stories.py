"""Corpora are read or refused with file and line; topics are chosen otherwise."""

import json
from dataclasses import replace

import pytest

from emovec_lite import stories as s
from emovec_lite.errors import CorpusError, UnknownName
from emovec_lite.stories import Corpus, Story, load_corpus


def write(tmp_path, *rows):
    path = tmp_path / "c.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), encoding="utf-8")
    return path


def test_reads_text_or_a_list_of_stories_and_an_optional_topic(tmp_path):
    path = write(
        tmp_path,
        {"emotion": "happy", "text": "One."},
        "",
        {"emotion": "sad", "topic": "rain", "stories": ["Two.", "Three."]},
    )
    corpus = load_corpus(path)
    assert [(x.emotion, x.topic, x.text) for x in corpus] == [
        ("happy", "", "One."), ("sad", "rain", "Two."), ("sad", "rain", "Three."),
    ]  # fmt: skip
    assert corpus.name == "c" and corpus.emotions == ["happy", "sad"] and corpus.topics == ["rain"]
    assert len(corpus.select("sad")) == 2
    with pytest.raises(UnknownName, match="emotion 'sadd'. Nearest: 'sad'"):
        corpus.select("sadd")


def test_hash_follows_texts_emotions_topics_and_order():
    a, b = Story("One.", "happy", "rain"), Story("Two.", "sad", "rain")
    same = Corpus("x", (a, b)).sha256
    assert Corpus("y", (a, b)).sha256 == same
    for other in [
        (b, a),
        (a,),
        (a, replace(b, text="Two")),
        (a, replace(b, emotion="s")),
        (a, replace(b, topic="t")),
    ]:
        assert Corpus("x", other).sha256 != same


@pytest.mark.parametrize("row, message", [
    ('{"emotion": "sad", "text": ', r"c\.jsonl, line 2: not JSON \(.* at column"),
    ('["sad"]', r"line 2: expected a JSON object, got list"),
    ({"text": "No emotion."}, r"line 2: 'emotion' must be a word, got None"),
    ({"emotion": 3, "text": "x"}, r"line 2: 'emotion' must be a word, got 3"),
    ({"emotion": "sad"}, r"line 2: expected a 'text' or 'story', or a list 'stories'"),
    ({"emotion": "sad", "text": "  "}, r"line 2: expected a 'text'"),
    ({"emotion": "sad", "stories": []}, r"line 2: expected a 'text'"),
    ({"emotion": "sad", "stories": ["a", 3]}, r"line 2: expected a 'text'"),
    ({"emotion": "sad", "stories": "one"}, r"line 2: expected a 'text'"),
    ({"emotion": "sad", "story": 3}, r"line 2: expected a 'text' or 'story'"),
    ({"emotion": "sad", "text": "x", "names": 5}, r"line 2: 'names' must be a list of names, got 5"),
    ({"emotion": "sad", "text": "x", "names": "Ada"}, r"line 2: 'names' must be a list of names, got 'Ada'"),
    (r'{"emotion": "sad", "text": "cut \ud83d"}', r"line 2: half of a character"),
])  # fmt: skip
def test_a_malformed_line_is_named(tmp_path, row, message):
    with pytest.raises(CorpusError, match=message):
        load_corpus(write(tmp_path, {"emotion": "happy", "text": "Fine."}, row))


def test_a_file_that_is_not_utf8(tmp_path):
    path = tmp_path / "latin.jsonl"
    path.write_bytes(b'{"emotion": "happy", "text": "Fine."}\n{"emotion": "sad", "text": "Caf\xe9."}\n')
    with pytest.raises(CorpusError, match=r"latin\.jsonl, line 2: not UTF-8"):
        load_corpus(path)


def test_a_byte_order_mark_and_windows_line_ends_are_read_over(tmp_path):
    rows = [json.dumps({"emotion": e, "text": "A\u2028é 😀."}, ensure_ascii=False) for e in ("déjà vu", "sad")]
    plain = write(tmp_path, *rows)
    expected, path = load_corpus(plain), tmp_path / "other.jsonl"
    for end in ("\n", "\r\n", "\r"):
        for mark in ("", "\ufeff"):
            path.write_bytes((mark + end.join(rows) + end).encode())
            assert load_corpus(path).sha256 == expected.sha256
            assert [story.line for story in load_corpus(path)] == [1, 2]
    path.write_bytes("\r\n".join([*rows, "{"]).encode())
    with pytest.raises(CorpusError, match="line 3: not JSON .* Each line is a JSON object by itself"):
        load_corpus(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_utf_16_is_told_to_be_saved_anew(tmp_path, encoding):
    path = tmp_path / "wide.jsonl"
    path.write_text('{"emotion": "sad", "text": "Fine."}\n', encoding=encoding)
    with pytest.raises(CorpusError, match=r"wide\.jsonl: not UTF-8, but UTF-16 .* Save it as UTF-8"):
        load_corpus(path)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, {"emotion": "sad", "text": "Fine."})
    monkeypatch.setattr(type(path), "read_bytes", refuse)
    with pytest.raises(CorpusError, match=r"c\.jsonl cannot be read: Permission denied"):
        load_corpus(path)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path, {"emotion": "sad", "text": "One."}, {"emotion": "glad", "text": "Two."})
    assert len(load_corpus("~/c.jsonl")) == 2
    with pytest.raises(CorpusError, match="No corpus file at"):
        load_corpus("~nobody-of-that-name/c.jsonl")


def test_a_text_may_be_called_story_and_a_topic_may_be_a_number(tmp_path):
    corpus = load_corpus(
        write(
            tmp_path,
            {"emotion": "sad", "story": "One.", "topic": 0},
            {"emotion": "sad", "text": None, "story": "Two.", "topic": 1},
            {"emotion": "glad", "stories": ["Three.", "Four."], "topic": None},
        )
    )
    assert corpus.texts == ["One.", "Two.", "Three.", "Four."]
    assert [story.topic for story in corpus] == ["0", "1", "", ""] and corpus.topics == ["0", "1"]
    assert [story.line for story in corpus] == [1, 2, 3, 3]


# --- Stories that are too short -------------------------------------------------------------------------


def of_lengths(tmp_path, **lengths):
    """A corpus with a story of each length, by emotion in turn, and the lengths in its order."""
    columns = zip(*lengths.values(), strict=True)
    rows = [row for column in columns for row in zip(lengths, column, strict=True)]
    path = write(tmp_path, "", *({"emotion": emotion, "text": f"{n}."} for emotion, n in rows))
    return load_corpus(path), [n for _, n in rows]


def test_stories_too_short_to_read_are_left_out_and_named(tmp_path, capsys):
    corpus, lengths = of_lengths(tmp_path, glad=[31, 30, 40], sad=[99, 31, 1])
    kept = s.long_enough(corpus, lengths, 30)
    assert kept.texts == ["31.", "99.", "31.", "40."] and kept.name == corpus.name
    assert all(any(story is one for one in corpus) for story in kept)
    printed = capsys.readouterr()
    assert printed.out == "2 of 6 stories have at most 30 tokens and were left out: lines 4, 7\n" and not printed.err
    assert s.long_enough(corpus, lengths, 0) is corpus and not capsys.readouterr().out
    assert len(s.long_enough(corpus, lengths, 1)) == 5
    assert capsys.readouterr().out.endswith("1 of 6 stories have at most 1 tokens and were left out: line 7\n")
    made = Corpus("made by hand", (Story("a", "sad"), Story("b", "sad"), Story("c", "glad")))
    s.long_enough(made, [9, 1, 9], 5)
    assert capsys.readouterr().out == "1 of 3 stories have at most 5 tokens and were left out\n"
    many, lengths = of_lengths(tmp_path, glad=[1] * 30 + [9], sad=[9] * 31)
    s.long_enough(many, lengths, 5)
    assert "lines 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 ...\n" in capsys.readouterr().out


def test_an_emotion_without_a_story_that_is_long_enough_is_an_error_with_the_skip_that_mends_it(tmp_path):
    corpus, lengths = of_lengths(tmp_path, glad=[31, 40], sad=[12, 30], calm=[20, 1])
    with pytest.raises(
        CorpusError, match=r"all stories of 'calm', 'sad' have at most 30 tokens.*a skip of at most 19"
    ):
        s.long_enough(corpus, lengths, 30)
    assert s.long_enough(corpus, lengths, 19).emotions == ["calm", "glad", "sad"]
    with pytest.raises(CorpusError, match=r"all stories of 'calm' have.*--skip"):
        s.long_enough(corpus, lengths, 20)


def test_an_empty_a_one_emotion_and_an_unknown_corpus(tmp_path):
    with pytest.raises(CorpusError, match="no stories"):
        load_corpus(write(tmp_path, ""))
    with pytest.raises(CorpusError, match="only one emotion \\('sad'\\)"):
        load_corpus(write(tmp_path, {"emotion": "sad", "stories": ["a", "b"]}))
    with pytest.raises(UnknownName, match="Unknown corpus 'shwon'. Nearest: 'shown'"):
        load_corpus("shwon")
    with pytest.raises(CorpusError, match=r"No corpus file at .*none\.jsonl"):
        load_corpus(tmp_path / "none.jsonl")


def test_the_balanced_stories_are_those_on_a_few_topics_that_all_emotions_share():
    course = load_corpus()
    chosen = s.balanced(course)
    assert len(chosen) == 96 and len(chosen.topics) == 2
    assert all({x.topic for x in chosen.select(e)} == set(chosen.topics) for e in course.emotions)
    assert {*chosen} <= {*course}
    assert s.balanced(course).sha256 == chosen.sha256 != s.balanced(course, seed=1).sha256
    assert s.balanced(course, 12).sha256 == Corpus("", tuple(course)).sha256
    with pytest.raises(CorpusError, match="cannot draw 13 topics from 12"):
        s.balanced(course, 13)
    holes = Corpus("holes", tuple(x for x in course if x.emotion != "sad" or x.topic == "rain"))
    with pytest.raises(CorpusError, match="no story of 'sad' on the topic"):
        s.balanced(holes)
