"""Batch jobs as Ray jobs: submits them, stops them, and reads their durable records, which shard 0 keeps.

A job's arguments travel in its record and its settings in an environment variable, never on the entry point's command
line, which a shell reads.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, cast

from ray.job_submission import JobStatus, JobSubmissionClient

from graph.config.settings import AppSettings
from graph.jobs.indexing.gpu_share import require_gpus
from graph.jobs.running.job import job_environment
from graph.ports.contract import ShardPort
from storage.errors import JobNotFound, Unavailable
from storage.operations.jobs import FailuresOfJob, FindJob, Jobs, PutJob
from storage.types.jobs import JobFailure, JobRecord

logger = logging.getLogger(__name__)

JobKind = Literal["index", "backfill", "import", "eval"]
MODULES: Mapping[JobKind, str] = {
    "index": "index",
    "backfill": "backfill",
    "import": "import_ambience",
    "eval": "evaluate",
}
RECORD_TIMEOUT_S = 10.0
SILENT_AFTER_S = 2.0  # one that said something since is at work: Ray need not be asked, through processes of its own
NO_AGENT = "No available agent"  # in what Ray says while it has nobody to start a job with
AGENT_PATIENCE_S = 15.0  # from when on it is not asked again: a request has half a minute
CUT_SHORT = "it ended before it was done; run it again to go on from there"
LOST_AFTER_S = 20.0  # a job that Ray does not know, and that said nothing for so long, is gone


class RayJobs:
    """The `graph.ports.contract.JobPort` of a running cluster."""

    def __init__(self, *, records: ShardPort, settings: AppSettings, cluster: str, application: str) -> None:
        """cluster: its address. application: of Ray Serve, by name."""
        self._records = records
        self._settings = settings
        self._cluster = cluster
        self._application = application

    async def submit_index(
        self,
        paths: Sequence[str],
        *,
        id_from: str,
        on_conflict: str,
        watch: bool = False,
        exclude: Sequence[str] = (),
        prune: bool = False,
    ) -> str:
        """Starts an indexing job; its id."""
        told = {
            "id_from": id_from,
            "on_conflict": on_conflict,
            "watch": watch,
            "exclude": list(exclude),
            "prune": prune,
        }
        return await self._start("index", {"paths": list(paths), **told})

    async def submit_backfill(self, feature: str | None, *, allow_missing: bool = False) -> str:
        """Starts a job that computes what is pending; its id. Raises `Unavailable` where it could never start."""
        if self._settings.batch.gpus:
            await asyncio.to_thread(require_gpus, self._settings.batch.gpus)
        return await self._start("backfill", {"feature": feature, "allow_missing": allow_missing})

    async def submit_import(
        self,
        paths: Sequence[str],
        *,
        photos: str | None,
        dry_run: bool,
        keypoint_ranges: str | None,
        features: Mapping[str, str],
    ) -> str:
        """Starts a job that takes in an original installation; its id."""
        return await self._start(
            "import",
            {
                "paths": list(paths),
                "photos": photos,
                "dry_run": dry_run,
                "keypoint_ranges": keypoint_ranges,
                "features": dict(features),
            },
        )

    async def submit_eval(self, *, path: str | None, n: int, seed: int, strangers: int, calibrate: bool) -> str:
        """Starts a job that asks the service for edits of photos, and for photos left out; its id."""
        told = {"path": path, "n": n, "seed": seed, "strangers": strangers, "calibrate": calibrate}
        return await self._start("eval", told)

    async def _start(self, kind: JobKind, arguments: Mapping[str, Any]) -> str:
        """The record is there before the job is, so that it can be followed at once."""
        job_id = f"{kind}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:6]}"
        now = time.time()
        record = JobRecord(job_id, kind, "queued", now, now, arguments)
        await self._put(record)
        try:
            await asyncio.to_thread(self._submit, kind, job_id)
        except Exception as failure:
            await self._put(
                replace(record, state="failed", updated_at=time.time(), message=f"Ray refused the job: {failure}")
            )
            raise Unavailable("the job could not be submitted to Ray", f"see the Ray dashboard: {failure}") from failure
        return job_id

    async def stop(self, job_id: str) -> None:
        """Raises JobNotFound. Stopping a job that has ended changes nothing."""
        if not (await self.job(job_id)).is_at_work:
            return
        await asyncio.to_thread(self._stop, job_id)
        deadline = time.monotonic() + RECORD_TIMEOUT_S
        while time.monotonic() < deadline and (await self.job(job_id)).is_at_work:
            await asyncio.sleep(0.1)

    async def jobs(self) -> list[JobRecord]:
        """Newest first."""
        records = await self._records.ask(Jobs(), timeout_s=RECORD_TIMEOUT_S)
        current = [await self._reconciled(record) for record in records]
        return sorted(current, key=lambda record: record.submitted_at, reverse=True)

    async def job(self, job_id: str) -> JobRecord:
        record = await self._records.ask(FindJob(job_id), timeout_s=RECORD_TIMEOUT_S)
        if record is None:
            raise JobNotFound(f"no job has the id {job_id!r}", "GET /v1/jobs lists the jobs", "see `lookalike jobs`")
        return await self._reconciled(record)

    async def failures(self, job_id: str, offset: int, limit: int) -> list[JobFailure]:
        """Raises JobNotFound."""
        await self.job(job_id)
        return await self._records.ask(FailuresOfJob(job_id, offset, limit), timeout_s=RECORD_TIMEOUT_S)

    async def _reconciled(self, record: JobRecord) -> JobRecord:
        """A job that was killed could not write its end: Ray knows better."""
        if not record.is_at_work or time.time() - record.updated_at < SILENT_AFTER_S:
            return record
        status = await asyncio.to_thread(self._ray_status, record.id)
        end = end_of(record, status, time.time())
        if end is None:
            return record
        state, message = end
        ended = replace(record, state=state, updated_at=time.time(), message=record.message or message)
        await self._put(ended)
        return ended

    async def _put(self, record: JobRecord) -> None:
        await self._records.ask(PutJob(record), timeout_s=RECORD_TIMEOUT_S)

    @cached_property
    def _ray_jobs(self) -> JobSubmissionClient:
        return JobSubmissionClient(self._cluster)

    def _submit(self, kind: JobKind, job_id: str) -> None:
        """Again, for a while, where Ray's agents are not there yet: they may come after everything else is ready."""
        started = time.monotonic()
        while True:
            try:
                environment = job_environment(self._settings, self._cluster, self._application)
                self._ray_jobs.submit_job(
                    entrypoint=f"{shlex.quote(sys.executable)} -m graph.jobs.{MODULES[kind]} {job_id}",
                    submission_id=job_id,
                    runtime_env=cast(dict[str, Any], {"env_vars": environment}),
                    entrypoint_num_cpus=0,
                    # The models of a backfill are in its process.
                    entrypoint_num_gpus=self._settings.batch.gpus if kind == "backfill" else 0,
                )
                return
            except RuntimeError as failure:  # after Ray's own patience of 10 s
                if NO_AGENT not in str(failure) or time.monotonic() - started > AGENT_PATIENCE_S:
                    raise
                logger.warning("the job %s waits for an agent of Ray", job_id)

    def _stop(self, job_id: str) -> None:
        try:
            self._ray_jobs.stop_job(job_id)
        except RuntimeError as unknown:
            logger.info("Ray does not know the job %s: %s", job_id, unknown)

    def _ray_status(self, job_id: str) -> JobStatus | None:
        try:
            return self._ray_jobs.get_job_status(job_id)
        except RuntimeError:  # Ray does not know it: of an earlier run of the service
            return None


def end_of(record: JobRecord, status: JobStatus | None, now: float) -> tuple[str, str] | None:
    """The state and the message to write for an unfinished record, or None while the job may still be at work."""
    if status is None and now - record.updated_at <= LOST_AFTER_S:
        return None
    if status is None and record.arguments.get("watch"):
        return "stopped", "it was stopped with the service, which goes on watching under another id"
    if status is None:
        return "failed", "it was stopped with the service; run it again to go on from there"
    if not status.is_terminal():
        return None
    return "stopped" if status == JobStatus.STOPPED else "failed", CUT_SHORT
