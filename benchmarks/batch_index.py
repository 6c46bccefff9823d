"""Batch indexing: the real job through a running service, beside a bare loop in two processes that only decodes.

The loop decodes the same files to the working image and does nothing else, so it is a bound rather than a rival.
Rounds alternate between the two; each has a set of photographs of its own, so that no job finds its files indexed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

from benchmarks import service
from benchmarks.photo_sets import PhotoSet
from benchmarks.report import Report, median
from graph.client import Client, Job

PROCESSES = 2
START_TIMEOUT_S = 60.0
SMALL_BYTES, SMALL_SIDE = 107_000, 500
LARGE_BYTES, LARGE_SIDE = 4_500_000, 4000


def main() -> None:
    options = arguments()
    report = Report("batch_index", "Batch indexing (phash and colour) beside decoding alone in two processes")
    rows: list[Sequence[object]] = []
    with (
        tempfile.TemporaryDirectory(prefix="lookalike-benchmark-") as scratch,
        service.lookalike_service(Path(scratch) / "data") as running,
    ):
        warm_up(running)
        for title, sets in photo_sets(options).items():
            rounds = [one_round(running, photos, number) for number, photos in enumerate(sets)]
            rows += summary(title, rounds)
    report.table(("medians of rounds", "files", "MB", "seconds", "images/s", "of the loop's rate"), rows)
    report.line(
        "job: from the first file to the last commit, by the job's own record; command: all of `lookalike index`"
    )
    report.write()


def photo_sets(options: argparse.Namespace) -> dict[str, list[PhotoSet]]:
    seeds = range(1, options.rounds + 1)
    return {
        "500 px": [PhotoSet("small", options.small, SMALL_SIDE, SMALL_BYTES, seed) for seed in seeds],
        "12 MP": [PhotoSet("large", options.large, LARGE_SIDE, LARGE_BYTES, seed) for seed in seeds],
    }


def one_round(running: service.RunningService, photos: PhotoSet, number: int) -> dict[str, float]:
    """Images a second of the loop, the job and the command, in turns that alternate; and what was read."""
    files = photos.files()
    found = {"files": float(len(files)), "MB": sum(file.stat().st_size for file in files) / 1e6}
    if number % 2 == 0:
        found["loop"] = len(files) / decode_in_two_processes(files)
    wall_s = service.index(running, photos.folder())
    found |= {"job": len(files) / job_seconds(newest_job(running), len(files)), "command": len(files) / wall_s}
    if number % 2 == 1:
        found["loop"] = len(files) / decode_in_two_processes(files)
    return found


def summary(title: str, rounds: Sequence[dict[str, float]]) -> list[Sequence[object]]:
    files, megabytes = rounds[0]["files"], median([each["MB"] for each in rounds])
    rows: list[Sequence[object]] = []
    for name, label in (("loop", "decode only, two processes"), ("job", "batch job"), ("command", "lookalike index")):
        rate = median([each[name] for each in rounds])
        ratio = median([each[name] / each["loop"] for each in rounds])
        rows.append((f"{title}: {label}", int(files), f"{megabytes:.0f}", files / rate, rate, f"{ratio:.2f}"))
    return rows


def decode_in_two_processes(files: Sequence[Path]) -> float:
    """Seconds from the moment that both processes are up and have imported what they need."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES + 1)
    shares = [[str(file) for file in files[start::PROCESSES]] for start in range(PROCESSES)]
    workers = [context.Process(target=decode_all, args=(share, barrier)) for share in shares]
    for worker in workers:
        worker.start()
    barrier.wait(START_TIMEOUT_S)
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    elapsed = time.perf_counter() - started
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a process of the decoding loop failed")
    return elapsed


def decode_all(paths: Sequence[str], barrier: Barrier) -> None:
    from deployments.pictures.images import decode

    decode(Path(paths[0]).read_bytes())
    barrier.wait(START_TIMEOUT_S)
    for path in paths:
        decode(Path(path).read_bytes())


def newest_job(running: service.RunningService) -> Job:
    with Client(running.base_url) as client:
        return max(client.jobs(), key=lambda job: job.submitted_at)


def job_seconds(job: Job, expected: int) -> float:
    """From the first file to the end. Raises RuntimeError unless every file was added."""
    if job.state != "succeeded" or job.added != expected:
        raise RuntimeError(f"the job did not add all {expected} files: {job}")
    return (job.updated_at - (job.started_at or job.submitted_at)).total_seconds()


def warm_up(running: service.RunningService) -> None:
    service.index(running, PhotoSet("warm", 20, SMALL_SIDE, SMALL_BYTES, seed=9).folder())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=1000, help="files of 500 px in each round")
    parser.add_argument("--large", type=int, default=60, help="files of 12 megapixels in each round")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
