"""What of a service can be reached from other machines is what docs/operations.md says of it."""

from __future__ import annotations

import re
import subprocess
from collections import Counter

import grpc  # type: ignore[import-untyped]
import pytest

from tests.e2e.running_service import RunningService

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

LOOPBACK = re.compile(r"127\.0\.0\.1|\[::1\]|\[::ffff:127\.0\.0\.1\]")


def listening(running: RunningService) -> list[tuple[str, int, str]]:
    """Address, port and process, of every TCP socket of the service that waits for connections."""
    ours = set(running.processes())
    said = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
    found = []
    for line in said.splitlines():
        address, _, port = line.split()[3].rpartition(":")
        found += [
            (address, int(port), name)
            for name, process_id in re.findall(r'\("([^"]+)",pid=(\d+)', line)
            if int(process_id) in ours
        ]
    return found


def test_all_but_the_ports_of_replicas_listen_on_loopback(shared_service: RunningService) -> None:
    sockets = listening(shared_service)
    assert len(sockets) > 10
    outside = [one for one in sockets if not LOOPBACK.fullmatch(one[0])]
    replicas = shared_service.processes_named("ray::ServeReplica:")
    assert Counter(name for _, _, name in outside) == {"ray::ServeRepli": len(replicas)}, outside


def test_the_ports_of_replicas_refuse_whoever_has_no_token(shared_service: RunningService) -> None:
    outside = [port for address, port, _ in listening(shared_service) if not LOOPBACK.fullmatch(address)]
    for port in outside:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/ray.serve.ASGIService/HandleRequest")(b"", timeout=10)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
