"""The default model itself: the right weights, and shipped vectors that are what extraction gives here and now."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from emovec_lite import effects
from emovec_lite.activations import mean_activations, prompt_activations, reading, token_activations
from emovec_lite.alignment import align, ridge_r
from emovec_lite.extraction import centred_means, load_or_compute, neutral_components, shipped_path
from emovec_lite.generation import generate, perplexity
from emovec_lite.held_out import carried_over, held_out
from emovec_lite.models import DEFAULT_MODEL, MODELS, cached, load_model
from emovec_lite.readout import logit_lens
from emovec_lite.resampling import bootstrap
from emovec_lite.steering import steer
from emovec_lite.stories import DATA, load_corpus, load_neutral
from emovec_lite.vectors import EmotionVectors


@pytest.fixture(scope="module")
def corpus():
    return load_corpus()


@pytest.fixture(scope="module")
def vectors(corpus):
    return EmotionVectors.load(shipped_path("smollm2-135m", corpus), corpus=corpus)


def test_it_is_the_model_that_the_registry_describes(subject):
    assert subject.n_layers == MODELS["smollm2-135m"].layers and subject.d_model == 576
    assert cached("smollm2-135m", verify=True)
    manifest = json.loads((cached("smollm2-135m") / "manifest.json").read_text())
    assert manifest["gguf_sha256"] == subject.weights_sha256 == MODELS["smollm2-135m"].gguf_sha256


def test_it_speaks(subject):
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    ids = subject.tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    out = subject.hf.generate(**ids.to(subject.device), max_new_tokens=12, do_sample=False)
    assert "Paris" in subject.tokenizer.decode(out[0, ids["input_ids"].shape[1] :])


def test_recorded_at_a_layer_is_what_the_next_block_receives(subject):
    received = {}
    handles = [
        block.register_forward_pre_hook(lambda module, args, layer=layer: received.update({layer: args[0]}))
        for layer, block in enumerate(subject.blocks)
    ]
    try:
        recorded = token_activations(subject, "The bus had stopped, and nobody knew why.")
    finally:
        [handle.remove() for handle in handles]
    for layer in range(subject.n_layers - 1):
        assert torch.equal(recorded[layer], received[layer + 1][0].float())


def test_the_first_token_is_an_outlier_that_the_skip_leaves_out(subject):
    norms = token_activations(subject, load_corpus().texts[0]).norm(dim=-1)
    middle = norms[12:25]
    assert (middle[:, 0] > 20 * middle[:, 1:].max(dim=1).values).all()


def test_shipped_vectors_are_what_extraction_gives(subject, corpus, vectors):
    """All stories of two emotions, read anew: story by story where stories are shipped, and at every layer the
    difference between the two emotions' means, where the centring cancels out."""
    pair = [i for i, s in enumerate(corpus) if s.emotion in ("happy", "afraid")]
    assert len(pair) == 24
    fresh = mean_activations(subject, [corpus.texts[i] for i in pair], int(vectors.provenance["skip"]))
    cosine = torch.nn.functional.cosine_similarity
    floor = 0.9999 if subject.dtype == torch.float32 else 0.995
    for layer in (*vectors.stories.layers, "embed"):
        a, b = fresh.at(layer), vectors.stories.at(layer)[pair]
        center = vectors.stories.at(layer).mean(dim=0)
        assert cosine(a - center, b - center, dim=-1).min() > floor, layer
    labels = [corpus.labels[i] for i in pair]
    means, _ = centred_means(fresh.blocks, labels)
    happy, afraid = vectors.emotions.index("happy"), vectors.emotions.index("afraid")
    shipped = vectors.means[happy] - vectors.means[afraid]
    assert cosine(means[1] - means[0], shipped, dim=-1).min() > floor


def test_shipped_means_are_the_means_of_the_shipped_stories(corpus, vectors):
    for layer in vectors.stories.layers:
        means, center = centred_means(vectors.stories.at(layer), corpus.labels)
        shipped = vectors.at(layer, denoise=False)
        assert torch.nn.functional.cosine_similarity(means, shipped, dim=-1).min() > 0.9999
        assert ((means.norm(dim=-1) / shipped.norm(dim=-1) - 1).abs() < 0.01).all()
        assert torch.nn.functional.cosine_similarity(center, vectors.center[layer], dim=0) > 0.9999


def test_shipped_neutral_components_are_those_of_the_neutral_passages(subject, vectors):
    from emovec_lite.stories import load_neutral

    neutral = mean_activations(subject, load_neutral(), int(vectors.provenance["skip"]))
    for layer in (0, 9, 19, 29):
        shipped = vectors.neutral_at(layer)
        shipped = shipped[shipped.norm(dim=1) > 0.5]
        fresh = neutral_components(neutral.at(layer))
        assert len(shipped) == len(fresh)
        # The subspace, not its basis: components of like variance may swap.
        assert ((shipped @ fresh.T).square().sum() / len(fresh)) > 0.999


def test_shipped_vectors_load_at_once_without_the_model(vectors, capsys):
    loaded = load_or_compute(DEFAULT_MODEL)
    assert "Loaded shipped vectors" in capsys.readouterr().out
    assert torch.equal(loaded.means, vectors.means)


def test_everything_shipped_is_small():
    files = [f for f in Path(DATA).rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) <= 25e6


@pytest.mark.parametrize("path", sorted((DATA / "vectors").glob("*.safetensors")), ids=lambda path: path.stem)
def test_shipped_vectors_are_of_the_stories_that_are_here_and_of_the_registrys_weights(path):
    model, _, name = path.stem.rpartition("-")
    there = EmotionVectors.load(path, corpus=load_corpus(name))
    spec = MODELS[model]
    assert there.provenance["weights_sha256"] == spec.gguf_sha256 and there.n_layers == spec.layers
    assert len(there.emotions) == 48 and there.main_layer in there.layers and there.main_layer in there.stories.held
    assert there.means.isfinite().all() and there.stories.blocks.isfinite().all() and (there.norms > 0).all()
    means, _ = centred_means(there.stories.at(there.main_layer), load_corpus(name).labels)
    shipped = there.at(there.main_layer, denoise=False)
    assert torch.nn.functional.cosine_similarity(means, shipped, dim=-1).min() > 0.999
    if name == "shown":
        assert there.layers == tuple(range(spec.layers))


def test_the_papers_headline_is_in_the_blocks(vectors):
    """The first component follows human valence, as in both papers; another scale has its own."""
    found, bare = align(vectors, "valence", permutations=500), align(vectors, "valence", ["embed"], permutations=10)
    first = abs(found.pc_r[:, 0])
    assert found.pc_p < 0.005 and found.best_pc[1] == 1 and first.max() > 0.8 > bare.best_pc[2] + 0.1
    assert found.best_ridge[1] > bare.best_ridge[1] > 0.5
    assert align(vectors, "arousal", permutations=500).ridge_p < 0.05


def test_what_is_learnt_from_shown_stories_carries_over_to_told_and_oblique_ones(corpus, vectors):
    stories = vectors.stories.at(vectors.main_layer).numpy()
    for name in ("told", "oblique"):
        other = load_corpus(name)
        new = EmotionVectors.load(shipped_path(DEFAULT_MODEL, other), corpus=other).stories
        there = carried_over(stories, corpus, new.at(vectors.main_layer).numpy(), other, shuffles=50)
        bare = carried_over(vectors.stories.at("embed").numpy(), corpus, new.at("embed").numpy(), other, shuffles=0)
        assert there.accuracy > 1.4 * there.word_counts > there.shuffled.max() and there.p < 0.05
        assert there.accuracy > bare.accuracy


def test_within_one_manner_words_tell_as_much_as_vectors(corpus, vectors):
    result = held_out(vectors.stories.at(vectors.main_layer).numpy(), corpus, shuffles=20)
    assert result.accuracy > result.word_counts > 0.9 and result.p < 0.05


@pytest.mark.parametrize("name", ["told", "oblique", "own"])
def test_shipped_vectors_of_the_other_corpora_are_what_extraction_gives(subject, name):
    corpus = load_corpus(name)
    vectors = EmotionVectors.load(shipped_path("smollm2-135m", corpus), corpus=corpus)
    held = (19,) if name == "own" else (19, "embed")
    assert vectors.stories.held == held and vectors.provenance["dtype"] == "float32"
    assert vectors.layers == tuple(range(1, 30, 2))
    pair = [i for i, s in enumerate(corpus) if s.emotion in ("happy", "afraid")]
    fresh = mean_activations(subject, [corpus.texts[i] for i in pair], int(vectors.provenance["skip"]))
    cosine = torch.nn.functional.cosine_similarity
    floor = 0.9999 if subject.dtype == torch.float32 else 0.995
    for layer in held:
        center = vectors.stories.at(layer).mean(dim=0)
        assert cosine(fresh.at(layer) - center, vectors.stories.at(layer)[pair] - center, dim=-1).min() > floor, layer
    means, _ = centred_means(fresh.blocks[:, 1::2], [corpus.labels[i] for i in pair])
    shipped = vectors.means[vectors.emotions.index("happy")] - vectors.means[vectors.emotions.index("afraid")]
    assert cosine(means[1] - means[0], shipped, dim=-1).min() > floor


def test_the_lens_is_the_models_own_norm_and_unembedding(subject, vectors):
    direction = vectors.direction("sad", 28)
    logits = subject.hf.get_output_embeddings().weight.float().cpu() @ (
        subject.final_norm.weight.float().cpu() * direction.vector
    )
    lens = logit_lens(subject, direction, k=5)
    for pairs, largest in ((lens.top, True), (lens.bottom, False)):
        best = logits.topk(5, largest=largest)
        np.testing.assert_allclose([x for _, x in pairs], best.values, rtol=0.02)
        if subject.dtype == torch.float32:
            assert [t for t, _ in pairs] == [subject.tokenizer.decode([i]) for i in best.indices]


def test_a_prompt_ends_where_the_answer_begins(subject):
    ids = subject.chat("I lost my keys.")
    assert subject.tokenizer.decode(ids).endswith("I lost my keys.<|im_end|>\n<|im_start|>assistant\n")
    read = prompt_activations(subject, ["I lost my keys.", load_corpus("scenarios").texts[0]])
    seen = {}
    with reading(subject, seen.__setitem__), torch.inference_mode():
        subject.hf(torch.tensor([ids], device=subject.device))
    torch.testing.assert_close(read.at(19)[0], seen[19][0, -1].float().cpu(), rtol=0.01, atol=0.5)


def test_the_bootstrap_of_shipped_stories_is_about_the_shipped_vectors(corpus, vectors):
    found = bootstrap(vectors, corpus, 19, lambda v: ridge_r(v, vectors.emotions, "valence"), samples=60)
    assert found.observed == pytest.approx(align(vectors, "valence", [19], 10).ridge_r[0], abs=0.005)
    low, high = found.bounds
    assert 0 < low < found.observed < high < 1


def test_calibration_finds_the_largest_strength_within_the_bound(subject, vectors, monkeypatch):
    monkeypatch.setattr(effects, "OPENINGS", ("He said that",))
    monkeypatch.setattr(effects, "TOKENS", 4)
    found = effects.calibrate(subject, vectors, "sad", layers=[10, 19], bound=1.5)
    assert list(found.table.layer) == [10, 19] and (found.table.price <= 1.5).all()
    passage = load_neutral()[:1]
    plain = perplexity(subject, passage)[0]
    for row in found.table.itertuples():
        assert 0.05 <= row.strength <= 0.5
        direction = vectors.direction("sad", row.layer)
        with steer(subject, direction, row.strength):
            assert perplexity(subject, passage)[0] / plain == pytest.approx(row.price, rel=0.01)
        with steer(subject, direction, row.strength + 0.05):
            assert perplexity(subject, passage)[0] / plain > 1.5
    best = found.table.loc[found.table.effect.idxmax()]
    assert (found.direction.layer, found.strength) == (best.layer, best.strength)
    assert found.direction.name == "sad" and found.direction.vector.norm().item() == pytest.approx(1)


@pytest.mark.parametrize("strength", [0.1, 0.3, -0.3])
@pytest.mark.parametrize("layer", [5, 19])
def test_steering_is_nnsights_intervention_at_every_step_token_for_token(subject, vectors, layer, strength):
    direction, prompt, steps = vectors.direction("afraid", layer), "The bus broke down, and she", 12
    patch = (strength * direction.residual_norm * direction.vector).to(subject.device, subject.dtype)
    for positions in ("all", "generated"):
        with subject.nn.generate(prompt, max_new_tokens=steps, min_new_tokens=steps, do_sample=False) as tracer:
            for _ in tracer.iter[:steps]:
                if positions == "all":
                    subject.nn.model.layers[layer].output[:] += patch
                else:
                    subject.nn.model.layers[layer].output[:, -1] += patch
            ids = tracer.result.save()
        theirs = subject.tokenizer.decode(ids[0], skip_special_tokens=True).removeprefix(prompt)
        with steer(subject, direction, strength, positions):
            assert generate(subject, prompt, steps) == theirs
    if layer == 19 and abs(strength) > 0.1:  # an early or a weak push need not change the likeliest words
        assert theirs != generate(subject, prompt, steps)


def test_the_shipped_doses_are_what_the_model_writes_and_thinks(subject, vectors):
    table = effects.shipped_doses()
    some = table[table.perplexity.notna()].iloc[::301]
    got = effects.judge(subject, vectors, 24, list(some.text), list(some.prompt))
    exact = subject.dtype == torch.float32
    for name in ("odds", "projection", "perplexity"):
        assert np.corrcoef(got[name], some[name])[0, 1] > (0.999 if exact else 0.98)
        if exact:
            np.testing.assert_allclose(got[name], some[name], rtol=0.01, atol=0.02)
    happy = table[(table.direction == "happy") & (table.strength == 0.25)].iloc[::4]
    author = subject if exact else load_model(dtype=torch.float32)  # in bfloat16 few texts come out the same
    with steer(author, vectors.direction("happy", 19), 0.25):
        again = effects.sampled(author, list(happy.prompt), list(happy.seed), effects.TOKENS)
    # Sums round otherwise on other processors and in other company, and then a token may come out differently.
    assert np.mean([a == b for a, b in zip(again, happy.text, strict=True)]) >= 0.8
