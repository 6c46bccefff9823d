"""The indexing job: ``python -m graph.jobs.index JOB_ID``, started by Ray inside the cluster.

Looks through folders, tells what became of the files that it knows, indexes what is new or has changed, and keeps the
job's durable record. It begins at once with the cores of its own node, and spreads over the cluster what would take
long that way; where models have GPUs of their own (`batch.gpus`), it goes through three stages on the cluster from the
start. It can be killed at any moment: what is in the shards is the progress, and the next job goes on from there.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence

from deployments.extractors.profile import extractor_profiles
from graph.config.fleet_plan import fleet_plan, stored_annotators
from graph.config.settings import AppSettings
from graph.jobs.indexing.gpu_share import loadable_models
from graph.jobs.indexing.plan import ImageFile, IndexPlan, model_names
from graph.jobs.indexing.spread import BATCH_FILES, cluster_cpus, index_on_the_cluster, own_cores
from graph.jobs.indexing.worker import IndexWorker, settle
from graph.jobs.running.fleet_shards import ShardCalls
from graph.jobs.running.job import job_roots, run_job
from graph.jobs.running.progress import FileOutcome, JobProgress
from graph.jobs.scanning.rounds import Round, Rounds
from storage.types.jobs import JobRecord
from storage.types.mutations import OnConflict

logger = logging.getLogger(__name__)

RATE_KNOWN_AFTER_S = 2.0
MOST_CONFLICTS = 3  # rounds in a row in which an id was taken between the look for it and the write


class IndexJob:
    """One run of the job, from the listing to the last record."""

    def __init__(self, record: JobRecord, settings: AppSettings, shards: ShardCalls) -> None:
        self._settings = settings
        self._fleet = fleet_plan(settings, extractor_profiles(settings.extractors))
        self._shards = shards
        self._on_conflict: OnConflict = record.arguments["on_conflict"]
        self._threads = settings.batch.threads or own_cores()
        self.progress = JobProgress(self._shards, record)
        self._rounds = Rounds(record.arguments, shards, self.progress, threads=self._threads, roots=job_roots(settings))

    def run(self) -> None:
        for one in self._rounds:
            conflicts = self._index(one)
            for _ in range(MOST_CONFLICTS):
                if conflicts:
                    conflicts = self._index(self._rounds.again(conflicts))
            self._rounds.give_up(conflicts)
            self._rounds.finish(one)

    def _index(self, one: Round) -> list[str]:
        """Paths of files whose id was taken meanwhile."""
        conflicts: list[str] = []
        for outcomes in self._process(one.work, one.number) if one.work else ():
            conflicts += [outcome.path for outcome in outcomes if outcome.outcome == "conflict"]
            self.progress.count([outcome for outcome in outcomes if outcome.outcome != "conflict"])
        return conflicts

    def _process(self, work: Sequence[ImageFile], number: int) -> Iterator[list[FileOutcome]]:
        """The outcomes of a batch of files at a time."""
        plan = self._plan(number)
        if self._settings.batch.gpus and model_names(plan):
            yield from self._process_in_stages(work, plan, self._settings.batch.gpus)
            return
        done = 0
        for outcomes in self._process_here(work, plan):
            yield outcomes
            done += len(outcomes)
        if done < len(work):
            logger.info("%d of %d files are left to the workers of the cluster", len(work) - done, len(work))
            yield from index_on_the_cluster(work[done:], plan, self._fleet)

    def _process_in_stages(
        self, work: Sequence[ImageFile], plan: IndexPlan, gpus: float
    ) -> Iterator[list[FileOutcome]]:
        """Raises `Unavailable` where the cluster has no GPU for it."""
        from graph.jobs.indexing.gpu_stages import index_in_stages  # with pyarrow, for which other jobs need not wait

        models = loadable_models(plan, self._fleet, gpus)
        self.progress.began(time.time())
        yield from index_in_stages(work, plan, self._fleet, models, gpus)

    def _process_here(self, work: Sequence[ImageFile], plan: IndexPlan) -> Iterator[list[FileOutcome]]:
        """Until all is done, or the rest is worth the start of workers elsewhere."""
        batch = self._settings.batch
        elsewhere = cluster_cpus() > self._threads
        batches = (work[first : first + BATCH_FILES] for first in range(0, len(work), BATCH_FILES))
        with IndexWorker(plan, self._shards, threads=self._threads) as worker:
            settle()
            began, done = time.monotonic(), 0
            self.progress.began(time.time())
            for outcomes in worker.index_each(batches):
                yield outcomes
                done += len(outcomes)
                left_s = seconds_left(time.monotonic() - began, done, len(work) - done)
                if elsewhere and left_s > batch.spread_after_s:
                    return

    def _plan(self, number: int) -> IndexPlan:
        return IndexPlan(
            job_id=f"{self.progress.record.id}/{number}",
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
