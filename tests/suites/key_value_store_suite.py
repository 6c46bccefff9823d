"""What every key-value store must do: subclass it and give the ``store`` fixture, with the tables "a" and "b"."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.errors import StorageFailure
from storage.kv.store import MAX_KEY_BYTES, LmdbStore, ReadTransaction, WriteTransaction


def put(store: LmdbStore, table: str, **values: bytes) -> None:
    def work(transaction: WriteTransaction) -> None:
        for key, value in values.items():
            transaction.put(table, key.encode(), value)

    store.write(work)


def get(store: LmdbStore, table: str, key: str) -> bytes | None:
    with store.read() as transaction:
        return transaction.get(table, key.encode())


def assert_holds(transaction: ReadTransaction, model: dict[str, dict[bytes, bytes]], start: bytes) -> None:
    """Exactly this, whichever way it is read, from the beginning and from ``start``."""
    for table, values in model.items():
        ordered = sorted(values.items())
        assert list(transaction.items(table)) == ordered
        assert list(transaction.items(table, start)) == [(key, value) for key, value in ordered if key >= start]
        assert list(transaction.keys(table, start)) == [key for key, _ in ordered if key >= start]
        assert transaction.count(table) == len(values)
        assert transaction.get(table, start) == values.get(start)
        assert transaction.has(table, start) == (start in values)


TABLES = ("a", "b")
KEYS = st.binary(min_size=1, max_size=3)
Change = tuple[str, bytes, bytes | None]  # table, key, value; None deletes
CHANGES: st.SearchStrategy[Change] = st.tuples(st.sampled_from(TABLES), KEYS, st.none() | st.binary(max_size=9))


class KeyValueStoreSuite:
    # Each example begins with empty tables, so one store serves all of them.
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(writes=st.lists(st.tuples(st.lists(CHANGES, max_size=12), st.booleans()), max_size=6), start=KEYS)
    def test_any_writes_leave_what_they_leave_in_dictionaries(
        self, store: LmdbStore, writes: Sequence[tuple[Sequence[Change], bool]], start: bytes
    ) -> None:
        store.drop_tables(TABLES)
        store.add_tables(TABLES)
        model: dict[str, dict[bytes, bytes]] = {table: {} for table in TABLES}
        for changes, is_kept in writes:
            wanted = {table: dict(values) for table, values in model.items()}

            def work(
                transaction: WriteTransaction,
                changes: Sequence[Change] = changes,
                wanted: dict[str, dict[bytes, bytes]] = wanted,
                is_kept: bool = is_kept,
            ) -> None:
                for table, key, value in changes:
                    if value is None:
                        assert transaction.delete(table, key) == (wanted[table].pop(key, None) is not None)
                    else:
                        transaction.put(table, key, value)
                        wanted[table][key] = value
                assert_holds(transaction, wanted, start)
                if not is_kept:
                    raise KeyboardInterrupt

            if is_kept:
                store.write(work)
                model = wanted
            else:
                with pytest.raises(KeyboardInterrupt):
                    store.write(work)
            with store.read() as transaction:
                assert_holds(transaction, model, start)

    def test_what_was_put_is_read_back_from_its_table_only(self, store: LmdbStore) -> None:
        put(store, "a", x=b"1", y=b"")
        assert (get(store, "a", "x"), get(store, "a", "y"), get(store, "b", "x")) == (b"1", b"", None)

    def test_a_write_returns_what_its_work_returns(self, store: LmdbStore) -> None:
        assert store.write(lambda transaction: transaction.count("a")) == 0

    def test_work_that_raises_changes_nothing(self, store: LmdbStore) -> None:
        def work(transaction: WriteTransaction) -> None:
            transaction.put("a", b"x", b"1")
            transaction.put("b", b"x", b"1")
            raise RuntimeError("no")

        with pytest.raises(RuntimeError, match="no"):
            store.write(work)
        assert (get(store, "a", "x"), get(store, "b", "x")) == (None, None)

    def test_a_transaction_reads_what_it_wrote(self, store: LmdbStore) -> None:
        def work(transaction: WriteTransaction) -> tuple[bytes | None, int, list[bytes]]:
            transaction.put("a", b"x", b"1")
            transaction.put("a", b"x", b"2")
            return transaction.get("a", b"x"), transaction.count("a"), list(transaction.keys("a"))

        assert store.write(work) == (b"2", 1, [b"x"])

    def test_items_come_in_key_order_from_the_start_given(self, store: LmdbStore) -> None:
        put(store, "a", b=b"2", a=b"1", c=b"3", ba=b"4")
        with store.read() as transaction:
            assert list(transaction.items("a")) == [(b"a", b"1"), (b"b", b"2"), (b"ba", b"4"), (b"c", b"3")]
            assert [key for key, _ in transaction.items("a", b"b")] == [b"b", b"ba", b"c"]
            assert list(transaction.keys("a", b"bb")) == [b"c"]
            assert list(transaction.keys("a", b"d")) == []
            assert list(transaction.items("b")) == []

    def test_deleting_says_whether_there_was_something(self, store: LmdbStore) -> None:
        put(store, "a", x=b"1")
        assert store.write(lambda transaction: transaction.delete("a", b"x")) is True
        assert store.write(lambda transaction: transaction.delete("a", b"x")) is False
        assert get(store, "a", "x") is None

    def test_a_read_keeps_its_moment_while_a_write_goes_on(self, store: LmdbStore) -> None:
        put(store, "a", x=b"1")
        with store.read() as transaction:
            writer = threading.Thread(target=put, args=(store, "a"), kwargs={"x": b"2"})
            writer.start()
            writer.join()
            assert transaction.get("a", b"x") == b"1"
        assert get(store, "a", "x") == b"2"

    def test_values_outlive_their_transaction(self, store: LmdbStore) -> None:
        put(store, "a", x=b"1" * 10_000)
        with store.read() as transaction:
            kept = dict(transaction.items("a"))
        put(store, "a", x=b"2" * 10_000)
        assert kept == {b"x": b"1" * 10_000}

    def test_keys_have_at_most_511_bytes(self, store: LmdbStore) -> None:
        store.write(lambda transaction: transaction.put("a", b"k" * MAX_KEY_BYTES, b"1"))
        for key in (b"", b"k" * (MAX_KEY_BYTES + 1)):
            with pytest.raises(StorageFailure, match="key"):
                store.write(lambda transaction, key=key: transaction.put("a", key, b"1"))  # type: ignore[misc]

    def test_added_tables_are_empty_and_old_ones_keep_what_they_have(self, store: LmdbStore) -> None:
        put(store, "a", x=b"1")
        store.add_tables(["a", "c"])
        assert (get(store, "a", "x"), get(store, "c", "x")) == (b"1", None)

    def test_a_key_is_there_or_not_whatever_its_value(self, store: LmdbStore) -> None:
        put(store, "a", x=b"", y=b"1" * 10_000)
        with store.read() as transaction:
            assert [key for key in (b"w", b"x", b"xx", b"y", b"z") if transaction.has("a", key)] == [b"x", b"y"]
            assert not transaction.has("b", b"x")

    def test_dropped_tables_are_gone_and_the_others_are_not(self, store: LmdbStore) -> None:
        put(store, "a", x=b"1" * 10_000)
        put(store, "b", x=b"2")
        store.drop_tables(["a", "never there"])
        store.drop_tables(["a"])
        assert get(store, "b", "x") == b"2"
        with pytest.raises(KeyError), store.read() as transaction:
            transaction.get("a", b"x")

    def test_a_table_that_was_dropped_comes_back_empty(self, store: LmdbStore) -> None:
        for number in range(3):
            put(store, "a", **{f"x{number}": b"1"})
            store.drop_tables(["a"])
            store.add_tables(["a"])
            with store.read() as transaction:
                assert (transaction.count("a"), list(transaction.items("a"))) == (0, [])
        put(store, "a", y=b"2")
        assert get(store, "a", "y") == b"2"

    def test_tables_come_and_go_only_between_reads(self, store: LmdbStore) -> None:
        put(store, "a", x=b"1")
        for change in (lambda: store.add_tables(["c"]), lambda: store.drop_tables(["a", "c"])):
            changed = threading.Event()
            changing = threading.Thread(target=lambda change=change, changed=changed: (change(), changed.set()))
            with store.read() as transaction:
                changing.start()
                assert not changed.wait(0.05)
                assert list(transaction.items("a")) == [(b"x", b"1")]
            changing.join()
            assert changed.is_set()
        assert get(store, "b", "x") is None

    def test_a_crowd_of_readers_is_not_disturbed_by_tables_that_come_and_go(self, store: LmdbStore) -> None:
        put(store, "a", x=b"1")
        done, wrong = threading.Event(), list[object]()

        def read() -> None:
            while not done.is_set():
                try:
                    if get(store, "a", "x") != b"1" or get(store, "b", "x") is not None:
                        wrong.append("another value")
                except BaseException as error:
                    wrong.append(error)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for number in range(10):
            store.add_tables(["a", f"c{number}"])
            put(store, f"c{number}", x=b"2")
            store.drop_tables([f"c{number}"])
        done.set()
        for reader in readers:
            reader.join()
        assert wrong == []

    def test_writers_take_turns_and_lose_nothing(self, store: LmdbStore) -> None:
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

    def test_a_closed_store_says_so(self, store: LmdbStore) -> None:
        store.close()
        store.close()
        with pytest.raises(StorageFailure, match="closed"), store.read():
            pass
        with pytest.raises(StorageFailure, match="closed"):
            store.write(lambda transaction: None)
        for change in (store.add_tables, store.drop_tables):
            with pytest.raises(StorageFailure, match="closed"):
                change(["a"])
