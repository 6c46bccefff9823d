"""The indexing job: ``python -m graph.jobs.index JOB_ID``, started by Ray inside the cluster.

Lists files, leaves out those that are indexed and unchanged, indexes the rest, and keeps the job's durable record. It
begins at once with the cores of its own node, and spreads over the cluster what would take long that way; where models
have GPUs of their own (`batch.gpus`), it goes through three stages on the cluster from the start. It can be killed at
any moment: what is in the shards is the progress, and the next job goes on from there.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

from deployments.extractors.profile import extractor_profiles
from graph.config.fleet_plan import fleet_plan, stored_annotators
from graph.config.settings import AppSettings
from graph.jobs.indexing.gpu_share import loadable_models
from graph.jobs.indexing.listing import ListedFile, list_images
from graph.jobs.indexing.plan import ImageFile, IndexPlan, model_names
from graph.jobs.indexing.spread import BATCH_FILES, cluster_cpus, index_on_the_cluster, own_cores
from graph.jobs.indexing.worker import IndexWorker, settle
from graph.jobs.running.fleet_shards import ShardCalls
from graph.jobs.running.job import run_job
from graph.jobs.running.progress import FileOutcome, JobProgress
from storage.operations.pictures import SourceStates
from storage.shard.placement import shard_of
from storage.types.jobs import JobRecord
from storage.types.mutations import OnConflict
from storage.types.pictures import SourceFile

logger = logging.getLogger(__name__)

CHECK_FILES = 2000
WATCH_INTERVAL_S = 2.0
RATE_KNOWN_AFTER_S = 2.0


class IndexJob:
    """One run of the job, from the listing to the last record."""

    def __init__(self, record: JobRecord, settings: AppSettings, shards: ShardCalls) -> None:
        self._settings = settings
        self._fleet = fleet_plan(settings, extractor_profiles(settings.extractors))
        self._shards = shards
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
        self.progress.say(listing.left_out.as_json())
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
                asked = [
                    (file.id, file.source.path, file.source.size, file.source.mtime_ns)
                    for file in chunk
                    if file.id is not None
                ]
                states = self._shards.ask_patiently(shard, SourceStates(tuple(asked)))
                for file, state in zip(chunk, states, strict=True):
                    if state == "unchanged":
                        unchanged += 1
                    elif state != "absent" and self._on_conflict == "skip":
                        skipped += 1
                    else:
                        work.append(file)
        return work, unchanged, skipped

    def _process(self, files: Sequence[ListedFile]) -> Iterator[list[FileOutcome]]:
        """The outcomes of a batch of files at a time."""
        work = [(file.id, file.source) for file in files]
        if self._settings.batch.gpus and model_names(self._plan()):
            yield from self._process_in_stages(work, self._settings.batch.gpus)
            return
        done = 0
        for outcomes in self._process_here(work):
            yield outcomes
            done += len(outcomes)
        if done < len(work):
            logger.info("%d of %d files are left to the workers of the cluster", len(work) - done, len(work))
            yield from index_on_the_cluster(work[done:], self._plan(), self._fleet)

    def _process_in_stages(self, work: Sequence[ImageFile], gpus: float) -> Iterator[list[FileOutcome]]:
        """Raises `Unavailable` where the cluster has no GPU for it."""
        from graph.jobs.indexing.gpu_stages import index_in_stages  # with pyarrow, for which other jobs need not wait

        models = loadable_models(self._plan(), self._fleet, gpus)
        self.progress.began(time.time())
        yield from index_in_stages(work, self._plan(), self._fleet, models, gpus)

    def _process_here(self, work: Sequence[ImageFile]) -> Iterator[list[FileOutcome]]:
        """Until all is done, or the rest is worth the start of workers elsewhere."""
        batch, threads = self._settings.batch, self._settings.batch.threads or own_cores()
        elsewhere = cluster_cpus() > threads
        batches = (work[first : first + BATCH_FILES] for first in range(0, len(work), BATCH_FILES))
        with IndexWorker(self._plan(), self._shards, threads=threads) as worker:
            settle()
            began, done = time.monotonic(), 0
            self.progress.began(time.time())
            for outcomes in worker.index_each(batches):
                yield outcomes
                done += len(outcomes)
                left_s = seconds_left(time.monotonic() - began, done, len(work) - done)
                if elsewhere and left_s > batch.spread_after_s:
                    return

    def _plan(self) -> IndexPlan:
        return IndexPlan(
            job_id=self.progress.record.id,
            shard_count=self._settings.shards,
            extractors=self._settings.extractors,
            annotators={name: self._settings.annotators[name] for name in stored_annotators(self._settings)},
            max_pixels=self._settings.limits.max_pixels,
            on_conflict=self._on_conflict,
        )


def seconds_left(took_s: float, done: int, left: int) -> float:
    """How long the rest will take at the rate so far; 0 while that is no more than a guess."""
    return took_s / done * left if took_s >= RATE_KNOWN_AFTER_S else 0.0


if __name__ == "__main__":
    sys.exit(run_job(sys.argv[1], os.environ, IndexJob))
