"""``lookalike serve``: starts or joins Ray, deploys the application, stays until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from graph.serving.environment import prepare_ray_environment
from graph.serving.local_ray import free_port, local_ray
from storage.errors import Misconfigured

if TYPE_CHECKING:
    from graph.config.serve_file import ServeConfig
    from storage.cluster.plan import FleetPlan

DATA_FOLDER_TIMEOUT_S = 2.0


def serve_command(*, config: Path | None, data: Path | None, host: str | None, port: int | None) -> None:
    """Blocks until SIGINT or SIGTERM. Raises a LookalikeError, in one line for the shell, when it cannot start."""
    from deployments.annotators.registry import annotator_configs
    from deployments.extractors.registry import extractor_configs
    from graph.config.serve_file import default_config, load_config_file
    from graph.config.settings import check_bind
    from storage.kv.folder_lock import FolderLock

    part_configs = {**extractor_configs(), **annotator_configs()}
    loaded = load_config_file(config or default_config(), part_configs=part_configs)
    loaded = loaded.with_overrides(data_dir=data, host=host, port=port)
    check_bind(loaded.host, loaded.app.api_keys)
    check_port(loaded.host, loaded.port)
    plan = checked_plan(loaded)
    with FolderLock(Path(plan.data_dir), timeout_s=DATA_FOLDER_TIMEOUT_S):
        stop = threading.Event()
        set_by_signals(stop)
        with running_service(loaded, plan):
            set_by_signals(stop)  # Ray has put handlers of its own in their place
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


def set_by_signals(stop: threading.Event) -> None:
    """By Ctrl-C and by SIGTERM."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)


@contextlib.contextmanager
def running_service(config: ServeConfig, plan: FleetPlan) -> Iterator[None]:
    """Ray and the application, until the block ends; then the shards are closed in order and everything stops."""
    with contextlib.ExitStack() as stack:
        # Short, because the path of a socket in it has at most 107 bytes.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lookalike-", ignore_cleanup_errors=True)))
        joined = os.environ.get("RAY_ADDRESS")
        prepare_ray_environment(folder, free_port, alone=not joined)
        print(f"joining Ray at {joined}" if joined else "starting Ray", flush=True)
        address = joined or stack.enter_context(local_ray(folder / "ray.log", meanwhile=load_application))
        import ray

        from graph.serving import application

        ray.init(address=address, namespace="lookalike", log_to_driver=False, logging_level=logging.WARNING)
        stack.callback(ray.shutdown)
        stack.callback(application.stop, config, plan, ray_ends_too=not joined)
        if joined:
            application.deploy(config)
        else:
            application.deploy_alone(config, plan)
        application.wait_until_ready(config)
        yield


def load_application() -> None:
    """Imports what is needed as soon as Ray is up, which takes seconds."""
    import graph.serving.application  # noqa: F401


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
