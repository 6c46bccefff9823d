"""What requests are answered while what stands between them and the shards is started again."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx
import pytest

from tests.e2e.running_service import answers, service, wait_for
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

STORED, CLIENTS = 10, 4
KILLED = {  # by what stands in their command lines
    "haproxy": "bin/haproxy",
    "what starts haproxy": "ray::HAProxyManager",
    "serve's own proxy": "ray::ProxyActor",
    "controller": "ray::ServeController",
    "routers": "ray::ServeReplica:lookalike:router",
}
AGAIN_S = 60.0


def test_a_stored_picture_is_never_not_found_while_parts_are_started_again(tmp_path: Path) -> None:
    with service(tmp_path / "data") as running, ThreadPoolExecutor(CLIENTS) as threads:
        with httpx.Client(base_url=running.url, trust_env=False, timeout=60) as client:
            for number in range(STORED):
                files, data = {"image": ("a.jpg", photo(number), "image/jpeg")}, {"id": str(number)}
                client.post("/v1/images", files=files, data=data).raise_for_status()
        stop = Event()
        asking = [threads.submit(_answers, running.url, number, stop) for number in range(CLIENTS)]
        try:
            for what, title in KILLED.items():
                for process_id in running.processes_named(title):
                    os.kill(process_id, signal.SIGKILL)
                time.sleep(1)  # until it is missed
                wait_for(lambda: answers(running), f"the service answers after the death of {what}", AGAIN_S)
        finally:
            stop.set()
        seen = sum((one.result() for one in asking), Counter[tuple[int, bool]]())
    assert seen[200, False] > 100
    assert set(seen) <= {(200, False), (503, True)}, seen


def _answers(url: str, number: int, stop: Event) -> Counter[tuple[int, bool]]:
    """How often each status came, and whether with a time to wait; no connection is no answer."""
    found = Counter[tuple[int, bool]]()
    while not stop.is_set():
        try:
            with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
                picture = {"image": ("a.jpg", photo(number), "image/jpeg")}
                asked = (client.get(f"/v1/images/{number}"), client.post("/v1/search", files=picture))
                found.update((one.status_code, "Retry-After" in one.headers) for one in asked)
        except httpx.TransportError:
            time.sleep(0.05)
    return found
