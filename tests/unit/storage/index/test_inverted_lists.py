"""Inverted lists are chains of pages that hold what was appended, in order, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from storage.index.inverted_lists import FIRST_PAGES, PAGE_ROWS, InvertedLists, Numbers
from storage.types.features import BinaryVectors, Handles

WIDTH = 3
NOTHING: Handles = np.zeros(0, np.int64)


def made_rows(count: int, seed: int = 0) -> tuple[Handles, BinaryVectors]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 50, count), rng.integers(0, 256, (count, WIDTH), dtype=np.uint8)


def assert_lists(lists: InvertedLists, handles: Handles, codes: BinaryVectors, home: Numbers) -> None:
    assert lists.rows_count == len(handles)
    for number in range(len(lists.lengths)):
        found_handles, found_codes = lists.rows_of(number)
        np.testing.assert_array_equal(found_handles, handles[home == number])
        np.testing.assert_array_equal(found_codes, codes[home == number])


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 64, 65, 500])
@pytest.mark.parametrize("lists_count", [1, 4])
def test_rows_stay_in_their_lists_in_the_order_of_their_coming(count: int, lists_count: int) -> None:
    handles, codes = made_rows(count)
    home = np.random.default_rng(1).integers(0, lists_count, count).astype(np.int32)
    lists = InvertedLists.empty(lists_count, WIDTH)
    for part in np.array_split(np.arange(count), 7):
        lists = lists.appended(handles[part], codes[part], home[part])
    assert_lists(lists, handles, codes, home)
    assert_lists(InvertedLists.empty(lists_count, WIDTH).appended(handles, codes, home), handles, codes, home)


def test_more_rows_than_the_first_pages_hold_leave_older_views_alone() -> None:
    count = PAGE_ROWS * FIRST_PAGES * 3
    handles, codes = made_rows(count)
    home = np.zeros(count, np.int32)
    first = InvertedLists.empty(2, WIDTH).appended(handles[:100], codes[:100], home[:100])
    second = first.appended(handles[100:], codes[100:], home[100:])
    assert_lists(second, handles, codes, home)
    assert_lists(first, handles[:100], codes[:100], home[:100])


def test_memory_counts_the_pages_that_are_used() -> None:
    page = PAGE_ROWS * (WIDTH + 8) + 4
    empty = InvertedLists.empty(2, WIDTH)
    handles, codes = made_rows(PAGE_ROWS + 1)
    assert empty.memory_bytes == 2 * 12
    lists = empty.appended(handles[:1], codes[:1], np.array([1], np.int32))
    assert lists.memory_bytes == page + 2 * 12
    full = lists.appended(handles[1:], codes[1:], np.ones(PAGE_ROWS, np.int32))
    assert full.memory_bytes == 2 * page + 2 * 12


def test_rows_are_counted_by_handle_and_strangers_are_not_named() -> None:
    handles, codes = made_rows(300)
    home = np.random.default_rng(2).integers(0, 3, 300).astype(np.int32)
    lists = InvertedLists.empty(3, WIDTH).appended(handles, codes, home)
    wanted = np.array([-5, 0, 7, 8, 49, 50, 1000], np.int64)
    rows, owners = lists.count_of(wanted)
    assert rows == int(np.isin(handles, wanted).sum())
    np.testing.assert_array_equal(owners, np.intersect1d(wanted, handles))
    assert lists.count_of(NOTHING)[0] == 0


def test_a_scan_passes_over_dead_handles_and_other_lists() -> None:
    handles, codes = made_rows(200)
    home = np.random.default_rng(3).integers(0, 4, 200).astype(np.int32)
    lists = InvertedLists.empty(4, WIDTH).appended(handles, codes, home)
    dead = np.array([3, 4, 20], np.int64)
    best, distances = np.full((1, 200), -1, np.int64), np.full((1, 200), np.iinfo(np.int32).max, np.int32)
    lists.scan(codes[:1], np.array([[2, 0]], np.int32), dead, best, distances)
    alive = np.isin(home, [0, 2]) & ~np.isin(handles, dead)
    assert sorted(best[best >= 0].tolist()) == sorted(handles[alive].tolist())
    assert (np.diff(distances[0, : alive.sum()]) >= 0).all()
