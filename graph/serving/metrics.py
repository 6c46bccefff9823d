"""Our figures in Ray's: on Ray's metrics port and in its dashboard, under names that begin with ``ray_lookalike``.

Ray's recorder costs tens of microseconds a figure, which a busy router would pay for every request several times over.
So what was counted is handed over every few seconds; Prometheus reads it more seldom than that. A latency is three
counters, as Prometheus keeps histograms: ``..._bucket`` by upper bound ``le``, ``..._sum`` and ``..._count``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import Metric
from ray.util.metrics import Counter, Gauge


class RayMetrics:
    """Of one router: Ray adds the figures of all up."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._handed_over: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}

    def hand_over(self, families: Iterable[Metric]) -> None:
        """Gauges as they are, counters by what was added since the last time."""
        for family in families:
            for sample in family.samples:
                name, tags = in_ray(sample.name, sample.labels)
                if family.type == "gauge":
                    gauge = self._gauges.get(name) or self._gauges.setdefault(
                        name, Gauge(name, family.documentation, tuple(tags))
                    )
                    gauge.set(sample.value, tags)
                    continue
                key = name, tuple(tags.items())
                added = sample.value - self._handed_over.get(key, 0.0)
                if added > 0:
                    counter = self._counters.get(name) or self._counters.setdefault(
                        name, Counter(name, family.documentation, tuple(tags))
                    )
                    counter.inc(added, tags)
                    self._handed_over[key] = sample.value


def in_ray(name: str, labels: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """A figure's name and labels as Ray has them, which adds ``_total`` itself: shorter, for dashboards of old."""
    tags = dict(labels)
    if "method" in tags:
        tags["route"] = f"{tags.pop('method')} {tags['route']}".strip()
    return name.removesuffix("_total").replace("_duration_seconds", "_seconds"), tags
