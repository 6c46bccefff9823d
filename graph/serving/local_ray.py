"""A Ray cluster of this machine's own, for ``lookalike serve``: started beside us, gone with us.

It is a program of ours rather than ``ray.init()``, which cannot choose the ports that a second Ray on the machine would
find taken, nor keep them on loopback, and whose processes the terminal's Ctrl-C would reach.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.serving.processes import adopt_orphans, die_with_parent, end_descendants
from storage.errors import Unavailable

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
END_AND_KEEP_LOGS = signal.SIGHUP  # to the head, which removes Ray's logs when SIGTERM ends it
STARTED = "the node is up"  # a line that `graph.serving.ray_head` prints


@dataclass(frozen=True, slots=True)
class LocalRay:
    address: str
    process: subprocess.Popen[bytes]

    def has_ended(self) -> bool:
        """By itself: a process died without which there is no Ray."""
        return self.process.poll() is not None


@contextlib.contextmanager
def local_ray(log: Path, meanwhile: Callable[[], None]) -> Iterator[LocalRay]:
    """A cluster that lives as long as the block, or as this process. Ray's logs are removed at the end, but after a
    failure. Raises Unavailable.

    meanwhile: is called while Ray starts.
    """
    adopt_orphans()
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            start_command(head_options(port)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us: the shards are closed before Ray
            preexec_fn=die_with_parent(END_AND_KEEP_LOGS),
        )
    try:
        meanwhile()
        wait_until_started(process, log)
        yield LocalRay(f"{LOOPBACK}:{port}", process)
    except Exception:
        stop(process, by=END_AND_KEEP_LOGS)
        raise
    finally:
        stop(process)
        end_descendants()


def start_command(options: Mapping[str, Any]) -> list[str]:
    """options: as `graph.serving.ray_head` takes them."""
    return [sys.executable, "-m", "graph.serving.ray_head", json.dumps(options)]


def head_options(port: int) -> dict[str, Any]:
    """Of a head node on loopback."""
    return {
        "node_ip_address": LOOPBACK,
        "gcs_server_port": port,
        "num_cpus": max(2, os.cpu_count() or 1),
        "object_store_memory": object_store_bytes(),
        "include_dashboard": True,
        "dashboard_host": LOOPBACK,
        "dashboard_port": None,  # the first from 8265 on that is free when it starts, which is seconds later
        "dashboard_agent_listen_port": free_port(),
    }


def wait_until_started(process: subprocess.Popen[bytes], log: Path) -> None:
    """Raises Unavailable with what Ray said when it ends or takes too long."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        is_over = process.poll() is not None or time.monotonic() > deadline
        said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        if is_over:
            break
        if STARTED in said:
            return
        time.sleep(0.05)
    raise Unavailable(f"Ray did not start: {said[-1] if said else 'it said nothing'}", "see the logs in /tmp/ray")


def stop(process: subprocess.Popen[bytes], by: signal.Signals = signal.SIGTERM) -> None:
    """In order if it can be, else by force, with whatever it started."""
    if process.poll() is None:
        process.send_signal(by)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def object_store_bytes() -> int:
    """Pictures under way are all that it holds: an eighth of the memory, at most 2 GiB."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(max(256 << 20, min(2 << 30, memory // 8)))


def free_port() -> int:
    """A port of loopback that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
