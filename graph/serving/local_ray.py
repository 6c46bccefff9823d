"""A Ray cluster of this machine's own, for ``lookalike serve``: started beside us, gone with us.

``ray start`` is used rather than ``ray.init()``, which cannot choose the ports that a second Ray on the machine would
find taken, nor keep them on loopback.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from storage.errors import Unavailable

LOOPBACK = "127.0.0.1"
DASHBOARD_PORT = 8265
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>


@contextlib.contextmanager
def local_ray(log: Path) -> Iterator[str]:
    """The address of a cluster that lives as long as the block, or as this process. Raises Unavailable."""
    address = f"{LOOPBACK}:{free_port()}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            start_command(address),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us: the shards are closed before Ray
            preexec_fn=die_with_parent(),
        )
    try:
        wait_until_listening(address, process, log)
        yield address
    finally:
        stop(process)
        forget(address)


def start_command(address: str) -> list[str]:
    """``ray start`` for a head node on loopback, in the foreground."""
    options = {
        "node-ip-address": LOOPBACK,
        "port": address.rpartition(":")[2],
        "num-cpus": max(2, os.cpu_count() or 1),
        "object-store-memory": object_store_bytes(),
        "include-dashboard": "true",
        "dashboard-host": LOOPBACK,
        "dashboard-port": free_port(DASHBOARD_PORT),
        "dashboard-agent-listen-port": free_port(),
        "ray-client-server-port": free_port(),
        "log-style": "record",
    }
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"]
    return ray + [f"--{name}={value}" for name, value in options.items()]


def wait_until_listening(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Raises Unavailable with what Ray said when it ends or takes too long."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return
        time.sleep(0.05)
    said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
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


def forget(address: str) -> None:
    """Ray notes the last cluster started on the machine, for every later ``ray.init()`` to join, and leaves the note
    there when that cluster is gone.
    """
    from ray._common.utils import get_ray_address_file

    note = Path(get_ray_address_file(None))
    port = address.rpartition(":")[2]
    with contextlib.suppress(OSError):
        if note.read_text().strip().rpartition(":")[2] == port:  # it may name another of the machine's addresses
            note.unlink()


def die_with_parent() -> Callable[[], None] | None:
    """For ``preexec_fn``: the kernel stops the child when this process dies, even by SIGKILL. None where it cannot."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask_kernel() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask_kernel


def object_store_bytes() -> int:
    """Pictures under way are all that it holds: an eighth of the memory, at most 2 GiB."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(max(256 << 20, min(2 << 30, memory // 8)))


def free_port(wanted: int = 0) -> int:
    """The wanted port of loopback if it is free, else any that is."""
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, wanted))
        except OSError:
            probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
