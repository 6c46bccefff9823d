from __future__ import annotations

import io
import json

import httpx
import pytest

from graph.cli.commands.follow import follow
from lookalike_client import Client
from tests.suites.client_suite import JOB, Service, failure
from tests.unit.graph.cli.commands.test_index import job_service
from tests.unit.graph.cli.conftest import Run

RUNNING = JOB | {"kind": "backfill", "arguments": {"feature": "global"}}
DONE = RUNNING | {"state": "succeeded", "done": 30, "total": 30, "added": 60, "failed": 0}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["global"], {"feature": "global"}),
        ([], {}),
        (["global", "--allow-missing"], {"feature": "global", "allow_missing": True}),
    ],
)
def test_the_job_is_submitted_and_followed(run: Run, words: list[str], named: dict[str, object]) -> None:
    service = job_service(RUNNING, DONE)
    result = run(service, "backfill", *words)
    assert json.loads(service.requests[0].content) == {"kind": "backfill", **named}
    assert result.stdout == "filled in 60 features, 0 images could not be filled in\n"
    assert (result.exit_code, result.stderr) == (0, "")


def test_images_that_could_not_be_filled_in_are_listed(run: Run) -> None:
    result = run(job_service(DONE | {"added": 1, "failed": 22}), "backfill")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0] == "filled in 1 feature, 22 images could not be filled in"
    assert lines[1] == "image\tcode\treason"
    assert len(lines) == 2 + 20 + 1
    assert lines[-1] == "... and 2 more: lookalike jobs job-1"


def test_detach_writes_the_id_and_leaves(run: Run) -> None:
    service = job_service(RUNNING)
    assert run(service, "backfill", "global", "--detach").stdout == "job-1\n"
    assert len(service.requests) == 1


def test_a_job_that_failed_is_a_failure(run: Run) -> None:
    result = run(job_service(DONE | {"state": "failed", "message": "no weights"}), "backfill", "global")
    assert result.exit_code == 1
    assert result.stderr.startswith("lookalike: job job-1 failed: no weights; ")


def test_a_feature_that_does_not_exist_is_wrong_usage(run: Run) -> None:
    result = run(Service(failure("unknown_feature", 422)), "backfill", "globl")
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_person_sees_the_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    with Client("http://127.0.0.1:8000", transport=httpx.MockTransport(job_service(RUNNING, DONE))) as client:
        assert follow(client, "job-1").finished
    assert "30/30" in screen.getvalue()
    assert "60 filled in  0 failed" in screen.getvalue()
