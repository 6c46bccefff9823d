"""A reader always finds the view of its transaction's sequence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from storage.errors import LostOwnership
from storage.kv.store import LmdbStore, ReadTransaction, WriteTransaction
from storage.tables.schema import META, SEQUENCE, meta_number, put_meta_number
from storage.upkeep.moments import Moment, Moments
from tests.unit.storage.conftest import MakeStore


@pytest.fixture
def store(make_store: MakeStore) -> LmdbStore:
    store = make_store([META])
    store.write(lambda transaction: put_meta_number(transaction, SEQUENCE, 4))
    return store


def read_sequence(store: Any, views: Moments) -> int:
    with views.read(store) as (transaction, view):
        assert meta_number(transaction, SEQUENCE) == view.sequence
        return view.sequence


def test_before_during_and_after_a_commit_there_is_a_view(store: LmdbStore) -> None:
    views = Moments(Moment(4, {}))
    assert read_sequence(store, views) == 4

    def work(transaction: WriteTransaction) -> None:
        put_meta_number(transaction, SEQUENCE, 5)
        views.stage(Moment(5, {}))
        assert read_sequence(store, views) == 4

    store.write(work)
    assert read_sequence(store, views) == 5
    assert views.current.sequence == 4
    views.settle(lambda: 5)
    assert read_sequence(store, views) == views.current.sequence == 5


def test_a_failed_commit_leaves_the_view_that_was(store: LmdbStore) -> None:
    views = Moments(Moment(4, {}))
    views.stage(Moment(5, {}))
    views.settle(lambda: 4)
    assert read_sequence(store, views) == views.current.sequence == 4


def test_a_reader_that_was_passed_by_begins_again(store: LmdbStore) -> None:
    views = Moments(Moment(4, {}))

    class Slow:
        @contextmanager
        def read(self) -> Iterator[ReadTransaction]:
            with store.read() as moment:
                if views.current.sequence < 6:
                    following = views.current.sequence + 1
                    store.write(lambda transaction: put_meta_number(transaction, SEQUENCE, following))
                    views.stage(Moment(following, {}))
                    views.settle(lambda: following)
                yield moment

    assert read_sequence(Slow(), views) == 6


def test_changes_of_another_process_are_noticed(store: LmdbStore) -> None:
    views = Moments(Moment(4, {}))
    store.write(lambda transaction: put_meta_number(transaction, SEQUENCE, 9))
    with pytest.raises(LostOwnership):
        read_sequence(store, views)
