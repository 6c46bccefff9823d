"""Waiting for the application: until it answers, until Serve gives up, until its port is closed."""

from __future__ import annotations

import socket
import threading
import time
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from storage.errors import ShardBroken, Unavailable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve's own
    from graph.serving import application

LATER = 3


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """Answers 503 a few times, then 200. Serve says that it is deploying."""
    answers = iter([503] * LATER)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/readyz"
            self.send_response(next(answers, 200))
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    serve_says(monkeypatch, "DEPLOYING")
    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def serve_says(monkeypatch: pytest.MonkeyPatch, status: str, message: str = "") -> None:
    told = SimpleNamespace(applications={"lookalike": SimpleNamespace(status=status, message=message)})
    monkeypatch.setattr("graph.serving.application.serve.status", lambda: told)


def config(port: int, host: str = "127.0.0.1") -> Any:
    document = {"applications": [{"name": "lookalike"}]}
    return SimpleNamespace(document=document, application=0, host=host, port=port, scheme="http")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_it_is_waited_for_until_it_says_that_it_can_answer(service: HTTPServer, host: str) -> None:
    application.wait_until_ready(config(service.server_port, host))


def test_what_it_lacks_is_told_when_it_takes_too_long(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "READY_TIMEOUT_S", 0)
    with pytest.raises(Unavailable, match="not ready"):
        application.wait_until_ready(config(service.server_port))


def test_a_deployment_that_failed_is_told_with_serves_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    serve_says(monkeypatch, "DEPLOY_FAILED", "Traceback\n  ...\nMisconfigured: no such folder\n\n")
    with pytest.raises(Unavailable, match="cannot be deployed: Misconfigured: no such folder"):
        application.wait_until_ready(config(1))


def test_a_shard_that_cannot_be_opened_is_told_at_once_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    serve_says(monkeypatch, "DEPLOYING")
    shards: Any = SimpleNamespace(check_opening=broken)
    started = time.monotonic()
    with pytest.raises(ShardBroken, match="shard 1 cannot be opened: no store"):
        application.wait_until_ready(config(1), shards)
    assert time.monotonic() - started < application.READY_TIMEOUT_S / 2


def broken() -> NoReturn:
    raise ShardBroken("shard 1 cannot be opened: no store", "index anew")


def test_a_closed_port_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        threading.Timer(0.2, listening.close).start()
        application.wait_until_closed(config(port))
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)
