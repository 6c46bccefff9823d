"""Questions for the features of stored pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storage.index.whitening import WhitenedIndex, Whitening
from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.tables import reads
from storage.tables.model_versions import spec_of_model
from storage.tables.schema import THUMBNAILS
from storage.types.features import FeatureRows, FloatVectors, Vectors
from storage.types.pictures import ImageRecord


@dataclass(frozen=True, slots=True)
class Features(Operation[Mapping[str, FeatureRows] | None]):
    """Those of the features that the picture has; None where there is no such picture."""

    id: str
    names: tuple[str, ...]

    def run(self, shard: OpenShard) -> Mapping[str, FeatureRows] | None:
        with shard.read() as (transaction, moment):
            return reads.features_of(transaction, self.id, self.names, moment.versions)


@dataclass(frozen=True, slots=True)
class WholePictures(Operation[list[tuple[ImageRecord, Mapping[str, FeatureRows], bytes] | None]]):
    """The row of each picture, as `Features` those of the features that it has, and its thumbnail, empty where it was
    stored without its file; None where there is no such picture.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]

    def run(self, shard: OpenShard) -> list[tuple[ImageRecord, Mapping[str, FeatureRows], bytes] | None]:
        with shard.read() as (transaction, moment):
            records = reads.records_of(transaction, self.ids, moment.versions)
            return [
                None
                if record is None
                else (
                    record,
                    reads.features_of(transaction, record.id, self.names, moment.versions) or {},
                    reads.bytes_of(transaction, THUMBNAILS, record.id) or b"",
                )
                for record in records
            ]


@dataclass(frozen=True, slots=True)
class RowsOfEach(Operation[list[dict[str, Vectors] | None]]):
    """The rows of `Features`, of each picture."""

    ids: tuple[str, ...]
    names: tuple[str, ...]

    def run(self, shard: OpenShard) -> list[dict[str, Vectors] | None]:
        with shard.read() as (transaction, moment):
            return reads.rows_of_each(transaction, self.ids, self.names, moment.versions)


@dataclass(frozen=True, slots=True)
class SampleRows(Operation[FloatVectors], group="upkeep"):
    """(N, D) rows of ``count`` pictures chosen by chance, made by the model with this fingerprint. Raises
    `UnknownFeature`, `InvalidRequest` for a model that has none here.
    """

    feature: str
    fingerprint: str
    count: int
    seed: int = 0  # with the shard's number it chooses the pictures

    def run(self, shard: OpenShard) -> FloatVectors:
        with shard.read() as (transaction, moment):
            spec = spec_of_model(moment.versions, self.feature, self.fingerprint)
            return reads.sampled_rows(transaction, spec, self.count, self.seed + shard.plan.index)


@dataclass(frozen=True, slots=True)
class WhiteningOf(Operation[Whitening | None], group="control"):
    """What the index of the model's vectors is whitened with. Raises as `SampleRows`."""

    feature: str
    fingerprint: str

    def run(self, shard: OpenShard) -> Whitening | None:
        moment = shard.moment
        index = moment.indexes[spec_of_model(moment.versions, self.feature, self.fingerprint).name]
        return index.whitening if isinstance(index, WhitenedIndex) else None
