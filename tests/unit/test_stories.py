"""Corpora are read or refused with file and line; the course corpus's rules can be broken, and are then seen."""

import json
from dataclasses import replace

import pytest

from emovec_lite import stories as s
from emovec_lite.errors import CorpusError, UnknownName
from emovec_lite.stories import Corpus, Story, check_corpus, check_story, load_corpus


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
    with pytest.raises(UnknownName, match="Unknown corpus 'cours'. Nearest: 'course'"):
        load_corpus("cours")
    with pytest.raises(CorpusError, match=r"No corpus file at .*none\.jsonl"):
        load_corpus(tmp_path / "none.jsonl")


# --- The course corpus ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course():
    return load_corpus("course")


def test_the_course_corpus_keeps_its_rules(course):
    assert check_corpus(course) == []
    assert len(course) == 576 and len(course.emotions) == 48 and len(course.topics) == 12


def change(corpus, index, **fields):
    stories = list(corpus.stories)
    stories[index] = replace(stories[index], **fields)
    return Corpus(corpus.name, tuple(stories))


def test_every_rule_can_be_broken_and_is_then_seen(course):
    first, second = course.stories[0], course.stories[1]

    def problems(corpus):
        return "\n".join(check_corpus(corpus))

    assert f"{first.emotion}/{first.topic}: expected 1 story, found 0" in problems(Corpus("x", course.stories[1:]))
    assert "found 2" in problems(Corpus("x", (*course.stories, first)))
    assert "unknown emotion 'smug'" in problems(change(course, 0, emotion="smug"))
    assert "expected 12 topics, found 13" in problems(change(course, 0, topic="moon"))
    assert "narrators are not half and half" in problems(change(course, 0, narrator="x"))
    assert "same opening" in problems(change(course, 0, text=second.text))
    nameless = Corpus("x", tuple(replace(x, names=()) for x in course))
    assert "0 distinct character names" in problems(nameless)
    longer = [replace(x, text=x.text + " And so on" * 6) if x.emotion == "sad" else x for x in course]
    assert "sad: mean length is +" in problems(Corpus("x", tuple(longer)))
    chorus = "They stood there in the pale morning and waited."
    sung = [replace(x, text=x.text + " " + chorus) if i in (0, 60, 120) else x for i, x in enumerate(course)]
    assert "'stood there in the pale morning' stands in 3 stories" in problems(Corpus("x", tuple(sung)))
    twice = [replace(x, text=x.text + " " + chorus) if i in (0, 60) else x for i, x in enumerate(course)]
    assert "stands in" not in problems(Corpus("x", tuple(twice)))


@pytest.mark.parametrize("emotion, text, found", [
    ("angry", "He was so angry.", "angry"),
    ("angry", "He was happy.", "happy"),  # no emotion of the 48 may be named in any story
    ("angry", "She waited patiently.", "patiently"),
    ("angry", "He was in a Rage.", "rage"),
    ("angry", "It made him seethe.", "seethe"),  # a synonym of furious: the same family
    ("furious", "Anger rose.", "anger"),
    ("sleepy", "She was fatigued.", "fatigued"),
    ("bored", "It was a tedious day.", "tedious"),
    ("afraid", "He could not bear the stress.", "stress"),
])  # fmt: skip
def test_banned_words(emotion, text, found):
    story = Story(text + " I went on." + " word" * 90, emotion, "t", "first")
    assert f"banned word {found!r}" in check_story(story)


@pytest.mark.parametrize("emotion, text", [
    ("sad", "It was tedious."),  # another family's synonym
    ("sad", "The contents of the box."),  # not a form of "content"
    ("sad", "The board was long."),
    ("sad", "A sadhu passed."),
])  # fmt: skip
def test_words_that_are_not_banned(emotion, text):
    assert not [
        p for p in check_story(Story(text + " I went on." + " word" * 90, emotion, "t", "first")) if "banned" in p
    ]


def test_names_are_looked_for_as_they_are_written():
    odd = "A.J. (Ada) met C++ and Ann." + " word" * 90
    assert check_story(Story(odd, "sad", "t", "third", ("A.J.", "(Ada)", "C++", "Ann"))) == []
    assert check_story(Story(odd, "sad", "t", "third", ("ann",))) == ["name 'ann' is not in the text"]


def test_a_story_alone():
    def problems(text, narrator="third", names=()):
        return check_story(Story(text, "sad", "t", narrator, names))

    body = "Ada walked on." + " word" * 90
    assert problems(body, names=("Ada",)) == []
    assert problems("Ada walked on." + " word" * 86) == ["89 words, not 90-130"]
    assert problems("Ada walked on." + " word" * 128) == ["131 words, not 90-130"]
    assert problems(body, names=("Ad",)) == ["name 'Ad' is not in the text"]
    assert problems(body, narrator="first") == ["told in the other person than narrator='first' says"]
    assert problems(body + " I saw.") == ["told in the other person than narrator='third' says"]
    assert problems(body + ' "I saw," she said.') == []
    assert problems(body, narrator="second") == ["narrator 'second' is neither 'first' nor 'third'"]


def test_every_emotion_bans_itself_and_six_close_synonyms():
    words = s.lexicon()
    assert len(words) == 48
    for emotion, entry in words.items():
        assert len(entry["synonyms"]) >= 6, emotion
        assert s.banned_words(emotion).search(emotion), emotion
    with pytest.raises(UnknownName, match="emotion 'hapy'. Nearest: 'happy'"):
        s.banned_words("hapy")


def test_neutral_passages_say_no_emotion_word_at_all():
    passages = s.load_neutral()
    assert len(passages) == 60 and len({p[:25] for p in passages}) == 60
    for passage in passages:
        assert 90 <= s.word_count(passage) <= 130
        assert s.banned_words(None).search(passage) is None, passage


def test_scenarios_imply_one_emotion_each_and_name_none():
    scenarios = load_corpus("scenarios")
    assert [x.emotion for x in scenarios] == list(s.lexicon())
    for scenario in scenarios:
        assert 25 <= s.word_count(scenario.text) <= 45
        assert s.banned_words(None).search(scenario.text) is None, scenario.text


def test_words_alone_betray_little(course):
    """The leak report of the datasheet: unigram naive Bayes, topics held out, 48 classes."""
    from emovec_lite.evaluation import word_count_hits

    assert word_count_hits(course).mean() < 0.25


def test_the_datasheet_says_what_is_measured(course):
    from emovec_lite.evaluation import leak_report

    sheet = (s.DATA / "DATASHEET.md").read_text(encoding="utf-8")
    assert leak_report(course) in sheet
    for topic in course.topics:
        (register,) = {x.register for x in course if x.topic == topic}
        assert register in ("plain", "oblique") and f"`{topic}` ({register})" in sheet


# --- Topics chosen otherwise ---------------------------------------------------------------------------


def test_in_the_confounded_stories_each_emotion_has_its_own_two_topics(course):
    chosen = s.confounded(course)
    assert len(chosen) == 96 and chosen.emotions == course.emotions
    drawn = {e: frozenset(x.topic for x in chosen.select(e)) for e in chosen.emotions}
    assert {len(topics) for topics in drawn.values()} == {2}
    assert len(set(drawn.values())) == 48  # a topic pair gives its emotion away
    assert {*chosen} <= {*course} and set(chosen.topics) == set(course.topics)
    assert s.confounded(course).sha256 == chosen.sha256 != s.confounded(course, seed=1).sha256


def test_the_balanced_stories_are_as_many_on_the_same_topics(course):
    chosen = s.balanced(course)
    assert len(chosen) == len(s.confounded(course)) and len(chosen.topics) == 2
    assert all({x.topic for x in chosen.select(e)} == set(chosen.topics) for e in course.emotions)
    assert {*chosen} <= {*course}
    assert s.balanced(course, 12).sha256 == Corpus("", tuple(course)).sha256
    for choose in (s.confounded, s.balanced):
        with pytest.raises(CorpusError, match="cannot draw 13 topics from 12"):
            choose(course, 13)
        holes = Corpus("holes", tuple(x for x in course if x.emotion != "sad" or x.topic == "bus"))
        with pytest.raises(CorpusError, match="no story of 'sad' on the topic"):
            choose(holes)


# --- A model's own stories -----------------------------------------------------------------------------

CELLS = dict(emotions=["sad", "happy", "calm"], topics=["rain", "snow"], per_cell=2)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(s, "OWN_TOKENS", 12)
    monkeypatch.setattr(s, "OWN_BATCH", 5)


@pytest.fixture
def uninterrupted(tiny, short, tmp_path):
    path = tmp_path / "whole.jsonl"
    s.generate_corpus(tiny(), **CELLS, path=path)
    return path.read_bytes()


def test_a_model_writes_a_story_for_each_cell(tiny, short, tmp_path, capsys):
    corpus = s.generate_corpus(tiny(), **CELLS, path=tmp_path / "own.jsonl")
    cells = [(e, t) for e in CELLS["emotions"] for t in CELLS["topics"] for _ in range(2)]
    assert [(x.emotion, x.topic) for x in corpus] == cells
    assert len(set(corpus.texts)) == 12  # two stories of one cell are two
    assert "12 stories in" in (said := capsys.readouterr().out) and "0% say the word itself" in said
    assert load_corpus(tmp_path / "own.jsonl").sha256 == corpus.sha256
    other = s.generate_corpus(tiny(), **CELLS, seed=1, path=tmp_path / "other.jsonl")
    assert not set(other.texts) & set(corpus.texts)


@pytest.mark.parametrize("batch", [0, 1, 2])
def test_stopped_and_called_again_it_gives_the_same(tiny, uninterrupted, tmp_path, monkeypatch, batch):
    path, write, calls = tmp_path / "own.jsonl", s._write, []

    def dies(*args):
        calls.append(args)
        if len(calls) > batch:
            raise KeyboardInterrupt
        return write(*args)

    monkeypatch.setattr(s, "_write", dies)
    with pytest.raises(KeyboardInterrupt):
        s.generate_corpus(tiny(), **CELLS, path=path)
    assert path.read_bytes().count(b"\n") == 5 * batch  # what was finished is on the disk
    monkeypatch.setattr(s, "_write", write)
    s.generate_corpus(tiny(), **CELLS, path=path)
    assert path.read_bytes() == uninterrupted


@pytest.mark.parametrize("share", [0.01, 0.3, 0.55, 0.99])
def test_killed_in_the_middle_of_a_line_it_gives_the_same(tiny, uninterrupted, tmp_path, share, monkeypatch):
    path, write, sizes = tmp_path / "own.jsonl", s._write, []
    path.write_bytes(uninterrupted[: int(share * len(uninterrupted))])
    monkeypatch.setattr(
        s, "_write", lambda subject, cells, seed: sizes.append(len(cells)) or write(subject, cells, seed)
    )
    s.generate_corpus(tiny(), **CELLS, path=path)
    assert path.read_bytes() == uninterrupted
    assert sizes == [5, 5, 2][3 - len(sizes) :]  # in the same company as without the kill


def test_a_finished_file_is_read_and_not_written_anew(tiny, uninterrupted, tmp_path, monkeypatch):
    monkeypatch.setattr(s, "_write", lambda *args: pytest.fail("wrote again"))
    assert len(s.generate_corpus(tiny(), **CELLS, path=tmp_path / "whole.jsonl")) == 12


@pytest.mark.parametrize("content", ['{"emotion": "sad", "text": "Mine."}\nno end', "notes\nmore", "[1]\n", None])
def test_a_file_of_another_request_is_left_as_it_is(tiny, uninterrupted, tmp_path, content):
    path = tmp_path / "whole.jsonl"
    if content is not None:
        path.write_text(content)
    before = path.read_bytes()
    with pytest.raises(CorpusError, match="It was written for another request"):
        s.generate_corpus(tiny(), **CELLS, seed=7, path=path)
    assert path.read_bytes() == before


def test_by_default_each_request_has_a_file_of_its_own(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path))
    one = s._own_path(tiny(), [("sad", "rain", 0)], 0)
    assert one == s._own_path(tiny(), [("sad", "rain", 0)], 0) and one.is_relative_to(tmp_path)
    monkeypatch.setattr(s, "OWN_PROMPT", "Another {emotion} {topic}")
    assert s._own_path(tiny(), [("sad", "rain", 0)], 0) != one != s._own_path(tiny(), [("sad", "rain", 0)], 1)


def test_where_the_cache_cannot_be_written_the_stories_go_elsewhere(tiny, monkeypatch, tmp_path):
    monkeypatch.setattr("emovec_lite.models.results_folder", lambda: tmp_path / "own")
    assert s._own_path(tiny(), [("sad", "rain", 0)], 0).is_relative_to(tmp_path / "own")


def test_a_tilde_in_the_path_is_the_home_folder(tiny, short, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    s.generate_corpus(tiny(), **CELLS, path="~/new/own.jsonl")
    assert len(load_corpus(tmp_path / "new" / "own.jsonl")) == 12


def test_emotions_with_odd_names_are_written_and_found(tiny, short, tmp_path):
    odd = ["home sick", "déjà vu", 'a"b', "<b>", "$x$", "none", "😀", "{x}", "long " * 10 + "name"]
    corpus = s.generate_corpus(tiny(), odd, ["rain"], path=tmp_path / "own.jsonl")
    assert corpus.labels == odd
    for name in odd:
        said = s.faults(Corpus("toy", (Story(f"He felt {name}, so.", name), Story("No.", "sad"))))
        assert said["say the word itself"] == 0.5, name


def test_nothing_to_write(tiny, tmp_path):
    with pytest.raises(CorpusError, match="Nothing to write: 0 emotions"):
        s.generate_corpus(tiny(), [], path=tmp_path / "x")


def test_a_story_is_the_same_in_any_company(tiny, short):
    """Its prompt is padded beside a longer one, and its random numbers are its own."""
    cells = [("sad", "w1 " * (i % 3 * 5) + "rain", i) for i in range(8)]
    together = s._write(tiny(), cells, seed=0)
    for i in (3, 4, 5):
        assert s._write(tiny(), cells[i : i + 1], seed=0) == together[i : i + 1]
        assert s._write(tiny(), cells[i : i + 1], seed=1) != together[i : i + 1]


def test_the_temperature_sharpens(tiny, monkeypatch):
    monkeypatch.setattr(s, "OWN_TOKENS", 2)
    cells = [("sad", "rain", i) for i in range(200)]

    def distinct(temperature):
        monkeypatch.setattr(s, "OWN_TEMPERATURE", temperature)
        return len({text.split()[0] for text in s._write(tiny(), cells, 0) if text})

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
    assert s.word_count(s._cut(text)) == kept


def test_faults_are_counted():
    texts = {
        "sad": "Ann was sad as the long grey day went on and on.",  # itself; opens as the next
        "happy": "Ann was sad as the long grey evening went cheerful.",  # of its family
        "calm": "Rain as the long grey day went on, and nothing else.",
        "angry": "Nobody came.",
    }
    found = s.faults(Corpus("toy", tuple(Story(text, e) for e, text in texts.items())))
    assert list(found.values()) == [0.25, 0.5, 0.5, 0]
    shared = "as the long grey day went on"
    found = s.faults(Corpus("toy", tuple(Story(f"{w} {shared}.", e) for w, e in zip("pqr", texts, strict=False))))
    assert list(found.values()) == [0, 0, 0, 1]
    assert (
        s.faults(Corpus("own word", (Story("So zestfully!", "zestful"), Story("No.", "wistful"))))[
            "say the word itself"
        ]
        == 0.5
    )


def test_the_course_corpus_has_no_faults(course):
    assert set(s.faults(course).values()) == {0}


def test_the_models_own_stories_are_complete_and_the_datasheet_tells_their_faults():
    own = load_corpus("own")
    assert {(x.emotion, x.topic) for x in own} == {(e, t) for e in s.lexicon() for t in s.OWN_TOPICS}
    assert len(own) == 288 and all(s.word_count(x.text) <= 150 for x in own)
    sheet = " ".join((s.DATA / "DATASHEET.md").read_text(encoding="utf-8").split())
    for share in s.faults(own).values():
        assert f"{round(share * 288)}" in sheet and f"({share:.0%})".replace("%", " %") in sheet
