"""What every batch job is wrapped in: its environment, its record from the first moment to the last, and being stopped.

The environment holds the settings of the service that started the job in one variable, without the API keys, and how
its libraries use threads.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol

import ray

from deployments.extractors.profile import extractor_profiles
from graph.config.fleet_plan import fleet_plan
from graph.config.settings import AppSettings
from graph.jobs.running.fleet_shards import FleetShards, ShardCalls
from graph.jobs.running.progress import JobProgress
from storage.errors import LookalikeError
from storage.files import EVERYWHERE
from storage.operations.jobs import FindJob
from storage.types.jobs import JobRecord

logger = logging.getLogger(__name__)

PARTING_S = 3.0  # in which a job that was told to stop writes its record

SETTINGS_VARIABLE = "LOOKALIKE_JOB_SETTINGS"
# Which cluster the job belongs to: Ray itself tells it the one that was started last on the machine.
CLUSTER_VARIABLE = "LOOKALIKE_JOB_CLUSTER"
# The application of Ray Serve that a job asks.
APPLICATION_VARIABLE = "LOOKALIKE_JOB_APPLICATION"
# A job's threads work on pictures of their own: threads of the libraries beneath would wait for each other on the same
# cores.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Job(Protocol):
    """One run of a job."""

    progress: JobProgress

    def run(self) -> None: ...


class Stopped(BaseException):
    """The job was told to stop. No ``Exception``: whoever goes on after one must not go on after this."""


def job_environment(settings: AppSettings, cluster: str, application: str) -> dict[str, str]:
    """The environment of a job. It can be read in Ray's dashboard, so it has no secrets. cluster: its address.
    application: of Ray Serve, by name.
    """
    told = settings.model_copy(update={"allowed_roots": settings.readable_roots})
    own = {
        SETTINGS_VARIABLE: told.model_dump_json(exclude={"api_keys", "api_keys_file"}),
        CLUSTER_VARIABLE: cluster,
        APPLICATION_VARIABLE: application,
    }
    return {**own, **ONE_THREAD}


def job_roots(settings: AppSettings) -> Sequence[Path]:
    """Below which a job may read: as it was told, since it does not know whether there are keys."""
    return settings.allowed_roots or EVERYWHERE


def run_job(
    job_id: str, environment: Mapping[str, str], make: Callable[[JobRecord, AppSettings, ShardCalls], Job]
) -> int:
    """0 when the job came to its end, 1 otherwise."""
    logging.basicConfig(level=logging.INFO)
    end_with_parent()
    settings = AppSettings.model_validate_json(environment[SETTINGS_VARIABLE])
    ray.init(address=environment.get(CLUSTER_VARIABLE), namespace="lookalike", log_to_driver=False)
    shards = FleetShards(fleet_plan(settings, extractor_profiles(settings.extractors)))
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
        state, message = "stopped", "stopped on request; run it again to go on from there"
    except LookalikeError as failure:
        logger.warning("the job failed: %s", failure)
        state, message = "failed", str(failure)
    except Exception as failure:
        logger.exception("the job failed")
        state, message = "failed", f"{type(failure).__name__}: {failure}"
    else:
        state, message = "succeeded", ""
    progress.end(state, message[:1000])
    return 0 if state == "succeeded" else 1


def end_with_parent(grace_s: float = PARTING_S) -> None:
    """Ends this process a moment after the one that started it: when the whole service has gone, nobody would take
    what the job still has to say.
    """
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(PARTING_S / 10)
        time.sleep(grace_s)
        os._exit(1)

    threading.Thread(target=look, daemon=True, name="parent").start()


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped
