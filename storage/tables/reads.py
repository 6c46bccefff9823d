"""Questions about stored pictures, each answered within one read transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from typing import Literal

import numpy as np

from storage.encoding.feature_rows import decode_rows
from storage.encoding.keys import PREFIX_BYTES, number_key, text_key_start
from storage.index.vector_index import row_width
from storage.kv.store import ReadTransaction
from storage.tables.model_versions import NO_VERSIONS, ModelVersions
from storage.tables.schema import (
    FILE_NAMES,
    IMAGES,
    ORIGINALS,
    THUMBNAILS,
    StoredImage,
    decode_image,
    feature_table,
    file_name_start,
    image_by_id,
)
from storage.types.features import FeatureRows, FeatureSpec, FloatVectors, Vectors
from storage.types.pictures import ImageRecord

SourceQuery = tuple[str, str, int, int]  # image id, the file's path, its bytes, its mtime in ns
SourceState = Literal["absent", "unchanged", "changed", "other_source"]


def records_of(
    transaction: ReadTransaction, ids: Sequence[str], versions: ModelVersions = NO_VERSIONS
) -> list[ImageRecord | None]:
    images = [image_by_id(transaction, image_id) if image_id else None for image_id in ids]
    return [None if image is None else versions.shown(image.record) for image in images]


def page_after(
    transaction: ReadTransaction, after: str | None, limit: int, versions: ModelVersions = NO_VERSIONS
) -> list[ImageRecord]:
    """Up to ``limit`` records whose ids sort after ``after``, in the order of their UTF-8 bytes."""
    start = b"" if after is None else text_key_start(after)
    bound = b"" if after is None else after.encode("utf-8", "surrogatepass")
    ordered = (image.record for image in _by_id(transaction, start) if image.record.id.encode() > bound)
    return [versions.shown(record) for record in islice(ordered, limit)]


def _by_id(transaction: ReadTransaction, start: bytes) -> Iterator[StoredImage]:
    """Images in the byte order of their ids; keys alone leave ids that share their first 400 bytes in any order."""
    group: list[StoredImage] = []
    prefix = b""
    for key, value in transaction.items(IMAGES, start):
        if group and key[:PREFIX_BYTES] != prefix:
            yield from _sorted_by_id(group)
            group = []
        prefix = key[:PREFIX_BYTES]
        group.append(decode_image(value))
    yield from _sorted_by_id(group)


def _sorted_by_id(images: list[StoredImage]) -> list[StoredImage]:
    return sorted(images, key=lambda image: image.record.id.encode()) if len(images) > 1 else images


def thumbnail_of(transaction: ReadTransaction, image_id: str) -> bytes | None:
    image = image_by_id(transaction, image_id) if image_id else None
    return None if image is None else transaction.get(THUMBNAILS, number_key(image.handle))


def original_of(transaction: ReadTransaction, image_id: str) -> bytes | None:
    image = image_by_id(transaction, image_id) if image_id else None
    return None if image is None else transaction.get(ORIGINALS, number_key(image.handle))


def features_of(
    transaction: ReadTransaction, image_id: str, names: Sequence[str], versions: ModelVersions
) -> dict[str, FeatureRows] | None:
    """Those of the features that the image has, of the version in use; None where there is no such image."""
    image = image_by_id(transaction, image_id) if image_id else None
    if image is None:
        return None
    found = {}
    for name in names:
        key = versions.key_of(name)
        value = None if key is None else transaction.get(feature_table(key), number_key(image.handle))
        if key is not None and value is not None:
            found[name] = replace(decode_rows(value), fingerprint=versions.specs[key].fingerprint)
    return found


def rows_of_each(
    transaction: ReadTransaction, ids: Sequence[str], names: Sequence[str], versions: ModelVersions
) -> list[dict[str, Vectors] | None]:
    """The rows of `features_of`, of each image."""
    found = (features_of(transaction, image_id, names, versions) for image_id in ids)
    return [None if one is None else {name: feature.rows for name, feature in one.items()} for one in found]


def ids_of_file_name(transaction: ReadTransaction, name: str) -> list[str]:
    """Of the pictures whose metadata has this ``file_name``, oldest first."""
    start = file_name_start(name)
    entries = takewhile(lambda entry: entry[0].startswith(start), transaction.items(FILE_NAMES, start))
    return [image_id.decode() for _, image_id in entries]


def sampled_rows(transaction: ReadTransaction, spec: FeatureSpec, count: int, seed: int) -> FloatVectors:
    """(N, D) rows of ``count`` pictures chosen by chance, or of all where there are fewer."""
    table = feature_table(spec.name)
    there = list(transaction.keys(table))
    chosen = there
    if len(there) > count:
        picked = np.random.default_rng(seed).choice(len(there), count, replace=False)
        chosen = [there[place] for place in sorted(picked.tolist())]
    values = (transaction.get(table, at) for at in chosen)
    rows = [np.asarray(decode_rows(value).rows, np.float32) for value in values if value is not None]
    return np.concatenate([np.zeros((0, row_width(spec)), np.float32), *rows])


def source_states(transaction: ReadTransaction, sources: Sequence[SourceQuery]) -> list[SourceState]:
    """Whether each image is stored, from that file, and the file still looks the same."""
    return [_source_state(transaction, source) for source in sources]


def _source_state(transaction: ReadTransaction, source: SourceQuery) -> SourceState:
    image_id, path, size, mtime_ns = source
    image = image_by_id(transaction, image_id) if image_id else None
    if image is None:
        return "absent"
    stored = image.record.source
    if stored is None or stored.path != path:
        return "other_source"
    return "unchanged" if (stored.size, stored.mtime_ns) == (size, mtime_ns) else "changed"
