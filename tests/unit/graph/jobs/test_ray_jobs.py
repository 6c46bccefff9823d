"""What Ray is asked for when a job is submitted."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ray.job_submission import JobStatus

from graph.config.settings import AppSettings, app_settings
from graph.jobs.ray_jobs import LOST_AFTER_S, JobKind, RayJobs, end_of
from graph.ports.ray_shard import RayShardPort
from storage.errors import Misconfigured, Unavailable
from storage.types.jobs import JobRecord


class Submissions:
    """Ray's client, as far as a submission goes."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def submit_job(self, **asked: Any) -> None:
        self.asked.append(asked)


def jobs_with(gpus: float) -> tuple[RayJobs, Submissions]:
    settings = AppSettings.model_validate({"batch": {"gpus": gpus}})
    jobs, ray_client = (
        RayJobs(records=cast(RayShardPort, None), settings=settings, cluster="cluster:6379", application="app"),
        Submissions(),
    )
    jobs._ray_jobs = cast(Any, ray_client)
    return jobs, ray_client


def test_a_job_is_told_which_cluster_it_belongs_to() -> None:
    jobs, ray_client = jobs_with(0)
    jobs._submit("index", "index-1")
    assert ray_client.asked[0]["runtime_env"]["env_vars"]["LOOKALIKE_JOB_CLUSTER"] == "cluster:6379"


def refused_first(monkeypatch: pytest.MonkeyPatch, ray_client: Submissions, *failures: str) -> None:
    waiting = list(failures)

    def submit_job(**asked: Any) -> None:
        if waiting:
            raise RuntimeError(f"Request failed with status code 500: {waiting.pop(0)}")
        ray_client.asked.append(asked)

    monkeypatch.setattr(ray_client, "submit_job", submit_job)


def test_a_job_waits_for_rays_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, ray_client = jobs_with(0)
    refused_first(monkeypatch, ray_client, *["No available agent to submit job, please try again later."] * 2)
    jobs._submit("index", "index-1")
    assert [asked["submission_id"] for asked in ray_client.asked] == ["index-1"]


def test_any_other_refusal_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, ray_client = jobs_with(0)
    refused_first(monkeypatch, ray_client, "a job with this id is there")
    with pytest.raises(RuntimeError, match="a job with this id"):
        jobs._submit("index", "index-1")


@pytest.mark.parametrize(
    ("kind", "gpus", "asked"),
    [("backfill", 0.25, 0.25), ("backfill", 0.0, 0.0), ("index", 0.25, 0)],  # stages of the latter ask for themselves
)
def test_the_process_of_a_backfill_has_the_gpu_that_its_models_need(kind: JobKind, gpus: float, asked: float) -> None:
    jobs, ray_client = jobs_with(gpus)
    jobs._submit(kind, "job-1")
    [submission] = ray_client.asked
    assert submission["entrypoint_num_gpus"] == asked


async def test_a_backfill_that_could_never_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.nodes", lambda: [{"Alive": True, "Resources": {"CPU": 4.0}}])
    jobs, ray_client = jobs_with(1)
    with pytest.raises(Unavailable, match="no machine of the cluster has more than 0"):
        await jobs.submit_backfill(None)
    assert not ray_client.asked


async def test_the_record_of_a_backfill_says_what_may_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, _ = jobs_with(0)
    records: list[JobRecord] = []

    async def put(record: JobRecord) -> None:
        records.append(record)

    monkeypatch.setattr(jobs, "_put", put)
    await jobs.submit_backfill("global")
    await jobs.submit_backfill(None, allow_missing=True)
    assert [record.arguments for record in records] == [
        {"feature": "global", "allow_missing": False},
        {"feature": None, "allow_missing": True},
    ]


async def test_an_import_runs_the_module_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, ray_client = jobs_with(0)
    records: list[JobRecord] = []

    async def put(record: JobRecord) -> None:
        records.append(record)

    monkeypatch.setattr(jobs, "_put", put)
    job_id = await jobs.submit_import(["/srv"], photos=None, dry_run=True, keypoint_ranges=None, features={})
    assert ray_client.asked[0]["entrypoint"].endswith(f"-m graph.jobs.import_ambience {job_id}")
    assert (records[0].kind, records[0].arguments["dry_run"]) == ("import", True)


@pytest.mark.parametrize("gpus", [-1, 1.5, float("inf")])
def test_a_share_that_ray_cannot_give_is_refused(gpus: float) -> None:
    with pytest.raises(Misconfigured, match="gpus"):
        app_settings({"batch": {"gpus": gpus}}, {})


@pytest.mark.parametrize(
    ("status", "silent_s", "watch", "state", "said"),
    [
        (None, LOST_AFTER_S + 1, True, "stopped", "stopped with the service, which goes on watching under another id"),
        (None, LOST_AFTER_S + 1, False, "failed", "stopped with the service; run it again"),
        (JobStatus.FAILED, 3.0, True, "failed", "it ended before it was done"),
        (JobStatus.STOPPED, 3.0, True, "stopped", "it ended before it was done"),
    ],
)
def test_a_job_that_could_not_write_its_end_is_told_how_it_ended(
    status: JobStatus | None, silent_s: float, watch: bool, state: str, said: str
) -> None:
    end = end_of(JobRecord("j", "index", "running", 0.0, 100.0, {"watch": watch}), status, 100.0 + silent_s)
    assert end is not None
    assert (end[0], said in end[1]) == (state, True)


@pytest.mark.parametrize(("status", "silent_s"), [(None, LOST_AFTER_S - 1), (JobStatus.RUNNING, 1000.0)])
def test_a_job_that_may_be_at_work_has_not_ended(status: JobStatus | None, silent_s: float) -> None:
    assert end_of(JobRecord("j", "index", "running", 0.0, 100.0, {}), status, 100.0 + silent_s) is None
