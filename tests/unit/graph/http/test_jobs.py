"""``/v1/jobs``: starting, following and stopping batch jobs."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from graph.http.schemas import JobFailures, JobList, JobRow
from tests.unit.graph.http.fake_catalog import FakeCatalog

JOB = {"kind": "index", "paths": ["/photos"]}


async def test_a_job_is_started_with_its_options(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    body = {**JOB, "id_from": "stem", "on_conflict": "replace", "watch": True}
    answer = await client.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()) == (202, {"id": "job-1"})
    await client.post("/v1/jobs", json=JOB)
    assert catalog.jobs.submitted == [(["/photos"], "stem", "replace", True), (["/photos"], "path", "skip", False)]


async def test_jobs_are_listed_newest_first_shown_and_stopped(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await client.post("/v1/jobs", json=JOB)
    listed = JobList.model_validate((await client.get("/v1/jobs")).json())
    assert [job.id for job in listed.jobs] == ["job-2", "job-1"]
    shown = JobRow.model_validate((await client.get("/v1/jobs/job-1")).json())
    assert (shown.state, shown.total, shown.submitted_at) == ("running", 10, "2023-11-14T22:13:21.000Z")
    stopped = await client.post("/v1/jobs/job-1/stop")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "stopped")


async def test_failures_are_paged(client: httpx.AsyncClient) -> None:
    await client.post("/v1/jobs", json=JOB)
    first = JobFailures.model_validate((await client.get("/v1/jobs/job-1/failures?limit=3")).json())
    rest = JobFailures.model_validate((await client.get("/v1/jobs/job-1/failures?limit=3&offset=3")).json())
    assert (len(first.failures), first.next_offset) == (3, 3)
    assert (len(rest.failures), rest.next_offset) == (2, None)


@pytest.mark.parametrize("path", ["/v1/jobs/x", "/v1/jobs/x/failures"])
async def test_an_unknown_job_is_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "job_not_found")
    assert (await client.post("/v1/jobs/x/stop")).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "erase"},
        {"kind": None},
        {"paths": []},
        {"paths": [""]},
        {"paths": ["a\0b"]},
        {"paths": "/photos"},
        {"paths": ["x"] * 10_001},
        {"id_from": "name"},
        {"on_conflict": "error"},
        {"watch": "sometimes"},
        {"pathz": ["/photos"]},
    ],
)
async def test_a_bad_job_is_422(client: httpx.AsyncClient, catalog: FakeCatalog, change: dict[str, Any]) -> None:
    answer = await client.post("/v1/jobs", json={**JOB, **change})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_field")
    assert not catalog.jobs.submitted


async def test_a_job_is_json_only_so_that_no_plain_form_can_start_one(client: httpx.AsyncClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", ""):
        answer = await client.post(
            "/v1/jobs", content=b'{"kind":"index","paths":["/"]}', headers={"Content-Type": kind}
        )
        assert answer.status_code == 400
