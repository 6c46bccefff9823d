"""Mutations of a shard, applied one after the other in one write transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from storage.encoding.feature_rows import encode_rows
from storage.encoding.keys import digest_key, number_key
from storage.encoding.records import decode_result, encode_fields, encode_record, encode_result
from storage.kv.store import WriteTransaction
from storage.tables.change_log import trim_log
from storage.tables.feature_states import looks_alike, merged, without_features
from storage.tables.picture_writer import PictureWriter
from storage.tables.schema import (
    NEXT_OPERATION,
    OPERATION_ORDER,
    OPERATIONS,
    SEQUENCE,
    StoredImage,
    image_by_id,
    meta_number,
    put_meta_number,
)
from storage.types.features import FeatureRows, FeatureState
from storage.types.mutations import (
    AddFeatures,
    DeleteImage,
    FillFeatures,
    Mutation,
    MutationResult,
    Outcome,
    PutImage,
    RemoveFeatures,
    UpdateSource,
)
from storage.types.pictures import ImageRecord

OPERATIONS_KEPT = 100_000
LOG_KEPT = 100_000

Encoded = bytes | None


@dataclass(frozen=True, slots=True)
class PreparedMutation:
    """A mutation with all that can be encoded before the transaction begins. encoded: of the record that it brings.
    features: as they are stored, and as they are.
    """

    mutation: Mutation
    encoded: bytes
    features: Mapping[str, tuple[bytes, FeatureRows]]


def prepare_mutation(mutation: Mutation, configured: Sequence[str]) -> PreparedMutation:
    """Encodes; a configured feature that a put does not speak of becomes a pending one, and an absent one where the
    picture comes with single features. Raises `InvalidField` for what JSON cannot hold.
    """
    if isinstance(mutation, DeleteImage | RemoveFeatures | UpdateSource):
        return PreparedMutation(mutation, b"", {})
    features = {name: (encode_rows(rows), rows) for name, rows in mutation.features.items()}
    if isinstance(mutation, FillFeatures):
        encode_fields(mutation.annotations)  # refused here, for in the transaction others would fail with it
        return PreparedMutation(mutation, b"", features)
    if len(mutation.record.features) < len(configured):
        unsaid: FeatureState = "pending" if isinstance(mutation, PutImage) else "absent"
        states: dict[str, FeatureState] = {**dict.fromkeys(configured, unsaid), **mutation.record.features}
        mutation = replace(mutation, record=replace(mutation.record, features=states))
    return PreparedMutation(mutation, encode_record(mutation.record), features)


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
        self._alive = {*stored_features, *kept}
        self._annotations = annotations
        self._operations_kept = operations_kept
        self._log_kept = log_kept
        self._next_operation = meta_number(transaction, NEXT_OPERATION)
        self._pictures = PictureWriter(transaction, stored_features, keeps_originals=keeps_originals)
        self.changes = self._pictures.changes
        self.rows = self._pictures.rows

    @property
    def changed_in_place(self) -> bool:
        """Whether a result would show another row than before under the same handle."""
        return self._pictures.changed_in_place

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
        put_meta_number(self._transaction, NEXT_OPERATION, self._next_operation)
        sequence = meta_number(self._transaction, SEQUENCE)
        if not self._pictures.changed:
            return sequence
        sequence += 1
        put_meta_number(self._transaction, SEQUENCE, sequence)
        self._pictures.finish()
        self.changes.log(self._transaction, sequence)
        trim_log(self._transaction, sequence - self._log_kept)
        return sequence

    def _dispatch(self, prepared: PreparedMutation) -> tuple[MutationResult, Encoded]:
        mutation = prepared.mutation
        stored = image_by_id(self._transaction, mutation_id(mutation))
        if isinstance(mutation, PutImage):
            return self._put(mutation, prepared, stored)
        if isinstance(mutation, AddFeatures):
            return self._add(mutation, prepared, stored)
        if stored is None:
            return MutationResult("absent"), None
        if isinstance(mutation, DeleteImage):
            self._pictures.remove(stored, stays_out=mutation.stays_out)
            return MutationResult("deleted"), None
        if isinstance(mutation, UpdateSource):
            return self._update_source(mutation, stored)
        if isinstance(mutation, RemoveFeatures):
            return self._remove_features(mutation, stored)
        return self._fill(mutation, prepared, stored)

    def _put(
        self, mutation: PutImage, prepared: PreparedMutation, stored: StoredImage | None
    ) -> tuple[MutationResult, Encoded]:
        if stored is not None and (mutation.on_conflict != "replace" or _is_of_another_file(stored, mutation)):
            refused: Outcome = "skipped" if mutation.on_conflict == "skip" else "conflict"
            return MutationResult(refused, stored.record), encode_record(stored.record)
        if stored is not None:
            self._pictures.remove(stored)
            record = _with_what_stays(mutation.record, stored.record)
            if record is not mutation.record:
                mutation = replace(mutation, record=record)
                prepared = replace(prepared, mutation=mutation, encoded=encode_record(record))
        self._insert(mutation, prepared)
        outcome: Outcome = "created" if stored is None else "replaced"
        return MutationResult(outcome, mutation.record), prepared.encoded

    def _add(
        self, mutation: AddFeatures, prepared: PreparedMutation, stored: StoredImage | None
    ) -> tuple[MutationResult, Encoded]:
        if stored is None and all(state == "absent" for state in mutation.record.features.values()):
            return MutationResult("skipped"), None  # its rows have no place here
        if stored is None:
            self._insert(mutation, prepared)
            return MutationResult("created", mutation.record), prepared.encoded
        record = merged(stored.record, mutation)
        if record is None:
            return MutationResult("conflict", stored.record), encode_record(stored.record)
        if not looks_alike(stored.record, record):
            stored = self._pictures.reinsert(stored, record, mutation.thumbnail)
        encoded = encode_record(record)
        self._pictures.update(stored, record, encoded, mutation.original, prepared.features)
        return MutationResult("filled", record), encoded

    def _insert(self, mutation: PutImage | AddFeatures, prepared: PreparedMutation) -> None:
        self._pictures.insert(
            mutation.record, prepared.encoded, mutation.thumbnail, mutation.original, prepared.features
        )

    def _remove_features(self, mutation: RemoveFeatures, stored: StoredImage) -> tuple[MutationResult, Encoded]:
        there = [name for name in mutation.features if stored.record.features.get(name, "absent") != "absent"]
        if not there:
            return MutationResult("absent"), None
        record = without_features(stored.record, there, self._annotations)
        if record is None:
            self._pictures.remove(stored)
            return MutationResult("deleted"), None
        self._pictures.reinsert(stored, record)
        return MutationResult("deleted", record), encode_record(record)

    def _fill(
        self, mutation: FillFeatures, prepared: PreparedMutation, stored: StoredImage
    ) -> tuple[MutationResult, Encoded]:
        states = {name: state for name, state in stored.record.features.items() if name in self._alive}
        wanted = {name: rows for name, rows in prepared.features.items() if states.get(name) == "pending"}
        said = {name: value for name, value in mutation.annotations.items() if states.get(name) == "pending"}
        if stored.record.sha256 != mutation.sha256 or not (wanted or said):
            return MutationResult("skipped", stored.record), encode_record(stored.record)
        record = replace(
            stored.record,
            features={**states, **dict.fromkeys((*wanted, *said), "ok")},
            annotations={**stored.record.annotations, **said},
        )
        encoded = encode_record(record)
        self._pictures.update(stored, record, encoded, None, wanted)
        return MutationResult("filled", record), encoded

    def _update_source(self, mutation: UpdateSource, stored: StoredImage) -> tuple[MutationResult, Encoded]:
        if stored.record.sha256 != mutation.sha256:
            return MutationResult("skipped", stored.record), encode_record(stored.record)
        record = replace(
            stored.record,
            source=mutation.source,
            missing=mutation.missing,
            exif=stored.record.exif if mutation.exif is None else mutation.exif,
        )
        encoded = encode_record(record)
        self._pictures.update(stored, record, encoded, None, {})
        return MutationResult("updated", record), encoded

    def _trim_operations(self) -> None:
        surplus = max(0, self._transaction.count(OPERATIONS) - self._operations_kept)
        for order, operation in list(islice(self._transaction.items(OPERATION_ORDER), surplus)):
            self._transaction.delete(OPERATION_ORDER, order)
            self._transaction.delete(OPERATIONS, operation)


def _with_what_stays(record: ImageRecord, stored: ImageRecord) -> ImageRecord:
    """The same picture sent again still comes from its file; a file that changed keeps what was said of its picture."""
    if record.source is None and stored.source is not None and record.sha256 == stored.sha256:
        return replace(record, source=stored.source, missing=stored.missing)
    if record.source is not None and stored.metadata and not record.metadata:
        return replace(record, metadata=stored.metadata)
    return record


def _is_of_another_file(stored: StoredImage, mutation: PutImage) -> bool:
    own, other = stored.record.source, mutation.record.source
    return own is not None and other is not None and own.path != other.path


def mutation_id(mutation: Mutation) -> str:
    """Of the picture that it changes."""
    return mutation.record.id if isinstance(mutation, PutImage | AddFeatures) else mutation.id
