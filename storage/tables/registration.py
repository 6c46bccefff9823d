"""What a shard settles when it is opened: whose it is, that it is the right one, and that its features are those of
the running extractors.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from storage.encoding.keys import number_key, text_key
from storage.encoding.records import decode_fields, encode_fields, encode_record
from storage.errors import CorruptData, Misconfigured
from storage.kv.store import LmdbStore, ReadTransaction, WriteTransaction
from storage.tables.feature_states import states_of_new
from storage.tables.model_version_records import put_spec, stored_fingerprints, stored_versions
from storage.tables.model_versions import ModelVersions, mismatch
from storage.tables.schema import (
    EPOCH,
    FORMAT,
    IMAGES,
    META,
    ORIGINALS,
    OWNER,
    PENDING,
    Ownership,
    StoredImage,
    absent_in,
    can_be_filled,
    change_absent,
    check_owner,
    decode_image,
    encode_image,
    feature_table,
    meta_number,
    put_meta_number,
)
from storage.types.features import FeatureSpec

OWNERS_KEPT = 256
CHANGED_AT_ONCE = 2_000  # images to a transaction
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def take_ownership(store: LmdbStore, shard: int, shard_count: int) -> Ownership:
    """Marks the shard as ours. Raises `Misconfigured` for another shard's data, `CorruptData` for another format's."""

    def take(transaction: WriteTransaction) -> Ownership:
        _check_identity(transaction, shard, shard_count)
        mine = Ownership(meta_number(transaction, EPOCH) + 1, secrets.token_bytes(8))
        put_meta_number(transaction, EPOCH, mine.epoch)
        transaction.put(META, OWNER, mine.owner)
        owners = [*known_owners(transaction), mine.owner.hex()]
        transaction.put(META, b"owners", encode_fields({"owners": owners[-OWNERS_KEPT:]}))
        return mine

    return store.write(take)


def known_owners(transaction: ReadTransaction) -> list[str]:
    """Marks of the openings that led to this data: a snapshot with another mark is of another history."""
    value = transaction.get(META, b"owners")
    return [] if value is None else list(decode_fields(value)["owners"])


def _check_identity(transaction: WriteTransaction, shard: int, shard_count: int) -> None:
    mine = {"format": FORMAT, "shard": shard, "shard_count": shard_count}
    value = transaction.get(META, b"shard")
    if value is None:
        transaction.put(META, b"shard", encode_fields(mine))
        return
    found = decode_fields(value)
    if found["format"] != FORMAT:
        raise CorruptData(
            f"the shard has format {found['format']}, this program reads {FORMAT}", "use the version that wrote it"
        )
    if found != mine:
        raise Misconfigured(
            f"the folder holds shard {found['shard']} of {found['shard_count']}, not {shard} of {shard_count}",
            f"set shards: {found['shard_count']}, or index the pictures anew into another data folder",
        )


def register_features(
    store: LmdbStore,
    specs: Sequence[FeatureSpec],
    ownership: Ownership,
    *,
    late: Sequence[str] = (),
    annotations: Sequence[str] = (),
) -> ModelVersions:
    """Makes the shard keep these features and annotations, and gives the versions of them that it has.

    late: features whose spec is what the shard has stored, or is not known yet. Images without something that is newly
    configured get it as pending. Raises `FingerprintMismatch` before anything is changed.
    """
    _check_names([*(spec.name for spec in specs), *late, *annotations])
    with store.read() as transaction:
        fingerprints = stored_fingerprints(transaction)
        stored = stored_versions(transaction, late)
        configured = _configured(transaction)
    check_fingerprints(specs, fingerprints)
    fixed = ModelVersions.of(specs)
    versions = replace(
        stored,
        specs={**stored.specs, **fixed.specs},
        in_use={**stored.in_use, **fixed.in_use},
        awaited=frozenset(name for name in late if name not in stored.in_use),
        annotations=frozenset(annotations),
    )
    store.add_tables([feature_table(key) for key in {*fingerprints, *versions.specs}])
    if new := [key for key in versions.kept if key not in configured]:
        mark_pending_everywhere(store, new, ownership)

    def register(transaction: WriteTransaction) -> None:
        check_owner(transaction, ownership)
        for spec in specs:
            put_spec(transaction, spec, {})
        put_configured(transaction, versions.kept)

    store.write(register)
    return versions


def check_fingerprints(specs: Sequence[FeatureSpec], stored: Mapping[str, str]) -> None:
    """Raises `FingerprintMismatch` when the data was written by another version than the one that runs. stored: by
    feature.
    """
    for spec in specs:
        if spec.fingerprint != stored.get(spec.name, spec.fingerprint):
            raise mismatch(spec.name, stored[spec.name], spec.fingerprint, can_move=False)


def note_originals(store: LmdbStore, ownership: Ownership, *, keeps_originals: bool) -> bool:
    """Whether originals may be there of pictures that wait for nothing: they are kept for good, or once were."""

    def note(transaction: WriteTransaction) -> bool:
        check_owner(transaction, ownership)
        if keeps_originals:
            transaction.put(META, b"originals_kept", b"1")
        return transaction.has(META, b"originals_kept")

    return store.write(note)


def put_configured(transaction: WriteTransaction, keys: Iterable[str]) -> None:
    """Remembers what every image has a state of."""
    transaction.put(META, b"configured", encode_fields({"names": sorted(keys)}))


def _configured(transaction: ReadTransaction) -> set[str]:
    value = transaction.get(META, b"configured")
    return set() if value is None else set(decode_fields(value)["names"])


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name) or names.count(name) > 1:
            raise Misconfigured(f"feature name {name!r}", "use each name once: lower-case letters, digits and _")


def mark_pending_everywhere(store: LmdbStore, new: Sequence[str], ownership: Ownership) -> None:
    """Stopped half-way, it begins again at the next opening."""
    for_every_image(store, ownership, lambda transaction, image: _mark_pending(transaction, image, new))


def for_every_image(
    store: LmdbStore, ownership: Ownership, change: Callable[[WriteTransaction, StoredImage], None]
) -> None:
    """In steps, because a collection is larger than a transaction should be."""
    start = b""

    def step(transaction: WriteTransaction) -> list[bytes]:
        check_owner(transaction, ownership)
        entries = list(islice(transaction.items(IMAGES, start), CHANGED_AT_ONCE))
        for _, value in entries:
            change(transaction, decode_image(value))
        return [key for key, _ in entries]

    while len(changed := store.write(step)) == CHANGED_AT_ONCE:
        start = changed[-1] + b"\0"


def _mark_pending(transaction: WriteTransaction, image: StoredImage, new: Sequence[str]) -> None:
    missing = [name for name in new if name not in image.record.features]
    if not missing:
        return
    key = number_key(image.handle)
    has_original = transaction.has(ORIGINALS, key)
    can_be_read = has_original or image.record.source is not None
    states = states_of_new(image.record, missing, can_be_read=can_be_read)
    change_absent(transaction, absent_in(states))
    record = replace(image.record, features={**image.record.features, **states})
    transaction.put(IMAGES, text_key(record.id), encode_image(image.handle, encode_record(record)))
    if can_be_filled(record, has_original):
        transaction.put(PENDING, key, record.id.encode())
