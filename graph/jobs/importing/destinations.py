"""Where the features of an original installation go: under the fingerprint of the extractor that would give the same
rows, or, of a model that nobody has shown to be the configured one, under one of their own, so that vectors of two
models never meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployments.extractors.registry import describe_extractor
from graph.ambience_data.folders import FeatureTable
from graph.config.settings import AppSettings
from graph.jobs.importing.same_model import Comparison
from graph.jobs.running.fleet_shards import ShardCalls
from storage.errors import FingerprintMismatch
from storage.index.vector_index import row_dtype, row_width
from storage.operations.reports import Stats
from storage.types.features import FeatureSpec
from storage.types.reports import ModelVersion

NUMBER_BYTES = 4


@dataclass(frozen=True, slots=True)
class Destination:
    """spec: None where the table is left out. reason: why it is, or what is to be known of what is taken in."""

    spec: FeatureSpec | None
    reason: str = ""


class Destinations:
    """compared: what came of the comparison with the configured model, by feature, where photos were given."""

    def __init__(
        self, settings: AppSettings, shards: ShardCalls, compared: Mapping[str, Comparison], *, dry_run: bool
    ) -> None:
        self._extractors = settings.extractors
        self._shards = shards
        self._compared = compared
        self._dry_run = dry_run
        self._chosen: dict[str, Destination] = {}

    def of(self, table: FeatureTable) -> Destination:
        """The first table of a feature decides what becomes of it."""
        if table.feature not in self._extractors:
            return Destination(None, f"this service has no extractor {table.feature!r}: add it to the configuration")
        if table.feature not in self._chosen:
            self._chosen[table.feature] = self._choose(table)
        chosen = self._chosen[table.feature]
        if chosen.spec is not None and table.width != row_width(chosen.spec) * row_dtype(chosen.spec).itemsize:
            return Destination(None, f"its values have {table.width} bytes, which are no rows of {table.feature!r}")
        return chosen

    def spec_of(self, feature: str) -> FeatureSpec | None:
        """Of a feature whose tables were asked for."""
        return self._chosen[feature].spec if feature in self._chosen else None

    def adopt_again(self, feature: str) -> bool:
        """Where the service made room for the configured model before the first row was written: whether the rows have
        a place again.
        """
        spec = self.spec_of(feature)
        if spec is None or _in_use_of_others(self._versions(feature), spec):
            return False
        return self._adopt(spec)

    def _choose(self, table: FeatureTable) -> Destination:
        spec = describe_extractor(table.feature, self._extractors[table.feature]).spec
        if spec is not None:
            return Destination(spec)
        dim = table.width // NUMBER_BYTES
        own = FeatureSpec(table.feature, "dense", dim, "cosine", f"ambience-{table.feature}-{dim}")
        compared = self._compared.get(table.feature, Comparison())
        spec = compared.spec or own
        versions = self._versions(table.feature)
        not_compared = f"; {compared.reason}" if compared.reason else ""
        note = "" if spec is not own else _note(table.feature) + not_compared
        if all(known and known[0].spec.fingerprint == spec.fingerprint for known in versions):
            return Destination(spec, note)
        images = _in_use_of_others(versions, spec)
        if images:
            return Destination(None, _refusal(table.feature, images) + not_compared)
        if not self._dry_run and not self._adopt(spec):
            return Destination(None, f"the service took in rows of another model of {table.feature!r} meanwhile")
        return Destination(spec, note)

    def _versions(self, feature: str) -> list[Sequence[ModelVersion]]:
        return [shard.versions.get(feature, ()) for shard in self._shards.ask_each(Stats())]

    def _adopt(self, spec: FeatureSpec) -> bool:
        """With the configured options for an origin: no other options would load the original's model."""
        try:
            self._shards.adopt(spec, self._extractors[spec.name], replaces_empty=True)
        except FingerprintMismatch:
            return False
        return True


def _in_use_of_others(versions: Sequence[Sequence[ModelVersion]], spec: FeatureSpec) -> int:
    """Pictures with rows of other models."""
    return sum(one.images for known in versions for one in known if one.spec.fingerprint != spec.fingerprint)


def _note(feature: str) -> str:
    return (
        "these are vectors of the original's model, which answer searches by id; for searches by picture, "
        f"`lookalike backfill {feature}` computes those of the configured model from the photos"
    )


def _refusal(feature: str, images: int) -> str:
    return (
        f"left out: {images} pictures have vectors of another model, and those of two models cannot be compared; "
        f"with the photos, `lookalike backfill {feature}` computes what is missing"
    )
