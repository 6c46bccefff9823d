"""Queries of several weighted rows are one query, where distances are measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.index.query_expansion import ROW_WEIGHTS, expanded
from storage.index.unit_vectors import unit_rows
from storage.index.whitening import WhitenedIndex, train_whitening
from storage.operations.indexes import Whiten
from storage.operations.models import AdoptModel
from storage.shard.checks import check_query
from storage.shard.shard import Shard
from storage.tables.model_versions import ModelVersions
from storage.types.features import FloatVectors, Vectors
from storage.types.searches import FeatureQuery, ShardQuery
from storage.upkeep.factory import build_index
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.models import ONE, put_seen, seen_by
from tests.unit.storage.samples import COLOR, applied, ask, picture_rows

NAMES = [f"i{number:02}" for number in range(40)]
ROWS: FloatVectors = np.concatenate([np.asarray(seen_by(ONE, name).rows, np.float32) for name in NAMES])
ASKED = ["x", "i03", "i09"]
WEIGHTS = np.array([1, 0.5, 0.25], np.float32)
WHITENING = train_whitening(ROWS)


def seen(names: Sequence[str]) -> FloatVectors:
    return np.concatenate([np.asarray(seen_by(ONE, name).rows, np.float32) for name in names])


def weighted(rows: Vectors, weights: NDArray[np.float32], k: int = 7) -> FeatureQuery:
    return FeatureQuery("global", rows, k, extras={ROW_WEIGHTS: weights}, fingerprint="net-1")


@pytest.fixture(params=[False, True], ids=["plain", "whitened"])
def full(request: pytest.FixtureRequest, reopen: Reopen) -> tuple[Shard, bool]:
    shard = reopen(late=["global"])
    shard.ask(AdoptModel(ONE, {}))
    applied(shard, [put_seen(name, ONE) for name in NAMES])
    if request.param:
        shard.ask(Whiten("global", "net-1", WHITENING))
    return shard, request.param


def by_numpy(rows: FloatVectors, weights: NDArray[np.float32], *, whitened: bool) -> list[tuple[str, float]]:
    """The seven nearest of all pictures, with their distances."""
    stored = WHITENING.applied(ROWS) if whitened else ROWS
    asked = WHITENING.applied(rows) if whitened else rows
    one = (weights[:, None] * asked).sum(axis=0)
    distances = 1 - stored @ (one / np.linalg.norm(one))
    return [(NAMES[place], float(distances[place])) for place in np.argsort(distances)[:7]]


def test_weighted_rows_are_added_where_distances_are_measured(full: tuple[Shard, bool]) -> None:
    shard, whitened = full
    (given,) = shard.search([ShardQuery((weighted(seen(ASKED), WEIGHTS),))])
    wanted = by_numpy(seen(ASKED), WEIGHTS, whitened=whitened)
    assert [hit.id for hit in given.hits["global"]] == [name for name, _ in wanted]
    assert [hit.distance for hit in given.hits["global"]] == pytest.approx([far for _, far in wanted], abs=1e-5)
    assert {hit.view for hit in given.hits["global"]} == {0}
    assert given.took_ms["global"] > 0


def test_one_row_of_any_weight_is_a_query_without_weights(full: tuple[Shard, bool]) -> None:
    shard, _ = full
    plain = FeatureQuery("global", seen(["x"]), 7)
    one, other = shard.search([ShardQuery((weighted(seen(["x"]), np.array([0.3], np.float32)),)), ShardQuery((plain,))])
    assert [hit.id for hit in one.hits["global"]] == [hit.id for hit in other.hits["global"]]
    distances = [[hit.distance for hit in given.hits["global"]] for given in (one, other)]
    assert distances[0] == pytest.approx(distances[1], abs=1e-5)


def test_queries_with_and_without_weights_in_one_call_give_what_each_gives_alone(full: tuple[Shard, bool]) -> None:
    shard, _ = full
    queries = [
        ShardQuery((FeatureQuery("global", seen(["x", "y"]), 3),)),
        ShardQuery((weighted(seen(ASKED), WEIGHTS),)),
        ask("phash", picture_rows("i03")["phash"].rows, 2),
        ShardQuery(
            (weighted(seen(ASKED[::-1]), WEIGHTS, 4), FeatureQuery("phash", picture_rows("a")["phash"].rows, 2))
        ),
        ShardQuery((FeatureQuery("global", seen(["z"]), 9, 0.8),)),
    ]
    for together, query in zip(shard.search(queries), queries, strict=True):
        (alone,) = shard.search([query])
        assert together.errors == alone.errors == {}
        assert together.summaries.keys() == alone.summaries.keys()
        for feature, hits in alone.hits.items():
            assert [hit.id for hit in together.hits[feature]] == [hit.id for hit in hits]
            distances = [hit.distance for hit in together.hits[feature]]
            assert distances == pytest.approx([hit.distance for hit in hits], abs=1e-5)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        (weighted(seen(ASKED), WEIGHTS[:2]), "(2,) weights for 3 rows"),
        (weighted(seen(ASKED), WEIGHTS[:, None]), "(3, 1) weights for 3 rows"),
        (weighted(seen(ASKED), np.array([1, np.nan, 1], np.float32)), "not all weights"),
        (
            FeatureQuery("color", picture_rows("a")["color"].rows, 1, extras={ROW_WEIGHTS: WEIGHTS[:1]}),
            "weights for 1 rows of 'color'",
        ),
    ],
)
def test_weights_that_do_not_fit_are_told_of(query: FeatureQuery, problem: str) -> None:
    versions = ModelVersions.of([ONE, COLOR])
    assert check_query(weighted(seen(ASKED), WEIGHTS), versions) is None
    assert problem in (check_query(query, versions) or "")


def test_weights_that_cancel_out_still_give_a_query() -> None:
    index = build_index(ONE)
    plain, [one] = expanded(index, weighted(seen(["x", "x"]), np.array([1, -1], np.float32)))
    assert plain is index
    np.testing.assert_array_equal(one.rows, np.eye(1, 8, dtype=np.float32))
    assert one.extras == {}


def test_a_whitened_index_is_asked_behind_its_whitening() -> None:
    index = build_index(ONE, None, None, WHITENING)
    assert isinstance(index, WhitenedIndex)
    plain, [one] = expanded(index, weighted(seen(ASKED), WEIGHTS))
    assert plain is index.inner
    np.testing.assert_allclose(one.rows, unit_rows(WEIGHTS[None] @ WHITENING.applied(seen(ASKED))), atol=1e-6)
