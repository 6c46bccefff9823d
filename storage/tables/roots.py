"""The folders that were indexed, which the first shard of a collection keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from storage.encoding.keys import text_key
from storage.encoding.records import decode_fields, encode_fields
from storage.kv.store import ReadTransaction, WriteTransaction
from storage.tables.schema import ROOTS
from storage.types.library import Root


def put_root(transaction: WriteTransaction, root: Root) -> None:
    transaction.put(ROOTS, text_key(root.path), encode_fields(dataclasses.asdict(root)))


def all_roots(transaction: ReadTransaction) -> list[Root]:
    """By path."""
    return [_decoded(value) for _, value in transaction.items(ROOTS)]


def note_scans(transaction: WriteTransaction, scanned: Iterable[Root]) -> None:
    """They were looked through. One that was watched still is."""
    for root in scanned:
        known = _root_at(transaction, root.path)
        watched = root.watched or (known is not None and known.watched)
        put_root(transaction, dataclasses.replace(root, watched=watched))


def watch_root(transaction: WriteTransaction, path: str, *, watched: bool) -> bool:
    """False where it is not known."""
    known = _root_at(transaction, path)
    if known is not None:
        put_root(transaction, dataclasses.replace(known, watched=watched))
    return known is not None


def forget_root(transaction: WriteTransaction, path: str) -> bool:
    """False where it was not known."""
    return transaction.delete(ROOTS, text_key(path))


def _root_at(transaction: ReadTransaction, path: str) -> Root | None:
    value = transaction.get(ROOTS, text_key(path))
    return None if value is None else _decoded(value)


def _decoded(value: bytes) -> Root:
    fields = decode_fields(value)
    return Root(**{**fields, "exclude": tuple(fields["exclude"])})
