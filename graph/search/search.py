"""Searches: each from the request to the ranked answer, or several side by side that share their pictures.

Three steps, each concurrent over its parts: every asked feature turns the query into rows; every shard is asked once
for all of them; what came back is merged. Whatever fails on the way is reported under its feature or its shard, and a
search that nothing answered is an error, not an empty answer. A query that is to be expanded asks the shards a second
time, with what it found first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from deployments.extractor import ImageInput
from deployments.pictures.prepared import PreparedPicture
from graph.ports.batching import all_of
from graph.ports.contract import ExtractorPort, ShardPort
from graph.requests.decoding import Decoding, Prepare
from graph.requests.messages import PartReport, SearchAnswer, SearchRequest, SearchResult, check_image_id
from graph.requests.shards import Shards, outcome_of
from graph.requests.timing import CatalogMetrics, Timeouts
from graph.search.paging import one_page
from graph.search.query_rows import QueryRows, asked_ports, is_vector_feature, ms_since, no_text_model, searched_by_text
from graph.search.ranking import AskedFeature, in_query_pixels, merge, ranked
from graph.search.vector_query import VectorParams, expanded_query
from storage.errors import (
    DeadlineExceeded,
    ExtractorFailed,
    ExtractorUnavailable,
    ImageNotFound,
    InvalidField,
    InvalidRequest,
    LookalikeError,
    ShardUnavailable,
)
from storage.operations.features import Features
from storage.types.features import FloatVectors
from storage.types.searches import FeatureQuery, Hit, ShardAnswer, ShardQuery


@dataclass(slots=True, kw_only=True)
class SearchRun(QueryRows):
    """One search under way."""

    default_weights: Mapping[str, float] = field(default_factory=dict)

    async def answer(self) -> SearchAnswer:
        started = time.perf_counter()
        self.deadline = started + (self.request.timeout_s or self.timeouts.search_s)
        asked = self._asked_features()
        with ExitStack() as callers:
            for name in asked:
                callers.enter_context(self.extractors[name].caller())
            queries = await self.feature_queries(asked)
        if not queries:
            raise self._nothing_answered(asked)
        first, late = await self._ask_shards(queries)
        answers, missing = await self._expanded(queries, first, late)
        results = self._merged(queries, answers)
        for name in asked:
            self.metrics.searched(name, self.reports[name].status)
        return SearchAnswer(
            results=results,
            features={name: self.reports[name] for name in asked},
            partial=bool(missing) or any(self._is_a_gap(name, report) for name, report in self.reports.items()),
            missing_shards=tuple(missing),
            took_ms=ms_since(started),
        )

    def _asked_features(self) -> list[str]:
        request = self.request
        if request.image is None and request.id is None and request.text is None:
            raise InvalidRequest("nothing to search for", "send an image, an id or a text")
        said = request.text is not None or request.text_not
        asked_ports(
            self.extractors, [*(request.features or ()), *request.weights, *request.max_distance, *request.params]
        )
        for name in request.max_distance:
            spec = self.extractors[name].served.spec
            if spec is not None and spec.metric == "inliers":
                raise InvalidField(
                    f"max_distance has no meaning for {name!r}, which counts keypoints: more are nearer",
                    f"say the fewest with params.{name}.min_inliers",
                )
        asked = list(dict.fromkeys(request.features)) if request.features is not None else list(self.extractors)
        if said and not any(self.extractors[name].embeds_text for name in asked):
            if request.features is None:
                raise no_text_model()
            raise InvalidField(
                f"{', '.join(asked)}: cannot be searched by text", "ask a feature that understands text as well"
            )
        if request.image is None and request.id is None:
            return searched_by_text(self.extractors, asked, are_named=request.features is not None)
        return asked

    async def _ask_shards(self, queries: Sequence[FeatureQuery]) -> tuple[list[ShardAnswer], list[int]]:
        """The answers that came, and the shards that gave none. Raises when none did."""
        query = ShardQuery(tuple(queries), self.request.filter)

        async def one(shard: ShardPort) -> ShardAnswer | LookalikeError:
            started = time.perf_counter()
            try:
                return await outcome_of(
                    shard.search(query, timeout_s=self._time_left(self.timeouts.shard_s)), raising=(InvalidRequest,)
                )
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
            message, *hints = failures[0].args
            raise ShardUnavailable(f"no shard answered: {message}", *hints)
        return answers, missing

    async def _expanded(
        self, queries: Sequence[FeatureQuery], answers: Sequence[ShardAnswer], missing: Sequence[int]
    ) -> tuple[Sequence[ShardAnswer], Sequence[int]]:
        """With the hits of expanded queries in the place of those that they were expanded with."""
        following = []
        for query in queries:
            if is_vector_feature(self.extractors[query.feature]):
                params = VectorParams.of(query.feature, query.params)
                if nearest := self._nearest(query, answers)[: params.aqe_n]:
                    following.append((query, nearest, params.aqe_alpha))
        if not following:
            return answers, missing
        try:
            asked = [await self._expansion(*each) for each in following]
            more, late = await self._ask_shards(asked)
        except LookalikeError as failure:  # what was found first is an answer, too
            for query, _, _ in following:
                reason = f"answered without expansion: {failure.message}"
                self.reports[query.feature] = replace(self.reports[query.feature], status="error", reason=reason)
            return answers, missing
        again = {query.feature for query in asked}
        return [*(_without(answer, again) for answer in answers), *more], sorted({*missing, *late})

    async def _expansion(self, query: FeatureQuery, nearest: Sequence[Hit], alpha: float) -> FeatureQuery:
        """With the stored rows of these hits; those that are gone, or of another model meanwhile, are left out."""

        async def row_of(hit: Hit) -> FloatVectors | None:
            found = await self.shards.of(hit.id).ask(
                Features(hit.id, (query.feature,)), timeout_s=self._time_left(self.timeouts.shard_s)
            )
            rows = None if found is None else found.get(query.feature)
            if rows is None or rows.fingerprint != query.fingerprint:
                return None
            return np.asarray(rows.rows, np.float32)

        found = zip(nearest, await asyncio.gather(*map(row_of, nearest)), strict=True)
        known = [(hit, rows) for hit, rows in found if rows is not None]
        return expanded_query(query, [hit for hit, _ in known], [rows for _, rows in known], alpha)

    def _nearest(self, query: FeatureQuery, answers: Sequence[ShardAnswer]) -> list[Hit]:
        feature = AskedFeature(
            query.feature, "cosine", [answer.hits[query.feature] for answer in answers if query.feature in answer.hits]
        )
        return [entry.hit for entry in ranked(feature, query.k)]

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
        spec = port.served.spec
        return AskedFeature(
            name,
            "cosine" if spec is None else spec.metric,
            [in_query_pixels(answer.hits[name], self.pictures) for answer in answers if name in answer.hits],
            weight=self.request.weights.get(name, self.default_weights.get(name, 1.0)),
            view_name=port.view_names(query.params),
        )

    def _is_a_gap(self, name: str, report: PartReport) -> bool:
        """A feature that is not set up here is no gap, unless the caller asked for it by name, or with a sentence."""
        if report.status == "no_match":
            return self.request.features is not None
        if report.status == "unavailable":
            said = self.request.text is not None or bool(self.request.text_not)
            return self.request.features is not None or (said and self.extractors[name].embeds_text)
        return report.status != "ok"

    def _nothing_answered(self, asked: Sequence[str]) -> LookalikeError:
        reasons = "; ".join(f"{name}: {self.reports[name].reason}" for name in asked)
        statuses = {self.reports[name].status for name in asked}
        if statuses == {"timeout"}:
            return DeadlineExceeded("no extractor answered in time", "try again, or allow more time")
        if statuses == {"no_match"}:
            return ImageNotFound(
                f"the image {self.request.id!r} was stored without {', '.join(asked)}", "search it by another feature"
            )
        if statuses == {"unavailable"}:
            return ExtractorUnavailable(
                f"nothing can answer this search: {reasons}",
                "GET /v1/features says what is missing",
                "see `lookalike status`",
            )
        return ExtractorFailed(f"nothing answered this search: {reasons}", "try again in a few seconds")


def _without(answer: ShardAnswer, features: set[str]) -> ShardAnswer:
    return replace(answer, hits={name: hits for name, hits in answer.hits.items() if name not in features})


class Searches:
    """max_results: the largest ``k``. default_weights: of features, where a request names none."""

    def __init__(
        self,
        *,
        extractors: Mapping[str, ExtractorPort],
        shards: Shards,
        decoding: Decoding,
        timeouts: Timeouts,
        metrics: CatalogMetrics,
        max_results: int,
        default_weights: Mapping[str, float],
    ) -> None:
        self._extractors = extractors
        self._shards = shards
        self._decoding = decoding
        self._max_results = max_results
        self._run = partial(
            SearchRun,
            extractors=extractors,
            shards=shards,
            timeouts=timeouts,
            metrics=metrics,
            default_weights=default_weights,
        )

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """Raises InvalidField, UnknownFeature, UnreadableImage, ImageNotFound; DeadlineExceeded when nothing answered
        in time.
        """
        self._search_run(request, self._decoding.prepare)  # refuses what is out of range
        return await one_page(request, self._answer, self._shards, max_results=self._max_results)

    async def _answer(self, request: SearchRequest) -> SearchAnswer:
        return await self._search_run(request, self._decoding.prepare).answer()

    async def search_each(self, requests: Sequence[SearchRequest]) -> list[SearchAnswer | LookalikeError]:
        """Searches side by side, in the order of the requests; a picture that several have is decoded once.

        A search that fails has its failure for an answer. Raises InvalidRequest and its kinds, as `search` does.
        """
        names = {name for request in requests for name in request.features or self._extractors}
        inputs = {port.served.image_input for name, port in self._extractors.items() if name in names}
        pictures = {request.image for request in requests if request.image is not None}
        prepared = {image: await self._decoding.prepare(image, inputs) for image in pictures}

        async def prepare(data: bytes, _inputs: Iterable[ImageInput | None]) -> PreparedPicture:
            return prepared[data]

        async def one(request: SearchRequest) -> SearchAnswer | LookalikeError:
            return await outcome_of(self._search_run(request, prepare).answer(), raising=(InvalidRequest,))

        return await all_of([one(request) for request in requests])

    def _search_run(self, request: SearchRequest, prepare: Prepare) -> SearchRun:
        if request.id is not None:
            check_image_id(request.id)
        if request.k > self._max_results:
            raise InvalidField(
                f"k is {request.k}, the limit is {self._max_results}", f"ask for 1 to {self._max_results} results"
            )
        return self._run(request=request, prepare=prepare)
