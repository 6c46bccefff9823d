"""Inverted lists of fixed-size codes as chains of pages, shared between views: appended to in place, never moved.

A view has the lengths, first and last pages of its own lists, so rows that are appended behind them are not there for
it, and a view that nobody keeps leaves rows that the next one writes over. Nothing here locks: there is one writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.compiled import CompiledLoop, compiled
from storage.index.vector_index import Allowed
from storage.types.features import BinaryVectors, Handles

PAGE_ROWS = 16
FIRST_PAGES = 64
GROWTH = 1.5
NO_PAGE = -1
NO_MASK: Allowed = np.zeros(0, np.bool_)

Numbers = NDArray[np.int32]


class Pages:
    """The rows themselves. following: (P,) the page after each in its list."""

    __slots__ = ("codes", "following", "handles")

    def __init__(self, capacity: int, width: int) -> None:
        self.codes: BinaryVectors = np.empty((capacity, PAGE_ROWS, width), np.uint8)
        self.handles: Handles = np.empty((capacity, PAGE_ROWS), np.int64)
        self.following: Numbers = np.empty(capacity, np.int32)

    def with_room(self, count: int) -> Pages:
        """These, or a larger copy; older views keep the arrays that they have."""
        capacity = len(self.following)
        if count <= capacity:
            return self
        larger = Pages(max(count, int(capacity * GROWTH)), self.codes.shape[2])
        larger.codes[:capacity], larger.handles[:capacity] = self.codes, self.handles
        larger.following[:capacity] = self.following
        return larger


@dataclass(frozen=True, slots=True, eq=False)
class InvertedLists:
    """One view. lengths, heads, tails: (L,) rows, first and last page of each list."""

    pages: Pages
    lengths: Numbers
    heads: Numbers
    tails: Numbers
    pages_used: int

    @classmethod
    def empty(cls, count: int, width: int) -> InvertedLists:
        """``count`` lists of rows of ``width`` bytes."""
        none = np.full(count, NO_PAGE, np.int32)
        return cls(Pages(FIRST_PAGES, width), np.zeros(count, np.int32), none, none.copy(), 0)

    @property
    def width(self) -> int:
        return int(self.pages.codes.shape[2])

    @property
    def rows_count(self) -> int:
        return int(self.lengths.sum())

    @property
    def memory_bytes(self) -> int:
        return self.pages_used * (PAGE_ROWS * (self.width + 8) + 4) + 12 * len(self.lengths)

    def appended(self, handles: Handles, codes: BinaryVectors, home: Numbers) -> InvertedLists:
        """The lists with rows (N, width) at the ends of the lists ``home`` (N,)."""
        lengths, heads, tails = self.lengths.copy(), self.heads.copy(), self.tails.copy()
        added = np.bincount(home, minlength=len(lengths))
        opened = -(-(lengths + added) // PAGE_ROWS) - -(-lengths // PAGE_ROWS)
        pages = self.pages.with_room(self.pages_used + int(opened.sum()))
        order = np.argsort(home, kind="stable")
        _append()(
            np.ascontiguousarray(codes[order]), np.ascontiguousarray(handles[order], np.int64),
            np.ascontiguousarray(home[order]), lengths, heads, tails, pages.following, pages.codes, pages.handles,
            self.pages_used,
        )  # fmt: skip
        return InvertedLists(pages, lengths, heads, tails, self.pages_used + int(opened.sum()))

    def rows_of(self, number: int) -> tuple[Handles, BinaryVectors]:
        """One list's handles and rows."""
        length, page = int(self.lengths[number]), int(self.heads[number])
        chain: list[int] = []
        while length > len(chain) * PAGE_ROWS:
            chain.append(page)
            page = int(self.pages.following[page])
        handles = self.pages.handles[chain].reshape(-1)[:length]
        return handles, self.pages.codes[chain].reshape(-1, self.width)[:length]

    def count_of(self, handles: Handles) -> tuple[int, Handles]:
        """How many rows these sorted handles own, and which of them own any."""
        owned = np.zeros(len(handles), np.int64)
        _count()(handles, self.lengths, self.heads, self.pages.following, self.pages.handles, owned)
        return int(owned.sum()), handles[owned > 0]

    def rows_of_pictures(self, allowed: Allowed, dead: Handles, most: int) -> tuple[Handles, BinaryVectors] | None:
        """The rows of the allowed pictures; None where there are more than so many. dead: as of `scan`."""
        handles, codes = np.empty(most, np.int64), np.empty((most, self.width), np.uint8)
        pages = self.pages
        count = _collect()(
            self.lengths, self.heads, pages.following, pages.codes, pages.handles, dead, allowed, handles, codes
        )
        return None if count > most else (handles[:count], codes[:count])

    def scan(
        self,
        queries: BinaryVectors,
        probed: Numbers,
        dead: Handles,
        best: Handles,
        distances: Numbers,
        allowed: Allowed | None = None,
    ) -> None:
        """Puts the nearest rows of the lists ``probed`` (Q, P) into ``best`` and ``distances`` (Q, K), nearest first,
        the smaller handle first among equals; both hold -1 and the largest int32 before. dead: sorted handles to pass
        over. allowed: by handle, the pictures to look at; None: all. List after list, so that a list's rows are fetched
        once for all the queries that probe it.
        """
        order = np.argsort(probed, axis=None, kind="stable")
        asked = (order // probed.shape[1]).astype(np.int32)
        numbers = np.ascontiguousarray(probed.reshape(-1)[order])
        pages = self.pages
        _scan()(
            queries, asked, numbers, self.lengths, self.heads, pages.following, pages.codes, pages.handles, dead,
            NO_MASK if allowed is None else allowed, allowed is not None, best, distances,
        )  # fmt: skip


def warm_up() -> None:
    """Load or compile every loop, so that no search waits for it."""
    for loop in (_append, _count, _collect, _scan):
        loop()


def _append() -> CompiledLoop:
    return compiled(
        _append_loop, "uint8[:, :]", "int64[:]", *["int32[:]"] * 5, "uint8[:, :, :]", "int64[:, :]", "int64"
    )  # fmt: skip


def _count() -> CompiledLoop:
    return compiled(_count_loop, "int64[:]", *["int32[:]"] * 3, "int64[:, :]", "int64[:]")


def _collect() -> CompiledLoop:
    return compiled(
        _collect_loop, *["int32[:]"] * 3, "uint8[:, :, :]", "int64[:, :]", "int64[:]", "const boolean[:]", "int64[:]",
        "uint8[:, :]",
    )  # fmt: skip


def _scan() -> CompiledLoop:
    return compiled(
        _scan_loop, "uint8[:, :]", *["int32[:]"] * 5, "uint8[:, :, :]", "int64[:, :]", "int64[:]", "const boolean[:]",
        "boolean", "int64[:, :]", "int32[:, :]",
    )  # fmt: skip


def _append_loop(
    rows: NDArray[Any], owners: NDArray[Any], home: NDArray[Any], lengths: NDArray[Any], heads: NDArray[Any],
    tails: NDArray[Any], following: NDArray[Any], codes: NDArray[Any], handles: NDArray[Any], used: int,
) -> None:  # fmt: skip
    for i in range(home.size):
        number = home[i]
        place = lengths[number] % PAGE_ROWS
        if place == 0:
            following[used] = NO_PAGE
            if lengths[number] == 0:
                heads[number] = used
            else:
                following[tails[number]] = used
            tails[number] = used
            used += 1
        codes[tails[number], place] = rows[i]
        handles[tails[number], place] = owners[i]
        lengths[number] += 1


def _count_loop(
    wanted: NDArray[Any], lengths: NDArray[Any], heads: NDArray[Any], following: NDArray[Any], handles: NDArray[Any],
    owned: NDArray[Any],
) -> None:  # fmt: skip
    for number in range(lengths.size):
        remaining, page = lengths[number], heads[number]
        while remaining > 0:
            for r in range(min(remaining, PAGE_ROWS)):
                first, last = 0, wanted.size
                while first < last:
                    middle = (first + last) // 2
                    if wanted[middle] < handles[page, r]:
                        first = middle + 1
                    else:
                        last = middle
                if first < wanted.size and wanted[first] == handles[page, r]:
                    owned[first] += 1
            remaining -= PAGE_ROWS
            page = following[page]


def _collect_loop(
    lengths: NDArray[Any], heads: NDArray[Any], following: NDArray[Any], codes: NDArray[Any], handles: NDArray[Any],
    dead: NDArray[Any], allowed: NDArray[Any], found: NDArray[Any], found_codes: NDArray[Any],
) -> int:  # fmt: skip
    """One more than there is room for, where that is not enough."""
    count = 0
    for number in range(lengths.size):
        remaining, page = lengths[number], heads[number]
        while remaining > 0:
            for r in range(min(remaining, PAGE_ROWS)):
                handle = handles[page, r]
                if handle >= allowed.size or not allowed[handle]:
                    continue
                place = np.searchsorted(dead, handle)
                if place < dead.size and dead[place] == handle:
                    continue
                if count == found.size:
                    return count + 1
                found[count], found_codes[count] = handle, codes[page, r]
                count += 1
            remaining -= PAGE_ROWS
            page = following[page]
    return count


def _scan_loop(
    queries: NDArray[Any], asked: NDArray[Any], numbers: NDArray[Any], lengths: NDArray[Any], heads: NDArray[Any],
    following: NDArray[Any], codes: NDArray[Any], handles: NDArray[Any], dead: NDArray[Any], allowed: NDArray[Any],
    is_masked: bool, best: NDArray[Any], distances: NDArray[Any],
) -> None:  # fmt: skip
    width, kept = queries.shape[1], best.shape[1]
    low, high = np.empty(width, np.uint8), np.empty(width, np.uint8)  # as bytes: three times the speed of wider numbers
    for pair in range(asked.size):
        query, remaining, page = asked[pair], lengths[numbers[pair]], heads[numbers[pair]]
        for i in range(width):
            low[i], high[i] = queries[query, i] & 15, queries[query, i] >> 4
        nearest, found = distances[query], best[query]
        while remaining > 0:
            rows, owners = codes[page], handles[page]
            for r in range(min(remaining, PAGE_ROWS)):
                if is_masked and (owners[r] >= allowed.size or not allowed[owners[r]]):
                    continue
                row = rows[r]
                total = np.int32(0)
                for i in range(width):
                    d0, d1 = np.int16(low[i]) - np.int16(row[i] & 15), np.int16(high[i]) - np.int16(row[i] >> 4)
                    total += np.int32(d0 * d0) + np.int32(d1 * d1)
                if total > nearest[kept - 1]:
                    continue
                handle = owners[r]
                first, last = 0, dead.size
                while first < last:
                    middle = (first + last) // 2
                    if dead[middle] < handle:
                        first = middle + 1
                    else:
                        last = middle
                if first < dead.size and dead[first] == handle:
                    continue
                place = kept
                while place > 0 and (
                    nearest[place - 1] > total or (nearest[place - 1] == total and found[place - 1] > handle)
                ):
                    if place < kept:
                        nearest[place], found[place] = nearest[place - 1], found[place - 1]
                    place -= 1
                if place < kept:
                    nearest[place], found[place] = total, handle
            remaining -= PAGE_ROWS
            page = following[page]
