"""Every feature gets the index that its kind and its configuration ask for."""

from __future__ import annotations

import numpy as np
import pytest

from storage.errors import Misconfigured
from storage.index.flat import FlatIndex
from storage.index.inverted_file import DescriptorIndex
from storage.types.features import FeatureSpec
from storage.upkeep.factory import IndexConfig, build_index, check_index_config
from tests.suites.vector_index_suite import LOCAL_SPECS, SPECS, make_rows

(LOCAL,) = LOCAL_SPECS
CENTROIDS = np.random.default_rng(1).uniform(0, 15, (3, LOCAL.dim)).astype(np.float32)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_picture_with_one_row_is_compared_with_all(spec: FeatureSpec) -> None:
    assert isinstance(build_index(spec), FlatIndex)
    assert build_index(spec, IndexConfig("exact")).kind == "exact"


def test_a_local_feature_has_lists_once_it_is_trained() -> None:
    untrained, trained = build_index(LOCAL, IndexConfig("inverted_file")), build_index(LOCAL, None, CENTROIDS)
    assert (untrained.kind, trained.kind) == ("exact", "inverted_file")
    assert isinstance(trained, DescriptorIndex)
    np.testing.assert_array_equal(trained.centroids, CENTROIDS)


def test_an_index_that_is_to_be_exact_has_no_lists_even_if_it_was_trained() -> None:
    assert build_index(LOCAL, IndexConfig("exact"), CENTROIDS).kind == "exact"


def test_the_number_of_probes_is_the_configured_one() -> None:
    index = build_index(LOCAL, IndexConfig(probes=1), CENTROIDS)
    rows = make_rows(LOCAL, 60, np.random.default_rng(0))
    index = index.with_changes(remove=np.zeros(0, np.int64), add=np.arange(60), rows=rows)
    assert (index.search(rows[:1], 60).handles >= 0).sum() < 60
    every = build_index(LOCAL, IndexConfig(probes=3), CENTROIDS)
    every = every.with_changes(remove=np.zeros(0, np.int64), add=np.arange(60), rows=rows)
    assert (every.search(rows[:1], 60).handles >= 0).sum() == 60


@pytest.mark.parametrize("kind", ["inverted_file", "hnsw", ""])
def test_a_kind_that_the_feature_cannot_have_is_refused_with_those_it_can(kind: str) -> None:
    with pytest.raises(Misconfigured, match="bits") as refusal:
        build_index(SPECS[0], IndexConfig(kind))  # type: ignore[arg-type]
    assert refusal.value.hint == "one of auto, exact"


def test_an_unknown_kind_of_a_local_feature_is_refused_with_the_known() -> None:
    with pytest.raises(Misconfigured, match="ivf_pq") as refusal:
        check_index_config(LOCAL, IndexConfig("ivf_pq"))  # type: ignore[arg-type]
    assert refusal.value.hint == "one of auto, exact, inverted_file"
