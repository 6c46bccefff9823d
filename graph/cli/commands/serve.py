"""``lookalike serve``: starts or joins Ray, deploys the application, stays until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from graph.config.default_config import default_config
from graph.serving.environment import prepare_ray_environment
from graph.serving.local_ray import LOOPBACK, free_port, local_ray
from storage.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from graph.config.serve_file import ServeConfig
    from storage.cluster.plan import FleetPlan

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 30.0
DATA_FOLDER_TIMEOUT_S = 2.0


def serve_command(*, config: Path | None, data: Path | None, host: str | None, port: int | None) -> None:
    """Blocks until SIGINT or SIGTERM. Raises a LookalikeError, in one line for the shell, when it cannot start."""
    from deployments.annotators.registry import annotator_configs
    from deployments.extractors.registry import extractor_configs
    from graph.config.serve_file import load_config_file
    from storage.kv.folder_lock import FolderLock

    part_configs = {**extractor_configs(), **annotator_configs()}
    loaded = load_config_file(config or default_config(), part_configs=part_configs)
    loaded = loaded.with_overrides(data_dir=data, host=host, port=port)
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
    """What the shards are to be, checked against what the data folder holds. Raises Misconfigured or
    FingerprintMismatch.
    """
    from deployments.extractors.profile import extractor_profiles
    from graph.config.fleet_plan import fleet_plan
    from storage.shard.data_folder import ensure_manifest

    plan = fleet_plan(config.app, extractor_profiles(config.app.extractors))
    ensure_manifest(Path(plan.data_dir), plan.shard_count, plan.settings.features)
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
    with contextlib.ExitStack() as stack:
        # Short, because the path of a socket in it has at most 107 bytes.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lookalike-", ignore_cleanup_errors=True)))
        prepare_ray_environment(folder, free_port)
        stack.enter_context(connected_ray(folder))
        stack.callback(stop_application, plan)
        deploy(config)
        wait_until_ready(config)
        yield


@contextlib.contextmanager
def connected_ray(folder: Path) -> Iterator[None]:
    """Joins the cluster at RAY_ADDRESS, or starts one of our own."""
    with contextlib.ExitStack() as stack:
        joined = os.environ.get("RAY_ADDRESS")
        print(f"joining Ray at {joined}" if joined else "starting Ray", flush=True)
        if not joined:
            ensure_token()
        address = joined or stack.enter_context(local_ray(folder / "ray.log"))
        import ray

        ray.init(address=address, namespace="lookalike", log_to_driver=False, logging_level=logging.WARNING)
        stack.callback(ray.shutdown)
        if not joined:
            stack.callback(end_every_actor)
        yield


def end_every_actor() -> None:
    """Those that Ray Data and jobs leave behind: Ray's own end would wait half a minute for them."""
    import ray

    for entry in ray.util.list_named_actors(all_namespaces=True):
        with contextlib.suppress(ValueError):  # it has ended meanwhile
            ray.kill(ray.get_actor(entry["name"], namespace=entry["namespace"]))


def ensure_token() -> None:
    """Makes the token that Ray's processes prove themselves with, where there is none yet."""
    from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled

    logging.getLogger("ray").setLevel(logging.WARNING)
    ensure_token_if_auth_enabled(create_token_if_missing=True)


def stop_application(plan: FleetPlan) -> None:
    """Requests first, then the shards, so that their indexes are saved and their folders free."""
    from storage.cluster.fleet import ShardFleet

    with contextlib.suppress(Exception):
        stop_serve()
    with contextlib.suppress(Exception):
        ShardFleet(plan).close()


def stop_serve() -> None:
    """Asks Serve to end in order and waits until it has. ``serve.shutdown()`` waits inside a call to the controller,
    which dies in the middle of it, and Ray then complains of that on the terminal.
    """
    import ray
    from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE

    controller = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
    ray.get(controller.graceful_shutdown.remote(wait=False), timeout=STOP_TIMEOUT_S)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        named = ray.util.list_named_actors(all_namespaces=True)
        if {"name": SERVE_CONTROLLER_NAME, "namespace": SERVE_NAMESPACE} not in named:
            return
        time.sleep(0.1)


def deploy(config: ServeConfig) -> None:
    """Hands the document to Serve, as ``serve deploy`` would."""
    from ray.serve._private.api import serve_start
    from ray.serve.schema import ServeDeploySchema

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
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
    from ray._private.services import get_webui_url_from_internal_kv

    dashboard = get_webui_url_from_internal_kv()  # the driver's own idea of it is from before the dashboard was up
    print(f"Lookalike is ready: http://{config.host}:{config.port}/  (API docs at /docs)")
    if dashboard:
        print(f"Ray dashboard:      http://{dashboard}/")
    if dashboard and (token := where_the_token_is()):
        print(f"                    it asks once for the token in {token}")
    print(f"Data:               {config.app.data_dir}")
    print("Ctrl-C stops it. Index photos from another shell: lookalike index ~/Pictures", flush=True)


def where_the_token_is() -> str:
    """Of the Ray dashboard, for people; empty where it asks for none."""
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return ""
    if "RAY_AUTH_TOKEN" in os.environ:
        return "the environment variable RAY_AUTH_TOKEN"
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")).expanduser()
    return str(path) if path.exists() else ""


def last_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
