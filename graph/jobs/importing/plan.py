"""What becomes of one picture of an original installation, given what the collection has of it. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from deployments.extractors.phash import views_of_hashes
from graph.ambience_data.pictures import FoundPicture
from graph.jobs.importing.photos import Photo
from graph.same_picture import SAME_PICTURE_BITS
from storage.types.features import FeatureRows, FeatureState, Metric, Vectors
from storage.types.mutations import AddFeatures, MutationResult
from storage.types.pictures import FILE_NAME, ImageRecord

PHASH = "phash"
SAME_PICTURE: Mapping[Metric, float] = {"hamming": SAME_PICTURE_BITS, "l1": 0.3, "cosine": 0.01}  # distance at most


@dataclass(frozen=True, slots=True, eq=False)
class StoredPicture:
    """What the collection has of a picture. rows: by feature, of those that may be imported."""

    record: ImageRecord
    rows: Mapping[str, Vectors]

    def has(self, feature: str) -> bool:
        return self.record.features.get(feature) == "ok"


ImportOutcome = Literal["created", "replaced", "unchanged", "skipped", "refused"]
PhotoState = Literal["", "attached", "there", "missing"]


@dataclass(slots=True)
class ImportedPicture:
    """One on its way. rows: those of its features that can be taken; there: those that the collection has.

    outcome: replaced where it was there and was added to, skipped where nothing of it has a place in this service,
    refused where all of it is a defect. file: its photo, once it was looked for.
    """

    found: FoundPicture
    rows: dict[str, FeatureRows] = field(default_factory=dict)
    there: frozenset[str] = frozenset()
    outcome: ImportOutcome = "unchanged"
    photo: PhotoState = ""
    file: Photo | None = None
    write: AddFeatures | None = None

    @property
    def id(self) -> str:
        return str(self.found.id)

    def state_of(self, feature: str) -> str:
        """Of a table's value: imported, unchanged or left_out."""
        if self.outcome in ("skipped", "refused"):
            return "left_out"
        if feature in self.there:
            return "unchanged"
        return "imported" if self.write is not None and feature in self.write.features else "left_out"


def agrees(metric: Metric, ours: Vectors, stored: Vectors) -> bool:
    """Whether two rows (1, D) of a feature are of one picture, as far as decoders and orientations differ."""
    if ours.shape != stored.shape or np.array_equal(ours, stored):
        return ours.shape == stored.shape
    if metric == "hamming":
        views = views_of_hashes(ours.astype(np.uint8))[0]
        distance = float(np.bitwise_count(np.bitwise_xor(views, stored.astype(np.uint8))).sum(axis=-1).min())
    elif metric == "l1":
        distance = float(np.abs(ours - stored).sum())
    else:
        distance = 1.0 - float((ours * stored).sum())
    return distance <= SAME_PICTURE[metric]


def add_features(
    image_id: str,
    features: Mapping[str, FeatureRows],
    *,
    operation_id: str,
    asked: Iterable[str],
    file_name: str | None,
    stored: StoredPicture | None,
    photo: Photo | None,
) -> AddFeatures | None:
    """The write; None where there is nothing to write. asked: every feature and annotation that is kept of a picture.
    What it does not come with is pending where its photo is there, and absent otherwise.
    """
    new = {name: rows for name, rows in features.items() if stored is None or not stored.has(name)}
    has_name = file_name is None or (stored is not None and FILE_NAME in stored.record.metadata)
    if not new and photo is None and (stored is None or has_name):
        return None
    missing: FeatureState = "absent" if photo is None else "pending"
    record = ImageRecord(
        id=image_id,
        width=0 if photo is None else photo.facts.width,
        height=0 if photo is None else photo.facts.height,
        sha256="" if photo is None else photo.facts.sha256,
        format="" if photo is None else photo.facts.format,
        byte_size=0 if photo is None else photo.facts.byte_size,
        added_at=time.time(),
        features={name: "ok" if name in new else missing for name in asked},
        metadata={} if (has_name and stored is not None) or file_name is None else {FILE_NAME: file_name},
        source=None if photo is None else photo.source,
        exif=None if photo is None else photo.facts.exif,
    )
    return AddFeatures(operation_id, record, new, b"" if photo is None else photo.facts.thumbnail)


def with_views(pictures: Iterable[ImportedPicture]) -> None:
    """Gives hashes without views those that searches by id ask with: all at once, which takes a tenth of the time."""
    hashed = [picture for picture in pictures if PHASH in picture.rows and picture.rows[PHASH].query_rows is None]
    if hashed:
        views = views_of_hashes(np.concatenate([picture.rows[PHASH].rows for picture in hashed]).astype(np.uint8))
        for place, picture in enumerate(hashed):
            picture.rows[PHASH] = replace(picture.rows[PHASH], query_rows=views[place])


def without_place(write: AddFeatures, result: MutationResult) -> list[str]:
    """Features that were written and not kept."""
    states: Mapping[str, str] = {} if result.record is None else result.record.features
    return [name for name in write.features if states.get(name) != "ok"]


def write_of_one_feature(write: AddFeatures, feature: str) -> AddFeatures:
    """What a write has of it, once more."""
    record = replace(write.record, features={feature: "ok"})
    rows = {feature: write.features[feature]}
    return AddFeatures(f"{write.operation_id}/{feature}", record, rows, write.thumbnail)
