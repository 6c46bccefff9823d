"""What a collection asks of a match, kept by its first shard."""

from __future__ import annotations

import dataclasses

from lookalike_client.job_answers import Thresholds
from storage.encoding.records import decode_fields, encode_fields
from storage.kv.store import ReadTransaction, WriteTransaction
from storage.tables.schema import META

_THRESHOLDS = b"thresholds"


def put_thresholds(transaction: WriteTransaction, thresholds: Thresholds | None) -> None:
    """None: none, as at first."""
    if thresholds is None:
        transaction.delete(META, _THRESHOLDS)
    else:
        transaction.put(META, _THRESHOLDS, encode_fields(dataclasses.asdict(thresholds)))


def thresholds_of(transaction: ReadTransaction) -> Thresholds | None:
    value = transaction.get(META, _THRESHOLDS)
    return None if value is None else Thresholds(**decode_fields(value))
