"""Indexing a folder again of which nothing has changed: the whole job over HTTP, beside listing it alone, in turns.

The pictures are made up and put straight into the shard; their files are there, and empty: nobody reads them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks import service
from benchmarks.report import Report, median
from deployments.extractors.registry import create_extractor
from graph.client import Client
from graph.jobs.scanning.listing import list_images
from storage.shard.data_folder import ensure_manifest, shard_directory
from storage.shard.plan import ShardPlan, ShardSettings
from storage.shard.shard import Shard
from storage.types.features import FeatureRows
from storage.types.mutations import PutImage
from storage.types.pictures import Exif, ImageRecord, SourceFile

BATCH = 2000
IN_A_FOLDER = 500
POLL_S = 0.1


def main() -> None:
    options = arguments()
    report = Report("indexing_again", f"indexing {options.pictures:,} unchanged files again")
    with tempfile.TemporaryDirectory(prefix="lookalike-benchmark-") as folder:
        photos, data = Path(os.path.realpath(folder)) / "photos", Path(folder) / "data"
        fill(photos, data, options.pictures)
        listing, job = [], []
        with service.lookalike_service(data, {"phash": {}}) as ours, Client(ours.base_url) as client:
            for _ in range(options.rounds):
                listing.append(seconds_of_listing(photos))
                job.append(seconds_of_job(client, photos, options.pictures))
    rows = [
        ("listing", median(listing)),
        ("the whole job", median(job)),
        ("beyond listing", median(job) - median(listing)),
    ]
    report.table(("", "s"), rows)
    report.write()


def seconds_of_listing(photos: Path) -> float:
    started = time.perf_counter()
    list_images([str(photos)])
    return time.perf_counter() - started


def seconds_of_job(client: Client, photos: Path, pictures: int) -> float:
    started = time.perf_counter()
    job_id = client.submit_index([str(photos)])
    while not (job := client.job(job_id)).finished:
        time.sleep(POLL_S)
    if (job.state, job.unchanged) != ("succeeded", pictures):
        raise SystemExit(f"the job ended otherwise than it should: {job}")
    return time.perf_counter() - started


def fill(photos: Path, data: Path, count: int) -> None:
    spec = create_extractor("phash", {}).spec
    ensure_manifest(data, 1, [spec])
    shard = Shard.open(ShardPlan(str(shard_directory(data, 0)), 0, 1, ShardSettings((spec,))))
    rows = FeatureRows(np.zeros((1, spec.dim // 8), np.uint8))
    files = enumerate(made(photos, count))
    for _ in range(0, count, BATCH):
        part = islice(files, BATCH)
        shard.apply([put(number, path, photos, {spec.name: rows}) for number, path in part])
    shard.close()


def made(photos: Path, count: int) -> Iterator[Path]:
    for number in range(count):
        path = photos / f"{number // IN_A_FOLDER:04}" / f"IMG_{number:07}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        yield path


def put(number: int, path: Path, photos: Path, features: dict[str, FeatureRows]) -> PutImage:
    source = SourceFile(str(path), 0, path.stat().st_mtime_ns)
    name = str(path.relative_to(photos))
    sha256 = f"{number:064x}"
    record = ImageRecord(name, 640, 480, sha256, "jpeg", 0, 1.7e9, {"phash": "ok"}, {}, source, {}, Exif())
    return PutImage(f"put {number}", record, features, b"")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
