"""The processes that a service started, however far down, and that none of them outlives it.

Linux alone can tell; elsewhere Ray's own ways have to do.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
PR_SET_CHILD_SUBREAPER = 36
END_TIMEOUT_S = 5.0


def die_with_parent(by: signal.Signals) -> Callable[[], None] | None:
    """For ``preexec_fn``: the kernel sends the child this signal when this process dies, even by SIGKILL. None where it
    cannot.
    """
    if sys.platform != "linux":
        return None
    return partial(ctypes.CDLL(None).prctl, PR_SET_PDEATHSIG, by)


def adopt_orphans() -> None:
    """From now on whatever this process started stays below it, whoever in between dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def bury_orphans() -> None:
    """Takes note of every child that has ended, as the kernel wants somebody to, adopted ones among them."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_descendants() -> None:
    """Kills every process below this one, and those that they start meanwhile."""
    deadline = time.monotonic() + END_TIMEOUT_S
    while (running := descendants()) and time.monotonic() < deadline:
        for process_id in running:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process_id, signal.SIGKILL)
        time.sleep(0.02)


def descendants() -> list[int]:
    """Those that have not ended."""
    children = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            children[int(parent)].append((int(folder.name), state))
    found, below = [], list(children[os.getpid()])
    while below:
        process_id, state = below.pop()
        below += children[process_id]
        if state not in "ZX":
            found.append(process_id)
    return found
