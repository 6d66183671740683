"""Vectors are what the recipe says, survive the disk, and refuse to be used where they do not belong."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import emovec_lite.extraction as x
import emovec_lite.vectors as vectors_module
from emovec_lite.activations import MeanActivations, mean_activations
from emovec_lite.errors import ArtifactError, CacheError, CorpusError, EmovecError, UnknownName
from emovec_lite.extraction import Sums, extract, load_or_compute
from emovec_lite.stories import Corpus, Story
from emovec_lite.vectors import Direction, EmotionVectors, project_out


def words(n, start):
    return " ".join(f"w{(start + 3 * i) % 60}" for i in range(n))


@pytest.fixture
def corpus():
    stories = [Story(words(20 + i + 3 * j, 7 * i + j), e, f"t{j}") for i, e in enumerate("abc") for j in range(4)]
    return Corpus("toy", tuple(stories[1:]))  # one emotion has a story fewer


@pytest.fixture(autouse=True)
def neutral(monkeypatch):
    monkeypatch.setattr(x, "load_neutral", lambda: [words(25, 5 * i) for i in range(6)])


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
    neutral = mean_activations(tiny(), x.load_neutral(), skip=5)
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
    assert sum([a, b, a]).vector.tolist() == [7, 8] and sum([a, b]).name == "a + b"
    for two in (2, np.int64(2), np.float32(2), torch.tensor(2.0)):
        assert (two * a).vector.tolist() == (a * two).vector.tolist() == [6, 8]
        assert (a / two).vector.tolist() == [1.5, 2]


def test_a_direction_that_points_nowhere_is_refused():
    a = Direction("a", 3, torch.tensor([3.0, 4.0]), 2.0)
    for none in (a - a, 0 * a, a * float("inf"), Direction("bad", 3, torch.tensor([float("nan"), 1.0]), 2.0)):
        with pytest.raises(EmovecError, match="has length (0|inf|nan), so it points nowhere"):
            none.unit()


def test_layers_may_be_numpys_or_torchs(vectors):
    plain = vectors.direction("b", 2)
    for two in (np.int64(2), np.uint8(2), torch.tensor(2), torch.arange(3)[2]):
        assert torch.equal(vectors.at(two), vectors.at(2)) and torch.equal(
            vectors.neutral_at(two), vectors.neutral_at(2)
        )
        direction = vectors.direction("b", two)
        assert direction.layer == 2 and type(direction.layer) is int
        assert torch.equal((direction + plain).vector, 2 * plain.vector)
        assert type(Direction("x", two, plain.vector, 1.0).layer) is int


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
    for layer in (4, -1, "embedding", 1.0, True, np.int64(4), torch.tensor(1.0), None):
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

    monkeypatch.setattr(vectors_module.os, "replace", full)
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
    first = load_or_compute(tiny(), corpus, skip=5)
    assert "Computed vectors from 11 stories" in capsys.readouterr().out
    second = load_or_compute(tiny(), corpus, skip=5)
    assert "Loaded kept vectors" in capsys.readouterr().out
    torch.testing.assert_close(first.means, second.means, rtol=1e-3, atol=1e-4)
    load_or_compute(tiny(), corpus, skip=6)
    assert "Computed vectors" in capsys.readouterr().out


def test_load_or_compute_replaces_a_damaged_file(tmp_path, tiny, corpus, monkeypatch, capsys):
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path))
    load_or_compute(tiny(), corpus, skip=5)
    (path,) = (tmp_path / "vectors").iterdir()
    path.write_bytes(b"half")
    load_or_compute(tiny(), corpus, skip=5)
    out = capsys.readouterr().out
    assert "Not using kept vectors" in out and "Computed vectors" in out
    EmotionVectors.load(path)


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_cache_that_cannot_be_written_loses_no_result(tmp_path, tiny, corpus, monkeypatch, capsys, elsewhere):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path / "file" / "shared"))
    own = tmp_path / ("own" if elsewhere else "file/own")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: own)
    if not elsewhere:
        monkeypatch.setattr("tempfile.gettempdir", lambda: str(own))
    first = load_or_compute(tiny(), corpus, skip=5)
    assert first.emotions == ("a", "b", "c")
    assert (f"kept in {own}" if elsewhere else "not kept: Cannot write to") in capsys.readouterr().out
    if elsewhere:
        load_or_compute(tiny(), corpus, skip=5)
        assert "Loaded kept vectors" in capsys.readouterr().out


def test_vectors_kept_in_a_shared_cache_are_used(tmp_path, tiny, corpus, monkeypatch, capsys):
    """The teacher's, in a folder that the class can read and not write."""
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path / "shared"))
    load_or_compute(tiny(), corpus, skip=5)
    monkeypatch.setattr(x, "results_folder", lambda: tmp_path / "own")
    capsys.readouterr()
    load_or_compute(tiny(), corpus, skip=5)
    assert "Loaded kept vectors" in capsys.readouterr().out and not (tmp_path / "own").exists()
    load_or_compute(tiny(), corpus, skip=6)
    assert f"kept in {tmp_path / 'own' / 'vectors'}" in capsys.readouterr().out


def test_a_model_is_loaded_by_its_name_only_if_something_must_be_computed(
    tmp_path, tiny, corpus, monkeypatch, capsys
):
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path))
    spec = replace(tiny().spec, name="smollm2-360m")
    loaded = []
    monkeypatch.setattr(x, "load_model", lambda name: loaded.append(name) or replace(tiny(), spec=spec))
    for _ in range(2):
        load_or_compute("smollm2-360m", corpus, skip=5)
        assert loaded == ["smollm2-360m"]
    # Of a model that is not in the registry only its weights can tell whether kept vectors are its own.
    spec = replace(tiny().spec, name="someone--model")
    for weights in ("these", "those", "those"):
        monkeypatch.setattr(x, "load_model", lambda name, w=weights: replace(tiny(), spec=spec, weights_sha256=w))
        assert load_or_compute("someone/model", corpus, skip=5).provenance["weights_sha256"] == weights
    monkeypatch.undo()
    with pytest.raises(UnknownName, match="smollm2-361m"):
        load_or_compute("smollm2-361m", corpus)


def test_short_stories_are_left_out_and_counted(tmp_path, tiny, corpus, monkeypatch, capsys):
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path))
    short = Story("w1 w2 w3", "b", "t9")
    mixed = Corpus("toy", (*corpus.stories[:4], short, *corpus.stories[4:], short))
    vectors = load_or_compute(tiny(), mixed, skip=5)
    assert "2 of 13 stories have at most 5 tokens and were left out" in capsys.readouterr().out
    torch.testing.assert_close(vectors.means, extract(tiny(), corpus, skip=5).means, rtol=1e-4, atol=1e-6)
    assert json.loads(vectors.provenance["left_out"]) == [4, 12]
    assert vectors.provenance["corpus_sha256"] == corpus.sha256
    assert load_or_compute(tiny(), mixed, skip=5).provenance == vectors.provenance
    assert "Loaded kept vectors" in capsys.readouterr().out
    assert "left_out" not in extract(tiny(), corpus, skip=5).provenance
    (path,) = (tmp_path / "vectors").iterdir()
    with pytest.raises(ArtifactError, match="SHA-256 of the corpus"):
        EmotionVectors.load(path, corpus=Corpus("toy", (short, *corpus.stories)))
    with pytest.raises(CorpusError, match="all stories of 'c' have at most 5 tokens"):
        extract(tiny(), Corpus("toy", (*corpus.stories[:7], Story("w1 w2", "c"))), skip=5)


def test_sums_of_parts_are_those_of_the_whole():
    torch.manual_seed(0)
    # Far from 0, unequal, and more of one emotion than of another: float32 would lose what they differ in.
    values, labels = torch.randn(40, 3, 5) + 1000, [*"abbcbbbbca" * 4]
    means, center = Sums.of(values, labels).centred()
    order = torch.randperm(40).tolist()
    cuts = [order[:3], order[3:4], order[4:30], order[30:]]
    parts = [Sums.of(values[cut], [labels[i] for i in cut]) for cut in cuts]
    merged = parts[2] + parts[0] + (parts[3] + parts[1])
    assert merged.counts == {"a": 8, "b": 24, "c": 8}
    assert torch.equal(merged.centred()[0], means) and torch.equal(merged.centred()[1], center)
    exact = torch.stack([values.double()[[i for i, e in enumerate(labels) if e == x]].mean(dim=0) for x in "abc"])
    assert torch.equal(means, (exact - exact.mean(dim=0)).float()) and means.dtype == torch.float32


def test_an_interrupted_extraction_keeps_nothing(tmp_path, tiny, corpus, monkeypatch):
    monkeypatch.setenv("EMOVEC_CACHE", str(tmp_path))

    def interrupt(*args):
        raise KeyboardInterrupt

    handle = tiny().blocks[3].register_forward_hook(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            load_or_compute(tiny(), corpus, skip=5)
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
    assert project_out(torch.tensor([1.0, 2, 3, 4]), components).tolist() == [0, 0, 3, 4]


def test_story_activations_belong_to_the_stories_not_the_neutral_passages(tiny, corpus, vectors):
    assert isinstance(vectors.stories, MeanActivations)
    acts = mean_activations(tiny(), corpus.texts, skip=5)
    torch.testing.assert_close(vectors.stories.blocks, acts.blocks, rtol=1e-4, atol=1e-5)
    assert json.loads(json.dumps(vectors.provenance)) == vectors.provenance


# --- Of some of the stories ----------------------------------------------------------------------------


def test_vectors_of_a_subset_are_those_of_its_activations(tiny, corpus, vectors):
    chosen = Corpus("some", tuple(x for x in corpus if x.topic in ("t1", "t3")))
    sub = x.subset_vectors(vectors, corpus, chosen)
    fresh = extract(tiny(), chosen, skip=5)
    assert sub.emotions == fresh.emotions and sub.layers == fresh.layers
    torch.testing.assert_close(sub.means, fresh.means, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(sub.embed, fresh.embed, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(sub.center, fresh.center, rtol=1e-4, atol=1e-5)
    assert torch.equal(sub.neutral, vectors.neutral)  # not the stories': the neutral passages are the same
    assert sub.provenance["corpus"] == "some" and sub.provenance["corpus_sha256"] == chosen.sha256
    assert x.story_activations(sub, chosen) is sub.stories


def test_a_subset_holds_the_layers_whose_stories_were_kept(tmp_path, corpus, vectors):
    vectors.save(tmp_path / "few.safetensors", story_layers=[1, 3], story_embed=False)
    few = EmotionVectors.load(tmp_path / "few.safetensors")
    assert few.layers == (0, 1, 2, 3) and few.stories.held == (1, 3)
    chosen = Corpus("some", tuple(x for x in corpus if x.emotion != "b"))
    sub = x.subset_vectors(few, corpus, chosen)
    assert sub.layers == (1, 3) and sub.emotions == ("a", "c") and sub.embed is None
    whole = x.subset_vectors(vectors, corpus, chosen)
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
    assert x.story_activations(again, chosen).held == (1, 3)


def test_some_layers_alone_are_what_they_were_and_know_how_deep_the_model_is(tmp_path, corpus, vectors):
    vectors.save(tmp_path / "few.safetensors", story_layers=[1, 3])
    few = EmotionVectors.load(tmp_path / "few.safetensors", corpus=corpus)
    part = few.only([3, 2])
    assert part.layers == (3, 2) and part.stories.held == (3, "embed")
    assert part.n_layers == vectors.n_layers == 4 and part.main_layer == vectors.main_layer
    for layer in (2, 3, "embed"):
        assert torch.equal(part.at(layer), few.at(layer))
    for layer in (2, 3):
        one, other = part.direction("a", layer), few.direction("a", layer)
        assert torch.equal(one.vector, other.vector) and one.residual_norm == other.residual_norm
    assert torch.equal(part.stories.at(3), few.stories.at(3))
    part.save(tmp_path / "part.safetensors", story_layers=[3])
    again = EmotionVectors.load(tmp_path / "part.safetensors", corpus=corpus)
    assert again.layers == (3, 2) and again.n_layers == 4 and again.main_layer == vectors.main_layer
    torch.testing.assert_close(again.at(2), few.at(2), rtol=0.02, atol=2e-3)
    with pytest.raises(UnknownName, match="layer"):
        part.at(1)
    with pytest.raises(UnknownName, match="layer"):
        few.only([7])


def test_a_subset_of_something_else_is_refused(corpus, vectors):
    stranger = Corpus("other", (*corpus.stories[1:], Story("w1", "a", "t0")))
    with pytest.raises(CorpusError, match="1 of 11 stories are not in 'toy'"):
        x.subset_vectors(vectors, corpus, stranger)
    with pytest.raises(CorpusError, match="it has 1 emotion"):
        x.subset_vectors(vectors, corpus, Corpus("one", tuple(corpus.select("a"))))
    with pytest.raises(ArtifactError, match="Take the corpus that they were made from"):
        x.subset_vectors(vectors, stranger, corpus)
