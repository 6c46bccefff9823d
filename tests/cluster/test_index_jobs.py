"""Indexing jobs as Ray runs them: one whose models have a GPU of their own, and one that goes on all over the cluster.
What rows hold: the unit test of the stages.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from deployments.extractors.profile import extractor_profiles
from graph.config.fleet_plan import fleet_plan
from graph.config.settings import AppSettings
from graph.jobs.indexing.gpu_share import loadable_models, most_workers, require_gpus
from graph.jobs.indexing.plan import IndexPlan
from graph.jobs.running.fleet_shards import FleetShards
from graph.jobs.running.job import job_environment
from storage.cluster.fleet import ShardFleet
from storage.errors import Unavailable
from storage.operations.jobs import FailuresOfJob, FindJob, PutJob
from storage.operations.pictures import Page
from storage.operations.reports import Verify
from storage.types.jobs import JobRecord
from storage.types.pictures import ImageRecord
from tests.e2e.running_service import ROOT, processes, wait_for
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

PICTURES, BAD = 40, ("text.jpg", "cut.jpg")
MANY = 320
JOB = "index-1"


@pytest.fixture
def settings(tmp_path: Path) -> AppSettings:
    (tmp_path / "weights").write_text("one")
    model = {"weights": str(tmp_path / "weights"), "delay_s": 0.4}
    return AppSettings.model_validate(
        {
            "data_dir": tmp_path / "data",
            "shards": 2,
            "extractors": {"phash": {}, "local": {}, "fake_model": model},
            "batch": {"gpus": 1},
        }
    )


@contextlib.contextmanager
def open_shards(settings: AppSettings) -> Iterator[FleetShards]:
    plan = fleet_plan(settings, extractor_profiles(settings.extractors))
    fleet = ShardFleet(plan)
    fleet.start()
    yield FleetShards(plan)
    fleet.close()


def put_job(shards: FleetShards, folder: Path) -> None:
    now = time.time()
    told = {"paths": [str(folder)], "id_from": "path", "on_conflict": "replace", "watch": False}
    shards.ask_patiently(0, PutJob(JobRecord(JOB, "index", "queued", now, now, told)))


@contextlib.contextmanager
def running_job(settings: AppSettings, cluster: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The job as Ray would start it; it has ended well when the block ends."""
    with log.open("wb") as output:
        environment = {**os.environ, **job_environment(settings, cluster, "lookalike"), "RAY_ADDRESS": cluster}
        command = [sys.executable, "-m", "graph.jobs.index", JOB]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            yield process
            assert process.wait(30) == 0, log.read_text()
        finally:
            process.kill()


def free_gpus() -> float:
    return float(ray.available_resources().get("GPU", 0.0))


def write_photos(folder: Path) -> None:
    folder.mkdir()
    for seed in range(PICTURES):
        (folder / f"{seed:02d}.jpg").write_bytes(photo(seed))
    (folder / BAD[0]).write_bytes(b"no picture")
    (folder / BAD[1]).write_bytes(photo(99)[:300])


def records_in(shards: FleetShards) -> list[ImageRecord]:
    return [record for shard in range(shards.count) for record in shards.ask_patiently(shard, Page(None, 1000))]


def test_a_job_goes_through_the_three_stages_with_its_models_on_the_gpu(
    cluster: str, settings: AppSettings, tmp_path: Path
) -> None:
    write_photos(tmp_path / "in")
    held: list[float] = []  # of the GPU, while some pictures are done and others are not: by the workers of the models
    with open_shards(settings) as shards:
        put_job(shards, tmp_path / "in")

        def ended() -> bool:
            job = shards.ask_patiently(0, FindJob(JOB))
            assert job is not None
            if job.state == "running" and job.done:
                held.append(1 - free_gpus())
            return job.state not in ("queued", "running")

        with running_job(settings, cluster, tmp_path / "log") as process:
            wait_for(lambda: ended() or process.poll() is not None, "the job ends", 300)
        job = shards.ask_patiently(0, FindJob(JOB))
        assert job is not None
        assert (job.state, job.total, job.done, job.added, job.failed) == ("succeeded", 42, 42, PICTURES, len(BAD))
        failures = {Path(one.path).name: one.code for one in shards.ask_patiently(0, FailuresOfJob(JOB, 0, 10))}
        assert failures == dict(zip(BAD, ("unsupported_image", "unreadable_image"), strict=True))
        assert 1.0 in held
        records = records_in(shards)
        assert sorted(record.id for record in records) == [f"{seed:02d}.jpg" for seed in range(PICTURES)]
        assert all(set(record.features.values()) == {"ok"} for record in records)
        assert all(not shards.ask_patiently(shard, Verify()).problems for shard in range(shards.count))
        wait_for(lambda: free_gpus() == 1, "the GPU is given back")


def test_a_job_that_takes_long_goes_on_all_over_the_cluster(cluster: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for seed in range(MANY):
        (tmp_path / "in" / f"{seed}.jpg").write_bytes(photo(seed, (800, 600)))
    settings = AppSettings.model_validate(
        {
            "data_dir": tmp_path / "data",
            "shards": 2,
            "extractors": {"phash": {}, "color": {}, "fake": {"delay_s": 1.0}},
            "batch": {"threads": 1, "spread_after_s": 0.1},  # the cluster has more than one core
        }
    )
    mark = f"RAY_AUTH_TOKEN={os.environ['RAY_AUTH_TOKEN']}"
    with open_shards(settings) as shards:
        put_job(shards, tmp_path / "in")
        with running_job(settings, cluster, tmp_path / "log") as process:
            wait_for(lambda: bool(processes(mark, "MapWorker")), "workers are started")
            wait_for(lambda: process.poll() is not None, "the job ends", 120)
        job = shards.ask_patiently(0, FindJob(JOB))
        assert job is not None
        assert (job.state, job.added, job.total) == ("succeeded", MANY, MANY)
        assert len(records_in(shards)) == MANY
        assert all(not shards.ask_patiently(shard, Verify()).problems for shard in range(shards.count))


def test_a_job_that_finds_no_gpu_free_says_who_has_them(
    cluster: str, settings: AppSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.jobs.indexing.gpu_share.WORKER_START_TIMEOUT_S", 2)
    holder: Any = ray.remote(num_cpus=0, num_gpus=0.5)(Holder)
    holder = holder.remote()
    ray.get(holder.ready.remote())
    wait_for(lambda: free_gpus() == 0.5, "the GPU is held in part")
    plan = IndexPlan(JOB, settings.shards, settings.extractors, 10**8, "replace")
    with pytest.raises(Unavailable, match=r"each takes 1, and 0\.5 of the cluster's 1 are free .*batch\.gpus"):
        loadable_models(plan, fleet_plan(settings, extractor_profiles(settings.extractors)), 1)
    ray.kill(holder)
    wait_for(lambda: free_gpus() == 1, "the GPU is given back")


def test_a_share_that_no_machine_has_is_refused_at_once(cluster: str) -> None:
    with pytest.raises(Unavailable, match="takes 2 GPU"):
        require_gpus(2)
    require_gpus(1)


def test_as_many_workers_as_the_gpus_have_shares(cluster: str) -> None:
    assert [most_workers(gpus) for gpus in (0.1, 0.4, 1, 2)] == [10, 2, 1, 1]


class Holder:
    """A deployment that takes a part of the GPU."""

    def ready(self) -> None: ...
