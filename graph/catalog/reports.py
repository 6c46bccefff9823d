"""What the service says of itself: pure functions from the parts' own reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict

from graph.ports.contract import ExtractorStatus
from graph.requests.messages import FeatureReport, Readiness, ServiceStats
from storage.types.reports import ShardStats


def feature_reports(statuses: Sequence[ExtractorStatus], shards: Sequence[ShardStats]) -> list[FeatureReport]:
    """One line an extractor, with the kind of index that the shards keep for it."""
    return [_feature_report(status, shards) for status in statuses]


def _feature_report(status: ExtractorStatus, shards: Sequence[ShardStats]) -> FeatureReport:
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


def service_stats(shards: Sequence[ShardStats], missing: Sequence[int]) -> ServiceStats:
    """Sums over the shards that answered."""
    pending: Counter[str] = Counter()
    for shard in shards:
        for name, feature in shard.features.items():
            pending[name] += feature.pending
    return ServiceStats(
        images=sum(shard.images for shard in shards),
        disk_bytes=sum(shard.disk_bytes for shard in shards),
        memory_bytes=sum(feature.memory_bytes for shard in shards for feature in shard.features.values()),
        pending=dict(pending),
        shards=tuple(asdict(shard) for shard in shards),
        missing_shards=tuple(missing),
    )


def readiness(
    statuses: Sequence[ExtractorStatus], missing_shards: Sequence[int], *, waits_for: Collection[str] | None = None
) -> Readiness:
    """Ready: every shard answers, every extractor and annotator has said whether it can work, at least one extractor
    that it can. waits_for: those that may still keep the service from being ready by loading; all unless said.
    """
    missing = [f"shard {index} does not answer" for index in missing_shards]
    loading = [status for status in statuses if status.state == "loading"]
    missing += [
        f"{status.role} {status.name} is loading" for status in loading if waits_for is None or status.name in waits_for
    ]
    if not any(status.state == "ready" and status.role == "extractor" for status in statuses):
        missing.append("no extractor is ready")
    return Readiness(ready=not missing, missing=tuple(missing))
