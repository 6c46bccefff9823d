"""Readers and writers at once: a search sees one whole moment, and never waits for a write."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.errors import StorageFailure
from storage.kv.store import LmdbStore, WriteTransaction
from storage.operations.pictures import Page
from storage.operations.reports import Verify
from storage.shard.shard import Shard
from tests.unit.storage.samples import applied, delete, find, found_ids, open_shard, put


def in_threads(works: list[Callable[[], None]]) -> None:
    """Runs all to their end; an error in any is an error here."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def test_a_storm_of_replaces_never_hides_the_picture(shard: Shard) -> None:
    applied(shard, [put("a", seed="same")])
    done = threading.Event()
    missing: list[object] = []

    def replace_again_and_again() -> None:
        try:
            for number in range(150):
                applied(shard, [put("a", seed="same", operation=f"{number}", on_conflict="replace")])
        finally:
            done.set()

    def search() -> None:
        while not done.is_set():
            hits = find(shard, "same")
            if [(hit.id, hit.distance) for hit in hits] != [("a", 0.0)]:
                missing.append(hits)

    in_threads([replace_again_and_again, search, search, search])
    assert not missing
    assert shard.ask(Verify()).problems == ()


def test_both_features_of_a_batch_appear_and_vanish_together(shard: Shard) -> None:
    done = threading.Event()
    torn: list[object] = []

    def write() -> None:
        try:
            for number in range(100):
                applied(shard, [put("a", operation=f"p{number}"), put("b", operation=f"q{number}")])
                applied(shard, [delete("a", f"d{number}"), delete("b", f"e{number}")])
        finally:
            done.set()

    def search() -> None:
        while not done.is_set():
            hits = find(shard, "a", k=10)
            if {hit.id for hit in hits} not in (set(), {"a", "b"}):
                torn.append(hits)
            report = shard.ask(Verify())
            if report.problems:
                torn.append(report)

    in_threads([write, search, search])
    assert not torn


def test_many_writers_lose_nothing(shard: Shard) -> None:
    def write(writer: int) -> Callable[[], None]:
        def work() -> None:
            for number in range(20):
                applied(shard, [put(f"{writer}-{number}")])
                if number % 3 == 0:
                    applied(shard, [delete(f"{writer}-{number}")])

        return work

    in_threads([write(writer) for writer in range(4)])
    assert len(shard.ask(Page(None, 100))) == 4 * (20 - 7)
    assert shard.ask(Verify()).problems == ()


class SlowCommit:
    """What is done around each commit: it can be held up, or fail after it was made."""

    def __init__(self) -> None:
        self.before_commit: Callable[[], None] = lambda: None
        self.after_commit: Callable[[], None] = lambda: None


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Shard, SlowCommit]:
    commits, write = SlowCommit(), LmdbStore.write

    def write_slowly(store: LmdbStore, work: Callable[[WriteTransaction], object]) -> object:
        def held(transaction: WriteTransaction) -> object:
            result = work(transaction)
            commits.before_commit()
            return result

        result = write(store, held)
        commits.after_commit()
        return result

    monkeypatch.setattr(LmdbStore, "write", write_slowly)
    return open_shard(tmp_path), commits


def test_a_search_does_not_wait_for_a_commit(slow: tuple[Shard, SlowCommit]) -> None:
    shard, store = slow
    applied(shard, [put("a")])
    committing, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        committing.set()
        assert go_on.wait(30)

    store.before_commit = hold
    writer = threading.Thread(target=shard.apply, args=([put("b"), delete("a")],))
    writer.start()
    assert committing.wait(30)
    assert (found_ids(shard, "a"), found_ids(shard, "b")) == (["a"], [])
    assert [row.id for row in shard.ask(Page(None, 9))] == ["a"]
    go_on.set()
    writer.join()
    assert (found_ids(shard, "a"), found_ids(shard, "b")) == ([], ["b"])
    store.before_commit = lambda: None
    shard.close()


def test_a_write_that_fails_changes_nothing_that_is_found(slow: tuple[Shard, SlowCommit]) -> None:
    shard, store = slow
    applied(shard, [put("a")])

    def fail() -> None:
        raise StorageFailure("no space left")

    store.before_commit = fail
    with pytest.raises(StorageFailure, match="space"):
        applied(shard, [put("b"), delete("a")])
    store.before_commit = lambda: None
    assert (found_ids(shard, "a"), found_ids(shard, "b")) == (["a"], [])
    applied(shard, [put("b")])
    assert found_ids(shard, "b") == ["b"]
    assert shard.ask(Verify()).problems == ()
    shard.close()


def test_a_write_that_is_made_but_reported_as_failed_is_found_and_can_be_repeated(
    slow: tuple[Shard, SlowCommit],
) -> None:
    shard, store = slow

    def fail() -> None:
        raise StorageFailure("the disk did not answer")

    store.after_commit = fail
    with pytest.raises(StorageFailure):
        applied(shard, [put("a")])
    store.after_commit = lambda: None
    assert found_ids(shard, "a") == ["a"]
    assert applied(shard, [put("a")])[0].outcome == "created"
    assert shard.ask(Verify()).problems == ()
    shard.close()
