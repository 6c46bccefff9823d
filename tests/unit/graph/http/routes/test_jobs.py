"""``/v1/jobs``: starting, following and stopping batch jobs."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from graph.http.replies.openapi import JobFailures, JobList, JobRow
from tests.unit.graph.http.conftest import MakeClient
from tests.unit.graph.http.fake_catalog import FakeCatalog

JOB = {"kind": "index", "paths": ["/photos"]}


async def test_a_job_is_started_with_its_options(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    body = {**JOB, "id_from": "stem", "on_conflict": "replace", "watch": True}
    answer = await client.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()) == (202, {"id": "job-1"})
    await client.post("/v1/jobs", json=JOB)
    assert catalog.jobs.submitted == [(["/photos"], "stem", "replace", True), (["/photos"], "path", "skip", False)]


async def test_an_indexing_job_leaves_out_and_prunes_what_it_is_told_to(
    client: httpx.AsyncClient, catalog: FakeCatalog
) -> None:
    for body in ({"exclude": ["*.gif"], "prune": True}, {"exclude": "raw/"}, {}):
        assert (await client.post("/v1/jobs", json={**JOB, **body})).status_code == 202
    assert catalog.jobs.told == [(["*.gif"], True), (["raw/"], False), ([], False)]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, {"path": None, "n": 50, "seed": 0, "strangers": 500, "calibrate": False}),
        ({"calibrate": True}, {"path": None, "n": 50, "seed": 0, "strangers": 3000, "calibrate": True}),
        (
            {"path": "/p", "n": 5, "strangers": 7, "seed": 3},
            {"path": "/p", "n": 5, "seed": 3, "strangers": 7, "calibrate": False},
        ),
    ],
)
async def test_an_evaluation_is_started(client: httpx.AsyncClient, body: dict[str, Any], told: dict[str, Any]) -> None:
    answer = await client.post("/v1/jobs", json={"kind": "eval", **body})
    job = JobRow.model_validate((await client.get(f"/v1/jobs/{answer.json()['id']}")).json())
    assert (answer.status_code, job.kind, job.arguments) == (202, "eval", told)
    assert job.report["edits"]["jpeg15"]["recall_at_1"] == 1.0


@pytest.mark.parametrize(
    "change", [{"n": 0}, {"n": 1001}, {"strangers": 0}, {"seed": -1}, {"path": "a\0b"}, {"paths": ["x"]}]
)
async def test_a_bad_evaluation_is_422(client: httpx.AsyncClient, change: dict[str, Any]) -> None:
    answer = await client.post("/v1/jobs", json={"kind": "eval", **change})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_field")


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
        {"exclude": [""]},
        {"prune": True, "watch": True},
        {"paths": [""]},
        {"paths": ["a\0b"]},
        {"paths": "/photos"},
        {"paths": ["x"] * 10_001},
        {"id_from": "name"},
        {"on_conflict": "error"},
        {"watch": "sometimes"},
        {"pathz": ["/photos"]},
        {"feature": "phash"},
        {"kind": ["index"]},
    ],
)
async def test_a_bad_job_is_422(client: httpx.AsyncClient, catalog: FakeCatalog, change: dict[str, Any]) -> None:
    answer = await client.post("/v1/jobs", json={**JOB, **change})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_field")
    assert not catalog.jobs.submitted


@pytest.mark.parametrize("pattern", ["", " ", "[", "!", "a[", "# all"])
async def test_a_pattern_that_excludes_nothing_is_refused_by_itself(client: httpx.AsyncClient, pattern: str) -> None:
    answer = await client.post("/v1/jobs", json={**JOB, "exclude": ["*.gif", pattern]})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"] == f"exclude: {pattern!r} is no pattern that excludes anything"
    assert answer.json()["error"]["hint"] == "write it as in a .gitignore, like *.gif"


async def test_a_job_is_json_only_so_that_no_plain_form_can_start_one(client: httpx.AsyncClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", ""):
        answer = await client.post(
            "/v1/jobs", content=b'{"kind":"index","paths":["/"]}', headers={"Content-Type": kind}
        )
        assert answer.status_code == 400


async def test_a_backfill_is_of_one_feature_or_of_all(make_client: MakeClient, catalog: FakeCatalog) -> None:
    client = make_client({"annotators": {"tags": {}}})
    answer = await client.post("/v1/jobs", json={"kind": "backfill", "feature": "phash"})
    assert (answer.status_code, answer.json()) == (202, {"id": "backfill-1"})
    await client.post("/v1/jobs", json={"kind": "backfill", "feature": "tags"})
    await client.post("/v1/jobs", json={"kind": "backfill", "feature": None})
    await client.post("/v1/jobs", json={"kind": "backfill"})
    assert catalog.jobs.backfills == ["phash", "tags", None, None]
    shown = JobRow.model_validate((await client.get("/v1/jobs/backfill-1")).json())
    assert (shown.kind, shown.arguments) == ("backfill", {"feature": "phash", "allow_missing": False})
    await client.post("/v1/jobs", json={"kind": "backfill", "feature": "phash", "allow_missing": True})
    assert catalog.jobs.records["backfill-5"].arguments == {"feature": "phash", "allow_missing": True}


@pytest.mark.parametrize(
    ("change", "code", "message", "hint"),
    [
        ({"feature": "phsh"}, "unknown_feature", "no feature is called 'phsh'", "did you mean 'phash'?"),
        ({"feature": "tag"}, "unknown_feature", "no feature is called 'tag'", "did you mean 'tags'?"),
        (
            {"feature": "global"},
            "unknown_feature",
            "'global' is not configured in this service",
            "list it under args.extractors",
        ),
        ({"feature": ""}, "invalid_field", "feature: String should have at least 1 character", "the extractor"),
        ({"feature": ["phash"]}, "invalid_field", "feature: Input should be a valid string", "the extractor"),
        (
            {"allow_missing": 3},
            "invalid_field",
            "allow_missing: Input should be a valid boolean, unable to interpret input",
            "move over",
        ),
        ({"featur": "phash"}, "invalid_field", "unknown field 'featur'", "did you mean 'feature'?"),
        ({"paths": ["/photos"]}, "invalid_field", "unknown field 'paths'", "known: allow_missing, feature, kind"),
        ({"kind": "backfil"}, "invalid_field", "kind: no kind of job is 'backfil'", "did you mean 'backfill'?"),
    ],
)
async def test_a_bad_backfill_is_422_with_the_nearest_name(
    make_client: MakeClient, catalog: FakeCatalog, change: dict[str, Any], code: str, message: str, hint: str
) -> None:
    client = make_client({"annotators": {"tags": {}}})
    answer = await client.post("/v1/jobs", json={"kind": "backfill", **change})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["message"]) == (422, code, message)
    assert error["hint"].startswith(hint)
    assert not catalog.jobs.backfills


async def test_a_job_without_a_kind_is_422(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/jobs", json={"paths": ["/photos"]})
    error = answer.json()["error"]
    assert (answer.status_code, error["message"], error["hint"]) == (
        422,
        "kind: Field required",
        "known: backfill, eval, import, index",
    )


async def test_openapi_describes_each_kind_of_job(client: httpx.AsyncClient) -> None:
    operation = (await client.get("/openapi.json")).json()["paths"]["/v1/jobs"]["post"]
    index, backfill, original, evaluation = operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert set(index["properties"]) == {"kind", "paths", "id_from", "on_conflict", "watch", "exclude", "prune"}
    assert (set(backfill["properties"]), backfill["required"]) == ({"kind", "feature", "allow_missing"}, ["kind"])
    assert set(original["properties"]) == {"kind", "paths", "photos", "dry_run", "keypoint_ranges", "features"}
    assert set(evaluation["properties"]) == {"kind", "path", "n", "strangers", "seed", "calibrate"}


async def test_an_import_is_started_with_its_options(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    body = {
        "kind": "import",
        "paths": ["/srv/ambience"],
        "photos": "/srv/photos",
        "dry_run": True,
        "keypoint_ranges": "/srv/img_points.csv",
        "features": {"/srv/ambience/old": "color"},
    }
    answer = await client.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()) == (202, {"id": "import-1"})
    await client.post("/v1/jobs", json={"kind": "import", "paths": ["/srv/ambience"]})
    shown = [JobRow.model_validate((await client.get(f"/v1/jobs/import-{number}")).json()) for number in (1, 2)]
    assert {"kind": "import"} | shown[0].arguments == body
    assert shown[0].report == {"tables": []}
    nothing: dict[str, Any] = {"photos": None, "dry_run": False, "keypoint_ranges": None, "features": {}}
    assert shown[1].arguments == {"paths": ["/srv/ambience"], **nothing}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"paths": []}, "invalid_field"),
        ({"photos": "a\0b"}, "invalid_field"),
        ({"features": {"/srv/a": "colour"}}, "unknown_feature"),
        ({"features": ["/srv/a"]}, "invalid_field"),
        ({"dry_run": "perhaps"}, "invalid_field"),
        ({"keypoint_ranges": "postgresql://me:secret@db/ambience"}, "invalid_field"),
        ({"watch": True}, "invalid_field"),
    ],
)
async def test_a_bad_import_is_422(
    client: httpx.AsyncClient, catalog: FakeCatalog, change: dict[str, Any], code: str
) -> None:
    answer = await client.post("/v1/jobs", json={"kind": "import", "paths": ["/srv/ambience"], **change})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    assert not catalog.jobs.records
