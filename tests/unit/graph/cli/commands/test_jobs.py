from __future__ import annotations

import json

import httpx

from tests.suites.client_suite import JOB, Service, failure, reply
from tests.unit.graph.cli.conftest import Run

FAILURE = {"path": "/p/x.jpg", "code": "unsupported_image", "reason": "not a picture"}


def one_job(request: httpx.Request) -> httpx.Response:
    """A job with three failed files, of which a page holds two at most."""
    if not request.url.path.endswith("/failures"):
        return reply(JOB | {"failed": 3})
    first = request.url.params["offset"] == "0"
    return reply({"failures": [FAILURE] * (2 if first else 1), "next_offset": 2 if first else None})


def test_lists_all_jobs(run: Run) -> None:
    lines = run(Service(reply({"jobs": [JOB]})), "jobs").stdout.splitlines()
    assert lines == [
        "id\tkind\tstate\tfiles\tfailed\tsubmitted",
        "job-1\tindex\trunning\t4/10\t1\t2024-05-01 12:00:00+00:00",
    ]


def test_shows_one_job_with_every_failed_file(run: Run) -> None:
    lines = run(one_job, "jobs", "job-1").stdout.splitlines()
    assert "state\trunning" in lines
    assert "paths\t/photos" in lines
    assert lines.count("/p/x.jpg\tunsupported_image\tnot a picture") == 3


def test_shows_a_backfill_by_images_and_what_was_filled_in(run: Run) -> None:
    backfill = JOB | {"kind": "backfill", "added": 7, "failed": 1, "arguments": {"feature": "global"}}
    failures = {"failures": [FAILURE | {"path": "a/b.jpg"}], "next_offset": None}
    lines = run(Service(reply(backfill), reply(failures)), "jobs", "job-1").stdout.splitlines()
    assert {"images\t4/10", "filled in\t7", "failed\t1", "feature\tglobal"} <= set(lines)
    assert not {line for line in lines if line.startswith(("files", "replaced", "unchanged"))}
    assert lines[-2:] == ["image\tcode\treason", "a/b.jpg\tunsupported_image\tnot a picture"]


def test_writes_a_job_as_json(run: Run) -> None:
    shown = json.loads(run(one_job, "jobs", "job-1", "--json").stdout)
    assert shown["job"]["id"] == "job-1"
    assert len(shown["failures"]) == 3


def test_stops_a_job(run: Run) -> None:
    service = Service(reply(JOB | {"state": "stopped"}))
    assert run(service, "jobs", "stop", "job-1").stdout == "job job-1 is stopped\n"
    assert (service.request.method, service.request.url.path) == ("POST", "/v1/jobs/job-1/stop")


def test_an_unknown_job_is_a_failure(run: Run) -> None:
    assert run(Service(failure("job_not_found", 404)), "jobs", "nope").exit_code == 1
