"""Whether the vectors of an original installation are those of the configured model: a sample of the photos, seen by
it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from deployments.extractor import Extractor
from deployments.extractors.registry import create_extractor, describe_extractor
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import prepare_picture
from graph.ambience_data.defects import Defects
from graph.ambience_data.folders import FeatureTable, ServiceFolder
from graph.ambience_data.photos import Photos
from graph.ambience_data.pictures import FoundPictures
from graph.ambience_data.vectors import rows_of
from graph.config.settings import AppSettings
from storage.errors import LookalikeError
from storage.types.features import FeatureSpec, Vectors

logger = logging.getLogger(__name__)

SAMPLE = 16
FEWEST = 4
SAME_COSINE = 0.99


@dataclass(frozen=True, slots=True)
class Comparison:
    """spec: of the configured model where it gives the same vectors. reason: why they could not be compared."""

    spec: FeatureSpec | None = None
    reason: str = ""


def compared_models(folders: Sequence[ServiceFolder], photos: Photos, settings: AppSettings) -> dict[str, Comparison]:
    """By feature, for those whose model the configuration alone does not tell: the same of all photos of a sample?"""
    tables = {table.feature: table for folder in reversed(folders) for table in folder.tables}
    limits = DecodeLimits(max_pixels=settings.limits.max_pixels)
    compared = {}
    for name, table in tables.items():
        options = settings.extractors.get(name)
        if options is None or describe_extractor(name, options).spec is not None:
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
