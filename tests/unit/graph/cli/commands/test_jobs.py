from __future__ import annotations

import json

import httpx
import pytest

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
    for words in (["jobs"], ["jobs", "list"]):
        assert run(Service(reply({"jobs": [JOB]})), *words).stdout.splitlines() == [
            "id\tkind\tstate\tfiles\tfailed\tsubmitted\twhat\treason",
            "job-1\tindex\trunning\t4/10\t1\t2024-05-01T12:00:00.000Z\t/photos\t",
        ]


@pytest.mark.usefixtures("terminal")
def test_a_job_on_a_narrow_terminal_keeps_its_id_whole_and_shows_paths_and_reason(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    job = JOB | {"id": "backfill-20240501-120000-abcdef", "state": "succeeded", "done": 100000, "total": 100000}
    job |= {"arguments": {"paths": ["/home/somebody/Pictures"]}, "message": "word " * 30}
    lines = run(Service(reply({"jobs": [job]})), "jobs").stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert [line.rstrip() for line in lines[4:7]] == [
        "backfill-20240501-120000-abcdef",
        "    succeeded  100000/100000       1  2024-05-01 12:00Z",
        "    /home/somebody/Pictures",
    ]
    assert " ".join(lines).count("word") == 30
    few = job | {"done": 42, "total": 42}
    lines = run(Service(reply({"jobs": [few]})), "jobs").stdout.splitlines()
    assert lines[3].startswith("backfill-20240501-120000-abcdef  succeeded  42/42       1  2024-05-01 12:00Z")


@pytest.mark.usefixtures("terminal")
def test_no_job_at_all_says_how_to_start_one(run: Run) -> None:
    assert run(Service(reply({"jobs": []})), "jobs").stdout == "no job has run yet: lookalike index PATH\n"


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
