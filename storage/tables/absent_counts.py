"""How many pictures are not to have a feature, kept up to date with every write: counting them would mean to look at
every picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from storage.kv.store import ReadTransaction, WriteTransaction
from storage.tables.schema import META, meta_number, put_meta_number
from storage.types.features import FeatureState

_KEY = b"absent:"


def absent_count(transaction: ReadTransaction, key: str) -> int:
    """Pictures whose row says "absent" of the version's key."""
    return meta_number(transaction, _KEY + key.encode())


def absent_in(states: Mapping[str, FeatureState]) -> Counter[str]:
    """What one picture's row counts for."""
    return Counter(key for key, state in states.items() if state == "absent")


def change_absent(transaction: WriteTransaction, changes: Mapping[str, int]) -> None:
    """Adds to the counts, or takes from them."""
    for key, change in changes.items():
        if change:
            put_meta_number(transaction, _KEY + key.encode(), max(0, absent_count(transaction, key) + change))


def forget_absent(transaction: WriteTransaction, key: str) -> None:
    transaction.delete(META, _KEY + key.encode())
