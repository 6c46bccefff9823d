"""What was decided of pairs of duplicates, which the first shard of a collection keeps."""

from __future__ import annotations

import dataclasses

from storage.encoding.keys import text_key
from storage.encoding.records import decode_fields, encode_fields
from storage.errors import CorruptData
from storage.kv.store import ReadTransaction, WriteTransaction
from storage.tables.schema import DECISIONS
from storage.types.decisions import Decision


def put_decision(transaction: WriteTransaction, decision: Decision) -> None:
    """In the place of one of the same id."""
    transaction.put(DECISIONS, text_key(decision.id), encode_fields(dataclasses.asdict(decision)))


def all_decisions(transaction: ReadTransaction) -> list[Decision]:
    """The oldest first. Raises `CorruptData`."""
    try:
        found = [Decision(**decode_fields(value)) for _, value in transaction.items(DECISIONS)]
    except TypeError as failure:
        raise CorruptData(f"a decision does not decode: {failure}") from failure
    return sorted(found, key=lambda one: (one.decided_at, one.id))


def take_back(transaction: WriteTransaction, decision_id: str) -> bool:
    """False where there was none."""
    return transaction.delete(DECISIONS, text_key(decision_id))
