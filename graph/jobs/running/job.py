"""What every batch job is wrapped in: its settings, its record from the first moment to the last, and being stopped."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Protocol

import ray

from deployments.extractors.profile import extractor_profiles
from graph.config.fleet_plan import fleet_plan
from graph.config.settings import AppSettings
from graph.jobs.running.environment import CLUSTER_VARIABLE, settings_from
from graph.jobs.running.fleet_shards import FleetShards, ShardCalls
from graph.jobs.running.progress import JobProgress
from storage.errors import LookalikeError
from storage.operations.jobs import FindJob
from storage.types.jobs import JobRecord

logger = logging.getLogger(__name__)


class Job(Protocol):
    """One run of a job."""

    progress: JobProgress

    def run(self) -> None: ...


class Stopped(BaseException):
    """The job was told to stop. No ``Exception``: whoever goes on after one must not go on after this."""


def run_job(
    job_id: str, environment: Mapping[str, str], make: Callable[[JobRecord, AppSettings, ShardCalls], Job]
) -> int:
    """0 when the job came to its end, 1 otherwise."""
    logging.basicConfig(level=logging.INFO)
    settings = settings_from(environment)
    ray.init(address=environment.get(CLUSTER_VARIABLE), namespace="lookalike", log_to_driver=False)
    plan = fleet_plan(settings, extractor_profiles(settings.extractors))
    shards = FleetShards(plan)
    record = shards.ask_patiently(0, FindJob(job_id))
    if record is None:
        logger.error("no job has the id %s", job_id)
        return 1
    progress = JobProgress(shards, record)
    signal.signal(signal.SIGTERM, _stop)
    try:
        job = make(record, settings, shards)
        progress = job.progress
        job.run()
    except Stopped:
        progress.end("stopped", "stopped on request; run it again to go on from there")
        return 1
    except LookalikeError as failure:
        logger.warning("the job failed: %s", failure)
        progress.end("failed", str(failure)[:1000])
        return 1
    except Exception as failure:
        logger.exception("the job failed")
        progress.end("failed", f"{type(failure).__name__}: {failure}"[:1000])
        return 1
    progress.end("succeeded", progress.record.message)
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped
