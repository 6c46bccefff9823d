"""What the service says of itself, and what is done to it as a whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from deployments.extractor import Annotation
from graph.catalog.reports import feature_reports, readiness, service_stats
from graph.catalog.training import train_shards, train_whitening
from graph.ports.contract import AnnotatorPort, ExtractorPort, ExtractorStatus
from graph.requests.decoding import Decoding
from graph.requests.messages import FeatureReport, Readiness, ServiceStats, TrainingAnswer
from graph.requests.shards import Shards
from graph.requests.timing import Timeouts
from graph.search.query_rows import is_vector_feature
from storage.errors import ExtractorFailed, ExtractorUnavailable, NotFound
from storage.operations.reports import Verify
from storage.types.reports import VerifyReport

MODEL_PATIENCE_S = 90.0  # for which models that load keep the service from being ready, at its start


class Service:
    """Its extractors, annotators and shards."""

    def __init__(
        self,
        *,
        extractors: Mapping[str, ExtractorPort],
        annotators: Mapping[str, AnnotatorPort],
        shards: Shards,
        decoding: Decoding,
        timeouts: Timeouts,
    ) -> None:
        self._extractors = extractors
        self._annotators = annotators
        self._shards = shards
        self._decoding = decoding
        self._timeouts = timeouts
        self._started = time.monotonic()
        self._was_ready = False

    async def features(self) -> list[FeatureReport]:
        statuses = await self._statuses()
        stats, _ = await self._shards.stats()
        return feature_reports(statuses, stats)

    async def stats(self) -> ServiceStats:
        stats, missing = await self._shards.stats()
        return service_stats(stats, missing)

    async def verify(self) -> list[VerifyReport]:
        """Compares the store with every index, shard by shard. Slow on large collections: reads everything."""
        return await self._shards.ask_all(Verify(), timeout_s=self._timeouts.verify_s)

    async def train(self, feature: str) -> TrainingAnswer:
        """Trains the index of a feature in all shards at once: the lists of keypoints, the whitening of a model's
        vectors. Searches and writes go on meanwhile.

        Raises UnknownFeature, InvalidRequest where no shard has anything to train, ShardUnavailable.
        """
        port = self._extractors.get(feature)
        if port is not None and is_vector_feature(port):
            return await train_whitening(self._shards.ports, port, timeout_s=self._timeouts.train_s)
        return await train_shards(self._shards.ports, feature, timeout_s=self._timeouts.train_s)

    async def readiness(self) -> Readiness:
        """Ready when every shard answers and at least one extractor does. Models that are loading are waited for at the
        start, and not for ever.
        """
        statuses, (_, missing) = await asyncio.gather(self._statuses(), self._shards.stats(timeout_s=2.0))
        waits_for = None
        if self._was_ready or time.monotonic() - self._started > MODEL_PATIENCE_S:
            waits_for = {name for name, port in self._extractors.items() if not port.is_late}
        found = readiness(statuses, missing, waits_for=waits_for)
        self._was_ready = self._was_ready or found.ready
        return found

    async def annotate(self, annotator: str, image: bytes) -> Annotation:
        """What an annotator says of a picture. Raises NotFound for one that is not configured, an UnreadableImage,
        ExtractorUnavailable.
        """
        port = self._annotators.get(annotator)
        if port is None:
            hint = "list it under args.annotators in the configuration"
            raise NotFound(f"no annotator {annotator!r} is configured", hint)
        status = await port.status()
        if status.state != "ready" or port.image_input is None:
            failure = ExtractorUnavailable if status.state == "unavailable" else ExtractorFailed
            raise failure(f"the annotator {annotator!r} is {status.state}: {status.reason}", "")
        prepared = await self._decoding.prepare(image, {port.image_input})
        return await port.annotate(prepared, {}, timeout_s=self._timeouts.annotator_s)

    async def _statuses(self) -> list[ExtractorStatus]:
        ports: list[ExtractorPort | AnnotatorPort] = [*self._extractors.values(), *self._annotators.values()]
        return list(await asyncio.gather(*(port.status() for port in ports)))
