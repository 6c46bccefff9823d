"""What a shard settles when it is opened: whose it is, that it is the right one, and that its features are those of
the running extractors.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from storage.errors import CorruptData, FingerprintMismatch, Misconfigured
from storage.keys import number_key, text_key
from storage.kv import KeyValueStore, ReadTransaction, WriteTransaction
from storage.record_codec import decode_fields, encode_fields, encode_record
from storage.shard_tables import (
    EPOCH,
    FORMAT,
    IMAGES,
    META,
    ORIGINALS,
    OWNER,
    PENDING,
    can_be_filled,
    check_owner,
    decode_image,
    encode_image,
    feature_table,
    meta_number,
    put_meta_number,
)
from storage.types import FeatureSpec

OWNERS_KEPT = 256
MARKED_AT_ONCE = 2_000  # images to a transaction
_FEATURE_KEY = b"feature:"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Ownership:
    """epoch: how often the shard has been opened. owner: this opening's random mark, checked in every write."""

    epoch: int
    owner: bytes


def take_ownership(store: KeyValueStore, shard: int, shard_count: int) -> Ownership:
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
            f"set shards: {found['shard_count']}, or spread the data anew with `lookalike reshard`",
        )


def register_features(store: KeyValueStore, specs: Sequence[FeatureSpec], owner: bytes) -> tuple[str, ...]:
    """Makes the shard keep these features; the names of all it has a table for, configured or not.

    Images without a newly configured feature get it as pending. Raises `FingerprintMismatch` before anything is
    changed.
    """
    _check_names(specs)
    with store.read() as transaction:
        stored = stored_features(transaction)
        configured = _configured(transaction)
    for spec in specs:
        if spec.name in stored:
            check_fingerprint(spec, stored[spec.name])
    names = tuple(sorted({*stored, *(spec.name for spec in specs)}))
    store.add_tables([feature_table(name) for name in names])
    new = [spec.name for spec in specs if spec.name not in configured]
    if new:
        _mark_pending_everywhere(store, new, owner)

    def register(transaction: WriteTransaction) -> None:
        check_owner(transaction, owner)
        for spec in specs:
            transaction.put(META, _FEATURE_KEY + spec.name.encode(), encode_fields({"fingerprint": spec.fingerprint}))
        transaction.put(META, b"configured", encode_fields({"names": sorted(spec.name for spec in specs)}))

    store.write(register)
    return names


def check_fingerprint(spec: FeatureSpec, stored: str) -> None:
    """Raises `FingerprintMismatch` when the data was written by another model or version than the one that runs."""
    if spec.fingerprint != stored:
        raise FingerprintMismatch(
            f"feature {spec.name!r} was written with {stored!r}, but {spec.fingerprint!r} is running",
            "run the model and version that wrote it, or index the pictures again into a new data folder",
        )


def stored_features(transaction: ReadTransaction) -> dict[str, str]:
    """Fingerprint by name of every feature the shard ever kept."""
    found = {}
    for key, value in transaction.items(META, _FEATURE_KEY):
        if not key.startswith(_FEATURE_KEY):
            break
        found[key[len(_FEATURE_KEY) :].decode()] = str(decode_fields(value)["fingerprint"])
    return found


def _configured(transaction: ReadTransaction) -> set[str]:
    value = transaction.get(META, b"configured")
    return set() if value is None else set(decode_fields(value)["names"])


def _check_names(specs: Sequence[FeatureSpec]) -> None:
    names = [spec.name for spec in specs]
    for name in names:
        if not _NAME.fullmatch(name) or names.count(name) > 1:
            raise Misconfigured(f"feature name {name!r}", "use each name once: lower-case letters, digits and _")


def _mark_pending_everywhere(store: KeyValueStore, new: Sequence[str], owner: bytes) -> None:
    """In steps, because a collection is larger than a transaction should be. Stopped half-way, it begins again at the
    next opening.
    """
    start: bytes | None = b""
    while start is not None:
        start = store.write(_marking(new, owner, start))


def _marking(new: Sequence[str], owner: bytes, start: bytes) -> Callable[[WriteTransaction], bytes | None]:
    def mark(transaction: WriteTransaction) -> bytes | None:
        check_owner(transaction, owner)
        entries = list(islice(transaction.items(IMAGES, start), MARKED_AT_ONCE))
        for _, value in entries:
            _mark_pending(transaction, value, new)
        return entries[-1][0] + b"\0" if len(entries) == MARKED_AT_ONCE else None

    return mark


def _mark_pending(transaction: WriteTransaction, value: bytes, new: Sequence[str]) -> None:
    image = decode_image(value)
    missing = [name for name in new if name not in image.record.features]
    if not missing:
        return
    record = replace(image.record, features={**image.record.features, **dict.fromkeys(missing, "pending")})
    key = number_key(image.handle)
    transaction.put(IMAGES, text_key(record.id), encode_image(image.handle, encode_record(record)))
    if can_be_filled(record, transaction.get(ORIGINALS, key) is not None):
        transaction.put(PENDING, key, record.id.encode())
