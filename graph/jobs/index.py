"""The indexing job: ``python -m graph.jobs.index JOB_ID``, started by Ray inside the cluster.

Lists files, leaves out those that are indexed and unchanged, sends the rest through Ray Data to `IndexWorker`s, and
keeps the job's durable record. It can be killed at any moment: what is in the shards is the progress, and the next
job goes on from there.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

import numpy as np
import ray

from deployments.profile import extractor_profiles
from graph.jobs.environment import settings_from
from graph.jobs.fleet_shards import FleetShards
from graph.jobs.index_worker import FileOutcome, IndexPlan, IndexWorker
from graph.jobs.listing import ListedFile, list_images
from graph.jobs.progress import JobProgress
from graph.settings import AppSettings
from graph.shard_plan import fleet_plan
from storage.placement import shard_of
from storage.shard_plan import FleetPlan
from storage.types import JobRecord, OnConflict, SourceFile

logger = logging.getLogger(__name__)

BATCH_FILES = 32
BATCHES_IN_FLIGHT = 4  # a worker's; at fewer it waits for the next one to arrive
FEW_FILES = 100  # handled by the job itself
CHECK_FILES = 2000
WATCH_INTERVAL_S = 2.0
WORKER_START_TIMEOUT_S = 300
COLUMNS = ("path", "outcome", "code", "reason")


class IndexFiles:
    """What Ray Data maps over batches of files: the worker, in columns."""

    def __init__(self, plan: IndexPlan, shards: FleetPlan) -> None:
        self._worker = IndexWorker(plan, FleetShards(shards))

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        files = [
            (str(image_id) if known else None, SourceFile(str(path), int(size), int(mtime_ns)))
            for image_id, known, path, size, mtime_ns in zip(
                batch["id"], batch["has_id"], batch["path"], batch["size"], batch["mtime_ns"], strict=True
            )
        ]
        began = time.time()
        outcomes = self._worker.index(files)
        columns = {name: [getattr(outcome, name) for outcome in outcomes] for name in COLUMNS}
        return {**columns, "began": [began] * len(outcomes)}


class IndexJob:
    """One run of the job, from the listing to the last record."""

    def __init__(self, record: JobRecord, settings: AppSettings) -> None:
        profiles = extractor_profiles(settings.extractors)
        self._settings = settings
        self._fleet = fleet_plan(settings, profiles)
        self._shards = FleetShards(self._fleet)
        self._arguments = record.arguments
        self._on_conflict: OnConflict = record.arguments["on_conflict"]
        self.progress = JobProgress(self._shards, record)

    def run(self) -> None:
        self._round()
        known = self._signature()
        while self._arguments["watch"]:
            time.sleep(WATCH_INTERVAL_S)
            now = self._signature()
            if now != known:
                known = now
                self._round()
            self.progress.write()

    def _round(self) -> None:
        listing = list_images(self._arguments["paths"], self._arguments["id_from"])
        work, unchanged, skipped = self._to_do(listing.files)
        total = len(listing.files) + len(listing.failures)
        self.progress.start(total, unchanged, skipped, listing.failures)
        if work:
            for outcomes in self._process(work):
                self.progress.count(outcomes)
        self.progress.write()

    def _signature(self) -> frozenset[SourceFile]:
        if not self._arguments["watch"]:
            return frozenset()
        return frozenset(
            file.source for file in list_images(self._arguments["paths"], self._arguments["id_from"]).files
        )

    def _to_do(self, files: Sequence[ListedFile]) -> tuple[list[ListedFile], int, int]:
        """(files to index, number of unchanged ones, number of those that --on-conflict skip leaves alone)."""
        by_shard: dict[int, list[ListedFile]] = defaultdict(list)
        work: list[ListedFile] = []
        for file in files:
            if file.id is None:
                work.append(file)
            else:
                by_shard[shard_of(file.id, self._settings.shards)].append(file)
        unchanged = skipped = 0
        for shard, mine in by_shard.items():
            for start in range(0, len(mine), CHECK_FILES):
                chunk = mine[start : start + CHECK_FILES]
                asked = [(file.id, file.source.path, file.source.size, file.source.mtime_ns) for file in chunk]
                states = self._shards.ask_patiently(shard, "unchanged", asked)
                for file, state in zip(chunk, states, strict=True):
                    if state == "unchanged":
                        unchanged += 1
                    elif state != "absent" and self._on_conflict == "skip":
                        skipped += 1
                    else:
                        work.append(file)
        return work, unchanged, skipped

    def _process(self, files: Sequence[ListedFile]) -> Iterator[list[FileOutcome]]:
        """The outcomes of a batch of files at a time, as workers finish them."""
        if len(files) <= FEW_FILES:
            yield from self._process_here(files)
        else:
            yield from self._process_on_the_cluster(files)

    def _process_here(self, files: Sequence[ListedFile]) -> Iterator[list[FileOutcome]]:
        """Done before workers would have started."""
        worker = IndexWorker(self._plan(), self._shards)
        for start in range(0, len(files), BATCH_FILES):
            self.progress.began(time.time())
            yield worker.index([(file.id, file.source) for file in files[start : start + BATCH_FILES]])

    def _process_on_the_cluster(self, files: Sequence[ListedFile]) -> Iterator[list[FileOutcome]]:
        import ray.data  # slow to import: only for work that is worth it

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.wait_for_min_actors_s = WORKER_START_TIMEOUT_S
        # Ray Data's guards against blocks that outgrow the memory, seen to leave all but one worker idle. Rows of ours
        # are paths and outcomes.
        context.set_config("backpressure_policies.enabled", [])
        cluster, free = ray.cluster_resources().get("CPU", 1.0), ray.available_resources().get("CPU", 0.5)
        workers, cpus = worker_size(cluster, free, len(files))
        blocks = max(workers, -(-len(files) // BATCH_FILES))
        dataset = ray.data.from_items([_row(file) for file in files], override_num_blocks=blocks)
        outcomes = dataset.map_batches(
            IndexFiles,
            fn_constructor_kwargs={"plan": self._plan(), "shards": self._fleet},
            batch_size=None,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=BATCHES_IN_FLIGHT),
            num_cpus=cpus,
        )
        for batch in outcomes.iter_batches(batch_size=None, batch_format="numpy"):
            self.progress.began(float(batch["began"].min()))
            columns = (batch[name] for name in COLUMNS)
            yield [FileOutcome(*map(str, row)) for row in zip(*columns, strict=True)]

    def _plan(self) -> IndexPlan:
        return IndexPlan(
            job_id=self.progress.record.id,
            shard_count=self._settings.shards,
            extractors=self._settings.extractors,
            max_pixels=self._settings.limits.max_pixels,
            on_conflict=self._on_conflict,
        )


def worker_size(cluster_cpus: float, free_cpus: float, files: int) -> tuple[int, float]:
    """(workers, CPUs each): as many as the cluster has cores, or the files fill, on the CPUs that are free now."""
    workers = max(1, min(int(cluster_cpus), -(-files // BATCH_FILES)))
    return workers, max(0.05, min(1.0, 0.9 * free_cpus / workers))


def _row(file: ListedFile) -> dict[str, Any]:
    source = file.source
    return {
        "id": file.id or "",
        "has_id": file.id is not None,
        "path": source.path,
        "size": source.size,
        "mtime_ns": source.mtime_ns,
    }


class Stopped(Exception):
    """The job was told to stop."""


def main(job_id: str, environment: Mapping[str, str]) -> int:
    """0 when every file was taken or listed as failed, 1 otherwise."""
    logging.basicConfig(level=logging.INFO)
    settings = settings_from(environment)
    ray.init(namespace="lookalike", log_to_driver=False)
    profiles = extractor_profiles(settings.extractors)
    record = FleetShards(fleet_plan(settings, profiles)).ask_patiently(0, "job", job_id)
    job = IndexJob(record, settings)
    signal.signal(signal.SIGTERM, _stop)
    try:
        job.run()
    except Stopped:
        job.progress.end("stopped", "stopped on request; run it again to go on from there")
        return 1
    except Exception as failure:
        logger.exception("the job failed")
        job.progress.end("failed", f"{type(failure).__name__}: {failure}"[:1000])
        return 1
    job.progress.end("succeeded")
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], os.environ))
