"""What is stored as figures, and all figures as Prometheus' text."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from graph.requests.messages import ServiceStats
from storage.types.jobs import JobRecord

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
JOB_STATES = ("queued", "running", "succeeded", "failed", "stopped")


def stored_families(stats: ServiceStats) -> list[Metric]:
    """What the shards that answer hold, and how many do not answer."""
    images = GaugeMetricFamily("lookalike_images", "Pictures stored", labels=["shard"])
    disk = GaugeMetricFamily("lookalike_disk_bytes", "Size of the stores on disk", labels=["shard"])
    memory = GaugeMetricFamily("lookalike_index_bytes", "Size of the indexes in memory", labels=["shard"])
    for shard in stats.shards:
        labels = [str(shard["shard"])]
        images.add_metric(labels, shard["images"])
        disk.add_metric(labels, shard["disk_bytes"])
        memory.add_metric(labels, sum(feature["memory_bytes"] for feature in shard["features"].values()))
    pending = GaugeMetricFamily("lookalike_pending_features", "Features still to be computed", labels=["feature"])
    for feature, count in stats.pending.items():
        pending.add_metric([feature], count)
    missing = GaugeMetricFamily(
        "lookalike_missing_shards", "Shards that do not answer", value=len(stats.missing_shards)
    )
    return [images, disk, memory, pending, missing]


def job_families(jobs: Iterable[JobRecord]) -> list[Metric]:
    states = Counter(job.state for job in jobs)
    family = GaugeMetricFamily("lookalike_jobs", "Batch jobs by state", labels=["state"])
    for state in JOB_STATES:
        family.add_metric([state], states[state])
    return [family]


@cache
def build_family() -> Metric:
    family = GaugeMetricFamily("lookalike_build_info", "What runs here; always 1", labels=["version", "ray", "python"])
    family.add_metric([version("lookalike"), version("ray"), platform.python_version()], 1)
    return family


def prometheus_text(families: Iterable[Metric]) -> bytes:
    """In the format of ``CONTENT_TYPE``."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(families))
    return generate_latest(registry)


class _Given(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families
