"""One search, from the request to the ranked answer.

Three steps, each concurrent over its parts: every asked feature turns the query into rows; every shard is asked once
for all of them; what came back is merged. Whatever fails on the way is reported under its feature or its shard, and a
search that nothing answered is an error, not an empty answer.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from deployments.extractor import ImageInput
from deployments.prepared import PreparedPicture
from graph.gather import all_of
from graph.homographies import PictureSize, in_query_pixels
from graph.merge import AskedFeature, merge
from graph.ports import ExtractorPort, ShardPort
from graph.requests import PartReport, PartStatus, SearchAnswer, SearchRequest, SearchResult
from storage.errors import (
    DeadlineExceeded,
    ExtractorFailed,
    ExtractorUnavailable,
    ImageNotFound,
    InvalidField,
    InvalidRequest,
    LookalikeError,
    ShardUnavailable,
    UnknownFeature,
)
from storage.types import FeatureQuery, FeatureRows, ShardAnswer, ShardQuery

if TYPE_CHECKING:
    from graph.catalog import CatalogMetrics, Timeouts


class Prepare(Protocol):
    def __call__(self, data: bytes, inputs: set[ImageInput], /) -> Awaitable[PreparedPicture]: ...


@dataclass(slots=True)
class SearchRun:
    """One search under way. ``home`` is the shard of the id that is searched by."""

    request: SearchRequest
    extractors: Mapping[str, ExtractorPort]
    shards: Sequence[ShardPort]
    home: ShardPort | None
    prepare: Prepare
    timeouts: Timeouts
    metrics: CatalogMetrics
    default_weights: Mapping[str, float] = field(default_factory=dict)
    reports: dict[str, PartReport] = field(default_factory=dict)
    sha256: str | None = None
    pictures: list[PictureSize] = field(default_factory=list)  # that the query is made of

    async def answer(self) -> SearchAnswer:
        started = time.perf_counter()
        deadline = started + (self.request.timeout_s or self.timeouts.search_s)
        asked = self._asked_features()
        with ExitStack() as callers:
            for name in asked:
                callers.enter_context(self.extractors[name].caller())
            queries = await self._feature_queries(asked, deadline)
        if not queries:
            raise self._nothing_answered(asked)
        answers, missing = await self._ask_shards(ShardQuery(tuple(queries)), deadline)
        results = self._merged(queries, answers)
        return SearchAnswer(
            results=results,
            features={name: self.reports[name] for name in asked},
            partial=bool(missing) or any(self._is_a_gap(report) for report in self.reports.values()),
            missing_shards=tuple(missing),
            took_ms=_ms_since(started),
        )

    def _asked_features(self) -> list[str]:
        request = self.request
        if request.image is None and request.id is None and request.text is None:
            raise InvalidRequest("nothing to search for", "send an image, an id or a text")
        for name in (*(request.features or ()), *request.weights, *request.max_distance, *request.params):
            if name not in self.extractors:
                raise UnknownFeature(
                    f"no feature is called {name!r}", f"the features here are {', '.join(self.extractors)}"
                )
        for name in request.max_distance:
            if self.extractors[name].spec.metric == "inliers":
                raise InvalidField(
                    f"max_distance has no meaning for {name!r}, which counts keypoints: more are nearer",
                    f"say the fewest with params.{name}.min_inliers",
                )
        asked = list(dict.fromkeys(request.features)) if request.features is not None else list(self.extractors)
        if request.image is None and request.id is None:
            able = [name for name in asked if self.extractors[name].embeds_text]
            if not able or (request.features is not None and len(able) < len(asked)):
                unable = ", ".join(name for name in asked if name not in able)
                raise InvalidField(
                    f"{unable}: cannot be searched by text",
                    "send an image or an id, or ask a feature that understands text",
                )
            return able
        return asked

    async def _feature_queries(self, asked: Sequence[str], deadline: float) -> list[FeatureQuery]:
        """The rows to ask the shards with, for every feature that could make them; the others are reported."""
        prepared = None
        if self.request.image is not None:
            prepared = await self.prepare(self.request.image, {self.extractors[name].image_input for name in asked})
            self.sha256 = prepared.facts.sha256
            self.pictures.append((prepared.facts.width, prepared.facts.height))
        stored = await self._stored_features(asked, deadline)
        found = await all_of([self._feature_query(name, prepared, stored, deadline) for name in asked])
        return [query for query in found if query is not None]

    async def _stored_features(self, asked: Sequence[str], deadline: float) -> Mapping[str, FeatureRows]:
        if self.request.id is None or self.home is None:
            return {}
        timeout_s = _left(deadline, self.timeouts.shard_s)
        stored = await self.home.features(self.request.id, asked, timeout_s=timeout_s)
        if stored is not None and any(self.extractors[name].spec.kind == "local" for name in stored):
            [record] = await self.home.records([self.request.id], timeout_s=timeout_s)  # whose pixels a homography maps
            if record is None:
                stored = None
            else:
                self.pictures.append((record.width, record.height))
        if stored is None:
            raise ImageNotFound(f"no image has the id {self.request.id!r}", "GET /v1/images lists the ids")
        return stored

    async def _feature_query(
        self, name: str, prepared: PreparedPicture | None, stored: Mapping[str, FeatureRows], deadline: float
    ) -> FeatureQuery | None:
        started = time.perf_counter()
        try:
            asked = await self._query_rows(name, prepared, stored, deadline)
        except InvalidRequest:
            raise
        except LookalikeError as failure:
            self.reports[name] = PartReport(_status_of(failure), _ms_since(started), str(failure))
            return None
        finally:
            self.metrics.extractor_seconds(name, time.perf_counter() - started)
        if asked is None:
            self.reports[name] = PartReport("pending", 0.0, "not computed yet for this image; it will be filled in")
            return None
        self.reports[name] = PartReport("ok", _ms_since(started))
        request = self.request
        params = request.params.get(name, {})
        return FeatureQuery(name, asked.rows, request.k, request.max_distance.get(name), params, asked.extras)

    async def _query_rows(
        self, name: str, prepared: PreparedPicture | None, stored: Mapping[str, FeatureRows], deadline: float
    ) -> FeatureRows | None:
        port, params = self.extractors[name], self.request.params.get(name, {})
        parts: list[FeatureRows] = []
        timeout_s = _left(deadline, self.timeouts.extractor_s)
        if prepared is not None:
            parts.append(await port.query_views(prepared.forms[port.image_input], params, timeout_s=timeout_s))
        if name in stored:
            parts.append(port.select_views(stored[name], params))
        if self.request.text is not None and port.embeds_text:
            parts.append(FeatureRows(await port.embed_text(self.request.text, timeout_s=timeout_s)))
        if len(parts) > 1:
            return _together(parts)
        return parts[0] if parts else None

    async def _ask_shards(self, query: ShardQuery, deadline: float) -> tuple[list[ShardAnswer], list[int]]:
        """The answers that came, and the shards that gave none. Raises when none did."""

        async def one(shard: ShardPort) -> ShardAnswer | LookalikeError:
            started = time.perf_counter()
            try:
                return await shard.search(query, timeout_s=_left(deadline, self.timeouts.shard_s))
            except InvalidRequest:
                raise
            except LookalikeError as failure:
                return failure
            finally:
                self.metrics.shard_seconds(shard.index, time.perf_counter() - started)

        found = await all_of([one(shard) for shard in self.shards])
        missing = [
            shard.index for shard, answer in zip(self.shards, found, strict=True) if isinstance(answer, LookalikeError)
        ]
        answers = [answer for answer in found if isinstance(answer, ShardAnswer)]
        if not answers:
            failures = [answer for answer in found if isinstance(answer, LookalikeError)]
            if all(isinstance(failure, DeadlineExceeded) for failure in failures):
                raise DeadlineExceeded("no shard answered in time", "try again, or allow more time")
            raise ShardUnavailable(f"no shard answered: {failures[0].message}", failures[0].hint)
        return answers, missing

    def _merged(self, queries: Sequence[FeatureQuery], answers: Sequence[ShardAnswer]) -> tuple[SearchResult, ...]:
        for query in queries:
            name = query.feature
            failures = [answer.errors[name] for answer in answers if name in answer.errors]
            report = self.reports[name]
            slowest = max((answer.took_ms.get(name, 0.0) for answer in answers), default=0.0)
            self.reports[name] = (
                replace(report, status="error", reason=failures[0])
                if failures
                else replace(report, took_ms=round(report.took_ms + slowest, 2))
            )
        return merge(
            [self._asked_feature(query, answers) for query in queries],
            {image_id: summary for answer in answers for image_id, summary in answer.summaries.items()},
            k=self.request.k,
            query_sha256=self.sha256,
        )

    def _asked_feature(self, query: FeatureQuery, answers: Sequence[ShardAnswer]) -> AskedFeature:
        name = query.feature
        port = self.extractors[name]
        return AskedFeature(
            name,
            port.spec.metric,
            [in_query_pixels(answer.hits[name], self.pictures) for answer in answers if name in answer.hits],
            weight=self.request.weights.get(name, self.default_weights.get(name, 1.0)),
            view_name=port.view_names(query.params),
        )

    def _is_a_gap(self, report: PartReport) -> bool:
        """A feature that is not set up here is no gap, unless the caller asked for it by name."""
        if report.status == "unavailable":
            return self.request.features is not None
        return report.status != "ok"

    def _nothing_answered(self, asked: Sequence[str]) -> LookalikeError:
        reasons = "; ".join(f"{name}: {self.reports[name].reason}" for name in asked)
        statuses = {self.reports[name].status for name in asked}
        if statuses == {"timeout"}:
            return DeadlineExceeded("no extractor answered in time", "try again, or allow more time")
        if statuses == {"unavailable"}:
            return ExtractorUnavailable(
                f"nothing can answer this search: {reasons}", "GET /v1/features says what is missing"
            )
        return ExtractorFailed(f"nothing answered this search: {reasons}", "try again in a few seconds")


def _together(parts: Sequence[FeatureRows]) -> FeatureRows:
    """The rows of all, one after the other, with what belongs to them."""
    shared = set.intersection(*(set(part.extras) for part in parts))
    extras = {name: np.concatenate([part.extras[name] for part in parts]) for name in sorted(shared)}
    return FeatureRows(np.concatenate([part.rows for part in parts]), extras=extras)


def _status_of(failure: LookalikeError) -> PartStatus:
    if isinstance(failure, DeadlineExceeded):
        return "timeout"
    return "unavailable" if isinstance(failure, ExtractorUnavailable) else "error"


def _left(deadline: float, at_most: float) -> float:
    return max(0.001, min(at_most, deadline - time.perf_counter()))


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1e3, 2)
