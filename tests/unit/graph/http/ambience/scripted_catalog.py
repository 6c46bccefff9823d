"""The catalogue's twin that answers searches as a test wrote them down."""

from __future__ import annotations

from typing import Any

from graph.requests.messages import AddAnswer, AddFeaturesRequest, PartReport, SearchAnswer, SearchRequest, SearchResult
from storage.errors import LookalikeError
from tests.unit.graph.http.fake_catalog import FakeCatalog

EVIDENCE = {"local": "inliers"}  # instead of a distance


class ScriptedCatalog(FakeCatalog):
    """hits: by feature, ids with their distance or inliers, in order. failures: by feature, of searches and adding.

    reports, missing_shards: of every search. added_features, deleted: what it was asked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hits: dict[str, list[tuple[str, float]]] = {}
        self.metadata: dict[str, dict[str, Any]] = {}
        self.failures: dict[str, LookalikeError] = {}
        self.reports: dict[str, PartReport] = {}
        self.missing_shards: tuple[int, ...] = ()
        self.added_features: list[AddFeaturesRequest] = []

    async def search(self, request: SearchRequest) -> SearchAnswer:
        await self._enter()
        self.searched.append(request)
        [feature] = request.features or ()
        if feature in self.failures:
            raise self.failures[feature]
        results = [
            self._result(feature, rank, *hit) for rank, hit in enumerate(self.hits.get(feature, [])[: request.k], 1)
        ]
        report = self.reports.get(feature, PartReport("ok", 1.0))
        partial = bool(self.missing_shards) or report.status != "ok"
        return SearchAnswer(tuple(results), {feature: report}, partial, self.missing_shards, 2.0)

    def _result(self, feature: str, rank: int, image_id: str, value: float) -> SearchResult:
        match: Any = {EVIDENCE.get(feature, "distance"): value, "rank": rank}
        return SearchResult(image_id, 1 / rank, {feature: match}, 640, 480, self.metadata.get(image_id, {}))

    async def add_features(self, request: AddFeaturesRequest) -> AddAnswer:
        self.added_features.append(request)
        for feature in request.features:
            if feature in self.failures:
                raise self.failures[feature]
        return await super().add_features(request)
