from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from graph.cli.commands.follow import rate_of
from lookalike_client import job_answers, parsing
from tests.suites.client_suite import JOB, ROW, Service, reply
from tests.unit.graph.cli.conftest import Run

DONE = JOB | {"state": "succeeded", "done": 30, "total": 30, "added": 5, "replaced": 1, "unchanged": 2, "failed": 22}
FAILURES = [{"path": f"/p/{n}.jpg", "code": "unsupported_image", "reason": "not a picture"} for n in range(22)]


def job_service(*jobs: dict[str, Any] | Exception) -> Service:
    """Takes a job, then tells of it in turn."""
    following = list(jobs)

    class JobService(Service):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            if request.method == "POST":
                return reply({"id": "job-1"}, 202)
            if request.url.path.endswith("/failures"):
                return reply({"failures": FAILURES, "next_offset": None})
            state = following.pop(0) if len(following) > 1 else following[0]
            if isinstance(state, Exception):
                raise state
            return reply(state)

    return JobService()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr("time.sleep", seconds.append)
    return seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Every look at the clock finds it so many seconds later."""

    def tick(step_s: float) -> None:
        now = [0.0]

        def monotonic() -> float:
            now[0] += step_s
            return now[0]

        monkeypatch.setattr("time.monotonic", monotonic)

    return tick


def test_paths_are_sent_whole_and_the_job_is_followed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    service = job_service(JOB | {"state": "queued"}, JOB, DONE | {"failed": 0})
    result = run(service, "index", "photos", "--id-from", "stem")
    assert json.loads(service.requests[0].content) == {
        "kind": "index",
        "paths": [str((tmp_path / "photos").resolve())],
        "id_from": "stem",
        "on_conflict": "replace",
        "watch": False,
    }
    assert result.stdout == "indexed 5 new, 1 replaced, 2 unchanged, 0 could not be read\n"
    assert (result.exit_code, result.stderr, pauses) == (0, "", [0.3, 0.3])


def test_what_was_passed_over_is_said(run: Run) -> None:
    report = {
        "passed_over": {".mp4": 8, ".cr2": 4, "": 1},
        "remedies": {".cr2": "pip install 'lookalike[raw]'"},
        "hidden_files": 1,
        "linked_files": 2,
        "hidden_folders": {"count": 2, "examples": ["/p/.a", "/p/.b"]},
        "linked_folders": {"count": 21, "examples": ["/p/link"]},
    }
    result = run(job_service(DONE | {"failed": 0, "report": report}), "index", ".")
    assert result.stdout.splitlines()[1:] == [
        "13 passed over: 8 .mp4, 4 .cr2 (pip install 'lookalike[raw]'), 1 without an ending",
        "1 hidden file passed over",
        "2 links to files that are counted already",
        "2 hidden folders not looked into: /p/.a, /p/.b",
        "21 linked folders not looked into: /p/link, ...",
    ]
    assert result.exit_code == 0


def test_where_there_is_no_picture_at_all_the_command_fails(run: Run) -> None:
    nothing = DONE | {"total": 0, "done": 0, "failed": 0, "report": {"passed_over": {".mp4": 8}}}
    result = run(job_service(nothing), "index", ".")
    assert result.exit_code == 1
    assert "8 passed over: 8 .mp4" in result.stdout
    [line] = result.stderr.splitlines()
    assert line.startswith("lookalike: no picture file was found in /p")


def test_where_everything_is_excluded_that_is_said(run: Run) -> None:
    nothing = DONE | {"total": 0, "done": 0, "failed": 0, "report": {"excluded": 12}}
    result = run(job_service(nothing), "index", ".")
    assert result.exit_code == 1
    assert result.stderr.startswith("lookalike: no picture file is left in /p")
    assert "12 excluded; see --exclude" in result.stderr


def test_a_job_that_ended_with_the_service_says_that_it_goes_on(run: Run) -> None:
    ended = DONE | {"state": "stopped", "failed": 0, "message": "it was stopped with the service"}
    result = run(job_service(JOB, ended), "index", ".", "--watch")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "watched no longer by this job: it was stopped with the service"


def test_bad_files_are_listed_and_are_no_failure(run: Run) -> None:
    result = run(job_service(DONE), "index", ".")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0] == "indexed 5 new, 1 replaced, 2 unchanged, 22 could not be read"
    assert lines[2] == "/p/0.jpg\tunsupported_image\tnot a picture"
    assert len(lines) == 2 + 20 + 1
    assert lines[-1] == "... and 2 more: lookalike jobs job-1"


def test_all_bad_files_are_listed_when_asked(run: Run) -> None:
    lines = run(job_service(DONE), "index", ".", "--failures").stdout.splitlines()
    assert len(lines) == 2 + 22


@pytest.mark.parametrize(("state", "said"), [("failed", "failed: disk full"), ("stopped", "was stopped: disk full")])
def test_a_job_that_did_not_end_well_is_a_failure(run: Run, state: str, said: str) -> None:
    result = run(job_service(DONE | {"state": state, "failed": 0, "message": "disk full"}), "index", ".")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"lookalike: job job-1 {said}; ")


def test_detach_writes_the_id_and_leaves(run: Run) -> None:
    service = job_service(JOB)
    assert run(service, "index", ".", "--detach").stdout == "job-1\n"
    assert len(service.requests) == 1


def test_ctrl_c_leaves_the_job_running_and_says_how_to_stop_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    result = run(job_service(JOB), "index", ".")
    assert result.exit_code == 130
    assert "goes on in the background" in result.stderr
    assert "lookalike jobs stop job-1" in result.stderr


def test_ctrl_c_ends_watching(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class WatchService(Service):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            if request.url.path.endswith("/stop"):
                return reply(DONE | {"state": "stopped", "failed": 0})
            return reply({"id": "job-1"} if request.method == "POST" else JOB)

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    service = WatchService()
    result = run(service, "index", ".", "--watch")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "watched no longer"
    assert service.requests[-1].url.path == "/v1/jobs/job-1/stop"


def test_what_became_of_known_files_is_said(run: Run) -> None:
    report = {
        "moved": 2,
        "missing": {"count": 1, "examples": ["/p/a.jpg"]},
        "kept_out": 3,
        "excluded": 4,
        "pruned": 5,
        "failed_by_code": {"image_exists": 20, "unsupported_image": 2},
    }
    lines = run(job_service(DONE | {"report": report}), "index", ".").stdout.splitlines()
    assert lines[0] == "indexed 5 new, 1 replaced, 2 moved, 2 unchanged, 2 could not be read, 20 whose id is taken"
    assert lines[1:5] == [
        "4 excluded",
        "3 kept out, for they were removed by hand: name a file to take it in again",
        "1 picture without a file: marked as missing",
        "5 pictures removed, whose files are gone",
    ]


SOMEBODY_IS_THERE = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))


class TestPruning:
    """The job says what is missing in its way; what is asked about are the rows themselves."""

    def prune(
        self, run: Run, gone: Sequence[str], *options: str, report: Mapping[str, Any] | None = None
    ) -> tuple[Any, list[httpx.Request]]:
        rows = [ROW | {"id": name, "path": f"/p/{name}", "missing": True} for name in gone]

        class PruneService(Service):
            def __call__(self, request: httpx.Request) -> httpx.Response:
                self.requests.append(request)
                match request.method, request.url.path:
                    case "POST", _:
                        return reply({"id": "job-1"}, 202)
                    case "DELETE", _:
                        return httpx.Response(204)
                    case _, "/v1/images":
                        return reply({"images": rows, "next_cursor": None})
                return reply(DONE | {"failed": 0, "report": report or {}, "arguments": {"paths": ['/p/"x"']}})

        service = PruneService()
        return run(service, "index", ".", "--prune", *options), service.requests

    def test_with_yes_the_job_itself_removes(self, run: Run) -> None:
        result, requests = self.prune(run, (), "--yes", "--exclude", "*.gif", report={"pruned": 2})
        [job] = [json.loads(one.content) for one in requests if one.method == "POST"]
        assert (job["prune"], job["exclude"]) == (True, ["*.gif"])
        assert "2 pictures removed, whose files are gone" in result.stdout

    def test_just_what_was_shown_is_removed(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("graph.cli.terminal.asking.sys", SOMEBODY_IS_THERE)
        monkeypatch.setattr("typer.confirm", lambda question, err: question.startswith("Remove 2 pictures"))
        result, requests = self.prune(run, ("a.jpg", "b.jpg"))
        assert [line for line in result.stdout.splitlines() if line.startswith("  ")] == ["  /p/a.jpg", "  /p/b.jpg"]
        [asked] = [one for one in requests if one.url.path == "/v1/images"]
        place = r'"/p/\"x\""'
        assert asked.url.params["filter"] == f"missing = true and (folder = {place} or path = {place})"
        removed = [(one.url.path, one.url.params["stays_out"]) for one in requests if one.method == "DELETE"]
        assert removed == [("/v1/images/a.jpg", "false"), ("/v1/images/b.jpg", "false")]

    def test_who_says_no_is_told_that_nothing_was_removed(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("graph.cli.terminal.asking.sys", SOMEBODY_IS_THERE)
        monkeypatch.setattr("typer.confirm", lambda question, err: False)
        result, requests = self.prune(run, ("a.jpg",))
        assert result.stdout.splitlines()[-1] == "nothing was removed"
        assert not [one for one in requests if one.method == "DELETE"]

    def test_on_a_pipe_nothing_is_removed_without_yes(self, run: Run) -> None:
        result, requests = self.prune(run, ("a.jpg",))
        assert result.exit_code == 2
        assert "add --yes" in result.stderr
        assert not [one for one in requests if one.method == "DELETE"]

    def test_where_nothing_is_gone_there_is_nothing_to_ask(self, run: Run) -> None:
        result, _ = self.prune(run, ())
        assert result.exit_code == 0
        assert "nothing to remove" in result.stdout

    def test_a_folder_that_cannot_be_reached_is_not_pruned(self, run: Run) -> None:
        result, requests = self.prune(run, ("a.jpg",), report={"unreachable": ["/p"]})
        assert result.exit_code == 1
        assert "/p cannot be reached: nothing was removed" in result.stderr
        assert not [one for one in requests if one.method == "DELETE"]

    def test_wrong_combinations_are_refused(self, run: Run) -> None:
        for options in (["--prune", "--watch"], ["--prune", "--detach"], ["--yes"]):
            service = job_service(DONE)
            assert run(service, "index", ".", *options).exit_code == 2
            assert service.requests == []


def test_a_path_that_is_not_there_is_named(run: Run) -> None:
    service = job_service(DONE)
    result = run(service, "index", ".", "/no/such/folder")
    assert result.exit_code == 2
    assert "'/no/such/folder'" in result.stderr
    assert service.requests == []


def test_paths_of_another_machine_are_not_looked_for_here(run: Run) -> None:
    service = job_service(DONE)
    run(service, "index", "/no/such/folder", "--server", "http://photos:8000")
    assert json.loads(service.requests[0].content)["paths"] == ["/no/such/folder"]


def test_a_short_absence_of_the_service_is_sat_out(run: Run, clock: Callable[[float], None]) -> None:
    clock(1)
    gone = httpx.ConnectError("Connection refused")
    assert run(job_service(JOB, gone, gone, DONE), "index", ".").exit_code == 0


def test_a_long_absence_of_the_service_is_not(run: Run, clock: Callable[[float], None]) -> None:
    clock(10)
    assert run(job_service(JOB, httpx.ConnectError("Connection refused")), "index", ".").exit_code == 3


@pytest.mark.parametrize("columns", [160, 80])
def test_a_person_sees_the_progress_in_one_line(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    from graph.cli.commands.follow import follow
    from lookalike_client import Client

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    with Client("http://127.0.0.1:8000", transport=httpx.MockTransport(job_service(JOB, DONE))) as client:
        assert follow(client, "job-1").finished
    assert "30/30" in screen.getvalue()
    assert "5 new  1 replaced  2 unchanged  22 failed" in screen.getvalue()


def test_the_rate_is_that_of_work_and_not_of_waiting() -> None:
    times = {"submitted_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:10:00Z"}
    told = JOB | times | {"updated_at": "2026-01-01T00:10:20Z", "kind": "index", "done": 1000, "total": 1200}
    job = parsing.reader(job_answers.Job)(told | {"unchanged": 590, "skipped": 10, "added": 400})
    assert rate_of(job) == 20.0
    assert rate_of(replace(job, started_at=None)) == 0.0


def test_a_folder_that_is_away_is_a_failure_of_the_command(run: Run) -> None:
    away = DONE | {"total": 1, "done": 1, "failed": 1, "report": {"unreachable": ["/usb"]}}
    result = run(job_service(away), "index", ".")
    assert result.exit_code == 1
    assert "/usb cannot be reached" in result.stderr


def test_a_folder_that_somebody_else_stops_watching_is_no_failure(run: Run) -> None:
    result = run(job_service(DONE | {"state": "stopped", "failed": 0}), "index", ".", "--watch")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "watched no longer")
