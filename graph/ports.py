"""The seams between the catalogue and the processes that do its work.

`graph.catalog.Catalog` is plain asyncio over these; `graph.ray_extractor_port` and `graph.ray_shard_port` implement
them with Serve handles and actor calls, `graph.local_ports` in one process. Timeouts are seconds; a call that runs out
of time raises `storage.errors.DeadlineExceeded`, one whose other side does not answer `storage.errors.ExtractorFailed`
or `storage.errors.ShardUnavailable`, one whose extractor lacks its model `storage.errors.ExtractorUnavailable`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from deployments.extractor import ImageInput, Pixels
from storage.types import (
    FeatureRows,
    FeatureSpec,
    ImageRecord,
    JobFailure,
    JobRecord,
    Mutation,
    MutationResult,
    PendingImage,
    ShardAnswer,
    ShardQuery,
    ShardStats,
    TrainingReport,
    Vectors,
    VerifyReport,
)

ExtractorState = Literal["ready", "loading", "unavailable"]


@dataclass(frozen=True, slots=True)
class ExtractorStatus:
    """What ``/v1/features`` says of an extractor. spec is None while its model is not loaded."""

    name: str
    state: ExtractorState
    reason: str = ""
    spec: FeatureSpec | None = None
    model: str | None = None
    replicas: int = 0


class ExtractorPort(Protocol):
    """One extractor deployment, whatever the number of its replicas."""

    name: str
    spec: FeatureSpec
    image_input: ImageInput
    embeds_text: bool

    def caller(self) -> AbstractContextManager[None]:
        """Counts a caller for the length of a block: what autoscaling goes by."""
        ...

    async def extract(self, image: Pixels, *, timeout_s: float) -> FeatureRows: ...

    async def query_views(self, image: Pixels, params: Mapping[str, Any], *, timeout_s: float) -> FeatureRows: ...

    def select_views(self, stored: FeatureRows, params: Mapping[str, Any]) -> FeatureRows:
        """What to search with for a stored picture. Raises InvalidField."""
        ...

    async def embed_text(self, text: str, *, timeout_s: float) -> Vectors: ...

    def view_names(self, params: Mapping[str, Any]) -> Callable[[int], str] | None:
        """Names the rows of a query, or None where the extractor looks at a query in one way only."""
        ...

    async def status(self) -> ExtractorStatus: ...


class ShardPort(Protocol):
    """One shard, wherever it lives."""

    index: int

    async def apply(self, mutation: Mutation, *, timeout_s: float) -> MutationResult: ...

    async def search(self, query: ShardQuery, *, timeout_s: float) -> ShardAnswer: ...

    async def records(self, ids: Sequence[str], *, timeout_s: float) -> list[ImageRecord | None]: ...

    async def page(self, after: str | None, limit: int, *, timeout_s: float) -> list[ImageRecord]: ...

    async def thumbnail(self, image_id: str, *, timeout_s: float) -> bytes | None: ...

    async def features(
        self, image_id: str, names: Sequence[str], *, timeout_s: float
    ) -> Mapping[str, FeatureRows] | None: ...

    async def pending(self, after: str | None, limit: int, *, timeout_s: float) -> list[PendingImage]: ...

    async def stats(self, *, timeout_s: float) -> ShardStats: ...

    async def verify(self, *, timeout_s: float) -> VerifyReport: ...

    async def train(self, feature: str, *, timeout_s: float) -> TrainingReport:
        """Raises UnknownFeature, InvalidRequest where there is nothing to train."""
        ...


class JobPort(Protocol):
    """Batch jobs: where they are submitted, and their durable records."""

    async def submit_index(self, paths: Sequence[str], *, id_from: str, on_conflict: str, watch: bool) -> str: ...

    async def stop(self, job_id: str) -> None: ...

    async def jobs(self) -> list[JobRecord]: ...

    async def job(self, job_id: str) -> JobRecord: ...

    async def failures(self, job_id: str, offset: int, limit: int) -> list[JobFailure]: ...
