"""The in-memory twin keeps the store contract."""

from __future__ import annotations

import pytest

from storage.kv.store import KeyValueStore, MemoryStore
from tests.suites.key_value_store_suite import KeyValueStoreSuite, get, put


class TestMemoryStore(KeyValueStoreSuite):
    @pytest.fixture
    def store(self) -> KeyValueStore:
        return MemoryStore(["a", "b"])


def test_a_reopened_store_has_the_content() -> None:
    store = MemoryStore(["a"])
    put(store, "a", x=b"1")
    store.close()
    assert get(store.reopened(), "a", "x") == b"1"
