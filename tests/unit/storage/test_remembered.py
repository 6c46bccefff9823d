from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from storage import remembered
from storage.remembered import REMEMBERED_S, Remembered
from storage.types import Handles


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


def test_it_does_not_grow_for_ever(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST", 4)
    facts = Remembered(lambda: source.now)
    for start in range(0, 30, 3):
        handles = np.arange(start, start + 3)
        assert facts.of(handles, source)[:, 0].tolist() == (handles * 10).tolist()
    assert facts._table is not None
    assert len(facts._table[0]) <= 7
