"""Mutations of a shard, applied one after the other in one write transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile

import numpy as np

from storage.absent_counts import absent_in, change_absent
from storage.codec import decode_rows, encode_rows
from storage.keys import digest_key, number_key, number_of, text_key
from storage.kv import ReadTransaction, WriteTransaction
from storage.record_codec import decode_fields, decode_result, encode_fields, encode_record, encode_result
from storage.shard_tables import (
    FILE_NAMES,
    HANDLES,
    IMAGES,
    LOG,
    LOG_START,
    NEXT_HANDLE,
    NEXT_OPERATION,
    OPERATION_ORDER,
    OPERATIONS,
    ORIGINALS,
    PENDING,
    SEQUENCE,
    THUMBNAILS,
    StoredImage,
    can_be_filled,
    encode_image,
    feature_table,
    file_name_key,
    image_by_id,
    meta_number,
    put_meta_number,
)
from storage.single_features import looks_alike, merged, without_features
from storage.types import (
    AddFeatures,
    DeleteImage,
    FeatureSpec,
    FeatureState,
    FillFeatures,
    ImageRecord,
    Mutation,
    MutationResult,
    Outcome,
    PutImage,
    RemoveFeatures,
    Vectors,
)
from storage.vectors import VectorIndex, row_dtype, row_width

OPERATIONS_KEPT = 100_000
LOG_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class PreparedMutation:
    """A mutation with all that can be encoded before the transaction begins. encoded: of the record that it brings."""

    mutation: Mutation
    encoded: bytes
    features: Mapping[str, bytes]


def prepare_mutation(mutation: Mutation, configured: Sequence[str]) -> PreparedMutation:
    """Encodes; a configured feature that a put does not speak of becomes a pending one, and an absent one where the
    picture comes with single features.
    """
    if isinstance(mutation, DeleteImage | RemoveFeatures):
        return PreparedMutation(mutation, b"", {})
    features = {name: encode_rows(rows) for name, rows in mutation.features.items()}
    if isinstance(mutation, FillFeatures):
        return PreparedMutation(mutation, b"", features)
    if len(mutation.record.features) < len(configured):
        unsaid: FeatureState = "pending" if isinstance(mutation, PutImage) else "absent"
        states: dict[str, FeatureState] = {**dict.fromkeys(configured, unsaid), **mutation.record.features}
        mutation = replace(mutation, record=replace(mutation.record, features=states))
    return PreparedMutation(mutation, encode_record(mutation.record), features)


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


class MutationBatch:
    """One transaction's worth of mutations. Later ones see what earlier ones did."""

    def __init__(
        self,
        transaction: WriteTransaction,
        stored_features: Sequence[str],
        *,
        kept: Sequence[str] = (),
        annotations: frozenset[str] = frozenset(),
        keeps_originals: bool = False,
        operations_kept: int = OPERATIONS_KEPT,
        log_kept: int = LOG_KEPT,
    ) -> None:
        """stored_features: every feature that the shard has a table for, configured or not. kept: all that a picture is
        to have, beside those, ``annotations`` among it. keeps_originals: for good, not only while something is pending.
        """
        self._transaction = transaction
        self._stored_features = stored_features
        self._alive = {*stored_features, *kept}
        self._annotations = annotations
        self._keeps_originals = keeps_originals
        self._operations_kept = operations_kept
        self._log_kept = log_kept
        self._next_handle = meta_number(transaction, NEXT_HANDLE)
        self._next_operation = meta_number(transaction, NEXT_OPERATION)
        self._changed = False
        self._absent: Counter[str] = Counter()
        self.changes = IndexChanges()

    def apply(self, prepared: PreparedMutation) -> MutationResult:
        operation = digest_key(prepared.mutation.operation_id.encode("utf-8", "surrogatepass"))
        done = self._transaction.get(OPERATIONS, operation)
        if done is not None:
            return decode_result(done)
        result, encoded = self._dispatch(prepared)
        self._transaction.put(OPERATIONS, operation, encode_result(result.outcome, encoded))
        self._transaction.put(OPERATION_ORDER, number_key(self._next_operation), operation)
        self._next_operation += 1
        return result

    def finish(self) -> int:
        """Writes the log and the counters; the sequence that the shard is at after the batch."""
        self._trim_operations()
        change_absent(self._transaction, self._absent)
        put_meta_number(self._transaction, NEXT_OPERATION, self._next_operation)
        sequence = meta_number(self._transaction, SEQUENCE)
        if not self._changed:
            return sequence
        sequence += 1
        put_meta_number(self._transaction, SEQUENCE, sequence)
        put_meta_number(self._transaction, NEXT_HANDLE, self._next_handle)
        added = {name: list(rows) for name, rows in self.changes.added.items() if rows}
        entry = encode_fields({"removed": self.changes.removed, "added": added})
        self._transaction.put(LOG, number_key(sequence), entry)
        trim_log(self._transaction, sequence - self._log_kept)
        return sequence

    def _dispatch(self, prepared: PreparedMutation) -> tuple[MutationResult, bytes | None]:
        mutation = prepared.mutation
        stored = image_by_id(self._transaction, mutation_id(mutation))
        if isinstance(mutation, PutImage):
            return self._put(mutation, prepared, stored)
        if isinstance(mutation, AddFeatures):
            return self._add(mutation, prepared, stored)
        if stored is None:
            return MutationResult("absent"), None
        if isinstance(mutation, DeleteImage):
            self._remove(stored)
            return MutationResult("deleted"), None
        if isinstance(mutation, RemoveFeatures):
            return self._remove_features(mutation, stored)
        return self._fill(mutation, prepared, stored)

    def _put(
        self, mutation: PutImage, prepared: PreparedMutation, stored: StoredImage | None
    ) -> tuple[MutationResult, bytes | None]:
        if stored is not None and mutation.on_conflict != "replace":
            refused: Outcome = "conflict" if mutation.on_conflict == "error" else "skipped"
            return MutationResult(refused, stored.record), encode_record(stored.record)
        if stored is not None:
            self._remove(stored)
        self._insert(mutation, prepared)
        outcome: Outcome = "created" if stored is None else "replaced"
        return MutationResult(outcome, mutation.record), prepared.encoded

    def _add(
        self, mutation: AddFeatures, prepared: PreparedMutation, stored: StoredImage | None
    ) -> tuple[MutationResult, bytes | None]:
        if stored is None:
            self._insert(mutation, prepared)
            return MutationResult("created", mutation.record), prepared.encoded
        record = merged(stored.record, mutation)
        if record is None:
            return MutationResult("conflict", stored.record), encode_record(stored.record)
        if not looks_alike(stored.record, record):
            stored = self._reinserted(stored, record, mutation)
        encoded = encode_record(record)
        self._add_features(stored.handle, prepared.features, mutation)
        self._put_row(stored.handle, record, encoded, mutation.original, before=stored.record)
        self._changed = True
        return MutationResult("filled", record), encoded

    def _insert(self, mutation: PutImage | AddFeatures, prepared: PreparedMutation) -> None:
        record, handle = mutation.record, self._new_handle()
        key = number_key(handle)
        self._transaction.put(HANDLES, key, record.id.encode())
        self._transaction.put(THUMBNAILS, key, mutation.thumbnail)
        if (name := file_name_key(record, handle)) is not None:
            self._transaction.put(FILE_NAMES, name, record.id.encode())
        self._put_row(handle, record, prepared.encoded, mutation.original)
        self._add_features(handle, prepared.features, mutation)

    def _new_handle(self) -> int:
        self._next_handle += 1
        self._changed = True
        return self._next_handle - 1

    def _put_row(
        self,
        handle: int,
        record: ImageRecord,
        encoded: bytes,
        original: bytes | None,
        before: ImageRecord | None = None,
    ) -> None:
        """original: where there is one that the shard may not have yet. before: the row in whose place it comes."""
        self._absent.update(absent_in(record.features))
        if before is not None:
            self._absent.subtract(absent_in(before.features))
        key, transaction = number_key(handle), self._transaction
        transaction.put(IMAGES, text_key(record.id), encode_image(handle, encoded))
        waits = "pending" in record.features.values()
        if not (waits or self._keeps_originals):
            transaction.delete(ORIGINALS, key)
        elif original is not None:
            transaction.put(ORIGINALS, key, original)
        if can_be_filled(record, transaction.has(ORIGINALS, key)):
            transaction.put(PENDING, key, record.id.encode())
        else:
            transaction.delete(PENDING, key)

    def _add_features(
        self, handle: int, encoded: Mapping[str, bytes], mutation: PutImage | FillFeatures | AddFeatures
    ) -> None:
        for name, value in encoded.items():
            self._transaction.put(feature_table(name), number_key(handle), value)
            self.changes.add(name, handle, mutation.features[name].rows)

    def _remove_features(self, mutation: RemoveFeatures, stored: StoredImage) -> tuple[MutationResult, bytes | None]:
        there = [name for name in mutation.features if stored.record.features.get(name, "absent") != "absent"]
        if not there:
            return MutationResult("absent"), None
        record = without_features(stored.record, there, self._annotations)
        if record is None:
            self._remove(stored)
            return MutationResult("deleted"), None
        self._reinserted(stored, record, None)
        return MutationResult("deleted", record), encode_record(record)

    def _reinserted(self, stored: StoredImage, record: ImageRecord, added: AddFeatures | None) -> StoredImage:
        """The picture under a new handle, with what it had of the features that ``record`` has: what is known of a
        handle never changes, and an index knows a removed handle for good. added: what brings another file.
        """
        key = number_key(stored.handle)
        moved = {name: self._transaction.get(feature_table(name), key) for name in self._stored_features}
        original = self._transaction.get(ORIGINALS, key)
        thumbnail = (added.thumbnail if added is not None else b"") or self._transaction.get(THUMBNAILS, key) or b""
        self._remove(stored)
        features = {
            name: value for name, value in moved.items() if value is not None and record.features.get(name) == "ok"
        }
        rows = {name: decode_rows(value) for name, value in features.items()}
        again = PutImage("", record, rows, thumbnail, original=original)
        self._insert(again, PreparedMutation(again, encode_record(record), features))
        return StoredImage(self._next_handle - 1, record)

    def _remove(self, stored: StoredImage) -> None:
        self._changed = True
        self._absent.subtract(absent_in(stored.record.features))
        key = number_key(stored.handle)
        self._transaction.delete(IMAGES, text_key(stored.record.id))
        if (name := file_name_key(stored.record, stored.handle)) is not None:
            self._transaction.delete(FILE_NAMES, name)
        for table in (HANDLES, THUMBNAILS, ORIGINALS, PENDING, *map(feature_table, self._stored_features)):
            self._transaction.delete(table, key)
        self.changes.remove(stored.handle)

    def _fill(
        self, mutation: FillFeatures, prepared: PreparedMutation, stored: StoredImage
    ) -> tuple[MutationResult, bytes | None]:
        states = {name: state for name, state in stored.record.features.items() if name in self._alive}
        wanted = {name: value for name, value in prepared.features.items() if states.get(name) == "pending"}
        said = {name: value for name, value in mutation.annotations.items() if states.get(name) == "pending"}
        if stored.record.sha256 != mutation.sha256 or not (wanted or said):
            return MutationResult("skipped", stored.record), encode_record(stored.record)
        self._changed = True
        self._add_features(stored.handle, wanted, mutation)
        record = replace(
            stored.record,
            features={**states, **dict.fromkeys((*wanted, *said), "ok")},
            annotations={**stored.record.annotations, **said},
        )
        encoded = encode_record(record)
        self._put_row(stored.handle, record, encoded, None, before=stored.record)
        return MutationResult("filled", record), encoded

    def _trim_operations(self) -> None:
        surplus = self._transaction.count(OPERATIONS) - self._operations_kept
        if surplus > 0:
            oldest = list(islice(self._transaction.items(OPERATION_ORDER), surplus))
            for order, operation in oldest:
                self._transaction.delete(OPERATION_ORDER, order)
                self._transaction.delete(OPERATIONS, operation)


def mutation_id(mutation: Mutation) -> str:
    """Of the picture that it changes."""
    return mutation.record.id if isinstance(mutation, PutImage | AddFeatures) else mutation.id


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
