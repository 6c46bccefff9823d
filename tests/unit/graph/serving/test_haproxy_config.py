"""What is added to the configuration that Ray Serve writes for HAProxy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from graph.serving import haproxy_config
from graph.serving.haproxy_config import amended

SERVE_WRITES = """global
    maxconn 4096
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
    unchanged = [line for line in SERVE_WRITES.splitlines() if "bind" not in line]
    assert [line for line in once.splitlines() if "bind" not in line and "use-server" not in line and line] == unchanged
    assert amended(once) == once


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
