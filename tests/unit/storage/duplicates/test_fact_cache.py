from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.duplicates import fact_cache as remembered
from storage.duplicates.fact_cache import REMEMBERED_S, Remembered
from storage.types.features import Handles


class Source:
    """Facts are ten times the handle, plus the time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.read: list[int] = []

    def __call__(self, handles: Handles) -> NDArray[Any]:
        self.read += handles.tolist()
        return np.stack([handles * 10, np.full(len(handles), self.now, np.int64)], axis=1)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(remembered, "FEW", 2)
    return Source()


def test_a_crowd_is_read_once_and_given_in_the_order_asked_for(source: Source) -> None:
    facts = Remembered(lambda: source.now)
    assert facts.of(np.array([7, 3, 5]), source)[:, 0].tolist() == [70, 30, 50]
    assert facts.of(np.array([5, 4, 7, 9, 3]), source)[:, 0].tolist() == [50, 40, 70, 90, 30]
    assert source.read == [3, 5, 7, 4, 9]


def test_a_few_are_read_each_time(source: Source) -> None:
    facts = Remembered(lambda: source.now)
    for _ in range(2):
        assert facts.of(np.array([9, 1]), source)[:, 0].tolist() == [90, 10]
    assert source.read == [9, 1, 9, 1]


def test_all_is_forgotten_after_a_while(source: Source) -> None:
    facts = Remembered(lambda: source.now)
    facts.of(np.array([1, 2, 3]), source)
    source.now += REMEMBERED_S + 1
    assert facts.of(np.array([1, 2, 3]), source)[:, 1].tolist() == [401] * 3


def test_the_memory_is_given_back_without_another_question(source: Source) -> None:
    facts = Remembered(lambda: source.now)
    facts.of(np.array([1, 2, 3]), source)
    facts.forget_expired()
    assert facts._table is not None
    source.now += REMEMBERED_S + 1
    facts.forget_expired()
    assert facts._table is None


ROW_BYTES = 4 * 8  # a handle, its row, two facts


def test_it_does_not_grow_past_its_bound(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST_BYTES", 7 * ROW_BYTES)
    facts = Remembered(lambda: source.now)
    for start in range(0, 30, 3):
        handles = np.arange(start, start + 3)
        assert facts.of(handles, source)[:, 0].tolist() == (handles * 10).tolist()
        assert facts._table is not None
        assert len(facts._table.handles) == (3 if start % 2 == 0 else 6)
        assert len(facts._table.facts) <= 7


def test_of_a_crowd_beyond_the_bound_a_part_is_remembered(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST_BYTES", 7 * ROW_BYTES)
    facts = Remembered(lambda: source.now)
    crowd = np.arange(20)[::-1]
    for _ in range(3):
        assert facts.of(crowd, source)[:, 0].tolist() == (crowd * 10).tolist()
        assert facts._table is not None
        assert facts._table.facts.nbytes == 7 * 2 * 8
    assert len(source.read) == 20 + 13 + 13


def test_what_is_remembered_is_rarely_copied(source: Source) -> None:
    facts = Remembered(lambda: source.now)
    tables = set()
    for count in range(3, 300):
        handles = np.arange(count)[::-1]
        assert facts.of(handles, source)[:, 0].tolist() == (handles * 10).tolist()
        assert facts._table is not None
        tables.add(facts._table.facts.ctypes.data)
    assert source.read == [0, 1, 2, *range(3, 299)]
    assert len(tables) < 12


def test_texts_count_with_their_length(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST_BYTES", 10_000)
    facts = Remembered(lambda: source.now)
    texts = facts.of(np.arange(20), lambda handles: np.array(["x" * 1000 for _ in handles], object))
    assert (texts.shape, facts._table and len(facts._table.handles)) == ((20,), 9)


def test_threads_that_ask_at_once_get_what_they_asked_for(source: Source) -> None:
    facts = Remembered(lambda: source.now)

    def ask(seed: int) -> bool:
        handles = np.random.default_rng(seed).permutation(400)[:50]
        return bool((facts.of(handles, source)[:, 0] == handles * 10).all())

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(200)))
    everything = np.arange(400)
    assert facts.of(everything, source)[:, 0].tolist() == (everything * 10).tolist()
