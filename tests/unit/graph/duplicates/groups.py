"""Groups of the same picture, from shards and by choosing them one by one from every pair."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from graph.duplicates.pages import DuplicatePage, DuplicateWalk
from graph.ports.contract import ShardPort
from storage.shard.placement import shard_of
from tests.twins.in_process import LocalShardPort
from tests.unit.storage.duplicates.near_collection import SPECS, Made, neighbours
from tests.unit.storage.samples import applied, open_shard
from tests.unit.waiting import PATIENCE_S

MOST = 64
Groups = dict[str, dict[str, int]]  # id of the kept picture -> id of each duplicate -> distance


@contextmanager
def shards_of(pictures: Sequence[Made], count: int = 2) -> Iterator[list[ShardPort]]:
    with ExitStack() as resources:
        ports: list[ShardPort] = []
        for index in range(count):
            folder = Path(resources.enter_context(_folder()))
            shard = open_shard(folder, SPECS, index=index, shard_count=count)
            resources.callback(shard.close)
            applied(shard, [one.put() for one in pictures if shard_of(one.id, count) == index])
            ports.append(LocalShardPort(index, shard))
        yield ports


@contextmanager
def _folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield folder


def chosen_one_by_one(pictures: Sequence[Made], most: int = MOST) -> Groups:
    """The largest picture that is left takes those that are left and near to it, again and again."""
    left = sorted(pictures, key=lambda one: one.rank)
    groups: Groups = {}
    while left:
        keep = left.pop(0)
        near = neighbours(keep, [keep, *left], most)
        left = [one for one in left if one.id not in near]
        if near:
            groups[keep.id] = near
    return groups


async def pages(shards: Sequence[ShardPort], limit: int = 100, most: int = MOST) -> list[DuplicatePage]:
    found: list[DuplicatePage] = []
    cursor = None
    while not found or cursor is not None:
        walk = DuplicateWalk(shards, max_distance=most, shard_timeout_s=PATIENCE_S)
        found.append(await walk.page(cursor, limit))
        cursor = found[-1].next_cursor
    return found


def groups_of(found: Sequence[DuplicatePage]) -> Groups:
    listed = [group for page in found for group in page.groups]
    assert len({group.keep.id for group in listed}) == len(listed), "a group is on two pages"
    return {group.keep.id: {one.id: one.distance for one in group.duplicates} for group in listed}


def chain(count: int, step: int = 40) -> list[Made]:
    """Each is near to the next and to no other; the first is the largest."""
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2, 576, np.uint8)
    made = []
    for number in range(count):
        made.append(Made(f"{number:04}", 1000 - number, 10, 10, np.packbits(bits)[None]))
        bits = bits.copy()
        bits[(number * step + np.arange(step)) % 576] ^= 1
    return made
