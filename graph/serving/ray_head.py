"""Ray's head node as a program, which `graph.serving.local_ray` starts: ``python -m graph.serving.ray_head OPTIONS``.

``ray start --head`` is the same and slower: it loads Ray's whole command line, and its node can be used only after the
dashboard answers, which takes seconds and which nothing of a service waits for.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray._common.utils import get_default_ray_temp_dir
from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
from ray._private.node import Node
from ray._private.parameter import RayParams
from ray._private.ray_constants import PROCESS_TYPE_GCS_SERVER, PROCESS_TYPE_RAYLET, SESSION_LATEST

from graph.serving.local_ray import END_AND_KEEP_LOGS, STARTED
from graph.serving.processes import adopt_orphans, bury_orphans, end_descendants

LOOK_INTERVAL_S = 1.0
DEFAULT_TOKEN = Path("~/.ray/auth_token")


class HeadNode(Node):
    """A head node whose dashboard comes last. It has no autoscaler, no Ray Client and forwards no logs: one machine
    cannot grow, and nobody of ours uses the others.
    """

    def start_head_processes(self) -> None:
        """Called by Node, before it starts the node's daemon."""
        self.start_gcs_server()  # type: ignore[no-untyped-call]
        self._write_cluster_info_to_kv()  # type: ignore[no-untyped-call]

    def has_died(self) -> bool:
        """Whether a process without which there is no node has ended."""
        dead = {name for name, _ in self.dead_processes()}  # type: ignore[no-untyped-call]
        return bool(dead & {PROCESS_TYPE_RAYLET, PROCESS_TYPE_GCS_SERVER})


def run(options: Mapping[str, Any]) -> None:
    """Until SIGTERM, or until Ray itself ends. Then every process is killed at once: Ray's own end waits for actors,
    and what has to be saved was closed before. SIGTERM removes the files of Ray's session, too.
    """
    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    signal.signal(END_AND_KEEP_LOGS, lambda *_: sys.exit("the logs are kept"))
    try:
        keep_node(options)
    except SystemExit as end:
        if end.code is None:
            end_descendants()
            remove_session()
        raise
    finally:
        end_descendants()


def keep_node(options: Mapping[str, Any]) -> None:
    """Starts it, and returns when it has died."""
    logging.getLogger("ray").setLevel(logging.WARNING)
    keep_token_private()
    params = RayParams(**{**options, "node_name": options["node_ip_address"], "include_log_monitor": False})
    node = HeadNode(params, head=True, shutdown_at_exit=False, spawn_reaper=True)
    try:
        print(STARTED, flush=True)
        if params.include_dashboard:
            node.start_api_server(include_dashboard=True, raise_on_failure=False)
        while not node.has_died():
            time.sleep(LOOK_INTERVAL_S)
            bury_orphans()
    finally:
        for number in (signal.SIGTERM, END_AND_KEEP_LOGS):
            signal.signal(number, signal.SIG_IGN)  # nothing may come between
        node.kill_all_processes(check_alive=False)


def keep_token_private() -> None:
    """Makes Ray's token where there is none. Ray lets everybody on the machine read it, and who has it may run any code
    as this user.
    """
    before = os.umask(0o077)
    ensure_token_if_auth_enabled(create_token_if_missing=True)
    os.umask(before)
    with contextlib.suppress(OSError):  # there is none, or it is another user's
        DEFAULT_TOKEN.expanduser().chmod(0o600)


def remove_session() -> None:
    """Ray's folder of this process, which Ray names after it."""
    folder = Path(get_default_ray_temp_dir())
    for session in folder.glob(f"session_*_{os.getpid()}"):
        shutil.rmtree(session, ignore_errors=True)
    latest = folder / SESSION_LATEST
    if latest.is_symlink() and not latest.exists():
        latest.unlink(missing_ok=True)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
