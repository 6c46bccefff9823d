"""Asking the shards in a search: all of them at once, a second time with expanded queries where that is wanted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from graph.ports.batching import all_of
from graph.ports.contract import ShardPort
from graph.requests.shards import outcome_of
from graph.search.query_rows import QueryRows, is_vector_feature
from graph.search.ranking import AskedFeature, ranked
from graph.search.vector_query import VectorParams, expanded_query
from storage.errors import DeadlineExceeded, InvalidRequest, LookalikeError, ShardUnavailable
from storage.operations.features import Features
from storage.types.features import FloatVectors
from storage.types.searches import FeatureQuery, Hit, ShardAnswer, ShardQuery


@dataclass(slots=True, kw_only=True)
class ShardSearch(QueryRows):
    """missing: shards that gave no answer, at one time or another."""

    missing: set[int] = field(default_factory=set)

    async def ask_shards(self, queries: Sequence[FeatureQuery]) -> list[ShardAnswer]:
        """The answers that came. Raises when none did."""
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
        answers = [answer for answer in found if isinstance(answer, ShardAnswer)]
        failures = {
            shard.index: answer
            for shard, answer in zip(self.shards, found, strict=True)
            if isinstance(answer, LookalikeError)
        }
        if not answers:
            if all(isinstance(failure, DeadlineExceeded) for failure in failures.values()):
                raise DeadlineExceeded("no shard answered in time", "try again, or allow more time")
            message, *hints = next(iter(failures.values())).args
            raise ShardUnavailable(f"no shard answered: {message}", *hints)
        self.missing.update(failures)
        return answers

    async def with_expansion(
        self, queries: Sequence[FeatureQuery], answers: Sequence[ShardAnswer]
    ) -> tuple[Sequence[FeatureQuery], Sequence[ShardAnswer]]:
        """Expanded queries with their hits, in the place of those that they were expanded with."""
        following = []
        for query in queries:
            if is_vector_feature(self.extractors[query.feature]):
                params = VectorParams.of(query.feature, query.params)
                if params.aqe_n and (nearest := _nearest(query, answers)[: params.aqe_n]):
                    following.append((query, nearest, params.aqe_alpha))
        if not following:
            return queries, answers
        try:
            asked = [await self._expansion(*each) for each in following]
            more = await self.ask_shards(asked)
        except LookalikeError as failure:  # what was found first is an answer, too
            for query, _, _ in following:
                reason = f"answered without expansion: {failure.message}"
                self.reports[query.feature] = replace(self.reports[query.feature], status="error", reason=reason)
            return queries, answers
        again = {query.feature: query for query in asked}
        first = [answer.without(again) for answer in answers]
        return [again.get(query.feature, query) for query in queries], [*first, *more]

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


def _nearest(query: FeatureQuery, answers: Sequence[ShardAnswer]) -> list[Hit]:
    feature = AskedFeature(
        query.feature, "cosine", [answer.hits[query.feature] for answer in answers if query.feature in answer.hits]
    )
    return [entry.hit for entry in ranked(feature, query.k)]
