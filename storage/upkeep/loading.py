"""A shard's indexes when it is opened: from their snapshots and the log since, or from the store's rows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from storage.encoding.feature_rows import decode_rows
from storage.encoding.keys import number_key, number_of
from storage.errors import StorageFailure
from storage.index.inverted_file import NO_HANDLES, DescriptorIndex
from storage.index.vector_index import VectorIndex
from storage.index.whitening import WhitenedIndex
from storage.kv.store import ReadTransaction
from storage.tables.change_log import IndexChanges, log_entries
from storage.tables.model_version_records import stored_partition, stored_whitening
from storage.tables.registration import known_owners
from storage.tables.schema import LOG_START, SEQUENCE, feature_table, meta_number
from storage.types.features import FeatureSpec, Vectors
from storage.upkeep.factory import IndexConfig, build_index
from storage.upkeep.snapshots import Snapshot, load_snapshot, partition_checksum, remove_snapshots

logger = logging.getLogger(__name__)

ADDED_AT_ONCE = 4096  # pictures
RESTORED_AT_ONCE = 1 << 20  # rows


def load_index(
    transaction: ReadTransaction, snapshots: Path, spec: FeatureSpec, config: IndexConfig | None
) -> VectorIndex:
    """The index of a version at the transaction's sequence."""
    partition = stored_partition(transaction, spec.name) if spec.kind == "local" else None
    whitening = stored_whitening(transaction, spec.name) if spec.metric == "cosine" else None
    empty = build_index(spec, config, None if partition is None else partition.centroids, whitening)
    snapshot = load_snapshot(snapshots, spec, empty.whitening if isinstance(empty, WhitenedIndex) else None)
    if snapshot is not None and _fits(transaction, snapshot):
        try:
            return with_logged_changes(transaction, spec, _restored(empty, snapshot), snapshot.manifest.sequence)
        except StorageFailure as failure:
            logger.warning("feature %r: the log cannot be replayed, the index is rebuilt: %s", spec.name, failure)
    if snapshot is not None:
        logger.warning("feature %r: its snapshot does not belong to this store and is removed", spec.name)
    remove_snapshots(snapshots, spec.name)
    return scanned(transaction, spec, empty)


def _fits(transaction: ReadTransaction, snapshot: Snapshot) -> bool:
    """Whether the store's history goes through the snapshot's moment, and the log has all since."""
    reached = snapshot.manifest.sequence <= meta_number(transaction, SEQUENCE)
    covered = meta_number(transaction, LOG_START) <= snapshot.manifest.sequence + 1
    return reached and covered and snapshot.manifest.owner in known_owners(transaction)


def _restored(empty: VectorIndex, snapshot: Snapshot) -> VectorIndex:
    """The snapshot's rows in an index; sorted as they were where its lists are still those of the index."""
    if isinstance(empty, WhitenedIndex):
        return empty.with_whitened_rows(snapshot.handles, snapshot.rows)
    if (
        not isinstance(empty, DescriptorIndex)
        or snapshot.lists is None
        or snapshot.manifest.partition != partition_checksum(empty)
    ):
        return empty.with_changes(remove=NO_HANDLES, add=snapshot.handles, rows=snapshot.rows)
    if len(snapshot.lists) and not 0 <= snapshot.lists.min() <= snapshot.lists.max() < len(empty.centroids):
        raise StorageFailure("the snapshot names lists that there are not")
    for start in range(0, len(snapshot.handles), RESTORED_AT_ONCE):
        part = slice(start, start + RESTORED_AT_ONCE)
        empty = empty.with_sorted_rows(
            np.asarray(snapshot.handles[part]), snapshot.rows[part], np.asarray(snapshot.lists[part])
        )
    return empty


def with_logged_changes(transaction: ReadTransaction, spec: FeatureSpec, index: VectorIndex, after: int) -> VectorIndex:
    """The index, which is as after the change ``after``, at the transaction's sequence. Raises `StorageFailure` where
    the log does not reach back so far.
    """
    if meta_number(transaction, LOG_START) > after + 1:
        raise StorageFailure(f"feature {spec.name!r}: the log begins after change {after}")
    removed: dict[int, None] = {}
    added: dict[int, None] = {}
    for gone, came in log_entries(transaction, after):
        removed.update(dict.fromkeys(gone))
        added.update(dict.fromkeys(came.get(spec.name, ())))
    index = IndexChanges(removed=list(removed)).applied(spec, index)
    return _with_rows(
        index, spec, _stored_rows(transaction, spec, [handle for handle in added if handle not in removed])
    )


def _stored_rows(
    transaction: ReadTransaction, spec: FeatureSpec, handles: Iterable[int]
) -> Iterator[tuple[int, Vectors]]:
    for handle in handles:
        value = transaction.get(feature_table(spec.name), number_key(handle))
        if value is None:
            raise StorageFailure(f"feature {spec.name!r}: no rows of image {handle}")
        yield handle, decode_rows(value).rows


def scanned(transaction: ReadTransaction, spec: FeatureSpec, empty: VectorIndex) -> VectorIndex:
    """The index with every row that the store has."""
    entries = transaction.items(feature_table(spec.name))
    return _with_rows(empty, spec, ((number_of(key), decode_rows(value).rows) for key, value in entries))


def _with_rows(index: VectorIndex, spec: FeatureSpec, images: Iterable[tuple[int, Vectors]]) -> VectorIndex:
    stream = iter(images)
    while batch := dict(islice(stream, ADDED_AT_ONCE)):
        index = IndexChanges(added={spec.name: batch}).applied(spec, index)
    return index
