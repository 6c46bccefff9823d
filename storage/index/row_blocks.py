"""Rows in blocks of a fixed size, shared between the views of an index: appended to in place, tombstoned by copy,
rewritten when mostly dead.

A block's arrays are allocated whole, which costs address space but no memory until rows are written. Appending is in
place when the block's view is the newest of its arrays; older views see only their own first ``used`` rows, so they
stay valid. Nothing here locks: there is one writer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from storage.types.features import Handles, Vectors

BLOCK_ROWS = 32_768
DEAD_FRACTION = 0.25  # of a block's rows, past which the block is rewritten


class _Arrays:
    """What views of one block share. filled: rows written by the newest view."""

    __slots__ = ("filled", "handles", "rows")

    def __init__(self, capacity: int, width: int, dtype: np.dtype[np.uint8] | np.dtype[np.float32]) -> None:
        self.rows: Vectors = np.empty((capacity, width), dtype)
        self.handles: Handles = np.empty(capacity, np.int64)
        self.filled = 0


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One view of a block: its first ``used`` rows, those of ``alive`` (used,) only, or all where that is None."""

    arrays: _Arrays
    used: int
    alive: NDArray[np.bool_] | None
    dead: int
    lowest: int  # handles of the block lie in [lowest, highest]
    highest: int

    @property
    def rows(self) -> Vectors:
        return self.arrays.rows[: self.used]

    @property
    def handles(self) -> Handles:
        return self.arrays.handles[: self.used]

    @property
    def live_count(self) -> int:
        return self.used - self.dead

    @property
    def room(self) -> int:
        """Rows that can be appended in place."""
        return len(self.arrays.handles) - self.used if self.arrays.filled == self.used else 0

    def live(self) -> tuple[Handles, Vectors]:
        if self.alive is None:
            return self.handles, self.rows
        return self.handles[self.alive], self.rows[self.alive]

    def appended(self, handles: Handles, rows: Vectors) -> Block:
        """The view with these rows added; needs `room` for them."""
        end = self.used + len(handles)
        self.arrays.rows[self.used : end] = rows
        self.arrays.handles[self.used : end] = handles
        self.arrays.filled = end
        alive = None if self.alive is None else np.concatenate([self.alive, np.ones(len(handles), np.bool_)])
        lowest, highest = min(self.lowest, int(handles.min())), max(self.highest, int(handles.max()))
        return replace(self, used=end, alive=alive, lowest=lowest, highest=highest)

    def without(self, handles: Handles) -> Block:
        """The view with the rows of these handles dead; the same object where it has none of them."""
        near = handles[(handles >= self.lowest) & (handles <= self.highest)]
        if not len(near):
            return self
        struck = self.handles == near[0] if len(near) == 1 else np.isin(self.handles, near)
        alive = ~struck if self.alive is None else self.alive & ~struck
        dead = self.used - int(np.count_nonzero(alive))
        return self if dead == self.dead else replace(self, alive=alive, dead=dead)


def new_block(capacity: int, like: Vectors) -> Block:
    """An empty block for rows of the width and type of ``like``."""
    arrays = _Arrays(capacity, like.shape[1], like.dtype)
    return Block(arrays, used=0, alive=None, dead=0, lowest=np.iinfo(np.int64).max, highest=-1)


def append_rows(blocks: tuple[Block, ...], handles: Handles, rows: Vectors, capacity: int) -> tuple[Block, ...]:
    """The blocks with these rows at the end, in as many new blocks of ``capacity`` rows as that takes."""
    result = list(blocks)
    start = 0
    while start < len(handles):
        if not result or result[-1].room == 0:
            result = _open_block(result, rows, capacity)
        step = min(result[-1].room, len(handles) - start)
        result[-1] = result[-1].appended(handles[start : start + step], rows[start : start + step])
        start += step
    return tuple(result)


def _open_block(blocks: list[Block], like: Vectors, capacity: int) -> list[Block]:
    """Ends with a block that has room: a copy of the last one where a discarded view wrote after its rows, otherwise a
    new one.
    """
    if blocks and blocks[-1].live_count < capacity and blocks[-1].used < len(blocks[-1].arrays.handles):
        return [*blocks[:-1], _rewritten(blocks[-1:], capacity)]
    return [*blocks, new_block(capacity, like)]


def strike_rows(blocks: tuple[Block, ...], handles: Handles, capacity: int) -> tuple[Block, ...]:
    """The blocks without the rows of these handles. A block that this leaves mostly dead is rewritten, into its
    neighbour where both fit in one.
    """
    if not len(handles):
        return blocks
    result: list[Block] = []
    for block in blocks:
        struck = block.without(handles)
        if struck is block or struck.dead <= DEAD_FRACTION * struck.used:
            result.append(struck)
        elif struck.live_count == 0:
            continue
        elif result and result[-1].live_count + struck.live_count <= capacity:
            result[-1] = _rewritten([result[-1], struck], capacity)
        else:
            result.append(_rewritten([struck], capacity))
    return tuple(result)


def _rewritten(blocks: Iterable[Block], capacity: int) -> Block:
    """A fresh block with the live rows of these."""
    parts = [block.live() for block in blocks]
    rewritten = new_block(capacity, parts[0][1])
    for handles, rows in parts:
        if len(handles):
            rewritten = rewritten.appended(handles, rows)
    return rewritten
