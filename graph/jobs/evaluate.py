"""The evaluation job: ``python -m graph.jobs.evaluate JOB_ID``, started by Ray inside the cluster.

Asks the running service for edits of the user's own photos, and for photos with themselves left out, and keeps what
came of it in the job's record. No picture is added or changed; what a match has to be sure of from now on is stored
where that is asked for. It ends within ten minutes, whatever it has asked by then.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import warm_up
from graph.config.settings import AppSettings
from graph.jobs.evaluating.calibrating import thresholds_of
from graph.jobs.evaluating.drawing import Drawn, Library, folder_photos
from graph.jobs.evaluating.edits import EDITS
from graph.jobs.evaluating.evaluation import TIME_FOR_EDITS, Evaluation, Plan, Searches
from graph.jobs.evaluating.tally import Tally
from graph.jobs.running.fleet_shards import ShardCalls
from graph.jobs.running.job import APPLICATION_VARIABLE, job_roots, run_job
from graph.jobs.running.progress import JobProgress
from lookalike_client.job_answers import Thresholds
from lookalike_client.matches import PROVEN
from storage.errors import InvalidField
from storage.operations.thresholds import PutThresholds
from storage.types.jobs import JobRecord

TIME_S = 540.0  # of ten minutes, which the start and the end of the job are within, too
PREPARED_AT_ONCE = 1  # threads that make edits while the service is asked, which should not be slowed by them


class EvalJob:
    """One run of the job. time_s: after which no more is asked."""

    def __init__(
        self, record: JobRecord, settings: AppSettings, shards: ShardCalls, service: Searches, *, time_s: float = TIME_S
    ) -> None:
        warm_up()
        self._arguments = record.arguments
        self._settings = settings
        self._library = Library(shards)
        self._service = service
        self._tally = Tally(tuple(EDITS))
        self._shards = shards
        self._calibrates = bool(record.arguments["calibrate"])
        self._thresholds: Thresholds | None = None
        self._began = time.monotonic()
        self._time_s = time_s
        self.progress = JobProgress(shards, record)

    def run(self) -> None:
        """Raises `InvalidField` where there is nothing to ask with, `Unavailable` where the service does not answer."""
        self.progress.found(0)
        photos = self._drawn()
        plan = self._plan()
        self.progress.start(plan.questions(len(photos)))
        self.progress.began(time.time())
        with ThreadPoolExecutor(PREPARED_AT_ONCE, thread_name_prefix="edit") as workers:
            evaluation = Evaluation(
                service=self._service,
                library=self._library,
                limits=DecodeLimits(max_pixels=self._settings.limits.max_pixels),
                plan=plan,
                tally=self._tally,
                workers=workers,
                asked=self.progress.asked,
                said=lambda: self._say(evaluation, len(photos)),
            )
            try:
                evaluation.run(photos)
            finally:
                self._say(evaluation, len(photos))
                workers.shutdown(cancel_futures=True)
        if self._tally.unreadable == len(photos):
            raise InvalidField(
                f"none of the files of {len(photos)} photos can be read by the service", "give a folder of photos"
            )
        if self._calibrates:
            self._calibrate()
            self._say(evaluation, len(photos))
        self.progress.start(self.progress.record.done)

    def _calibrate(self) -> None:
        """Stores what the collection asks of a match from now on; what was stored stays where that cannot be told."""
        self._thresholds = thresholds_of(self._tally.worst, self.progress.record.id)
        if self._thresholds is not None:
            self._shards.ask_patiently(0, PutThresholds(self._thresholds))

    def _drawn(self) -> Sequence[Drawn]:
        """Raises `InvalidField` where there is none."""
        seed, count = self._arguments["seed"], max(self._arguments["n"], self._arguments["strangers"])
        path = self._arguments["path"]
        if path is not None:
            return folder_photos(path, seed, count, job_roots(self._settings))
        drawn = self._library.draw(seed, count)
        if not drawn:
            raise InvalidField("the collection has no pictures whose files are there", "give a folder of photos")
        return drawn

    def _plan(self) -> Plan:
        return Plan(
            edited=self._arguments["n"],
            seed=self._arguments["seed"],
            features=tuple(self._settings.extractors),
            edits_until=self._began + TIME_FOR_EDITS * self._time_s,
            until=self._began + self._time_s,
            least_confidence=PROVEN if self._calibrates else None,
        )

    def _say(self, evaluation: Evaluation, photos: int) -> None:
        """Puts into the record what is known by now."""
        edited = {"asked": evaluation.edited, "wanted": min(self._arguments["n"], photos)}
        strangers = {"asked": evaluation.strangers, "wanted": photos}
        self.progress.say(
            {
                **self._tally.as_json(),
                "edited_photos": edited,
                "photos": strangers,
                "thresholds": None if self._thresholds is None else asdict(self._thresholds),
                "out_of_time": time.monotonic() - self._began >= self._time_s,
                "took_s": round(time.monotonic() - self._began, 1),
            }
        )


def made(record: JobRecord, settings: AppSettings, shards: ShardCalls) -> EvalJob:
    from graph.jobs.evaluating.asking import RunningService  # with Ray Serve, for which tests need not wait

    return EvalJob(record, settings, shards, RunningService(os.environ[APPLICATION_VARIABLE]))


if __name__ == "__main__":
    sys.exit(run_job(sys.argv[1], os.environ, made))
