"""What a batch remembers is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from storage.kv.store import LmdbStore, WriteTransaction
from storage.shard.mutations import MutationBatch, prepare_mutation
from storage.tables.change_log import log_entries, trim_log
from storage.tables.schema import LOG, LOG_START, OPERATION_ORDER, OPERATIONS, TABLES, feature_table, meta_number
from storage.types.mutations import Mutation, MutationResult
from tests.unit.storage.conftest import MakeStore
from tests.unit.storage.samples import delete, outcomes, put

FEATURES = ("color", "phash")


@pytest.fixture
def store(make_store: MakeStore) -> LmdbStore:
    return make_store([*TABLES, *map(feature_table, FEATURES)])


def run(store: LmdbStore, mutations: Sequence[Mutation], **bounds: Any) -> list[MutationResult]:
    def work(transaction: WriteTransaction) -> list[MutationResult]:
        batch = MutationBatch(transaction, FEATURES, **bounds)
        results = [batch.apply(prepare_mutation(mutation, FEATURES)) for mutation in mutations]
        batch.finish()
        return results

    return store.write(work)


def test_only_the_newest_operations_are_known(store: LmdbStore) -> None:
    run(store, [put(f"i{number}") for number in range(10)], operations_kept=10)
    run(store, [put("last")], operations_kept=10)
    assert outcomes(run(store, [put("i1"), put("i0")], operations_kept=10)) == ["created", "conflict"]
    with store.read() as transaction:
        assert (transaction.count(OPERATIONS), transaction.count(OPERATION_ORDER)) == (10, 10)


def test_the_log_keeps_the_newest_changes_and_says_from_where(store: LmdbStore) -> None:
    for number in range(8):
        run(store, [put(f"i{number}")], log_kept=5)
    with store.read() as transaction:
        assert transaction.count(LOG) == 5
        assert meta_number(transaction, LOG_START) == 4


def test_the_log_tells_what_came_and_went(store: LmdbStore) -> None:
    run(store, [put("a"), put("b", pending=["color"])])
    run(store, [delete("a"), put("c"), delete("c", "gone")])
    run(store, [delete("absent")])
    with store.read() as transaction:
        assert list(log_entries(transaction, 0)) == [
            ([], {"phash": [0, 1], "color": [0]}),
            ([0, 2], {}),
        ]
        assert list(log_entries(transaction, 1)) == [([0, 2], {})]
    store.write(lambda transaction: trim_log(transaction, 1))
    with store.read() as transaction:
        assert list(log_entries(transaction, 0)) == [([0, 2], {})]
