"""A sample of an index's rows, uniform over its pictures: what a distance means depends on how far all the others are.

Every picture has a mark, its handle mixed to a number as good as random, and the sample has the pictures with the
smallest marks: all up to a bound. So it has no history of its own. It is a list of places in the blocks of the index,
whose distances a search computes anyway; those of a block stay true until the block changes. The bound falls when there
are too many, and is found anew when a tenth of the sample has gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage.index.row_blocks import Block
from storage.types.features import Handles

COLLECTION_SAMPLE = 10_000  # rows, of all shards together
LEAST_LEFT = 0.9  # of a sample; below, its bound is found anew
ALL = np.uint64(np.iinfo(np.uint64).max)

Marks = NDArray[np.uint64]
Places = NDArray[np.intp]


def sample_size(shard_count: int) -> int:
    """Rows of each shard's sample."""
    return -(-COLLECTION_SAMPLE // shard_count)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """places: by block, ascending, where all live rows of the pictures are whose mark is at most ``bound``: about
    ``size`` of them.
    """

    size: int
    bound: np.uint64
    places: Mapping[Block, Places]

    @property
    def rows_count(self) -> int:
        return sum(map(len, self.places.values()))

    def among(self, blocks: Sequence[Block]) -> Sample:
        """What is still true of these blocks."""
        return Sample(self.size, self.bound, {block: self.places[block] for block in blocks if block in self.places})


def drawn(blocks: Sequence[Block], size: int, last: Sample | None) -> Sample:
    """The sample of an index: all rows where there are at most ``size``. last: of an earlier view, whose places are
    taken over.
    """
    rows = sum(block.live_count for block in blocks)
    if last is not None and last.size == size:
        sample = _narrowed(_up_to(blocks, last))
        if sample.rows_count >= (rows if rows <= size else LEAST_LEFT * size):
            return sample
    return _narrowed(_up_to(blocks, Sample(size, ALL, {})))


def marks_of(handles: Handles) -> Marks:
    """(N,) of the handles (N,): the finaliser of SplitMix64, one to one."""
    marks = handles.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    marks = (marks ^ (marks >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    marks = (marks ^ (marks >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(marks ^ (marks >> np.uint64(31)), np.uint64)


def _up_to(blocks: Sequence[Block], last: Sample) -> Sample:
    """All rows within the bound."""
    places = {}
    for block in blocks:
        if block in last.places:
            places[block] = last.places[block]
            continue
        is_in = np.ones(block.used, np.bool_) if last.bound == ALL else marks_of(block.handles) <= last.bound
        places[block] = np.flatnonzero(is_in if block.alive is None else is_in & block.alive)
    return Sample(last.size, last.bound, places)


def _narrowed(sample: Sample) -> Sample:
    """With the bound so low that there are not too many; a picture's rows are in it together."""
    if sample.rows_count <= sample.size:
        return sample
    marks = {block: marks_of(block.handles[places]) for block, places in sample.places.items()}
    bound = np.partition(np.concatenate(list(marks.values())), sample.size - 1)[sample.size - 1]
    places = {block: places[marks[block] <= bound] for block, places in sample.places.items()}
    return Sample(sample.size, bound, places)
