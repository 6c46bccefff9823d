"""Where the features of an original installation go: under the fingerprint of the extractor that would give the same
rows, or, of a model that nobody has shown to be the configured one, under one of their own, so that vectors of two
models never meet. A sample of the photos, seen by the configured model, shows it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from deployments.extractor import Extractor
from deployments.extractors.profile import ExtractorProfile
from deployments.extractors.registry import create_extractor
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import prepare_picture
from graph.ambience_data.defects import Defects
from graph.ambience_data.folders import FeatureTable, ServiceFolder
from graph.ambience_data.photos import Photos
from graph.ambience_data.pictures import FoundPictures
from graph.ambience_data.vectors import rows_of
from graph.config.settings import AppSettings
from graph.jobs.running.fleet_shards import ShardCalls
from storage.errors import FingerprintMismatch, LookalikeError
from storage.index.vector_index import row_dtype, row_width
from storage.operations.reports import Stats
from storage.types.features import FeatureSpec, Vectors
from storage.types.reports import ModelVersion

logger = logging.getLogger(__name__)

NUMBER_BYTES = 4
SAMPLE = 16
FEWEST = 4
SAME_COSINE = 0.99


@dataclass(frozen=True, slots=True)
class Destination:
    """spec: None where the table is left out. reason: why it is, or what is to be known of what is taken in."""

    spec: FeatureSpec | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """spec: of the configured model where it gives the same vectors. reason: why they could not be compared."""

    spec: FeatureSpec | None = None
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
        spec = ExtractorProfile(table.feature, self._extractors[table.feature]).spec
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
        f"a backfill of {feature} computes those of the configured model from the photos"
    )


def _refusal(feature: str, images: int) -> str:
    return (
        f"left out: {images} pictures have vectors of another model, and those of two models cannot be compared; "
        f"with the photos, a backfill of {feature} computes what is missing"
    )


def compared_models(folders: Sequence[ServiceFolder], photos: Photos, settings: AppSettings) -> dict[str, Comparison]:
    """By feature, for those whose model the configuration alone does not tell: the same of all photos of a sample?"""
    tables = {table.feature: table for folder in reversed(folders) for table in folder.tables}
    limits = DecodeLimits(max_pixels=settings.limits.max_pixels)
    compared = {}
    for name, table in tables.items():
        options = settings.extractors.get(name)
        if options is None or ExtractorProfile(name, options).spec is not None:
            continue
        sample = list(islice(_sampled(folders, table, photos), SAMPLE))
        compared[name] = _compared(name, options, sample, limits)
    return compared


def _sampled(folders: Sequence[ServiceFolder], table: FeatureTable, photos: Photos) -> Iterator[tuple[str, Vectors]]:
    """Photos of pictures in the table, with their rows. Looks through all of them until enough are taken."""
    unseen = Defects()  # they are told when the pictures are imported
    for picture in FoundPictures(folders, unseen):
        unseen.taken()
        own, value = picture.values.get(table.feature, (None, b""))
        path = photos.find(picture.id, picture.file_name, unseen) if own is table else None
        if path is None:
            continue
        rows = rows_of(table.feature, table.width, table.path, {picture.id: value}, unseen)
        if rows:
            yield path, rows[picture.id]


def _compared(
    name: str, options: Mapping[str, object], sample: Sequence[tuple[str, Vectors]], limits: DecodeLimits
) -> Comparison:
    if len(sample) < FEWEST:
        return _too_few(len(sample))
    try:
        extractor = create_extractor(name, options)
    except LookalikeError as missing:
        return Comparison(reason=f"they were not compared with the configured model: {missing}")
    cosines = [_cosine(extractor, path, rows, limits) for path, rows in sample]
    known = [cosine for cosine in cosines if cosine is not None]
    logger.info("%s: cosines of %d photos: %s", name, len(known), np.round(known, 4).tolist())
    if len(known) < FEWEST:
        return _too_few(len(known))
    return Comparison(extractor.spec if min(known) >= SAME_COSINE else None)


def _too_few(photos: int) -> Comparison:
    found = f"photos of {photos} of them were found and could be read, and it takes {FEWEST}"
    return Comparison(reason=f"they were not compared with the configured model: {found}")


def _cosine(extractor: Extractor, path: str, rows: Vectors, limits: DecodeLimits) -> float | None:
    """None of a photo that cannot be read."""
    try:
        prepared = prepare_picture(Path(path).read_bytes(), {extractor.image_input}, limits)
    except (LookalikeError, OSError) as failure:
        logger.warning("%s: %s", path, failure)
        return None
    [own] = extractor.extract([prepared.forms[extractor.image_input]])
    return float((own.rows * rows).sum()) if own.rows.shape == rows.shape else -1.0
