"""Our figures appear where Prometheus reads Ray's."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import httpx
import pytest

from graph.client import Client
from tests.e2e.running_service import RunningService, wait_for
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_our_metrics_are_among_rays(shared_service: RunningService, client: Client) -> None:
    wait_for(lambda: "Ray dashboard:" in shared_service.log, "it says where it is, a moment after it can answer")
    client.replace("metrics.jpg", photo(4100))
    client.search(image=photo(4100))
    client.delete("metrics.jpg")
    wanted = (
        r'ray_lookalike_requests\w*\{[^}]*route="POST /v1/search"[^}]*status="200"',
        r'ray_lookalike_request_seconds_bucket\w*\{[^}]*route="POST /v1/search"',
        r'ray_lookalike_extractor_seconds_count\w*\{[^}]*feature="phash"',
        r'ray_lookalike_extractor_seconds_count\w*\{[^}]*feature="color"',
        r'ray_lookalike_shard_seconds_count\w*\{[^}]*shard="0"',
        r'ray_lookalike_shard_seconds_count\w*\{[^}]*shard="1"',
        r'ray_lookalike_images\{[^}]*shard="1"',
        r'ray_lookalike_disk_bytes\{[^}]*shard="1"',
        r'ray_lookalike_index_bytes\{[^}]*shard="1"',
        r"ray_lookalike_received_bytes\w*\{",
        r"ray_lookalike_queued_requests\{",
    )
    missing: list[str] = []

    def all_there() -> bool:
        text = exported_metrics(shared_service)
        missing[:] = [pattern for pattern in wanted if not re.search(pattern, text)]
        return not missing

    with contextlib.suppress(AssertionError):  # the next line says which
        wait_for(all_there, "the metrics are exported")
    assert missing == []


def exported_metrics(running: RunningService) -> str:
    """What Prometheus would read, from every address that the Ray dashboard names."""
    [dashboard] = re.findall(r"Ray dashboard: +(\S+)/", running.log)[-1:]
    token = (Path.home() / ".ray" / "auth_token").read_text().strip()
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=20) as ray:
        groups = ray.get(f"{dashboard}/api/prometheus/sd").raise_for_status().json()
        targets = [target for group in groups for target in group["targets"]]
        return "\n".join(ray.get(f"http://{target}/metrics").text for target in targets)
