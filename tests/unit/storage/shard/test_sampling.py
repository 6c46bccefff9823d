"""What a shard says of how far its pictures are from a query: true, whatever the filter, and after all changes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.filters.text_form import parse_filter
from storage.index.query_expansion import ROW_WEIGHTS
from storage.index.unit_vectors import unit_rows
from storage.index.whitening import train_whitening
from storage.operations.indexes import Whiten
from storage.operations.models import AdoptModel, BeginModel, SwitchModel
from storage.shard.placement import shard_of
from storage.shard.search import search_feature
from storage.shard.shard import Shard
from storage.types.features import FeatureSpec, Vectors
from storage.types.searches import FeatureQuery, SampledDistances, ShardQuery
from storage.upkeep.factory import build_index
from tests.suites.exact_index import plain_distances
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.models import ONE, TWO, fill_seen, put_seen, seen_by
from tests.unit.storage.samples import applied, delete, picture_rows, put

NAMES = [f"i{number:03}" for number in range(60)]


def sample_of(shard: Shard, query: FeatureQuery, filter: str | None = None) -> SampledDistances:
    [answer] = shard.search([ShardQuery((query,), None if filter is None else parse_filter(filter))])
    return answer.samples[query.feature]


def by_hash(seed: str) -> FeatureQuery:
    rows = picture_rows(seed)["phash"].query_rows
    assert rows is not None
    return FeatureQuery("phash", rows, 3)


def distances_of(sample: SampledDistances) -> NDArray[np.float32]:
    assert sample.distances is not None
    return sample.distances


def measured(seed: str, stored: Iterable[str]) -> list[float]:
    """Ascending: of the nearest view of ``seed`` to each stored picture."""
    views = by_hash(seed).rows
    rows = [picture_rows(name)["phash"].rows for name in stored]
    return sorted(min(float(plain_distances("hamming", view, row)[0]) for view in views) for row in rows)


@pytest.fixture
def small_samples(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("storage.index.sample.COLLECTION_SAMPLE", 20)
    return 20


@pytest.fixture
def full(shard: Shard) -> Shard:
    applied(shard, [put(name) for name in NAMES])
    return shard


def test_all_distances_are_told_where_there_are_few_pictures(full: Shard) -> None:
    sample = sample_of(full, by_hash("another"))
    assert distances_of(sample).tolist() == measured("another", NAMES)
    assert distances_of(sample).dtype == np.float32
    assert sample.pictures == 60


def test_a_sample_of_many_is_bounded_and_of_the_pictures_there_are(full: Shard, small_samples: int) -> None:
    sample = sample_of(full, by_hash("another"))
    assert len(distances_of(sample)) == small_samples
    assert set(distances_of(sample).tolist()) <= set(measured("another", NAMES))
    assert sample.pictures == 60


@pytest.mark.usefixtures("small_samples")
def test_the_shards_of_a_collection_share_its_sample(reopen: Reopen) -> None:
    shard = reopen(index=1, shard_count=3)
    applied(shard, [put(name) for name in NAMES if shard_of(name, 3) == 1])
    sample = sample_of(shard, by_hash("another"))
    assert sample.pictures > len(distances_of(sample)) == 7


@pytest.mark.parametrize("feature", ["phash", "color"])
def test_filters_and_cuts_do_not_change_it(full: Shard, feature: str) -> None:
    rows = picture_rows("another")[feature].rows
    plain = sample_of(full, FeatureQuery(feature, rows, 5))
    for query, filter in (
        (FeatureQuery(feature, rows, 5), 'id = "i007"'),
        (FeatureQuery(feature, rows, 60), "width > 9999"),
        (FeatureQuery(feature, rows, 1, 0.0), None),
    ):
        other = sample_of(full, query, filter)
        np.testing.assert_array_equal(distances_of(other), distances_of(plain))
        assert other.pictures == plain.pictures


@pytest.mark.usefixtures("small_samples")
def test_it_is_the_same_after_a_restart(full: Shard, reopen: Reopen) -> None:
    before = distances_of(sample_of(full, by_hash("another")))
    np.testing.assert_array_equal(distances_of(sample_of(reopen(), by_hash("another"))), before)


@pytest.mark.usefixtures("small_samples")
def test_it_follows_what_is_added_replaced_and_removed(full: Shard, reopen: Reopen) -> None:
    sample_of(full, by_hash("x"))  # from here on it is kept
    applied(full, [put(f"more{number}") for number in range(100)])
    applied(full, [delete(name) for name in NAMES])
    applied(full, [put(f"more{number}", seed="x", on_conflict="replace") for number in range(100)])
    sample = sample_of(full, by_hash("x"))
    assert sample.pictures == 100
    assert set(distances_of(sample).tolist()) == {0.0}
    assert 18 <= len(distances_of(sample)) <= 20
    again = sample_of(reopen(), by_hash("x"))
    assert (again.pictures, set(distances_of(again).tolist())) == (100, {0.0})


def test_pictures_without_the_feature_do_not_count(full: Shard) -> None:
    applied(full, [put("bare", pending=["color"])])
    assert sample_of(full, by_hash("x")).pictures == 61
    assert sample_of(full, FeatureQuery("color", picture_rows("x")["color"].rows, 3)).pictures == 60


def test_an_empty_shard_has_an_empty_sample(shard: Shard) -> None:
    sample = sample_of(shard, by_hash("x"))
    assert (distances_of(sample).tolist(), sample.pictures) == ([], 0)


def test_of_a_picture_with_several_rows_the_nearest_counts() -> None:
    spec = FeatureSpec("patches", "binary", 64, "hamming", "v1")
    rows = np.array([[0], [1], [3], [7]], np.uint64).view(np.uint8)
    handles = np.array([5, 9, 5, 9], np.int64)
    index = build_index(spec).with_changes(remove=handles[:0], add=handles, rows=rows)
    query = FeatureQuery("patches", np.array([[3]], np.uint64).view(np.uint8), 1)
    [(_, sample)] = search_feature(index, [query], None, sample_size=100, pictures=2)
    assert sample is not None
    assert distances_of(sample).tolist() == [0.0, 1.0]


def cosine_distances(query: Vectors, names: Iterable[str], model: FeatureSpec = ONE) -> list[float]:
    return sorted(1.0 - float((query @ seen_by(model, name).rows.T)[0, 0]) for name in names)


def test_every_version_of_a_model_has_its_own(reopen: Reopen) -> None:
    shard = reopen(late=["global"])
    shard.ask(AdoptModel(ONE, {}))
    applied(shard, [put_seen(name, ONE) for name in NAMES])
    shard.ask(BeginModel(TWO, {}))
    applied(shard, [fill_seen(name, TWO) for name in NAMES[:25]])
    for model, stored in ((ONE, NAMES), (TWO, NAMES[:25])):
        rows = seen_by(model, "x").rows
        sample = sample_of(shard, FeatureQuery("global", rows, 3, fingerprint=model.fingerprint))
        np.testing.assert_allclose(distances_of(sample), cosine_distances(rows, stored, model), atol=1e-6)
        assert sample.pictures == len(stored)
    shard.ask(SwitchModel("global", TWO.fingerprint))
    query = FeatureQuery("global", seen_by(TWO, "x").rows, 3, fingerprint=TWO.fingerprint)
    assert sample_of(shard, query).pictures == 25


def test_vectors_that_are_whitened_are_measured_so(reopen: Reopen) -> None:
    shard = reopen(late=["global"])
    shard.ask(AdoptModel(ONE, {}))
    applied(shard, [put_seen(name, ONE) for name in NAMES])
    query = FeatureQuery("global", seen_by(ONE, "x").rows, 60, fingerprint=ONE.fingerprint)
    plain = distances_of(sample_of(shard, query))
    rows = np.concatenate([seen_by(ONE, name).rows for name in NAMES])
    shard.ask(Whiten("global", ONE.fingerprint, train_whitening(np.asarray(rows, np.float32))))
    [answer] = shard.search([ShardQuery((query,))])
    found = distances_of(answer.samples["global"])
    np.testing.assert_allclose(found, [hit.distance for hit in answer.hits["global"]], atol=1e-6)
    assert np.abs(found - plain).max() > 0.01


def test_an_expanded_query_is_measured_as_its_hits_are(reopen: Reopen) -> None:
    shard = reopen(late=["global"])
    shard.ask(AdoptModel(ONE, {}))
    applied(shard, [put_seen(name, ONE) for name in NAMES])
    rows = np.concatenate([seen_by(ONE, "x").rows, seen_by(ONE, "y").rows])
    query = FeatureQuery(
        "global", rows, 60, extras={ROW_WEIGHTS: np.array([1.0, 0.5], np.float32)}, fingerprint=ONE.fingerprint
    )
    [answer] = shard.search([ShardQuery((query,))])
    found = [hit.distance for hit in answer.hits["global"]]
    np.testing.assert_allclose(distances_of(answer.samples["global"]), found, atol=1e-6)
    as_one = unit_rows(np.asarray(rows[:1] + 0.5 * rows[1:], np.float32))
    np.testing.assert_allclose(found, cosine_distances(as_one, NAMES), atol=1e-6)
