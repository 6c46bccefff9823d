"""Removing versions of features: their tables, their snapshots, and every word of them in the rows of pictures.

What a version was made with is forgotten last, so a removal that was stopped half-way is known at the next opening.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from storage.encoding.keys import number_key, text_key
from storage.encoding.records import encode_record
from storage.kv.store import LmdbStore, WriteTransaction
from storage.tables.model_version_records import forget_version, roleless_keys
from storage.tables.model_versions import ModelVersions
from storage.tables.registration import for_every_image
from storage.tables.schema import (
    IMAGES,
    ORIGINALS,
    PENDING,
    Ownership,
    StoredImage,
    check_owner,
    encode_image,
    feature_table,
    forget_absent,
)
from storage.upkeep.snapshots import remove_snapshots


def remove_versions(
    store: LmdbStore, snapshots: Path, ownership: Ownership, keys: Sequence[str], *, keeps_originals: bool
) -> None:
    """To be called when no reader or writer has the versions in its moment any more."""

    def forget(transaction: WriteTransaction) -> None:
        check_owner(transaction, ownership)
        for key in keys:
            forget_version(transaction, key)
            forget_absent(transaction, key)

    for_every_image(
        store,
        ownership,
        lambda transaction, image: _leave_image(transaction, image, keys, keeps_originals=keeps_originals),
    )
    store.drop_tables([feature_table(key) for key in keys])
    for key in keys:
        remove_snapshots(snapshots, key)
    store.write(forget)


def finish_removals(
    store: LmdbStore,
    snapshots: Path,
    ownership: Ownership,
    names: Iterable[str],
    versions: ModelVersions,
    *,
    keeps_originals: bool,
) -> None:
    """Those that were under way when the shard was last used. names: of features whose versions come and go."""
    with store.read() as transaction:
        keys = roleless_keys(transaction, names, versions)
    if keys:
        remove_versions(store, snapshots, ownership, keys, keeps_originals=keeps_originals)


def _leave_image(
    transaction: WriteTransaction, image: StoredImage, keys: Sequence[str], *, keeps_originals: bool
) -> None:
    record = image.record
    features = {name: state for name, state in record.features.items() if name not in keys}
    if len(features) == len(record.features):
        return
    encoded = encode_record(replace(record, features=features))
    transaction.put(IMAGES, text_key(record.id), encode_image(image.handle, encoded))
    if "pending" not in features.values():
        transaction.delete(PENDING, number_key(image.handle))
        if not keeps_originals:
            transaction.delete(ORIGINALS, number_key(image.handle))
