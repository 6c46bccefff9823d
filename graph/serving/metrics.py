"""Our metrics in Ray's: on Ray's metrics port and in its dashboard, under names that begin with ``ray_lookalike``.

Ray's recorder costs tens of microseconds a figure, which a busy router would pay for every request several times over.
So figures are summed up here and handed over every few seconds; Prometheus reads them more seldom than that. A latency
is three counters, as Prometheus keeps histograms: ``..._bucket`` by upper bound ``le``, ``..._sum`` and ``..._count``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Sums
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import accumulate

from ray.util.metrics import Counter, Gauge

from graph.requests.messages import ServiceStats
from graph.requests.timing import CatalogMetrics

BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
BOUND_NAMES = (*(f"{bound:g}" for bound in BOUNDS_S), "+Inf")

Tags = tuple[str, ...]


@dataclass
class _Latency:
    """Observations since the last flush, of one set of tags."""

    buckets: list[int] = field(default_factory=lambda: [0] * len(BOUND_NAMES))
    total_s: float = 0.0

    def observe(self, seconds: float) -> None:
        self.buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds


class SummedCounter:
    """A counter that is handed over now and then."""

    def __init__(self, name: str, description: str, tags: Tags = ()) -> None:
        self._counter = Counter(name, description, tags)
        self._tags = tags
        self._sums: Sums[Tags] = Sums()

    def add(self, amount: float, *values: str) -> None:
        self._sums[values] += amount  # type: ignore[assignment]  # counts and bytes alike

    def flush(self) -> None:
        sums, self._sums = self._sums, Sums()
        for values, amount in sums.items():
            if amount:
                self._counter.inc(amount, dict(zip(self._tags, values, strict=True)))


class SummedHistogram:
    """A latency histogram that is handed over now and then."""

    def __init__(self, name: str, description: str, tags: Tags) -> None:
        self._buckets = Counter(f"{name}_bucket", f"{description}: observations up to le seconds", (*tags, "le"))
        self._sum = Counter(f"{name}_sum", f"{description}: seconds in all", tags)
        self._count = Counter(f"{name}_count", f"{description}: observations", tags)
        self._tags = tags
        self._latencies: dict[Tags, _Latency] = defaultdict(_Latency)

    def observe(self, seconds: float, *values: str) -> None:
        self._latencies[values].observe(seconds)

    def flush(self) -> None:
        latencies, self._latencies = self._latencies, defaultdict(_Latency)
        for values, latency in latencies.items():
            tags = dict(zip(self._tags, values, strict=True))
            for bound, below in zip(BOUND_NAMES, accumulate(latency.buckets), strict=True):
                if below:
                    self._buckets.inc(below, {**tags, "le": bound})
            self._sum.inc(latency.total_s, tags)
            self._count.inc(sum(latency.buckets), tags)


class RayMetrics(CatalogMetrics):
    """Requests by route and status; latency by route, extractor and shard; images, bytes and queued requests as they
    are now. Belongs to the router's event loop.
    """

    def __init__(self) -> None:
        self._requests = SummedCounter("lookalike_requests", "HTTP requests answered", ("route", "status"))
        self._received = SummedCounter("lookalike_received_bytes", "Request bodies received, bytes", ("route",))
        self._decoded = SummedCounter(
            "lookalike_decoded_bytes", "Pictures decoded by the router, bytes before decoding"
        )
        self._request_s = SummedHistogram("lookalike_request_seconds", "Time to answer a request", ("route",))
        self._extractor_s = SummedHistogram(
            "lookalike_extractor_seconds", "Time for an extractor's answer", ("feature",)
        )
        self._shard_s = SummedHistogram("lookalike_shard_seconds", "Time for a shard's answer to a search", ("shard",))
        self._queued = Gauge("lookalike_queued_requests", "Requests that wait for their turn")
        self._images = Gauge("lookalike_images", "Pictures stored", ("shard",))
        self._disk = Gauge("lookalike_disk_bytes", "Size of the stores on disk", ("shard",))
        self._memory = Gauge("lookalike_index_bytes", "Size of the indexes in memory", ("shard",))
        self._pending = Gauge("lookalike_pending_features", "Features still to be computed", ("feature",))

    def observe(self, route: str, status: int, seconds: float, body_bytes: int) -> None:
        self._requests.add(1, route, str(status))
        self._request_s.observe(seconds, route)
        if body_bytes:
            self._received.add(body_bytes, route)

    def extractor_seconds(self, feature: str, seconds: float) -> None:
        self._extractor_s.observe(seconds, feature)

    def shard_seconds(self, shard: int, seconds: float) -> None:
        self._shard_s.observe(seconds, str(shard))

    def image_bytes(self, count: int) -> None:
        self._decoded.add(count)

    def flush(self, queued_requests: int) -> None:
        """Hands everything to Ray."""
        self._queued.set(queued_requests)
        for figure in (
            self._requests,
            self._received,
            self._decoded,
            self._request_s,
            self._extractor_s,
            self._shard_s,
        ):
            figure.flush()

    def service(self, stats: ServiceStats) -> None:
        """The gauges of what is stored."""
        for shard in stats.shards:
            tags = {"shard": str(shard["shard"])}
            self._images.set(shard["images"], tags)
            self._disk.set(shard["disk_bytes"], tags)
            self._memory.set(sum(feature["memory_bytes"] for feature in shard["features"].values()), tags)
        for feature, count in stats.pending.items():
            self._pending.set(count, {"feature": feature})
