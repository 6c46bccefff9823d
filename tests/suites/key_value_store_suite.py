"""What every key-value store must do: subclass it and give the ``store`` fixture, with the tables "a" and "b"."""

from __future__ import annotations

import threading

import pytest

from storage.errors import StorageFailure
from storage.kv import MAX_KEY_BYTES, KeyValueStore, WriteTransaction


def put(store: KeyValueStore, table: str, **values: bytes) -> None:
    def work(transaction: WriteTransaction) -> None:
        for key, value in values.items():
            transaction.put(table, key.encode(), value)

    store.write(work)


def get(store: KeyValueStore, table: str, key: str) -> bytes | None:
    with store.read() as transaction:
        return transaction.get(table, key.encode())


class KeyValueStoreSuite:
    def test_what_was_put_is_read_back_from_its_table_only(self, store: KeyValueStore) -> None:
        put(store, "a", x=b"1", y=b"")
        assert (get(store, "a", "x"), get(store, "a", "y"), get(store, "b", "x")) == (b"1", b"", None)

    def test_a_write_returns_what_its_work_returns(self, store: KeyValueStore) -> None:
        assert store.write(lambda transaction: transaction.count("a")) == 0

    def test_work_that_raises_changes_nothing(self, store: KeyValueStore) -> None:
        def work(transaction: WriteTransaction) -> None:
            transaction.put("a", b"x", b"1")
            transaction.put("b", b"x", b"1")
            raise RuntimeError("no")

        with pytest.raises(RuntimeError, match="no"):
            store.write(work)
        assert (get(store, "a", "x"), get(store, "b", "x")) == (None, None)

    def test_a_transaction_reads_what_it_wrote(self, store: KeyValueStore) -> None:
        def work(transaction: WriteTransaction) -> tuple[bytes | None, int, list[bytes]]:
            transaction.put("a", b"x", b"1")
            transaction.put("a", b"x", b"2")
            return transaction.get("a", b"x"), transaction.count("a"), list(transaction.keys("a"))

        assert store.write(work) == (b"2", 1, [b"x"])

    def test_items_come_in_key_order_from_the_start_given(self, store: KeyValueStore) -> None:
        put(store, "a", b=b"2", a=b"1", c=b"3", ba=b"4")
        with store.read() as transaction:
            assert list(transaction.items("a")) == [(b"a", b"1"), (b"b", b"2"), (b"ba", b"4"), (b"c", b"3")]
            assert [key for key, _ in transaction.items("a", b"b")] == [b"b", b"ba", b"c"]
            assert list(transaction.keys("a", b"bb")) == [b"c"]
            assert list(transaction.keys("a", b"d")) == []
            assert list(transaction.items("b")) == []

    def test_deleting_says_whether_there_was_something(self, store: KeyValueStore) -> None:
        put(store, "a", x=b"1")
        assert store.write(lambda transaction: transaction.delete("a", b"x")) is True
        assert store.write(lambda transaction: transaction.delete("a", b"x")) is False
        assert get(store, "a", "x") is None

    def test_a_read_keeps_its_moment_while_a_write_goes_on(self, store: KeyValueStore) -> None:
        put(store, "a", x=b"1")
        with store.read() as transaction:
            writer = threading.Thread(target=put, args=(store, "a"), kwargs={"x": b"2"})
            writer.start()
            writer.join()
            assert transaction.get("a", b"x") == b"1"
        assert get(store, "a", "x") == b"2"

    def test_values_outlive_their_transaction(self, store: KeyValueStore) -> None:
        put(store, "a", x=b"1" * 10_000)
        with store.read() as transaction:
            kept = dict(transaction.items("a"))
        put(store, "a", x=b"2" * 10_000)
        assert kept == {b"x": b"1" * 10_000}

    def test_keys_have_at_most_511_bytes(self, store: KeyValueStore) -> None:
        store.write(lambda transaction: transaction.put("a", b"k" * MAX_KEY_BYTES, b"1"))
        for key in (b"", b"k" * (MAX_KEY_BYTES + 1)):
            with pytest.raises(StorageFailure, match="key"):
                store.write(lambda transaction, key=key: transaction.put("a", key, b"1"))  # type: ignore[misc]

    def test_added_tables_are_empty_and_old_ones_keep_what_they_have(self, store: KeyValueStore) -> None:
        put(store, "a", x=b"1")
        store.add_tables(["a", "c"])
        assert (get(store, "a", "x"), get(store, "c", "x")) == (b"1", None)

    def test_writers_take_turns_and_lose_nothing(self, store: KeyValueStore) -> None:
        def increase(transaction: WriteTransaction) -> None:
            transaction.put("a", b"n", b"%d" % (int(transaction.get("a", b"n") or b"0") + 1))

        def many() -> None:
            for _ in range(20):
                store.write(increase)

        writers = [threading.Thread(target=many) for _ in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert get(store, "a", "n") == b"80"

    def test_a_closed_store_says_so(self, store: KeyValueStore) -> None:
        store.close()
        store.close()
        with pytest.raises(StorageFailure, match="closed"), store.read():
            pass
        with pytest.raises(StorageFailure, match="closed"):
            store.write(lambda transaction: None)
