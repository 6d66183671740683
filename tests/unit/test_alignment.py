"""Alignment with human ratings on planted vectors, and on noise, where the null must hold its level."""

import numpy as np
import pytest
import torch

from emovec_lite.alignment import align, best_pc_r, rated_emotions, ridge_r
from emovec_lite.errors import CorpusError, UnknownName
from emovec_lite.geometry import pca
from emovec_lite.norms import glasgow, ratings
from tests.unit.planted import EMOTIONS, axis, make, noisy_stories, planted, with_stories


def test_planted_valence_is_found_with_its_layer():
    noise = np.random.default_rng(5).normal(size=(len(EMOTIONS), 60))
    vectors = make(np.stack([noise, planted(8), noise * 2], axis=1), embed=noise)
    found, bare = align(vectors, "valence", permutations=300), align(vectors, "valence", ["embed"], 300)
    assert found.best_pc[0] == 1 and found.best_pc[1] == 1 and found.best_pc[2] > 0.9
    assert found.best_ridge[0] == 1 and found.best_ridge[1] > 0.8
    assert found.pc_p == found.ridge_p == 1 / 301
    assert bare.layers == ("embed",) and bare.ridge_p > 0.05


def test_arousal_that_is_only_valence_is_not_found():
    """In these words the two scales correlate; without partialling out, valence passes for arousal."""
    y = ratings(EMOTIONS, "valence")
    matrix = np.random.default_rng(2).normal(size=(len(EMOTIONS), 60))
    matrix[:, 0] += 8 * (y - y.mean()) / y.std()
    plain = abs(np.corrcoef(pca(matrix)[0][:, 0], ratings(EMOTIONS, "arousal"))[0, 1])
    partial = align(make(matrix), "arousal", permutations=300)
    assert plain > 0.3
    assert partial.pc_p > 0.05 and partial.ridge_p > 0.05
    real = align(make(planted(8)), "arousal", permutations=300)
    assert real.ridge_p < 0.05


def test_the_null_takes_the_best_of_everything_looked_at():
    """Pure noise: p must be uniform although the best of 6 layers x 5 components is reported."""
    small = []
    for seed in range(60):
        noise = np.random.default_rng(seed).normal(size=(len(EMOTIONS), 6, 30))
        found = align(make(noise), "valence", permutations=99, seed=seed)
        small.append([found.pc_p < 0.1, found.ridge_p < 0.1])
        assert 0 < found.pc_p <= 1
    assert (np.mean(small, axis=0) < 0.22).all()  # expected 0.1; three standard errors above is 0.22


def test_more_layers_raise_the_bar():
    noise = np.random.default_rng(3).normal(size=(len(EMOTIONS), 12, 30))
    one, many = (align(make(noise), "valence", layers, 300) for layers in ([0], range(12)))
    assert np.median(many.pc_null) > np.median(one.pc_null)
    assert np.median(many.ridge_null) > np.median(one.ridge_null)


def test_unrated_emotions_count_in_the_components_and_not_in_the_correlations():
    extra = (*EMOTIONS, "zestful", "wistful")
    matrix = np.vstack([planted(8), np.full((2, 60), 3.0)])
    found = align(make(matrix, extra), "valence", permutations=50)
    assert found.n_rated == len(EMOTIONS)
    assert rated_emotions(extra).sum() == len(EMOTIONS)
    assert found.pc_r[0, 0] != align(make(planted(8)), "valence", permutations=50).pc_r[0, 0]


def test_too_few_rated_emotions():
    with pytest.raises(CorpusError, match="Only 5 of 6 emotions have a human rating"):
        align(make(np.eye(6), [*EMOTIONS[:5], "zestful"]), "valence")


def test_the_values_of_one_layer_are_those_of_align():
    vectors, _ = with_stories(noisy_stories(np.random.default_rng(1), axis()))
    matrix, found = vectors.at(0).double().numpy(), align(vectors, "valence", permutations=10)
    assert found.ridge_r[0] == pytest.approx(ridge_r(matrix, EMOTIONS, "valence"))
    assert found.best_pc[2] == pytest.approx(best_pc_r(matrix, EMOTIONS, "valence"))


def test_layers_may_be_numpy_or_torch_numbers():
    vectors = make(np.stack([planted(s, seed=s) for s in (1, 4)], axis=1))
    plain = align(vectors, "valence", [1, "embed"], 20)
    for number in (np.int64, torch.tensor):
        found = align(vectors, "valence", [number(1), "embed"], 20)
        assert found.layers == (1, "embed") and type(found.layers[0]) is int
        np.testing.assert_array_equal(found.ridge_r, plain.ridge_r)


def test_ratings():
    assert ratings(["happy", "sad", "zestful"], "valence")[:2].tolist() == [8.242, 2.2]
    assert np.isnan(ratings(["zestful"], "arousal")).all()
    assert ratings(["content"], "valence")[0] == 8.156  # the sense row: content (happy)
    with pytest.raises(UnknownName, match="scale 'valance'. Nearest: 'valence'"):
        ratings(["happy"], "valance")
    assert len(glasgow()) == 82
