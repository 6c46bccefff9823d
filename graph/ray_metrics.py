"""Our metrics in Ray's: they appear on Ray's metrics port and in its dashboard, under names that begin with
``ray_lookalike``.
"""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge, Histogram

from graph.requests import ServiceStats

LATENCY_BOUNDS_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0]


class RayMetrics:
    """Requests by route and status; latency by route, extractor and shard; images, bytes and queued requests as they
    are now.
    """

    def __init__(self) -> None:
        self._requests = Counter("lookalike_requests", "HTTP requests answered", ("route", "status"))
        self._request_s = Histogram("lookalike_request_seconds", "Time to answer", LATENCY_BOUNDS_S, ("route",))
        self._received = Counter("lookalike_received_bytes", "Request bodies received, bytes", ("route",))
        self._decoded = Counter("lookalike_decoded_bytes", "Pictures decoded by the router, bytes before decoding")
        self._extractor_s = Histogram(
            "lookalike_extractor_seconds", "Time for an extractor's answer", LATENCY_BOUNDS_S, ("feature",)
        )
        self._shard_s = Histogram(
            "lookalike_shard_seconds", "Time for a shard's answer to a search", LATENCY_BOUNDS_S, ("shard",)
        )
        self._queued = Gauge("lookalike_queued_requests", "Requests that wait for their turn")
        self._images = Gauge("lookalike_images", "Pictures stored", ("shard",))
        self._disk = Gauge("lookalike_disk_bytes", "Size of the stores on disk", ("shard",))
        self._memory = Gauge("lookalike_index_bytes", "Size of the indexes in memory", ("shard",))
        self._pending = Gauge("lookalike_pending_features", "Features still to be computed", ("feature",))

    def observe(self, route: str, status: int, seconds: float, body_bytes: int) -> None:
        self._requests.inc(1, {"route": route, "status": str(status)})
        self._request_s.observe(seconds, {"route": route})
        if body_bytes:
            self._received.inc(body_bytes, {"route": route})

    def queued(self, requests: int) -> None:
        self._queued.set(requests)

    def extractor_seconds(self, feature: str, seconds: float) -> None:
        self._extractor_s.observe(seconds, {"feature": feature})

    def shard_seconds(self, shard: int, seconds: float) -> None:
        self._shard_s.observe(seconds, {"shard": str(shard)})

    def image_bytes(self, count: int) -> None:
        if count:
            self._decoded.inc(count)

    def service(self, stats: ServiceStats) -> None:
        """The gauges of what is stored."""
        for shard in stats.shards:
            tags = {"shard": str(shard["shard"])}
            self._images.set(shard["images"], tags)
            self._disk.set(shard["disk_bytes"], tags)
            self._memory.set(sum(feature["memory_bytes"] for feature in shard["features"].values()), tags)
        for feature, count in stats.pending.items():
            self._pending.set(count, {"feature": feature})
