"""What the HTTP layer asks of the catalogue: the shape of `graph.catalog.catalog.Catalog` and of its twin in the
tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from deployments.extractor import Annotation
from graph.catalog.messages import (
    AddAnswer,
    AddFeaturesRequest,
    AddRequest,
    FeatureReport,
    ImagePage,
    Readiness,
    SearchAnswer,
    SearchRequest,
    ServiceStats,
    TrainingAnswer,
)
from graph.duplicates.pages import DuplicatePage
from graph.ports.contract import JobPort
from storage.errors import LookalikeError
from storage.types.pictures import ImageRecord
from storage.types.reports import VerifyReport


class CatalogPort(Protocol):
    """Errors are those of `storage.errors`."""

    @property
    def jobs(self) -> JobPort: ...

    async def add(self, request: AddRequest) -> AddAnswer: ...

    async def add_features(self, request: AddFeaturesRequest) -> AddAnswer:
        """Computes and stores these features of the picture and no other. Raises ImageExists where it has one of them
        or is another picture, ExtractorUnavailable and the like where one cannot be computed; then nothing is stored.
        """
        ...

    async def remove_features(self, image_id: str, features: Sequence[str]) -> None:
        """With the last one goes the picture. Raises ImageNotFound where it has none of them."""
        ...

    async def ids_of_file_name(self, name: str) -> list[str]:
        """Ids of the pictures whose metadata has this ``file_name``."""
        ...

    async def get(self, image_id: str) -> ImageRecord: ...

    async def delete(self, image_id: str) -> None: ...

    async def page(self, after: str | None, limit: int) -> ImagePage: ...

    async def thumbnail(self, image_id: str) -> bytes: ...

    async def original(self, image_id: str) -> tuple[bytes, str]: ...

    async def search(self, request: SearchRequest) -> SearchAnswer: ...

    async def search_each(self, requests: Sequence[SearchRequest]) -> list[SearchAnswer | LookalikeError]:
        """In the order of the requests; of a search that failed, why. Raises InvalidRequest where one cannot be run."""
        ...

    async def duplicates(self, cursor: str | None, limit: int, *, max_distance: int) -> DuplicatePage: ...

    async def annotate(self, annotator: str, image: bytes) -> Annotation:
        """Raises NotFound for an annotator that is not configured, ExtractorUnavailable."""
        ...

    async def features(self) -> Sequence[FeatureReport]: ...

    async def stats(self) -> ServiceStats: ...

    async def verify(self) -> Sequence[VerifyReport]: ...

    async def train(self, feature: str) -> TrainingAnswer: ...

    async def readiness(self) -> Readiness: ...


CatalogProvider = Callable[[], CatalogPort]  # may raise Unavailable while the service starts
