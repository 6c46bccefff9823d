"""How long the steps of a request may take, and where their timings go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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


class CatalogMetrics(Protocol):
    """Where timings go."""

    def extractor_seconds(self, feature: str, seconds: float) -> None: ...

    def shard_seconds(self, shard: int, seconds: float) -> None: ...

    def image_bytes(self, count: int) -> None: ...


class NoMetrics:
    """Drops every timing."""

    def extractor_seconds(self, feature: str, seconds: float) -> None: ...

    def shard_seconds(self, shard: int, seconds: float) -> None: ...

    def image_bytes(self, count: int) -> None: ...
