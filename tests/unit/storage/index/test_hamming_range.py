from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.index import hamming_range as near_rows
from storage.index.flat import FlatIndex
from storage.index.hamming_range import rows_within
from storage.types.features import BinaryVectors, Handles

NOTHING: Handles = np.zeros(0, np.int64)


def index_of(rows: BinaryVectors, *, block_rows: int = 64) -> FlatIndex:
    """Handles are 1000, 1001, ..."""
    empty = FlatIndex("hamming", rows[:0], block_rows=block_rows)
    return empty.with_changes(remove=NOTHING, add=np.arange(1000, 1000 + len(rows)), rows=rows)


def near_codes(rng: np.random.Generator, count: int, width: int) -> BinaryVectors:
    """Codes a few bits around a few others."""
    codes = rng.integers(0, 256, (5, width), np.uint8)[rng.integers(0, 5, count)]
    flips = rng.random((count, 8 * width)) < rng.random((count, 1)) * 0.2
    flipped: BinaryVectors = np.bitwise_xor(codes, np.packbits(flips, axis=1))
    return flipped


def brute_force(queries: BinaryVectors, rows: BinaryVectors, most: int) -> dict[tuple[int, int], int]:
    bits: NDArray[np.int64] = np.bitwise_count(queries[:, None] ^ rows[None]).sum(axis=2, dtype=np.int64)
    return {(int(q), 1000 + int(r)): int(bits[q, r]) for q, r in zip(*np.nonzero(bits <= most), strict=True)}


def found(index: FlatIndex, queries: BinaryVectors, most: int) -> dict[tuple[int, int], int]:
    matches = rows_within(index, queries, most)
    columns = matches.of(0, len(queries))
    return {(q, h): d for q, h, d in zip(*(column.tolist() for column in columns), strict=True)}


@pytest.mark.parametrize("width", [1, 8, 9, 24, 72])
@pytest.mark.parametrize("most", [0, 10, 64])
def test_finds_what_comparing_all_pairs_finds(width: int, most: int) -> None:
    rng = np.random.default_rng(width)
    rows, queries = near_codes(rng, 300, width), near_codes(rng, 40, width)
    queries[:5] = rows[:5]
    assert found(index_of(rows), queries, most) == brute_force(queries, rows, most)


def test_more_matches_than_one_run_has_room_for_are_all_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_rows, "ROOM", 10)
    rows = near_codes(np.random.default_rng(1), 200, 72)
    assert found(index_of(rows), rows[:7], 300) == brute_force(rows[:7], rows, 300)


def test_deleted_rows_are_not_found() -> None:
    rows = near_codes(np.random.default_rng(2), 200, 72)
    gone = np.arange(1000, 1200, 3)
    index = index_of(rows).with_changes(remove=gone, add=NOTHING, rows=rows[:0])
    wanted = {pair: bits for pair, bits in brute_force(rows, rows, 64).items() if pair[1] not in gone}
    assert found(index, rows, 64) == wanted


def test_the_matches_of_each_query_can_be_told_apart() -> None:
    rows = near_codes(np.random.default_rng(3), 100, 72)
    matches = rows_within(index_of(rows), rows[:6], 64)
    together = [tuple(column.tolist() for column in matches.of(place, place + 1)) for place in range(6)]
    assert [set(queries) for queries, _, _ in together] == [{place} for place in range(6)]
    assert all(1000 + place in handles for place, (_, handles, _) in enumerate(together))


def test_nothing_is_found_without_queries_or_rows() -> None:
    rows = near_codes(np.random.default_rng(4), 10, 72)
    assert found(index_of(rows), rows[:0], 64) == {}
    assert found(index_of(rows[:0]), rows, 64) == {}
