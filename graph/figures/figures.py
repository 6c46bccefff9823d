"""The figures of one router, defined once for Prometheus and for Ray.

Names, units and kinds follow Prometheus' conventions. No label takes a value that a client chooses.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric

from graph.requests.timing import CatalogMetrics

BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
STARTED = "lookalike_start_time_seconds"
WHILE_AT_WORK = {  # by name: figures that are read when somebody asks, see `Figures.watch`
    "lookalike_queued_requests": "Requests that wait for their turn",
    "lookalike_active_requests": "Requests that are worked on",
    "lookalike_uploads_in_flight": "Requests whose bodies are coming in",
}


class Figures(CatalogMetrics):
    """Of one process. They begin at zero. changes: grows whenever one does."""

    def __init__(self) -> None:
        self.changes = 0
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = self._counter("requests", "HTTP requests answered", "method", "route", "status")
        self._received = self._counter("received_bytes", "Bytes of request bodies", "method", "route")
        self._decoded = self._counter("decoded_bytes", "Bytes of pictures' files that were decoded")
        self._searches = self._counter("searches", "Searches by feature and by what came of them", "feature", "status")
        self._request_s = self._histogram("request", "Time to answer a request", "method", "route")
        self._extractor_s = self._histogram("extractor", "Time for a feature of a query or an added picture", "feature")
        self._shard_s = self._histogram("shard", "Time for a shard's answer to a search", "shard")
        self._watched = {name: self._gauge(name, text) for name, text in WHILE_AT_WORK.items()}
        self._gauge("lookalike_routers", "Routers that answered for these figures").set(1)
        self._gauge(STARTED, "When the first of these routers started, Unix time").set(time.time())

    def families(self) -> list[Metric]:
        """All of them as they are now."""
        families = list(self._registry.collect())
        for family in families:
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
        return families

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """read: gives the value of one of ``WHILE_AT_WORK``."""
        self._watched[name].set_function(read)

    def observe(self, route: str, status: int, seconds: float, body_bytes: int) -> None:
        """A request, as `graph.http.guards.observing.RequestMetrics` has it."""
        self.changes += 1
        labels = method_and_route(route)
        self._requests.labels(*labels, str(status)).inc()
        self._request_s.labels(*labels).observe(seconds)
        if body_bytes:
            self._received.labels(*labels).inc(body_bytes)

    def searched(self, feature: str, status: str) -> None:
        self.changes += 1
        self._searches.labels(feature, status).inc()

    def extractor_seconds(self, feature: str, seconds: float) -> None:
        self.changes += 1
        self._extractor_s.labels(feature).observe(seconds)

    def shard_seconds(self, shard: int, seconds: float) -> None:
        self.changes += 1
        self._shard_s.labels(str(shard)).observe(seconds)

    def image_bytes(self, count: int) -> None:
        self.changes += 1
        self._decoded.inc(count)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"lookalike_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        full_name = f"lookalike_{name}_duration_seconds"
        return Histogram(full_name, text, labels, registry=self._registry, buckets=BOUNDS_S)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry)


def method_and_route(route: str) -> tuple[str, str]:
    """Of ``"GET /v1/images/{id}"``. A method that clients made up is ``other``."""
    method, _, path = route.rpartition(" ")
    return (method if method in METHODS or not method else "other"), path
