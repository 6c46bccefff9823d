"""The store on disk: the contract, growth, backups, damage."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import lmdb
import pytest

from storage.errors import CorruptData, DiskFull, StorageFailure
from storage.kv.store import LmdbStore, WriteTransaction, check_file
from tests.suites.key_value_store_suite import KeyValueStoreSuite, get, put

SMALL_MAP = 128 << 10


class TestLmdbStore(KeyValueStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[LmdbStore]:
        store = LmdbStore(tmp_path / "store", ["a", "b"])
        yield store
        store.close()


def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, ["a"])
    put(store, "a", x=b"1")
    store.close()
    store = LmdbStore(tmp_path, ["a"])
    assert get(store, "a", "x") == b"1"
    store.close()


def test_files_are_written_by_the_engine_chosen(tmp_path: Path) -> None:
    LmdbStore(tmp_path).close()
    with lmdb.open(str(tmp_path), readonly=True, lib_version=0) as environment:
        assert environment.lib_version()[0] == 0


def test_a_full_map_grows_and_the_write_is_made(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, ["a"], map_bytes=SMALL_MAP)
    for number in range(20):
        put(store, "a", **{f"k{number}": b"v" * 50_000})
    with store.read() as transaction:
        assert transaction.count("a") == 20
    store.close()


def test_a_growing_store_waits_for_reads_to_end(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, ["a"], map_bytes=SMALL_MAP)
    put(store, "a", x=b"1")
    attempts = threading.Semaphore(0)

    def work(transaction: WriteTransaction) -> None:
        attempts.release()
        transaction.put("a", b"big", b"v" * 500_000)

    with store.read() as transaction:
        writer = threading.Thread(target=store.write, args=(work,))
        writer.start()
        attempts.acquire()
        assert transaction.get("a", b"x") == b"1"
        assert transaction.get("a", b"big") is None
    writer.join()
    assert get(store, "a", "big") == b"v" * 500_000
    store.close()


def test_growth_among_many_readers_is_safe(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, ["a"], map_bytes=SMALL_MAP)
    put(store, "a", x=b"1")
    done = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not done.is_set():
            if get(store, "a", "x") != b"1":
                wrong.append(1)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(30):
        put(store, "a", **{f"k{number}": b"v" * 100_000})
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    store.close()


def test_a_backup_holds_everything_and_passes_the_check(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", ["a"])
    put(store, "a", x=b"1", y=b"2" * 100_000)
    store.backup(tmp_path / "copies" / "today")
    put(store, "a", x=b"changed")
    store.close()
    check_file(tmp_path / "copies" / "today")
    copy = LmdbStore(tmp_path / "copies" / "today", ["a"])
    assert (get(copy, "a", "x"), get(copy, "a", "y")) == (b"1", b"2" * 100_000)
    copy.close()


def test_a_backup_never_writes_over_a_folder(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", ["a"])
    with pytest.raises(StorageFailure, match="exists"):
        store.backup(tmp_path)
    store.close()


def test_a_file_that_is_no_store_is_corrupt_data(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(CorruptData, match=str(tmp_path)):
        LmdbStore(tmp_path, ["a"])


def test_the_check_finds_a_damaged_page(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, ["a"])
    for number in range(50):
        put(store, "a", **{f"k{number}": b"v" * 1000})
    store.close()
    with (tmp_path / "data.mdb").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 3 * 4096)
    with pytest.raises(CorruptData):
        check_file(tmp_path)


def test_an_engine_failure_becomes_a_storage_failure(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, ["a"])

    def work(transaction: WriteTransaction) -> None:
        raise lmdb.DiskError("no space left on device")

    with pytest.raises(StorageFailure, match="free space"):
        store.write(work)
    store.close()


def test_tables_that_were_dropped_stay_so_and_their_places_are_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.kv.store.MAX_TABLES", 4)
    store = LmdbStore(tmp_path, ["a"])
    for number in range(9):
        store.add_tables([f"t{number}"])
        put(store, f"t{number}", x=b"1")
        store.drop_tables([f"t{number}"])
    store.close()
    store = LmdbStore(tmp_path, ["a", "t8"])
    assert get(store, "t8", "x") is None
    store.close()
    check_file(tmp_path)


def test_a_full_disk_is_named_with_what_to_do(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", ["a"])
    store.write(lambda transaction: transaction.put("a", b"before", b"1"))

    def no_room(transaction: Any) -> NoReturn:
        raise lmdb.DiskError("mdb_txn_commit: No space left on device")  # what a commit raises there

    with pytest.raises(DiskFull, match=r"the disk that holds .* is full") as failure:
        store.write(no_room)
    assert str(tmp_path / "store") in failure.value.message
    assert "free space" in failure.value.hint
    with store.read() as transaction:
        assert transaction.get("a", b"before") == b"1"
    store.close()
