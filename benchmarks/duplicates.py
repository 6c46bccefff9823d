"""Groups of duplicates among made-up hashes, in one process: ``python -m benchmarks.duplicates``.

A collection of 100,000 pictures, one in ten of which is a copy of another (up to 30 bits from it, one in five of them
mirrored), is walked from the first page to the last; the groups have to be those that were planted. Beside it: FAISS's
Hamming kernel over the same pairs, each view of a picture with each row, which is the least that a search for each
picture would take. Then a crowd: near-duplicates of one picture, as far as they are walked in the time for it.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Report
from graph.duplicates.pages import DuplicatePage, DuplicateWalk
from graph.ports.contract import ShardPort
from storage.shard.placement import shard_of
from storage.shard.plan import ShardPlan, ShardSettings
from storage.shard.shard import Shard
from storage.types.features import BinaryVectors, FeatureRows, FeatureSpec
from storage.types.mutations import PutImage
from storage.types.pictures import ImageRecord
from tests.twins.in_process import LocalShardPort
from tests.unit.storage.samples import applied

PHASH = FeatureSpec("phash", "binary", 576, "hamming", "made-up")
MIRROR = np.tile(np.packbits(np.arange(8) % 2 == 1), 72)
COPIES = 0.1
FLIPS = 30
BATCH = 2000
SAMPLE = 1000  # pictures whose pairs FAISS is timed on
CROWD_S = 20.0


def main() -> None:
    options = arguments()
    report = Report("duplicates", f"Groups of duplicates among {options.pictures:,} made-up hashes")
    rng = np.random.default_rng(1)
    codes, owners = planted(rng, options.pictures)
    with shards_with(codes, options.shards) as shards:
        walk, took_s = asyncio.run(walked(shards))
        check(walk, owners)
    groups = [group for page in walk for group in page.groups]
    baseline_s = faiss_seconds(codes)
    rows = [
        ("pictures", f"{options.pictures:,}"),
        ("shards, each on a thread", options.shards),
        ("groups, all as planted", len(groups)),
        ("duplicates", sum(len(group.duplicates) for group in groups)),
        ("pages", len(walk)),
        ("seconds for the whole walk", took_s),
        ("pictures a second", f"{options.pictures / took_s:,.0f}"),
        ("FAISS's kernel over the same pairs, on one thread, seconds", baseline_s),
    ]
    report.table(("one in ten a copy", ""), rows)
    crowd(report, rng, options.crowd, options.shards)
    report.write()


def crowd(report: Report, rng: np.random.Generator, count: int, shard_count: int) -> None:
    base = rng.integers(0, 256, 72, np.uint8)
    with shards_with(copies(rng, np.repeat(base[None], count, axis=0)), shard_count) as shards:
        pages, took_s = asyncio.run(walked(shards, at_most_s=CROWD_S))
    looked_at = sum(page.looked_at for page in pages)
    groups = [group for page in pages for group in page.groups]
    rows = [
        ("pictures", f"{count:,}"),
        ("pictures walked over", f"{looked_at:,}"),
        ("seconds", took_s),
        ("pages", len(pages)),
        ("groups", len(groups)),
        ("duplicates given", sum(len(group.duplicates) for group in groups)),
        ("duplicates counted as left out", sum(group.left_out for group in groups)),
        ("undecided", sum(page.undecided for page in pages)),
    ]
    report.table(("all copies of one picture", ""), rows)


def planted(rng: np.random.Generator, count: int) -> tuple[BinaryVectors, NDArray[np.int64]]:
    """(N, 72) codes, and which picture each is a copy of: itself, or an earlier one."""
    codes = rng.integers(0, 256, (count, 72), np.uint8)
    owners = np.arange(count)
    copied = np.flatnonzero(rng.random(count) < COPIES)
    copied = copied[copied >= count // 2]
    copied = np.unique(np.concatenate([copied, rng.integers(count // 2, count, int(count * COPIES) - len(copied))]))
    owners[copied] = rng.integers(0, count // 2, len(copied))
    codes[copied] = copies(rng, codes[owners[copied]])
    mirrored = copied[rng.random(len(copied)) < 0.2]
    codes[mirrored] ^= MIRROR
    return codes, owners


def copies(rng: np.random.Generator, codes: BinaryVectors) -> BinaryVectors:
    """Each with up to `FLIPS` bits turned."""
    flips = np.zeros((len(codes), 576), np.bool_)
    for places in rng.integers(0, 576, (FLIPS, len(codes))):
        flips[np.arange(len(codes)), places] = True
    turned: BinaryVectors = codes ^ np.packbits(flips, axis=1)
    return turned


@contextmanager
def shards_with(codes: BinaryVectors, count: int) -> Iterator[list[ShardPort]]:
    """Earlier pictures are the larger ones."""
    with tempfile.TemporaryDirectory(prefix="lookalike-benchmark-") as folder:
        settings = ShardSettings((PHASH,))
        shards = [Shard.open(ShardPlan(f"{folder}/{index}", index, count, settings)) for index in range(count)]
        try:
            fill(shards, codes)
            yield [LocalShardPort(index, shard) for index, shard in enumerate(shards)]
        finally:
            for shard in shards:
                shard.close()


def fill(shards: Sequence[Shard], codes: BinaryVectors) -> None:
    waiting: list[list[PutImage]] = [[] for _ in shards]
    for number, code in enumerate(codes):
        put = put_image(number, len(codes), code)
        mine = waiting[shard_of(put.record.id, len(shards))]
        mine.append(put)
        if len(mine) == BATCH:
            applied(shards[shard_of(put.record.id, len(shards))], mine)
            mine.clear()
    for shard, rest in zip(shards, waiting, strict=True):
        applied(shard, rest)


def put_image(number: int, count: int, code: BinaryVectors) -> PutImage:
    name = f"folder/{number:07}.jpg"
    width = 500 + count - number
    record = ImageRecord(name, width, 400, f"{number:064x}", "jpeg", 100_000, 1.0, {"phash": "ok"})
    return PutImage(name, record, {"phash": FeatureRows(code[None], np.stack([code, code ^ MIRROR]))}, b"")


async def walked(shards: Sequence[ShardPort], at_most_s: float = 1e9) -> tuple[list[DuplicatePage], float]:
    """All pages, as many routers would give them, and the seconds; or those that began within the time."""
    started = time.perf_counter()
    pages: list[DuplicatePage] = []
    cursor = None
    while (not pages or cursor is not None) and time.perf_counter() - started < at_most_s:
        walk = DuplicateWalk(shards, max_distance=64, shard_timeout_s=60)
        pages.append(await walk.page(cursor, 1000))
        cursor = pages[-1].next_cursor
    return pages, time.perf_counter() - started


def check(pages: Sequence[DuplicatePage], owners: NDArray[np.int64]) -> None:
    """Raises where a group is not as planted."""
    found = {
        number_of(one.id): number_of(group.keep.id)
        for page in pages
        for group in page.groups
        for one in group.duplicates
    }
    wanted = {int(number): int(owners[number]) for number in np.flatnonzero(owners != np.arange(len(owners)))}
    if found != wanted:
        raise SystemExit(f"{len(found)} duplicates were found, {len(wanted)} planted, or not as they were planted")


def number_of(image_id: str) -> int:
    return int(image_id.removeprefix("folder/").removesuffix(".jpg"))


def faiss_seconds(codes: BinaryVectors) -> float:
    """For two views of every picture with every row, from a sample of the pictures and as many rows as stay in the
    processor's cache.
    """
    faiss.omp_set_num_threads(1)
    sample = np.ascontiguousarray(codes[:SAMPLE])
    distances = np.empty((len(sample), len(sample)), np.int32)
    arrays = [faiss.swig_ptr(array) for array in (sample, sample)]
    best_s = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        faiss.hammings(*arrays, len(sample), len(sample), 72, faiss.swig_ptr(distances))  # type: ignore[attr-defined]
        best_s = min(best_s, time.perf_counter() - started)
    return best_s * 2 * (len(codes) / len(sample)) ** 2


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--crowd", type=int, default=20_000, help="near-duplicates of one picture")
    parser.add_argument("--shards", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
