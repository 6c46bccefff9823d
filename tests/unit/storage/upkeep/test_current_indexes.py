"""A reader always finds the view of its transaction's sequence."""

from __future__ import annotations

from typing import Any

import pytest

from storage.errors import LostOwnership
from storage.kv.store import MemoryStore, WriteTransaction
from storage.tables.schema import META, SEQUENCE, meta_number, put_meta_number
from storage.upkeep.current_indexes import IndexView, IndexViews


def make_store(sequence: int) -> MemoryStore:
    store = MemoryStore([META])
    store.write(lambda transaction: put_meta_number(transaction, SEQUENCE, sequence))
    return store


def read_sequence(store: MemoryStore, views: IndexViews) -> int:
    with views.read(store) as (transaction, view):
        assert meta_number(transaction, SEQUENCE) == view.sequence
        return view.sequence


def test_before_during_and_after_a_commit_there_is_a_view() -> None:
    store, views = make_store(4), IndexViews(IndexView(4, {}))
    assert read_sequence(store, views) == 4

    def work(transaction: WriteTransaction) -> None:
        put_meta_number(transaction, SEQUENCE, 5)
        views.stage(IndexView(5, {}))
        assert read_sequence(store, views) == 4

    store.write(work)
    assert read_sequence(store, views) == 5
    assert views.current.sequence == 4
    views.settle(lambda: 5)
    assert read_sequence(store, views) == views.current.sequence == 5


def test_a_failed_commit_leaves_the_view_that_was() -> None:
    store, views = make_store(4), IndexViews(IndexView(4, {}))
    views.stage(IndexView(5, {}))
    views.settle(lambda: 4)
    assert read_sequence(store, views) == views.current.sequence == 4


def test_a_reader_that_was_passed_by_begins_again() -> None:
    store, views = make_store(4), IndexViews(IndexView(4, {}))

    class Slow(MemoryStore):
        def read(self):  # type: ignore[no-untyped-def]
            moment: Any = store.read()
            if views.current.sequence < 6:
                following = views.current.sequence + 1
                opened = moment.__enter__()
                store.write(lambda transaction: put_meta_number(transaction, SEQUENCE, following))
                views.stage(IndexView(following, {}))
                views.settle(lambda: following)
                moment.__exit__(None, None, None)
                moment = _Opened(opened)
            return moment

    assert read_sequence(Slow(), views) == 6


class _Opened:
    def __init__(self, transaction: object) -> None:
        self.transaction = transaction

    def __enter__(self) -> object:
        return self.transaction

    def __exit__(self, *error: object) -> None:
        return None


def test_changes_of_another_process_are_noticed() -> None:
    store, views = make_store(9), IndexViews(IndexView(4, {}))
    with pytest.raises(LostOwnership):
        read_sequence(store, views)
