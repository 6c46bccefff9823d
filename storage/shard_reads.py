"""Questions about stored pictures, each answered within one read transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal

from storage.codec import decode_rows
from storage.keys import PREFIX_BYTES, number_key, text_key_start
from storage.kv import ReadTransaction
from storage.shard_tables import (
    IMAGES,
    ORIGINALS,
    PENDING,
    THUMBNAILS,
    StoredImage,
    decode_image,
    feature_table,
    image_by_id,
)
from storage.types import FeatureRows, ImageRecord, PendingImage

SourceQuery = tuple[str, str, int, int]  # image id, the file's path, its bytes, its mtime in ns
SourceState = Literal["absent", "unchanged", "changed", "other_source"]


def records_of(transaction: ReadTransaction, ids: Sequence[str]) -> list[ImageRecord | None]:
    images = [image_by_id(transaction, image_id) if image_id else None for image_id in ids]
    return [None if image is None else image.record for image in images]


def page_after(transaction: ReadTransaction, after: str | None, limit: int) -> list[ImageRecord]:
    """Up to ``limit`` records whose ids sort after ``after``, in the order of their UTF-8 bytes."""
    start = b"" if after is None else text_key_start(after)
    bound = b"" if after is None else after.encode("utf-8", "surrogatepass")
    ordered = (image.record for image in _by_id(transaction, start) if image.record.id.encode() > bound)
    return list(islice(ordered, limit))


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


def features_of(transaction: ReadTransaction, image_id: str, names: Sequence[str]) -> dict[str, FeatureRows] | None:
    """Those of the features that the image has; None where there is no such image. ``names`` are of features stored
    here.
    """
    image = image_by_id(transaction, image_id) if image_id else None
    if image is None:
        return None
    values = {name: transaction.get(feature_table(name), number_key(image.handle)) for name in names}
    return {name: decode_rows(value) for name, value in values.items() if value is not None}


def pending_images(
    transaction: ReadTransaction, configured: Sequence[str], limit: int, after: str | None
) -> list[PendingImage]:
    """Oldest first, from behind the image ``after`` where one is given."""
    behind = image_by_id(transaction, after) if after else None
    start = b"" if behind is None else number_key(behind.handle + 1)
    waiting = (_pending_image(transaction, key, value, configured) for key, value in transaction.items(PENDING, start))
    return list(islice((image for image in waiting if image is not None), limit))


def _pending_image(
    transaction: ReadTransaction, key: bytes, image_id: bytes, configured: Sequence[str]
) -> PendingImage | None:
    image = image_by_id(transaction, image_id.decode())
    if image is None:
        return None
    record = image.record
    names = tuple(name for name in configured if record.features.get(name) == "pending")
    if not names:
        return None
    original = transaction.get(ORIGINALS, key)
    return PendingImage(record.id, record.sha256, names, original, record.source if original is None else None)


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
