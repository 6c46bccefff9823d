"""How long the steps of a request may take, and where their timings go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. write_s also bounds the retries of a write whose shard was restarting. add_s: for all that an added
    picture is computed of; what is late is pending, so that time for the write is left.
    """

    search_s: float = 10.0
    extractor_s: float = 10.0
    annotator_s: float = 25.0
    add_s: float = 20.0
    shard_s: float = 10.0
    write_s: float = 25.0
    verify_s: float = 3600.0
    train_s: float = 3600.0


class CatalogMetrics:
    """Where timings go: nowhere, unless a subclass keeps them."""

    def extractor_seconds(self, feature: str, seconds: float) -> None:
        """What a feature took of a search or of an added picture."""

    def searched(self, feature: str, status: str) -> None:
        """What came of a search by a feature: a status of `graph.requests.messages.PartReport`."""

    def shard_seconds(self, shard: int, seconds: float) -> None:
        """What a shard took of a search."""

    def image_bytes(self, count: int) -> None:
        """The size of a picture's file."""
