"""The same figures for Ray: under the names that its dashboards know, counters by their growth."""

from __future__ import annotations

from typing import Any

import pytest

from graph.figures.figures import Figures
from graph.serving.metrics import RayMetrics, in_ray


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        (
            "lookalike_requests_total",
            {"method": "POST", "route": "/v1/search", "status": "200"},
            ("lookalike_requests", {"route": "POST /v1/search", "status": "200"}),
        ),
        (
            "lookalike_requests_total",
            {"method": "", "route": "unmatched"},
            ("lookalike_requests", {"route": "unmatched"}),
        ),
        (
            "lookalike_shard_duration_seconds_bucket",
            {"shard": "0", "le": "1.0"},
            ("lookalike_shard_seconds_bucket", {"shard": "0", "le": "1.0"}),
        ),
    ],
)
def test_names_and_labels_are_those_that_dashboards_know(
    name: str, labels: dict[str, str], expected: tuple[str, dict[str, str]]
) -> None:
    assert in_ray(name, labels) == expected


def test_counters_are_handed_over_by_what_was_added(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[tuple[str, float]] = []

    class Recorded:
        def __init__(self, name: str, *_: Any) -> None:
            self._name = name

        def inc(self, amount: float, tags: dict[str, str]) -> None:
            added.append((self._name, amount))

        def set(self, amount: float, tags: dict[str, str]) -> None:
            return None

    monkeypatch.setattr("graph.serving.metrics.Counter", Recorded)
    monkeypatch.setattr("graph.serving.metrics.Gauge", Recorded)
    figures, ray = Figures(), RayMetrics()
    figures.image_bytes(100)
    ray.hand_over(figures.families())
    figures.image_bytes(20)
    ray.hand_over(figures.families())
    ray.hand_over(figures.families())
    assert added == [("lookalike_decoded_bytes", 100), ("lookalike_decoded_bytes", 20)]
