"""Whether the vectors of an original installation are those of the configured model: a sample of the photos, seen by
it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from deployments.extractor import Extractor
from deployments.extractors.registry import create_extractor, describe_extractor
from deployments.images import DecodeLimits
from deployments.prepared import prepare_picture
from graph.ambience_data.defects import Defects
from graph.ambience_data.folders import FeatureTable, ServiceFolder
from graph.ambience_data.photos import Photos
from graph.ambience_data.pictures import FoundPictures
from graph.ambience_data.vectors import rows_of
from graph.settings import AppSettings
from storage.errors import LookalikeError
from storage.types import FeatureSpec, Vectors

logger = logging.getLogger(__name__)

SAMPLE = 16
FEWEST = 4
LOOKED_AT = 1000  # pictures, for those that have their photo
SAME_COSINE = 0.99


def same_models(folders: Sequence[ServiceFolder], photos: Photos, settings: AppSettings) -> dict[str, FeatureSpec]:
    """By feature, the spec of the configured model where it gives the same vectors of all photos of a sample."""
    tables = {table.feature: table for folder in reversed(folders) for table in folder.tables}
    same = {}
    for name, table in tables.items():
        options = settings.extractors.get(name)
        if options is None or describe_extractor(name, options).spec is not None:
            continue
        sample = list(islice(_sampled(folders, table, photos), SAMPLE))
        if len(sample) < FEWEST:
            logger.warning("%d photos of pictures with %s are too few to compare", len(sample), name)
            continue
        spec = _agreeing_spec(name, options, sample, DecodeLimits(max_pixels=settings.limits.max_pixels))
        if spec is not None:
            same[name] = spec
    return same


def _sampled(folders: Sequence[ServiceFolder], table: FeatureTable, photos: Photos) -> Iterator[tuple[str, Vectors]]:
    """Photos of pictures in the table, with their rows."""
    unseen = Defects()  # they are told when the pictures are imported
    for picture in islice(FoundPictures(folders, unseen), LOOKED_AT):
        own, value = picture.values.get(table.feature, (None, b""))
        if own is not table:
            continue
        rows = rows_of(table.feature, table.width, table.path, {picture.id: value}, unseen)
        path = photos.find(picture.id, picture.file_name, unseen)
        if rows and path is not None:
            yield path, rows[picture.id]


def _agreeing_spec(
    name: str, options: Mapping[str, object], sample: Sequence[tuple[str, Vectors]], limits: DecodeLimits
) -> FeatureSpec | None:
    try:
        extractor = create_extractor(name, options)
    except LookalikeError as missing:
        logger.warning("the model of %s cannot be compared: %s", name, missing)
        return None
    cosines = [_cosine(extractor, path, rows, limits) for path, rows in sample]
    compared = [cosine for cosine in cosines if cosine is not None]
    logger.info("%s: cosines of %d photos: %s", name, len(compared), np.round(compared, 4).tolist())
    return extractor.spec if len(compared) >= FEWEST and min(compared) >= SAME_COSINE else None


def _cosine(extractor: Extractor, path: str, rows: Vectors, limits: DecodeLimits) -> float | None:
    """None of a photo that cannot be read."""
    try:
        prepared = prepare_picture(Path(path).read_bytes(), {extractor.image_input}, limits)
    except (LookalikeError, OSError) as failure:
        logger.warning("%s: %s", path, failure)
        return None
    [own] = extractor.extract([prepared.forms[extractor.image_input]])
    return float((own.rows * rows).sum()) if own.rows.shape == rows.shape else -1.0
