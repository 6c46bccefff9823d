"""``lookalike serve``: starts or joins Ray, deploys the application, stays until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from graph.default_config import default_config
from graph.ray_environment import LOOPBACK, prepare_ray_environment
from storage.errors import LookalikeError, Misconfigured, Unavailable

if TYPE_CHECKING:
    from graph.serve_config import ServeConfig
    from storage.shard_plan import FleetPlan

START_TIMEOUT_S = 180.0
DASHBOARD_PORT = 8265
DATA_FOLDER_TIMEOUT_S = 2.0


def serve_command(*, config: Path | None, data: Path | None, host: str | None, port: int | None) -> None:
    """Blocks until SIGINT or SIGTERM. Raises a LookalikeError, in one line for the shell, when it cannot start."""
    from deployments.extractors.registry import extractor_configs
    from graph.serve_config import load_config_file
    from storage.ownership import FolderLock

    loaded = load_config_file(config or default_config(), part_configs=extractor_configs()).with_overrides(
        data_dir=data, host=host, port=port
    )
    loaded.check_bind()
    check_port(loaded.host, loaded.port)
    plan = checked_plan(loaded)
    with FolderLock(Path(plan.data_dir), timeout_s=DATA_FOLDER_TIMEOUT_S):
        stop = stop_event()
        with running_service(loaded, plan):
            say_where(loaded)
            stop.wait()
            print("stopping", flush=True)


def check_port(host: str, port: int) -> None:
    """Raises Misconfigured for a port that something listens on already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as failure:
            raise Misconfigured(
                f"cannot listen on {host}:{port}: {failure.strerror}",
                "stop what uses it, or choose another with --port",
            ) from failure


def checked_plan(config: ServeConfig) -> FleetPlan:
    """What the shards are to be, checked against what the data folder holds. Raises Misconfigured or FingerprintMismatch."""
    from deployments.profile import extractor_profiles
    from graph.shard_plan import fleet_plan
    from storage.manifest import ensure_manifest

    plan = fleet_plan(config.app, extractor_profiles(config.app.extractors))
    ensure_manifest(Path(plan.data_dir), plan.shard_count, plan.features)
    return plan


def stop_event() -> threading.Event:
    """Set by Ctrl-C and by SIGTERM."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    return stop


@contextlib.contextmanager
def running_service(config: ServeConfig, plan: FleetPlan) -> Iterator[None]:
    """Ray and the application, until the block ends; then the shards are closed in order and everything stops."""
    runtime = tempfile.TemporaryDirectory(prefix="lookalike-")  # short: the path of a socket has at most 107 bytes
    prepare_ray_environment(Path(runtime.name), stats_port=free_port(), metrics_port=free_port())
    import ray
    from ray import serve

    from storage.shard_fleet import ShardFleet

    print(
        "starting Ray" if "RAY_ADDRESS" not in os.environ else f"joining Ray at {os.environ['RAY_ADDRESS']}", flush=True
    )
    joined = start_ray(ray)
    try:
        deploy(config)
        wait_until_ready(config)
        yield
    finally:
        with contextlib.suppress(Exception):
            serve.shutdown()
        with contextlib.suppress(Exception):
            ShardFleet(plan).close()
        if not joined:
            ray.shutdown()
        runtime.cleanup()


def start_ray(ray: Any) -> bool:
    """True when a running cluster was joined, False when one was started here."""
    if "RAY_ADDRESS" in os.environ:
        ray.init(namespace="lookalike", log_to_driver=False, logging_level=logging.WARNING)
        return True
    ray.init(
        address="local",
        namespace="lookalike",
        num_cpus=max(2, os.cpu_count() or 1),
        include_dashboard=True,
        dashboard_host=LOOPBACK,
        dashboard_port=free_port(DASHBOARD_PORT),
        object_store_memory=object_store_bytes(),
        log_to_driver=False,
        logging_level=logging.WARNING,
        configure_logging=True,
    )
    return False


def object_store_bytes() -> int:
    """Pictures under way are all that it holds: an eighth of the memory, at most 2 GiB."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(max(256 << 20, min(2 << 30, memory // 8)))


def deploy(config: ServeConfig) -> None:
    """Hands the document to Serve, as ``serve deploy`` would."""
    from ray.serve._private.api import serve_start
    from ray.serve.schema import ServeDeploySchema

    schema = ServeDeploySchema.model_validate(dict(config.document))
    client = serve_start(http_options=schema.http_options.model_dump(), proxy_location=schema.proxy_location)
    client.deploy_apps(schema)


def wait_until_ready(config: ServeConfig) -> None:
    """Until the application runs and says that it can answer. Raises Unavailable with Serve's reason when it cannot."""
    import httpx
    from ray import serve

    name = config.document["applications"][config.application].get("name", "default")
    host = LOOPBACK if config.host in ("0.0.0.0", "::") else config.host
    deadline = time.monotonic() + START_TIMEOUT_S
    missing = "no answer yet"
    while time.monotonic() < deadline:
        status = serve.status().applications.get(name)
        if status is not None and status.status == "DEPLOY_FAILED":
            raise Unavailable(
                f"the application cannot be deployed: {last_line(status.message)}", "see the Ray dashboard or its logs"
            )
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.get(f"http://{host}:{config.port}/readyz", timeout=5.0)
            if answer.status_code == 200:
                return
            missing = answer.text[:300]
        time.sleep(0.2)
    raise Unavailable(
        f"the service is not ready after {START_TIMEOUT_S:.0f} s: {missing}", "see the Ray dashboard or its logs"
    )


def say_where(config: ServeConfig) -> None:
    """The addresses, for people."""
    import ray
    from ray._private.worker import global_worker

    dashboard = getattr(global_worker.node, "address_info", {}).get("webui_url") or ""
    print(f"Lookalike is ready: http://{config.host}:{config.port}/  (API docs at /docs)", flush=True)
    print(
        f"Ray dashboard:      http://{dashboard}/"
        if dashboard
        else f"Ray cluster:        {ray.get_runtime_context().gcs_address}",
        flush=True,
    )
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")).expanduser()
    if dashboard and os.environ.get("RAY_AUTH_MODE") == "token" and token.exists():
        print(f"                    it asks once for the token in {token}", flush=True)
    print(f"Data:               {config.app.data_dir}", flush=True)
    print("Ctrl-C stops it. Index photos from another shell: lookalike index ~/Pictures", flush=True)
    sys.stdout.flush()


def last_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def free_port(wanted: int = 0) -> int:
    """The wanted port of loopback if it is free, else any that is."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return int(probe.getsockname()[1])
    raise LookalikeError("no port is free", "close some programs")
