"""The photos of imported pictures: what is known of a picture once its file is at hand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deployments.extractors.phash import Phash
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import PictureFacts, prepare_picture, warm_up
from graph.ambience_data.defects import Defects
from graph.ambience_data.photos import Photos
from graph.same_picture import SAME_PICTURE_BITS
from storage.errors import LookalikeError
from storage.types.features import FeatureRows, Vectors
from storage.types.pictures import SourceFile


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A picture's file. phash: of it, as its extractor gives it."""

    facts: PictureFacts
    source: SourceFile
    phash: FeatureRows


class PhotoReader:
    """``read`` may be called from several threads."""

    def __init__(self, photos: Photos, max_pixels: int, defects: Defects) -> None:
        warm_up()
        self.photos = photos
        self._limits = DecodeLimits(max_pixels=max_pixels)
        self._phash = Phash()
        self._defects = defects

    def read(self, image_id: int, file_name: str | None, stored_hash: Vectors | None) -> Photo | None:
        """None where there is none, or it cannot be read, or is another picture than the one with this hash: a
        defect.
        """
        path = self.photos.find(image_id, file_name, self._defects)
        if path is None:
            return None
        where = f"photo of {image_id}"
        try:
            status = os.stat(path)
            prepared = prepare_picture(
                Path(path).read_bytes(), {self._phash.image_input}, self._limits, with_thumbnail=True
            )
        except LookalikeError as failure:
            self._defects.add(failure.code, where, f"{path}: {failure.message}")
            return None
        except OSError as failure:
            self._defects.add("unreadable_file", where, f"{path}: {failure.strerror or failure}")
            return None
        [phash] = self._phash.extract([prepared.forms[self._phash.image_input]])
        photo = Photo(prepared.facts, SourceFile(path, status.st_size, status.st_mtime_ns), phash)
        if stored_hash is not None and not is_same_picture(phash, stored_hash):
            self._defects.add("photo_does_not_fit", where, f"{path} is another picture than the one with this hash")
            return None
        return photo


def is_same_picture(phash: FeatureRows, stored_hash: Vectors) -> bool:
    """In any orientation: the original does not turn photos upright before it looks at them."""
    views = phash.rows if phash.query_rows is None else phash.query_rows
    return bool(np.bitwise_count(np.bitwise_xor(views, stored_hash)).sum(axis=-1).min() <= SAME_PICTURE_BITS)
