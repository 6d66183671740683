"""Clusters that are there, and a cloud that has none."""

import numpy as np
import pytest

from emovec_lite.clusters import cluster
from emovec_lite.errors import CorpusError


def test_separated_clusters_are_stable_and_found():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(4), 10)
    found = cluster(np.eye(20)[group] * rng.uniform(2, 9, size=(40, 1)) + 0.1 * rng.normal(size=(40, 20)), 4, 9)
    assert found.stability == 1 and found.p == 1 / 10
    assert len({*zip(group, found.labels, strict=True)}) == 4


def test_a_shapeless_cloud_has_no_stable_clusters():
    ps = [cluster(np.random.default_rng(s).normal(size=(40, 20)), 4, 9, seed=s).p for s in range(4)]
    assert np.mean(ps) > 0.2
    for k in (1, 32):
        with pytest.raises(CorpusError, match="choose k from 2 to 31"):
            cluster(np.eye(40), k)
