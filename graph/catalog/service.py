"""What the service says of itself, and what is done to it as a whole."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from deployments.extractor import Annotation
from graph.catalog.training import train_shards, train_whitening
from graph.ports.contract import AnnotatorPort, ExtractorPort, ExtractorStatus
from graph.requests.decoding import Decoding
from graph.requests.messages import FeatureReport, Readiness, ServiceStats, TrainingAnswer
from graph.requests.shards import Shards, outcome_of
from graph.requests.timing import Timeouts
from graph.search.query_rows import is_vector_feature
from storage.errors import ExtractorFailed, ExtractorUnavailable, LookalikeError
from storage.operations.reports import Verify
from storage.types.reports import ShardStats, VerifyReport

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
        return [_feature_report(status, stats) for status in statuses]

    async def stats(self) -> ServiceStats:
        """Sums over the shards that answer."""
        (shards, missing), thresholds = await asyncio.gather(
            self._shards.stats(), outcome_of(self._shards.thresholds())
        )
        pending: Counter[str] = Counter()
        for shard in shards:
            pending.update({name: feature.pending for name, feature in shard.features.items()})
        return ServiceStats(
            images=sum(shard.images for shard in shards),
            disk_bytes=sum(shard.disk_bytes for shard in shards),
            memory_bytes=sum(feature.memory_bytes for shard in shards for feature in shard.features.values()),
            pending=dict(pending),
            shards=tuple(asdict(shard) for shard in shards),
            missing_shards=tuple(missing),
            thresholds=None if isinstance(thresholds, LookalikeError) else thresholds,
        )

    async def forget_thresholds(self) -> None:
        """What the package comes with is in force again."""
        await self._shards.forget_thresholds()

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
        """Ready: every shard answers, every extractor and annotator has said whether it can work, at least one
        extractor that it can. Models that are loading are waited for at the start, and not for ever.
        """
        statuses, (_, missing_shards) = await asyncio.gather(self._statuses(), self._shards.stats(timeout_s=2.0))
        loading = [status for status in statuses if status.state == "loading"]
        if self._was_ready or time.monotonic() - self._started > MODEL_PATIENCE_S:
            without_model = {name for name, port in self._extractors.items() if not port.is_late}
            loading = [status for status in loading if status.name in without_model]
        missing = [f"shard {index} does not answer" for index in missing_shards]
        missing += [f"{status.role} {status.name} is loading" for status in loading]
        if not any(status.state == "ready" and status.role == "extractor" for status in statuses):
            missing.append("no extractor is ready")
        self._was_ready = self._was_ready or not missing
        return Readiness(ready=not missing, missing=tuple(missing))

    async def annotate(self, annotator: str, image: bytes) -> Annotation:
        """What a configured annotator says of a picture. Raises an UnreadableImage, ExtractorUnavailable."""
        port = self._annotators[annotator]
        status = await port.status()
        if status.state != "ready" or port.image_input is None:
            failure = ExtractorUnavailable if status.state == "unavailable" else ExtractorFailed
            raise failure(f"the annotator {annotator!r} is {status.state}: {status.reason}", "")
        prepared = await self._decoding.prepare(image, {port.image_input})
        return await port.annotate(prepared, {}, timeout_s=self._timeouts.annotator_s)

    async def _statuses(self) -> list[ExtractorStatus]:
        ports: list[ExtractorPort | AnnotatorPort] = [*self._extractors.values(), *self._annotators.values()]
        return list(await asyncio.gather(*(port.status() for port in ports)))


def _feature_report(status: ExtractorStatus, shards: Sequence[ShardStats]) -> FeatureReport:
    """With the kind of index that the shards keep for it."""
    spec = status.spec
    versions = [one for shard in shards for one in shard.versions.get(status.name, ())]
    following = [one.spec.fingerprint for one in versions if one.role == "following"]
    kinds = [shard.features[status.name].index_kind for shard in shards if status.name in shard.features]
    return FeatureReport(
        name=status.name,
        role=status.role,
        state=status.state,
        reason=status.reason,
        model=status.model,
        version=status.version if spec is None else spec.fingerprint,
        kind=None if spec is None else spec.kind,
        dim=None if spec is None else spec.dim,
        metric=None if spec is None else spec.metric,
        index_kind=_index_kind(status.name, kinds, shards),
        replicas=status.replicas,
        next_version=following[0] if following else None,
    )


def _index_kind(name: str, kinds: Sequence[str], shards: Sequence[ShardStats]) -> str | None:
    if not kinds or not kinds[0]:
        return None
    whitenings = {shard.features[name].whitening for shard in shards if name in shard.features}
    if len(whitenings) > 1:
        return f"{kinds[0]}, partly whitened"
    return kinds[0] if whitenings == {0} else f"{kinds[0]}, whitened"
