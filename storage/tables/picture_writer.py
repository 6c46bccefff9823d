"""How a picture comes into a shard's tables, changes there, and goes: all of its entries together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from storage.encoding.feature_rows import decode_rows
from storage.encoding.keys import number_key, text_key
from storage.encoding.records import encode_record
from storage.kv.store import WriteTransaction
from storage.tables.change_log import IndexChanges
from storage.tables.schema import (
    FILE_NAMES,
    HANDLES,
    IMAGES,
    LINKS,
    NEXT_HANDLE,
    ORIGINALS,
    PENDING,
    THUMBNAILS,
    StoredImage,
    absent_in,
    can_be_filled,
    change_absent,
    change_missing,
    encode_image,
    feature_table,
    file_name_key,
    meta_number,
    put_meta_number,
)
from storage.tables.sources import forget_source, note_source
from storage.types.features import FeatureRows
from storage.types.pictures import ImageRecord
from storage.types.searches import ImageSummary


class PictureWriter:
    """Of one write transaction. changes: what the indexes are to do. rows: by handle what was written, None where it
    was removed. changed: whether anything was written. changed_in_place: whether a result shows another row than before
    under the same handle.
    """

    def __init__(self, transaction: WriteTransaction, stored_features: Sequence[str], *, keeps_originals: bool) -> None:
        """stored_features: every one that the shard has a table for. keeps_originals: for good."""
        self._transaction = transaction
        self._stored_features = stored_features
        self._keeps_originals = keeps_originals
        self._next_handle = meta_number(transaction, NEXT_HANDLE)
        self._absent: Counter[str] = Counter()
        self._missing = 0
        self.changes = IndexChanges()
        self.rows: dict[int, ImageRecord | None] = {}
        self.changed = False
        self.changed_in_place = False

    def finish(self) -> None:
        """Writes the counters."""
        change_absent(self._transaction, self._absent)
        change_missing(self._transaction, self._missing)
        put_meta_number(self._transaction, NEXT_HANDLE, self._next_handle)

    def insert(
        self,
        record: ImageRecord,
        encoded: bytes,
        thumbnail: bytes,
        original: bytes | None,
        features: Mapping[str, tuple[bytes, FeatureRows]],
    ) -> StoredImage:
        """A picture that is not there. encoded: its row. features: as they are stored, and as they are."""
        stored = StoredImage(self._next_handle, record)
        self._next_handle += 1
        key = number_key(stored.handle)
        self._transaction.put(HANDLES, key, record.id.encode())
        self._transaction.put(THUMBNAILS, key, thumbnail)
        if (name := file_name_key(record, stored.handle)) is not None:
            self._transaction.put(FILE_NAMES, name, record.id.encode())
        note_source(self._transaction, stored)
        self._put_row(stored, encoded, original)
        self._add_features(stored.handle, features)
        return stored

    def update(
        self,
        before: StoredImage,
        record: ImageRecord,
        encoded: bytes,
        original: bytes | None,
        features: Mapping[str, tuple[bytes, FeatureRows]],
    ) -> None:
        """Another row in its place, with features more. original: one that the shard may not have yet."""
        self._absent.subtract(absent_in(before.record.features))
        if (before.record.source, before.record.missing) != (record.source, record.missing):
            forget_source(self._transaction, before)
            note_source(self._transaction, StoredImage(before.handle, record))
        self.changed_in_place |= ImageSummary.of(before.record) != ImageSummary.of(record)
        self._missing -= before.record.missing
        self._put_row(StoredImage(before.handle, record), encoded, original)
        self._add_features(before.handle, features)

    def remove(self, stored: StoredImage, *, stays_out: bool = False) -> None:
        """stays_out: the file that it came from is not to come back by itself."""
        self.changed = True
        forget_source(self._transaction, stored, stays_out=stays_out)
        self._absent.subtract(absent_in(stored.record.features))
        self._missing -= stored.record.missing
        self.rows[stored.handle] = None
        key = number_key(stored.handle)
        self._transaction.delete(IMAGES, text_key(stored.record.id))
        if (name := file_name_key(stored.record, stored.handle)) is not None:
            self._transaction.delete(FILE_NAMES, name)
        for table in (HANDLES, THUMBNAILS, ORIGINALS, PENDING, LINKS, *map(feature_table, self._stored_features)):
            self._transaction.delete(table, key)
        self.changes.remove(stored.handle)

    def reinsert(self, stored: StoredImage, record: ImageRecord, thumbnail: bytes = b"") -> StoredImage:
        """The picture under a new handle, with what it had of the features that ``record`` has: what is known of a
        handle never changes, and an index knows a removed handle for good. thumbnail: in the place of the old one.
        """
        key = number_key(stored.handle)
        had = {name: self._transaction.get(feature_table(name), key) for name in self._stored_features}
        original = self._transaction.get(ORIGINALS, key)
        thumbnail = thumbnail or self._transaction.get(THUMBNAILS, key) or b""
        self.remove(stored)
        features = {
            name: (value, decode_rows(value))
            for name, value in had.items()
            if value is not None and record.features.get(name) == "ok"
        }
        return self.insert(record, encode_record(record), thumbnail, original, features)

    def _put_row(self, stored: StoredImage, encoded: bytes, original: bytes | None) -> None:
        self.changed = True
        record, key, transaction = stored.record, number_key(stored.handle), self._transaction
        self._absent.update(absent_in(record.features))
        self._missing += record.missing
        self.rows[stored.handle] = record
        transaction.put(IMAGES, text_key(record.id), encode_image(stored.handle, encoded))
        waits = "pending" in record.features.values()
        if not (waits or self._keeps_originals):
            transaction.delete(ORIGINALS, key)
        elif original is not None:
            transaction.put(ORIGINALS, key, original)
        if can_be_filled(record, transaction.has(ORIGINALS, key)):
            transaction.put(PENDING, key, record.id.encode())
        else:
            transaction.delete(PENDING, key)

    def _add_features(self, handle: int, features: Mapping[str, tuple[bytes, FeatureRows]]) -> None:
        for name, (value, feature) in features.items():
            self._transaction.put(feature_table(name), number_key(handle), value)
            self.changes.add(name, handle, feature.rows)
