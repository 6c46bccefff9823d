from __future__ import annotations

import json

import httpx
import pytest

from tests.suites.client_suite import JOB, reply
from tests.unit.graph.cli.conftest import Run

FEATURES = [
    {"name": "phash", "state": "ready", "kind": "binary", "dim": 576, "index_kind": "flat", "replicas": 2},
    {"name": "image_text", "state": "unavailable", "reason": "no weights: run `lookalike models pull`", "dim": None},
    {"name": "tags", "role": "annotator", "state": "ready", "replicas": 1},
    {"name": "global", "state": "ready", "kind": "dense", "dim": 384, "replicas": 1, "next_version": "2"},
]
STATS = {
    "images": 620,
    "disk_bytes": 5_000_000,
    "memory_bytes": 70_000,
    "pending": {"phash": 3},
    "shards": [{"shard": 0, "images": 620, "disk_bytes": 5_000_000, "memory_bytes": 70_000}],
    "missing_shards": [1],
}


def service(request: httpx.Request) -> httpx.Response:
    return {
        "/readyz": reply({"ready": False, "missing": ["shard 1 does not answer"]}, 503),
        "/v1/features": reply({"features": FEATURES}),
        "/v1/stats": reply(STATS),
        "/v1/jobs": reply({"jobs": [JOB, JOB | {"id": "old", "state": "succeeded"}]}),
    }[request.url.path]


def test_shows_the_service_its_extractors_and_its_shards(run: Run) -> None:
    result = run(service, "status")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert "state\tnot ready: shard 1 does not answer" in lines
    assert "images\t620" in lines
    assert "jobs running\tjob-1 (4/10)" in lines
    assert "part\trole\tstate\tkind\tdim\tindex\treplicas\tpending images\treason" in lines
    assert "phash\textractor\tready\tbinary\t576\tflat\t2\t3\t" in lines
    assert "tags\tannotator\tready\t\t\t\t1\t0\t" in lines
    assert "global\textractor\tready\tdense\t384\t\t1\t0\tits index is being built for version 2" in lines
    assert "0\t620\t5000000\t70000" in lines
    assert result.stderr.startswith("lookalike: shard 1 does not answer, so its images are not counted; ")


@pytest.mark.usefixtures("terminal")
def test_shows_a_person_readable_sizes(run: Run) -> None:
    shown = run(service, "status").stdout
    assert "5.0 MB" in shown
    assert "no weights: run `lookalike models pull`" in shown


def test_writes_json_when_asked(run: Run) -> None:
    shown = json.loads(run(service, "status", "--json").stdout)
    assert shown["ready"] == {"ready": False, "missing": ["shard 1 does not answer"]}
    assert [job["id"] for job in shown["jobs"]] == ["job-1"]
    assert shown["stats"]["pending"] == {"phash": 3}
