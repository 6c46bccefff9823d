"""Questions about pictures that wait for features or annotations, each answered within one read transaction."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from storage.encoding.keys import number_key, number_of
from storage.kv.store import ReadTransaction
from storage.tables.model_versions import ModelVersions, feature_of_key
from storage.tables.schema import (
    IMAGES,
    ORIGINALS,
    PENDING,
    can_be_filled,
    decode_image,
    feature_table,
    image_by_id,
    record_by_handle,
    waiting_count,
)
from storage.types.pictures import ImageRecord, PendingImage, PendingPage

MOST_LOOKED_AT = 5000  # waiting pictures a page: some 0.1 s


def waiting_keys(versions: ModelVersions, wanted: Mapping[str, str]) -> frozenset[str]:
    """Keys of features by name and fingerprint; of annotations, whose fingerprint is empty, the names themselves. What
    no picture is to have is left out.
    """
    plain = versions.annotations | versions.awaited
    found = {name if name in plain else versions.key_of(name, fingerprint) for name, fingerprint in wanted.items()}
    return frozenset(key for key in versions.kept if key in found)


def count_pending(transaction: ReadTransaction, keys: frozenset[str]) -> int:
    """Pictures that wait for any of these and can be filled."""
    images = (image_by_id(transaction, image_id.decode()) for _, image_id in transaction.items(PENDING))
    return sum(image is not None and _waits_for(image.record, keys) for image in images)


def pending_without_file(transaction: ReadTransaction, keys: frozenset[str], limit: int) -> list[str]:
    """Ids of pictures that wait for any of these, but have no file to compute it from."""
    images = (decode_image(value) for _, value in transaction.items(IMAGES))
    waiting = (image for image in images if _waits_for(image.record, keys))
    stuck = (
        image.record.id
        for image in waiting
        if not can_be_filled(image.record, transaction.has(ORIGINALS, number_key(image.handle)))
    )
    return list(islice(stuck, limit))


def pending_page(
    transaction: ReadTransaction, versions: ModelVersions, wanted: frozenset[str], start: int, limit: int
) -> PendingPage:
    """Up to ``limit`` pictures that wait for any of these, oldest first. start: 0, then what the page before says."""
    # Without features that no picture waits for: told by the tables' sizes, without a look at pictures.
    keys = frozenset(
        key for key in wanted - versions.awaited if key in versions.annotations or waiting_count(transaction, key) > 0
    )
    if not keys:
        return PendingPage((), None)
    images: list[PendingImage] = []
    for looked_at, (key, image_id) in enumerate(transaction.items(PENDING, number_key(start))):
        if len(images) == limit or looked_at == MOST_LOOKED_AT:
            return PendingPage(tuple(images), number_of(key))
        image = image_by_id(transaction, image_id.decode())
        if image is not None and _waits_for(image.record, keys):
            images.append(_pending_image(image.record, versions, transaction.has(ORIGINALS, key)))
    return PendingPage(tuple(images), None)


def count_left_behind(
    transaction: ReadTransaction, versions: ModelVersions, name: str, fingerprint: str, added_before: float
) -> int:
    """Pictures that have rows in the feature's version in use, and none in the model's. added_before: Unix seconds;
    of the younger ones nothing is said.
    """
    used, model = versions.in_use.get(name), versions.key_of(name, fingerprint)
    if used is None or used == model:
        return 0
    there = transaction.keys(feature_table(used))
    left = (at for at in there if model is None or not transaction.has(feature_table(model), at))
    records = (record_by_handle(transaction, number_of(at)) for at in left)
    return sum(record is not None and record.added_at < added_before for record in records)


def _pending_image(record: ImageRecord, versions: ModelVersions, has_original: bool) -> PendingImage:
    waiting: dict[str, list[str]] = {}
    for wanted in versions.kept:
        if record.features.get(wanted) == "pending":
            spec = versions.specs.get(wanted)
            waiting.setdefault(feature_of_key(wanted), []).extend([] if spec is None else [spec.fingerprint])
    fingerprints = {name: tuple(found) for name, found in waiting.items()}
    source = None if has_original else record.source
    return PendingImage(record.id, record.sha256, tuple(waiting), source, fingerprints)


def _waits_for(record: ImageRecord, keys: frozenset[str]) -> bool:
    return any(record.features.get(key) == "pending" for key in keys)
