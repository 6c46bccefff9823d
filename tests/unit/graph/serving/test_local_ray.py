"""Ray's head node as a process of ours: whether it is up, why it is not, and that it ends with what it started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from graph.serving.local_ray import STARTED, head_options, start_command, stop, wait_until_started
from storage.errors import Unavailable


def program(code: str, log: Path) -> subprocess.Popen[bytes]:
    """Another program in the place of Ray's head."""
    with log.open("wb") as output:
        return subprocess.Popen([sys.executable, "-uc", code], stdout=output, stderr=output, start_new_session=True)


def test_a_node_that_says_so_is_up(tmp_path: Path) -> None:
    process = program(f"import time; print('a warning'); print({STARTED!r}); time.sleep(60)", tmp_path / "log")
    wait_until_started(process, tmp_path / "log")
    stop(process)
    assert process.returncode != 0


def test_a_node_that_ends_is_an_error_with_what_it_said_last(tmp_path: Path) -> None:
    process = program("print('one'); raise SystemExit('no room in /dev/shm')", tmp_path / "log")
    process.wait()
    with pytest.raises(Unavailable, match="Ray did not start: no room in /dev/shm"):
        wait_until_started(process, tmp_path / "log")


def test_stopping_ends_what_the_node_started(tmp_path: Path) -> None:
    child = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    process = program(f"{child}; print({STARTED!r}); time.sleep(60)", tmp_path / "log")
    wait_until_started(process, tmp_path / "log")
    stop(process)
    assert not [one for one in map(state_and_group, Path("/proc").glob("[0-9]*")) if one == ("S", process.pid)]


def state_and_group(folder: Path) -> tuple[str, int]:
    """Of a process."""
    try:
        state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
    except OSError:  # it has ended meanwhile
        return "", 0
    return state, int(group)


def test_rays_token_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    token = tmp_path / ".ray" / "auth_token"
    environment = {**os.environ, "HOME": str(tmp_path), "RAY_AUTH_MODE": "token"}
    code = "from graph.serving.ray_head import keep_token_private as keep; keep()"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        assert token.stat().st_mode & 0o777 == 0o600
        token.chmod(0o644)  # as Ray leaves it


def test_the_head_is_told_to_stay_on_loopback() -> None:
    options = json.loads(start_command(head_options(7))[-1])
    assert (options["node_ip_address"], options["dashboard_host"], options["gcs_server_port"]) == (
        "127.0.0.1",
        "127.0.0.1",
        7,
    )


def test_two_services_that_start_at_once_choose_no_port_for_their_dashboards() -> None:
    assert head_options(7)["dashboard_port"] is None  # Ray looks for a free one from the moment it needs it
