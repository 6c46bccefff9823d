"""``lookalike eval``: what is submitted, the tables, the page with the failures."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.suites.client_suite import JOB, Service, reply
from tests.unit.graph.cli.commands.test_index import job_service
from tests.unit.graph.cli.conftest import Run
from tests.unit.graph.local_catalog import photo

ODD = "<b>&'\"\u202e.jpg"


def counted(recall: float, right: float, n: int, **features: float) -> dict[str, Any]:
    alone = {name: {"recall_at_1": share, "n": n} for name, share in features.items()}
    return {"recall_at_1": recall, "relation_right": right, "n": n, "by_feature": alone}


FAILURE = {
    "kind": "edit", "why": "another picture is first", "id": ODD, "path": f"/photos/{ODD}", "edit": "crop10",
    "found": "other.jpg", "relation": "edited", "confidence": 0.61, "expected": ["crop"],
}  # fmt: skip
STRANGER: dict[str, Any] = {
    "kind": "stranger", "why": "called a match", "id": None, "path": "/nowhere/x.jpg", "edit": None,
    "found": "gone.jpg", "relation": "same", "confidence": 0.7, "expected": [],
}  # fmt: skip
REPORT = {
    "edits": {
        "jpeg15": {"name": "jpeg 15", **counted(1.0, 1.0, 2, phash=1.0, local=1.0)},
        "crop10": {"name": "crop 10 %", **counted(0.5, 0.0, 2, phash=0.0, local=0.5)},
    },
    "all_edits": counted(0.75, 0.5, 4, phash=0.5, local=0.75),
    "strangers": {"n": 20, "called_match": 1, "with_copies": 3},
    "calibration": [{"from": 0.97, "to": 1.0, "confidence": 0.99, "right": 0.999, "n": 30}],
    "latency_ms": {
        "all": {"p50": 104.2, "p95": 160.9, "n": 24},
        "phash": {"p50": 9.1, "p95": 12.6, "n": 2},
        "local": {"p50": 80.0, "p95": 99.0, "n": 2},
    },
    "failures": [FAILURE, STRANGER],
    "failures_left_out": 0,
    "copies": [{**STRANGER, "kind": "copy", "why": "taken for a copy", "id": "a.jpg", "found": "a (1).jpg"}],
    "unanswered": {"deadline_exceeded": 2},
    "unreadable": 1,
    "thresholds": None,
    "out_of_time": True,
    "took_s": 540.0,
    "edited_photos": {"asked": 2, "wanted": 50},
    "photos": {"asked": 20, "wanted": 500},
}
RUNNING = JOB | {"kind": "eval", "id": "job-1", "arguments": {"path": None, "n": 50, "seed": 4, "strangers": 500}}
DONE = RUNNING | {"state": "succeeded", "done": 30, "total": 30, "failed": 0, "report": REPORT}


class PictureService:
    """A job that is done, and the pictures that its failures name."""

    def __init__(self) -> None:
        self.jobs = job_service(RUNNING, DONE)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.startswith("/v1/images"):
            return self.jobs(request)
        if "gone.jpg" in request.url.path:
            return reply({"error": {"code": "image_not_found", "message": "", "hint": ""}}, 404)
        return httpx.Response(200, content=photo(7))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], {"n": 50, "seed": 0}),
        (["/tmp", "-n", "5", "--seed", "3", "--strangers", "9"], {"path": "/tmp", "n": 5, "seed": 3, "strangers": 9}),
    ],
)
def test_the_job_is_submitted_and_its_report_shown(run: Run, words: list[str], told: dict[str, object]) -> None:
    service = job_service(RUNNING, DONE)
    result = run(service, "eval", *words)
    assert json.loads(service.requests[0].content) == {"kind": "eval", **told}
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:4] == [
        "edit\tn\tfirst\trelation right\tphash\tlocal",
        "jpeg 15\t2\t100 %\t100 %\t100 %\t100 %",
        "crop 10 %\t2\t50 %\t0 %\t0 %\t50 %",
        "all edits\t4\t75 %\t50 %\t50 %\t75 %",
    ]
    assert "all features\t75 %\t104\t161" in lines
    assert "local\t75 %\t80\t99" in lines
    assert "0.97 to 1.00\t30\t99 %" in lines
    assert "20 photos left out: 1 called a match; 3 have copies in the collection" in lines
    assert "out of time: 2 of 50 photos were edited, 20 of 500 left out" in lines
    assert lines[-1] == "2 answers not right: see them as pictures with --html FILE"


@pytest.mark.usefixtures("terminal")
def test_the_tables_fit_a_terminal_of_80_columns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = run(job_service(RUNNING, DONE), "eval")
    assert "relation right" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"thresholds": {"least_confidence": 0.9, "risk": 0.001, "certainty": 0.95, "strangers": 3000,
                            "called_match": 0, "job": "eval-1"}},
            "stored: matches have a confidence of 0.9 or more: at most 1 of 1000 strangers get one, "
            "with 95 % certainty (0 of 3000 did)",
        ),
        ({}, "nothing stored: fewer than 59 photos"),
        (
            {"strangers": {"n": 60, "called_match": 60, "with_copies": 0}},
            "nothing stored: strangers are called a match at any confidence",
        ),
    ],
)  # fmt: skip
def test_calibrating_says_what_was_stored(run: Run, change: dict[str, Any], said: str) -> None:
    arguments = {"path": None, "calibrate": True}
    service = job_service(DONE | {"arguments": arguments, "report": REPORT | change})
    result = run(service, "eval", "--calibrate")
    assert json.loads(service.requests[0].content) == {"kind": "eval", "n": 50, "seed": 0, "calibrate": True}
    assert said in result.stdout.splitlines()


def test_what_was_stored_is_taken_back(run: Run) -> None:
    service = Service(httpx.Response(204))
    assert run(service, "eval", "--uncalibrate", "--calibrate").exit_code == 2
    result = run(service, "eval", "--uncalibrate")
    assert (service.request.method, service.request.url.path) == ("DELETE", "/v1/thresholds")
    assert (result.exit_code, result.stdout) == (0, "matches are told as the package tells them\n")


def test_json_is_the_report_alone(run: Run) -> None:
    assert json.loads(run(job_service(RUNNING, DONE), "eval", "--json").stdout) == REPORT


def test_a_job_that_failed_is_a_failure(run: Run) -> None:
    service = job_service(DONE | {"state": "failed", "message": "no file can be read", "report": {}})
    result = run(service, "eval")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "lookalike: job job-1 failed: no file can be read; run the same command again\n"


@pytest.mark.parametrize(
    "words",
    [
        ["/no/such"],
        ["--html", "/no/such/x.html"],
        ["--html", "x", "--detach"],
        ["-n", "0"],
    ],
)
def test_wrong_usage_asks_nothing(run: Run, words: list[str]) -> None:
    service = job_service(RUNNING, DONE)
    assert run(service, "eval", *words).exit_code == 2
    assert not service.requests


def test_the_page_shows_failures_as_pictures_and_needs_nothing_else(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "eval.html"
    result = run(PictureService(), "eval", "--html", str(page))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"written to {page}"
    read = Elements()
    read.feed(page.read_text("utf-8"))
    assert read.tags.count("li") == 3
    pictures = [source for name, source in read.links if name == "src"]
    assert len(pictures) == 5
    assert all(source.startswith("data:image/jpeg;base64,") for source in pictures)
    assert [name for name, _ in read.links if name != "src"] == []
    assert "script" not in read.tags
    text = " ".join(read.texts)
    assert f"expected: {ODD}" in text
    assert "said of other.jpg: edited 61 %; right: crop" in text
    assert text.count("not at hand") == 2


def test_jobs_shows_the_report(run: Run) -> None:
    result = run(job_service(DONE), "jobs", "job-1")
    assert "searches\t30/30" in result.stdout
    assert "crop 10 %\t2\t50 %" in result.stdout


class Elements(HTMLParser):
    """tags: that begin. links: attributes that would load something. texts: between tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [(name, value or "") for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
