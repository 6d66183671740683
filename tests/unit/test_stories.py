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
    ({"emotion": "sad"}, r"line 2: expected a 'text', or a list 'stories'"),
    ({"emotion": "sad", "text": "  "}, r"line 2: expected a 'text'"),
    ({"emotion": "sad", "stories": []}, r"line 2: expected a 'text'"),
    ({"emotion": "sad", "stories": ["a", 3]}, r"line 2: expected a 'text'"),
])  # fmt: skip
def test_a_malformed_line_is_named(tmp_path, row, message):
    with pytest.raises(CorpusError, match=message):
        load_corpus(write(tmp_path, {"emotion": "happy", "text": "Fine."}, row))


def test_a_file_that_is_not_utf8(tmp_path):
    path = tmp_path / "latin.jsonl"
    path.write_bytes(b'{"emotion": "happy", "text": "Fine."}\n{"emotion": "sad", "text": "Caf\xe9."}\n')
    with pytest.raises(CorpusError, match=r"latin\.jsonl, line 2: not UTF-8"):
        load_corpus(path)


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
