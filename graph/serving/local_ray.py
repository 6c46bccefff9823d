"""A Ray cluster of this machine's own, for ``lookalike serve``: started beside us, gone with us.

It is a program of ours rather than ``ray.init()``, which cannot choose the ports that a second Ray on the machine would
find taken, nor keep them on loopback, and whose processes the terminal's Ctrl-C would reach.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from storage.errors import Unavailable

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
STARTED = "the node is up"  # a line that `graph.serving.ray_head` prints
PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>


@contextlib.contextmanager
def local_ray(log: Path, meanwhile: Callable[[], None]) -> Iterator[str]:
    """The address of a cluster that lives as long as the block, or as this process. Raises Unavailable.

    meanwhile: is called while Ray starts.
    """
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            start_command(head_options(port)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us: the shards are closed before Ray
            preexec_fn=die_with_parent(),
        )
    try:
        meanwhile()
        wait_until_started(process, log)
        yield f"{LOOPBACK}:{port}"
    finally:
        stop(process)


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


def stop(process: subprocess.Popen[bytes]) -> None:
    """In order if it can be, else by force, with whatever it started."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def die_with_parent() -> Callable[[], None] | None:
    """For ``preexec_fn``: the kernel stops the child when this process dies, even by SIGKILL. None where it cannot."""
    if sys.platform != "linux":
        return None
    return partial(ctypes.CDLL(None).prctl, PR_SET_PDEATHSIG, signal.SIGTERM)


def object_store_bytes() -> int:
    """Pictures under way are all that it holds: an eighth of the memory, at most 2 GiB."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(max(256 << 20, min(2 << 30, memory // 8)))


def free_port() -> int:
    """A port of loopback that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
