"""What is added to the configuration that Ray Serve writes for HAProxy."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from graph.serving import haproxy_config
from graph.serving.environment import write_haproxy_starter
from graph.serving.haproxy_config import amended
from graph.serving.local_ray import free_port
from tests.unit.waiting import wait_for

SERVE_WRITES = """global
    maxconn 4096
defaults
    mode http
    timeout connect 1s
    timeout client 20s
    timeout server 20s
    errorfile 502 /of-serve/500.http
    errorfile 503 /of-serve/500.http
    errorfile 504 /of-serve/500.http
frontend prometheus
    bind :9101
    mode http
frontend http_frontend
    bind 127.0.0.1:8000
backend default_backend
    http-request return status 404
backend http-lookalike
    log global
    default-server fastinter 250ms check
    # Servers in this backend
    server router-a 127.0.0.1:23700 check observe layer4 error-limit 3 on-error mark-down
    server router-b 127.0.0.1:23701 check observe layer4 error-limit 3 on-error mark-down
    # Fallback to head node's Serve proxy when no ingress replicas are available
    server fallback 127.0.0.1:44517 check backup
listen stats
  bind *:8404
  stats enable
"""


def test_ports_without_a_password_move_to_loopback_and_others_stay() -> None:
    binds = [line.strip() for line in amended(SERVE_WRITES).splitlines() if "bind" in line]
    assert binds == ["bind 127.0.0.1:9101", "bind 127.0.0.1:8000", "bind 127.0.0.1:8404"]


def test_the_services_own_port_speaks_https_where_there_is_a_certificate() -> None:
    lines = [line.strip() for line in amended(SERVE_WRITES, "/own/service.pem").splitlines()]
    tls = "ssl crt /own/service.pem ssl-min-ver TLSv1.2 alpn http/1.1"
    assert [line for line in lines if "ssl" in line] == [f"bind 127.0.0.1:8000 {tls}"]
    assert amended("\n".join(lines), "/own/service.pem").count(tls) == 1


def test_routers_are_told_the_clients_address() -> None:
    lines = [line.strip() for line in amended(SERVE_WRITES).splitlines()]
    assert lines[lines.index("frontend http_frontend") + 2] == "option forwardfor"
    assert lines.count("option forwardfor") == 1


def test_the_first_router_with_nothing_to_do_is_preferred_and_the_fallback_never() -> None:
    lines = amended(SERVE_WRITES).splitlines()
    rules = [line.strip() for line in lines if "use-server" in line]
    assert rules == [
        "use-server router-a if { srv_conn(http-lookalike/router-a) lt 1 }",
        "use-server router-b if { srv_conn(http-lookalike/router-b) lt 1 }",
    ]
    backend = lines.index("backend http-lookalike")
    assert backend < min(lines.index(f"    {rule}") for rule in rules) < lines.index("listen stats")


def test_everything_else_is_left_as_it_was_and_a_second_time_changes_nothing() -> None:
    once = amended(SERVE_WRITES)
    ours = ("bind", "option forwardfor", "use-server", "errorfile", "http-request return", "http-response return")
    unchanged = [line for line in SERVE_WRITES.splitlines() if not any(one in line for one in ours)]
    assert [line for line in once.splitlines() if line and not any(one in line for one in ours)] == unchanged
    assert amended(once) == once


@pytest.fixture
def serves_proxy() -> Iterator[str]:
    """Serve's own proxy before it knows a path; and a router's answer, which it may hand on."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("Content-Type", "application/json" if self.path.endswith("known") else "text/plain")
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"gone")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def haproxy(folder: Path, written: str) -> Iterator[httpx.Client]:
    """HAProxy as Serve starts it. ``/v1`` has a backend, nothing else has."""
    port, starter = free_port(), write_haproxy_starter(folder)
    paths = "    use_backend http-lookalike if { path_beg /v1 }\n    default_backend default_backend\n"
    file = folder / "haproxy.cfg"
    file.write_text(
        written.partition("listen stats")[0]
        .replace("/of-serve", str(folder))
        .replace("127.0.0.1:8000\n", f"127.0.0.1:{port}\n{paths}")
        .replace("bind :9101", f"bind :{free_port()}")
    )
    process = subprocess.Popen([starter, "-db", "-f", str(file)], stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            wait_for(lambda: _listens(port), "HAProxy listens")
            yield client
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_while_no_router_is_known_the_answer_is_503_with_a_time_to_wait(tmp_path: Path, serves_proxy: str) -> None:
    with haproxy(tmp_path, SERVE_WRITES) as client:  # neither a router nor Serve's proxy
        wait_for(lambda: client.get("/v1/images/a").headers["Content-Type"] == "application/json", "no server is up")
        for path in ("/v1/images/a", "/anything"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "1"), answer.text
            assert answer.json()["error"]["code"] == "unavailable"
    with haproxy(tmp_path, SERVE_WRITES.replace("127.0.0.1:44517", serves_proxy)) as client:
        wait_for(lambda: client.get("/v1/known").status_code == 404, "Serve's proxy takes the routers' place")
        assert client.get("/v1/known").text == "gone"
        answer = client.get("/v1/images/a")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_one_router_needs_no_rule() -> None:
    one = SERVE_WRITES.replace(
        "    server router-b 127.0.0.1:23701 check observe layer4 error-limit 3 on-error mark-down\n", ""
    )
    assert "use-server" not in amended(one)


def test_the_program_amends_the_file_and_becomes_what_it_was_told_to_start(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(SERVE_WRITES)
    command = [sys.executable, haproxy_config.__file__, "/bin/echo", "-db", "-f", str(file), "-sf", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"-db -f {file} -sf 1\n"
    assert file.read_text() == amended(SERVE_WRITES)
