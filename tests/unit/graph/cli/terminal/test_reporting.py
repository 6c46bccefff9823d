from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from storage.errors import LookalikeError
from tests.suites.client_suite import Service, failure, reply
from tests.unit.graph.cli.conftest import Run


@pytest.mark.parametrize(
    ("code", "status", "exit_code"),
    [
        ("image_not_found", 404, 1),
        ("internal", 500, 1),
        ("unauthorized", 401, 1),
        ("unsupported_image", 415, 1),
        ("invalid_field", 422, 2),
        ("unknown_feature", 400, 2),
    ],
)
def test_an_error_of_the_service_is_one_line_and_an_exit_code(run: Run, code: str, status: int, exit_code: int) -> None:
    result = run(Service(failure(code, status)), "show", "x")
    assert result.exit_code == exit_code
    assert result.stderr == f"lookalike: what: {code}; what to do\n"
    assert result.stdout == ""


def test_what_to_do_is_said_in_words_of_the_shell(run: Run) -> None:
    error = {
        "code": "image_not_found",
        "message": "no x",
        "hint": "GET /v1/images",
        "shell_hint": "see `lookalike list`",
    }
    assert run(Service(reply({"error": error}, 404)), "show", "x").stderr == "lookalike: no x; see `lookalike list`\n"
    assert run(Service(reply({"error": error}, 404)), "rm", "x").stderr == "lookalike: no x; see `lookalike list`\n"


def test_a_full_disk_is_said_with_the_request_that_met_it(run: Run) -> None:
    result = run(Service(failure("disk_full", 507)), "show", "x")
    assert result.exit_code == 1
    assert result.stderr == "lookalike: what: disk_full; what to do (request r-7)\n"


def test_a_service_that_does_not_answer_is_exit_code_3(run: Run) -> None:
    result = run(Service(httpx.ConnectError("Connection refused")), "status", "--server", "http://photos:8000")
    assert result.exit_code == 3
    assert result.stderr.startswith("lookalike: no answer from http://photos:8000 (Connection refused); ")
    assert "lookalike serve" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["status", "--nonsense"],
        ["show"],
        ["rm"],
        ["search"],
        ["search", "no-such-file.jpg"],
        ["search", "--id", "x", "-k", "0"],
        ["search", "--id", "x", "-k", "many"],
        ["search", "--id", "x", "--weights", "phash"],
        ["search", "--id", "x", "--weights", "phash=nan"],
        ["search", "--id", "x", "--max-distance", "=3"],
        ["search", "--id", "x", "--param", "phash=all"],
        ["search", "--id", "x", "--features", ","],
        ["add", "no-such-file.jpg"],
        ["add", __file__, "--metadata", "[1]"],
        ["show", ""],
        ["status", "--server", "photos:8000"],
        ["status", "--api-key", "schlüssel"],
        ["search", "--text-not", "at night"],
        ["tags"],
        ["caption", "no-such-file.jpg"],
        ["backfill", "global", "color"],
        ["models", "fetch"],
        ["models", "pull", "a.yaml", "b.yaml"],
        ["index"],
        ["index", ".", "--id-from", "name"],
        ["jobs", "stop"],
        ["jobs", "stop", "a", "b"],
        ["jobs", "a", "b"],
        ["serve", "--port", "70000"],
        ["search", "--id", "x", "--relevance", "likly"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_exit_code_2(run: Run, arguments: list[str]) -> None:
    service = Service(reply({}))
    result = run(service, *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("lookalike: ")
    assert "; " in result.stderr
    assert "Value error" not in result.stderr  # what another program calls it
    assert result.stderr.count("\n") == 1
    assert service.requests == []


def test_what_nobody_foresaw_is_one_line_too(run: Run) -> None:
    def service(request: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError("division by zero")

    result = run(service, "show", "x")
    assert result.exit_code == 1
    assert result.stderr.startswith("lookalike: unexpected ZeroDivisionError: division by zero; set LOOKALIKE_DEBUG=1")
    assert result.stderr.count("\n") == 1


def test_a_traceback_is_there_for_who_asks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKALIKE_DEBUG", "1")
    result = run(Service(failure("image_not_found", 404)), "show", "x")
    assert isinstance(result.exception, LookalikeError)


def test_an_interrupt_ends_quietly(run: Run) -> None:
    def service(request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    result = run(service, "show", "x")
    assert (result.exit_code, result.output) == (130, "")


def test_a_message_cannot_forge_lines_or_colours(run: Run) -> None:
    body = {"error": {"code": "image_not_found", "message": "no \x1b[31m'x'\nlookalike: all is well", "hint": ""}}
    result = run(Service(reply(body, 404)), "show", "x")
    assert result.stderr == "lookalike: no \\x1b[31m'x' lookalike: all is well\n"


def test_the_key_and_the_server_come_from_the_environment(run: Run) -> None:
    service = Service(failure("unauthorized", 401))
    run(service, "show", "x", env={"LOOKALIKE_SERVER": "http://photos:9000", "LOOKALIKE_API_KEY": "k3y"})
    assert service.request.url.host == "photos"
    assert service.request.headers["Authorization"] == "Bearer k3y"


def test_a_reader_that_goes_away_leaves_no_complaint() -> None:
    code = "import sys; from graph.cli.main import main; sys.argv[1:] = ['--help']; main()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
