"""The write that stores a picture, the same whether it came over HTTP or from a batch job."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from deployments.pictures.prepared import PictureFacts
from storage.types.features import FeatureRows, FeatureState
from storage.types.mutations import OnConflict, PutImage
from storage.types.pictures import ImageRecord, SourceFile


def put_image(
    facts: PictureFacts,
    features: Mapping[str, FeatureRows],
    *,
    image_id: str,
    operation_id: str,
    asked: Iterable[str],
    on_conflict: OnConflict,
    metadata: Mapping[str, Any] | None = None,
    source: SourceFile | None = None,
    original: bytes | None = None,
    annotations: Mapping[str, Any] | None = None,
    keeps_original: bool = False,
) -> PutImage:
    """asked: every feature and annotation to keep; those that are not there are pending. original: kept while any is,
    unless a source file can be read again, or for good where ``keeps_original`` says so.
    """
    annotations = annotations or {}
    there = {*features, *annotations}
    states: dict[str, FeatureState] = {name: "ok" if name in there else "pending" for name in asked}
    record = ImageRecord(
        id=image_id,
        width=facts.width,
        height=facts.height,
        sha256=facts.sha256,
        format=facts.format,
        byte_size=facts.byte_size,
        added_at=time.time(),
        features=states,
        metadata=metadata or {},
        source=source,
        annotations=annotations,
        exif=facts.exif,
    )
    return PutImage(
        operation_id=operation_id,
        record=record,
        features=features,
        thumbnail=facts.thumbnail,
        on_conflict=on_conflict,
        original=original if keeps_original or "pending" in states.values() else None,
    )
