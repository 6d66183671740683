"""Vectors are what the recipe says, survive the disk, and refuse to be used where they do not belong."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

import emovec_lite.vectors as v
from emovec_lite.activations import MeanActivations, mean_activations
from emovec_lite.errors import ArtifactError, CacheError, CorpusError, EmovecError, UnknownName
from emovec_lite.stories import Corpus, Story
from emovec_lite.vectors import Direction, EmotionVectors, extract, load_or_compute


def words(n, start):
    return " ".join(f"w{(start + 3 * i) % 60}" for i in range(n))


@pytest.fixture
def corpus():
    stories = [Story(words(20 + i + 3 * j, 7 * i + j), e, f"t{j}") for i, e in enumerate("abc") for j in range(4)]
    return Corpus("toy", tuple(stories[1:]))  # one emotion has a story fewer


@pytest.fixture(autouse=True)
def neutral(monkeypatch):
    monkeypatch.setattr(v, "load_neutral", lambda: [words(25, 5 * i) for i in range(6)])


@pytest.fixture
def vectors(tiny, corpus):
    return extract(tiny(), corpus, skip=5)


def test_means_are_centred_with_emotions_weighing_alike(tiny, corpus, vectors):
    acts = mean_activations(tiny(), corpus.texts, skip=5)
    by_emotion = [acts.blocks[[i for i, s in enumerate(corpus) if s.emotion == e]].mean(dim=0) for e in "abc"]
    center = torch.stack(by_emotion).mean(dim=0)
    torch.testing.assert_close(vectors.center, center, rtol=1e-4, atol=1e-5)
    for i in range(3):
        torch.testing.assert_close(vectors.means[i], by_emotion[i] - center, rtol=1e-3, atol=1e-5)
    assert vectors.means.mean(dim=0).abs().max() < 1e-5


def test_denoised_vectors_are_orthogonal_to_the_neutral_components(tiny, vectors):
    neutral = mean_activations(tiny(), v.load_neutral(), skip=5)
    for layer in [*range(vectors.n_layers), "embed"]:
        values = neutral.at(layer) - neutral.at(layer).mean(dim=0)
        components = vectors.neutral_at(layer)
        kept = components[components.norm(dim=1) > 0]
        torch.testing.assert_close(kept @ kept.T, torch.eye(len(kept)), rtol=1e-4, atol=1e-5)
        share = (values @ kept.T).square().sum() / values.square().sum()
        fewer = (values @ kept[:-1].T).square().sum() / values.square().sum()
        assert fewer < 0.5 <= share + 1e-5  # the fewest components that hold half of the variance
        scale = vectors.at(layer, denoise=False).norm()
        assert (vectors.at(layer) @ kept.T).abs().max() < 1e-5 * scale
        assert not torch.allclose(vectors.at(layer), vectors.at(layer, denoise=False), rtol=1e-3, atol=1e-6)


def test_direction_is_unit_and_the_row_of_its_emotion(vectors):
    direction = vectors.direction("b", layer=2)
    assert direction.vector.norm().item() == pytest.approx(1)
    torch.testing.assert_close(direction.vector, vectors.at(2)[1] / vectors.at(2)[1].norm())


def test_direction_algebra():
    a, b = (Direction(n, 3, torch.tensor(x), 2.0) for n, x in (("a", [3.0, 4.0]), ("b", [1.0, 0.0])))
    assert (a + b).vector.tolist() == [4, 4]
    assert (a - b).vector.tolist() == [2, 4]
    assert (-a).vector.tolist() == [-3, -4]
    assert (2 * a).vector.tolist() == (a * 2).vector.tolist() == [6, 8]
    assert (a / 2).vector.tolist() == [1.5, 2]
    assert a.unit().vector.tolist() == pytest.approx([0.6, 0.8])
    assert (a - b).name == "a - b" and (a - b).layer == 3
    with pytest.raises(EmovecError, match="'a' of layer 3 with 'c' of layer 4"):
        a + Direction("c", 4, torch.ones(2), 2.0)
    with pytest.raises(TypeError):
        a + 1


def test_save_and_load(tmp_path, vectors, tiny, corpus):
    vectors.save(tmp_path / "v.safetensors")
    loaded = EmotionVectors.load(tmp_path / "v.safetensors", subject=tiny(), corpus=corpus)
    assert loaded.emotions == vectors.emotions and loaded.provenance == vectors.provenance
    for name in ("means", "embed", "center", "neutral", "neutral_embed", "norms"):
        torch.testing.assert_close(getattr(loaded, name), getattr(vectors, name), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(loaded.stories.blocks, vectors.stories.blocks, rtol=1e-3, atol=1e-4)
    assert load_file(tmp_path / "v.safetensors")["means"].dtype == torch.float16


def test_values_too_large_for_fp16_are_kept_whole(tmp_path, vectors):
    replace(vectors, means=vectors.means * 1e7).save(tmp_path / "v.safetensors")
    loaded = EmotionVectors.load(tmp_path / "v.safetensors")
    assert loaded.means.isfinite().all()
    torch.testing.assert_close(loaded.means, vectors.means * 1e7)


def test_provenance_says_where_the_vectors_come_from(vectors, corpus):
    provenance = vectors.provenance
    assert provenance["model"] == "tiny-llama" and provenance["weights_sha256"] == "tiny"
    assert provenance["corpus_sha256"] == corpus.sha256 and provenance["skip"] == "5"
    assert provenance["dtype"] == "float32" and provenance["library"] and provenance["date"]


def test_stories_can_be_kept_at_some_layers_only(tmp_path, vectors):
    vectors.save(tmp_path / "v.safetensors", story_layers=[1, 3])
    stories = EmotionVectors.load(tmp_path / "v.safetensors").stories
    assert stories.layers == (1, 3)
    assert torch.equal(stories.norms, vectors.norms[[1, 3]])
    torch.testing.assert_close(stories.at(3), vectors.stories.at(3), rtol=1e-3, atol=1e-4)
    with pytest.raises(UnknownName, match="layer 2"):
        stories.at(2)


def test_names_that_do_not_exist(vectors):
    with pytest.raises(UnknownName, match="emotion 'd'. Nearest"):
        vectors.direction("d", 1)
    for layer in (4, -1, "embedding", 1.0):
        with pytest.raises(UnknownName, match="Unknown layer"):
            vectors.at(layer)


@pytest.mark.parametrize("change, what", [
    ({"spec": "other"}, "model is 'tiny-llama', expected 'other'"),
    ({"weights_sha256": "abc"}, "SHA-256 of the weights is 'tiny', expected 'abc'"),
])  # fmt: skip
def test_vectors_of_another_model_are_refused(tmp_path, vectors, tiny, change, what):
    vectors.save(tmp_path / "v.safetensors")
    if "spec" in change:
        change = {"spec": replace(tiny().spec, name=change["spec"])}
    with pytest.raises(ArtifactError, match=what):
        EmotionVectors.load(tmp_path / "v.safetensors", subject=replace(tiny(), **change))


def test_vectors_of_another_corpus_are_refused(tmp_path, vectors, corpus):
    vectors.save(tmp_path / "v.safetensors")
    with pytest.raises(ArtifactError, match="SHA-256 of the corpus"):
        EmotionVectors.load(tmp_path / "v.safetensors", corpus=Corpus("toy", corpus.stories[1:]))


def test_vectors_of_another_format_are_refused(tmp_path, vectors):
    replace(vectors, provenance={**vectors.provenance, "format": "0"}).save(tmp_path / "v.safetensors")
    with pytest.raises(ArtifactError, match="format is '0', expected '1'"):
        EmotionVectors.load(tmp_path / "v.safetensors")
    save_file({"x": torch.ones(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ArtifactError, match="format is None"):
        EmotionVectors.load(tmp_path / "foreign.safetensors")


def test_a_truncated_file_is_refused(tmp_path, vectors):
    path = tmp_path / "v.safetensors"
    vectors.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="damaged"):
        EmotionVectors.load(path)
    with pytest.raises(ArtifactError, match="No vectors at"):
        EmotionVectors.load(tmp_path / "none.safetensors")


def test_a_save_that_fails_leaves_nothing_and_harms_nothing(tmp_path, vectors, monkeypatch):
    path = tmp_path / "v.safetensors"
    vectors.save(path)
    good = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(v.os, "replace", full)
    with pytest.raises(CacheError, match="No space left on device. Free some space"):
        vectors.save(path)
    assert path.read_bytes() == good
    assert [p.name for p in tmp_path.iterdir()] == ["v.safetensors"]


def test_a_folder_that_cannot_be_written(tmp_path, vectors):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="Cannot write to"):
        vectors.save(tmp_path / "file" / "v.safetensors")


def test_load_or_compute_says_which_and_keeps_what_it_computed(tmp_path, tiny, corpus, monkeypatch, capsys):
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path))
    first = load_or_compute(corpus, subject=tiny(), skip=5)
    assert "Computed vectors from 11 stories" in capsys.readouterr().err
    second = load_or_compute(corpus, subject=tiny(), skip=5)
    assert "Loaded cached vectors" in capsys.readouterr().err
    torch.testing.assert_close(first.means, second.means, rtol=1e-3, atol=1e-4)
    load_or_compute(corpus, subject=tiny(), skip=6)
    assert "Computed vectors" in capsys.readouterr().err


def test_load_or_compute_replaces_a_damaged_file(tmp_path, tiny, corpus, monkeypatch, capsys):
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path))
    load_or_compute(corpus, subject=tiny(), skip=5)
    (path,) = (tmp_path / "vectors").iterdir()
    path.write_bytes(b"half")
    load_or_compute(corpus, subject=tiny(), skip=5)
    err = capsys.readouterr().err
    assert "Not using cached vectors" in err and "Computed vectors" in err
    EmotionVectors.load(path)


def test_an_interrupted_extraction_keeps_nothing(tmp_path, tiny, corpus, monkeypatch):
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path))

    def interrupt(*args):
        raise KeyboardInterrupt

    handle = tiny().blocks[3].register_forward_hook(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            load_or_compute(corpus, subject=tiny(), skip=5)
    finally:
        handle.remove()
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not any(m._forward_hooks for m in tiny().hf.modules())


def test_one_emotion_or_none_is_refused(tiny, corpus):
    with pytest.raises(CorpusError, match="1 emotion"):
        extract(tiny(), Corpus("one", tuple(s for s in corpus if s.emotion == "a")))
    with pytest.raises(CorpusError, match="0 emotion"):
        extract(tiny(), Corpus("none", ()))


def test_projecting_out_is_exact():
    components = torch.eye(4)[:2]
    assert v.project_out(torch.tensor([1.0, 2, 3, 4]), components).tolist() == [0, 0, 3, 4]


def test_story_activations_belong_to_the_stories_not_the_neutral_passages(tiny, corpus, vectors):
    assert isinstance(vectors.stories, MeanActivations)
    acts = mean_activations(tiny(), corpus.texts, skip=5)
    torch.testing.assert_close(vectors.stories.blocks, acts.blocks, rtol=1e-4, atol=1e-5)
    assert json.loads(json.dumps(vectors.provenance)) == vectors.provenance


# --- Of some of the stories ----------------------------------------------------------------------------


def test_vectors_of_a_subset_are_those_of_its_activations(tiny, corpus, vectors):
    chosen = Corpus("some", tuple(x for x in corpus if x.topic in ("t1", "t3")))
    sub = v.subset_vectors(vectors, corpus, chosen)
    fresh = extract(tiny(), chosen, skip=5)
    assert sub.emotions == fresh.emotions and sub.layers == fresh.layers
    torch.testing.assert_close(sub.means, fresh.means, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(sub.embed, fresh.embed, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(sub.center, fresh.center, rtol=1e-4, atol=1e-5)
    assert torch.equal(sub.neutral, vectors.neutral)  # not the stories': the neutral passages are the same
    assert sub.provenance["corpus"] == "some" and sub.provenance["corpus_sha256"] == chosen.sha256
    assert v.story_activations(sub, chosen) is sub.stories


def test_a_subset_holds_the_layers_whose_stories_were_kept(tmp_path, corpus, vectors):
    vectors.save(tmp_path / "few.safetensors", story_layers=[1, 3], story_embed=False)
    few = EmotionVectors.load(tmp_path / "few.safetensors")
    assert few.layers == (0, 1, 2, 3) and few.stories.held == (1, 3)
    chosen = Corpus("some", tuple(x for x in corpus if x.emotion != "b"))
    sub = v.subset_vectors(few, corpus, chosen)
    assert sub.layers == (1, 3) and sub.emotions == ("a", "c") and sub.embed is None
    whole = v.subset_vectors(vectors, corpus, chosen)
    for layer in (1, 3):
        torch.testing.assert_close(sub.at(layer), whole.at(layer), rtol=0.02, atol=2e-3)
        assert sub.direction("a", layer).residual_norm == pytest.approx(float(vectors.norms[layer]))
    for layer in (0, 2, "embed"):
        with pytest.raises(UnknownName, match="layer"):
            sub.at(layer)
    sub.save(tmp_path / "sub.safetensors", story_embed=False)
    again = EmotionVectors.load(tmp_path / "sub.safetensors", corpus=chosen)
    assert again.layers == (1, 3) and again.embed is None
    torch.testing.assert_close(again.at(3), sub.at(3), rtol=0.02, atol=2e-3)
    assert v.story_activations(again, chosen).held == (1, 3)


def test_a_subset_of_something_else_is_refused(corpus, vectors):
    stranger = Corpus("other", (*corpus.stories[1:], Story("w1", "a", "t0")))
    with pytest.raises(CorpusError, match="1 of 11 stories are not in 'toy'"):
        v.subset_vectors(vectors, corpus, stranger)
    with pytest.raises(CorpusError, match="it has 1 emotion"):
        v.subset_vectors(vectors, corpus, Corpus("one", tuple(corpus.select("a"))))
    with pytest.raises(ArtifactError, match="Take the corpus that they were made from"):
        v.subset_vectors(vectors, stranger, corpus)
