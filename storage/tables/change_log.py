"""What writes do to the indexes, as they are applied and as the log keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np

from storage.encoding.keys import number_key, number_of
from storage.encoding.records import decode_fields, encode_fields
from storage.index.vector_index import VectorIndex, row_dtype, row_width
from storage.kv.store import ReadTransaction, WriteTransaction
from storage.tables.schema import LOG, LOG_START, put_meta_number
from storage.types.features import FeatureSpec, Vectors


@dataclass(slots=True)
class IndexChanges:
    """What a batch does to the indexes. added: rows by feature and handle, in the order of their coming."""

    removed: list[int] = field(default_factory=list)
    added: dict[str, dict[int, Vectors]] = field(default_factory=dict)

    def add(self, name: str, handle: int, rows: Vectors) -> None:
        self.added.setdefault(name, {})[handle] = rows

    def remove(self, handle: int) -> None:
        self.removed.append(handle)
        for rows in self.added.values():
            rows.pop(handle, None)

    def applied(self, spec: FeatureSpec, index: VectorIndex) -> VectorIndex:
        """The feature's index after the changes."""
        added = self.added.get(spec.name, {})
        if not added and not self.removed:
            return index
        parts = [np.zeros((0, row_width(spec)), row_dtype(spec)), *added.values()]
        handles = [np.zeros(0, np.int64), *(np.full(len(rows), handle, np.int64) for handle, rows in added.items())]
        return index.with_changes(
            remove=np.array(self.removed, np.int64), add=np.concatenate(handles), rows=np.concatenate(parts)
        )

    def log(self, transaction: WriteTransaction, sequence: int) -> None:
        """Keeps which handles came and went in the change ``sequence``."""
        added = {name: list(rows) for name, rows in self.added.items() if rows}
        transaction.put(LOG, number_key(sequence), encode_fields({"removed": self.removed, "added": added}))


def trim_log(transaction: WriteTransaction, through: int) -> None:
    """Drops the changes up to the sequence ``through``."""
    oldest = list(takewhile(lambda key: number_of(key) <= through, transaction.keys(LOG)))
    for key in oldest:
        transaction.delete(LOG, key)
    if oldest:
        put_meta_number(transaction, LOG_START, through + 1)


def log_entries(transaction: ReadTransaction, after: int) -> Iterator[tuple[list[int], dict[str, list[int]]]]:
    """Removed handles, and added ones by feature, of every change after the sequence ``after``."""
    for _, value in transaction.items(LOG, number_key(after + 1)):
        entry = decode_fields(value)
        yield entry["removed"], entry["added"]
