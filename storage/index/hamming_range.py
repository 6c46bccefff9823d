"""All rows within a distance of any of many queries: a range search of binary rows, exact, every pair compared.

A pair is given up after three words (192 bits) where these alone differ by more than the distance, as they do for
nearly all pairs of different pictures. One pair of 576 bits takes about a nanosecond, a fifth of what FAISS's kernels
take, which compute every distance to its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.compiled import compiled
from storage.index.vector_index import VectorIndex
from storage.types.features import BinaryVectors, Handles

WORD_BYTES = 8
HEAD_WORDS = 3
ROOM = 1 << 16  # matches that one run of the loop may leave


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """table: (M, 3) int32 of query, row, distance in bits, sorted by query. starts: of the Q queries, where their
    matches begin, and M. handles: (N,) of the rows.
    """

    table: NDArray[np.int32]
    starts: list[int]
    handles: Handles

    def count(self, first: int, end: int) -> int:
        """Matches of queries ``first`` to ``end``, without the last."""
        return self.starts[end] - self.starts[first]

    def of(self, first: int, end: int) -> tuple[NDArray[np.int32], Handles, NDArray[np.int32]]:
        """Queries, handles and distances of the matches of these queries."""
        part = self.table[self.starts[first] : self.starts[end]]
        return part[:, 0], self.handles[part[:, 1]], part[:, 2]


def rows_within(index: VectorIndex, queries: BinaryVectors, max_distance: int) -> Matches:
    """Every live row of the index that differs from a query (Q, D) by at most so many bits; Q at most 65,536."""
    asked = np.ascontiguousarray(_as_words(queries).T)
    runs, handles, rows_before = [np.zeros((0, 3), np.int32)], [np.zeros(0, np.int64)], 0
    for of_block, rows in index.live_blocks() if len(queries) else ():
        for found in _runs(asked, _as_words(np.asarray(rows, np.uint8)), max_distance):
            found[:, 1] += rows_before
            runs.append(found)
        handles.append(of_block)
        rows_before += len(of_block)
    table = np.concatenate(runs)
    if len(queries) > 1:
        table = table[np.argsort(table[:, 0].astype(np.uint16), kind="stable")]  # 16 bits are sorted by their digits
    starts = np.searchsorted(table[:, 0], np.arange(len(queries) + 1))
    return Matches(table, starts.tolist(), np.concatenate(handles))


def _runs(asked: NDArray[np.uint64], rows: NDArray[np.uint64], max_distance: int) -> Iterator[NDArray[np.int32]]:
    """(M, 3) of query, row, distance each."""
    loop = compiled(_compare, *["const uint64[:, :]"] * 2, "int64", "int64", "int32[:, :]", "uint64[:]")
    row, heads = 0, np.empty(asked.shape[1], np.uint64)
    found = np.empty((ROOM + asked.shape[1], 3), np.int32)
    while row < len(rows):
        count, row = loop(asked, rows, max_distance, row, found, heads)
        if count:
            yield found[:count].copy()


def _as_words(rows: BinaryVectors) -> NDArray[np.uint64]:
    """(N, D / 8), filled up with zeros, to the words of the head at least."""
    missing = max(-rows.shape[1] % WORD_BYTES, HEAD_WORDS * WORD_BYTES - rows.shape[1])
    whole = np.pad(rows, ((0, 0), (0, missing))) if missing else np.ascontiguousarray(rows)
    return whole.view(np.uint64)


def _compare(queries: Any, rows: Any, limit: Any, first: Any, found: Any, heads: Any) -> Any:
    """queries: (W, Q), W at least 3. Writes query, row and distance of each match; ends before there may be no room
    for those of another row. Returns the number of matches, and the row to go on with.
    """

    def set_bits(word: Any) -> Any:
        word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
        word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
        word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)

    count, most, asked = 0, np.uint64(limit), queries.shape[1]
    for row in range(first, rows.shape[0]):
        if count > found.shape[0] - asked:
            return count, row
        a, b, c = rows[row, 0], rows[row, 1], rows[row, 2]
        for query in range(asked):  # written out, or it is not compiled to vector instructions
            distance = set_bits(queries[0, query] ^ a)
            distance += set_bits(queries[1, query] ^ b)
            heads[query] = distance + set_bits(queries[2, query] ^ c)
        for query in range(asked):
            distance = heads[query]
            if distance > most:
                continue
            for word in range(HEAD_WORDS, rows.shape[1]):
                distance += set_bits(queries[word, query] ^ rows[row, word])
            if distance <= most:
                found[count, 0], found[count, 1], found[count, 2] = query, row, distance
                count += 1
    return count, rows.shape[0]
