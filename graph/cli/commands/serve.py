"""``lookalike serve``: starts or joins Ray, deploys the application, stays until it is told to stop."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from graph.cli.terminal.reporting import FAILED, warn
from graph.serving.environment import prepare_ray_environment
from graph.serving.local_ray import LocalRay, free_port, local_ray
from graph.serving.stop_signals import Stopped, StopSignals
from storage.errors import Misconfigured

if TYPE_CHECKING:
    from graph.config.serve_file import ServeConfig
    from storage.cluster.plan import FleetPlan

RAY_FOLDER = "/tmp/ray"  # of Ray's choice
DATA_FOLDER_TIMEOUT_S = 2.0
LOOK_INTERVAL_S = 0.5


class RayDied(Exception):
    """A process without which there is no Ray."""


def serve_command(*, config: Path | None, data: Path | None, host: str | None, port: int | None) -> None:
    """Blocks until SIGINT, SIGTERM or SIGHUP, at whatever moment it comes. Raises a LookalikeError, in one line for the
    shell, when it cannot start or Ray has gone.
    """
    with StopSignals() as signals:
        try:
            run_until(signals, config=config, data=data, host=host, port=port)
        except Stopped:
            say("stopping")
        except RayDied:
            warn("Ray has died, and the service with it", f"start it again; Ray's logs are in {RAY_FOLDER}")
            os._exit(FAILED)
        # At once: the end of Python is one of Ray, too, which has ended, and another signal may come meanwhile.
        os._exit(0)


def run_until(
    signals: StopSignals, *, config: Path | None, data: Path | None, host: str | None, port: int | None
) -> None:
    from deployments.annotators.registry import annotator_configs
    from deployments.extractors.registry import extractor_configs
    from graph.config.keyring import keyring
    from graph.config.serve_file import default_config, load_config_file
    from graph.config.settings import check_bind
    from storage.kv.folder_lock import FolderLock

    part_configs = {**extractor_configs(), **annotator_configs()}
    loaded = load_config_file(config or default_config(), part_configs=part_configs)
    loaded = loaded.with_overrides(data_dir=data, host=host, port=port)
    check_bind(loaded.host, has_keys=loaded.app.has_keys)
    keyring(loaded.app)
    check_port(loaded.host, loaded.port)
    plan = checked_plan(loaded)
    lock = FolderLock(Path(plan.data_dir), timeout_s=DATA_FOLDER_TIMEOUT_S)
    with lock, running_service(loaded, plan, signals) as ray_here:
        signals.start_is_over()
        say_where(loaded)
        while not signals.wait(LOOK_INTERVAL_S):
            if ray_here is not None and ray_here.has_ended():
                raise RayDied
        say("stopping")


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


@contextlib.contextmanager
def running_service(config: ServeConfig, plan: FleetPlan, signals: StopSignals) -> Iterator[LocalRay | None]:
    """Ray and the application, until the block ends; then the shards are closed in order and everything stops. Yields
    the Ray that was started for it, None where one was joined.
    """
    joined = os.environ.get("RAY_ADDRESS")
    with contextlib.ExitStack() as stack:
        # Short, because the path of a socket in it has at most 107 bytes.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lookalike-", ignore_cleanup_errors=True)))
        pem = None if config.tls is None else config.tls.as_one()
        prepare_ray_environment(folder, free_port, alone=not joined, pem=pem)
        say(f"joining Ray at {joined}" if joined else "starting Ray")
        ray_here = None if joined else stack.enter_context(local_ray(folder / "ray.log", meanwhile=load_application))
        from graph.serving import application
        from storage.cluster.fleet import ShardFleet

        with signals.in_foreign_code():
            if ray_here is None:
                application.connect(str(joined))
                stack.callback(application.disconnect)
                stack.callback(application.stop, config, plan, ray_ends_too=False)
                application.deploy(config)
            else:
                application.connect(ray_here.address)
                stack.callback(lambda: None if ray_here.has_ended() else application.disconnect())
                application.deploy_alone(config, plan)
            application.wait_until_ready(config, ShardFleet(plan))
        yield ray_here
        if ray_here is not None:  # after a failure there is nothing that a shard would have to save
            application.stop(config, plan, ray_ends_too=True)


def load_application() -> None:
    """Imports what is needed as soon as Ray is up, which takes seconds."""
    import graph.serving.application  # noqa: F401


def say(line: str) -> None:
    """To a terminal that may have been closed."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


def say_where(config: ServeConfig) -> None:
    """The addresses, for people."""
    from ray._private.services import get_webui_url_from_internal_kv

    dashboard = get_webui_url_from_internal_kv()  # the driver's own idea of it is from before the dashboard was up
    say(f"Lookalike is ready: {config.scheme}://{config.host}:{config.port}/  (API docs at /docs)")
    if dashboard:
        say(f"Ray dashboard:      http://{dashboard}/")
    if dashboard and (token := where_the_token_is()):
        say(f"                    it asks once for the token in {token}")
    say(f"Data:               {config.app.data_dir}")
    say("Ctrl-C stops it. Index photos from another shell: lookalike index ~/Pictures")


def where_the_token_is() -> str:
    """Of the Ray dashboard, for people; empty where it asks for none."""
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return ""
    if "RAY_AUTH_TOKEN" in os.environ:
        return "the environment variable RAY_AUTH_TOKEN"
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")).expanduser()
    return str(path) if path.exists() else ""
