"""A shard: one store and its indexes, owned by one process. Plain Python, for any number of threads.

Writes take turns; reads never wait for them. An index is a value, so a write prepares the next indexes beside the
current ones, commits, and then lets the old ones go. A reader opens its transaction first and takes the indexes of
exactly that transaction's sequence, so every picture an index finds is in the tables it is looked up in.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TypeVar

from storage import shard_jobs, shard_reads
from storage.errors import StorageFailure
from storage.index_kinds import IndexConfig
from storage.index_training import Partition, put_partition, sorted_anew, train_partition
from storage.index_views import IndexView, IndexViews
from storage.kv import KeyValueStore, ReadTransaction, WriteTransaction
from storage.kv_lmdb import LmdbStore
from storage.ownership import FolderLock
from storage.shard_checks import Specs, check_mutation
from storage.shard_features import Ownership, register_features, take_ownership
from storage.shard_indexes import load_indexes, save_indexes, with_logged_changes
from storage.shard_search import SummaryCache, answer_queries
from storage.shard_stats import feature_stats, folder_bytes
from storage.shard_tables import IMAGES, SEQUENCE, TABLES, check_owner, meta_number
from storage.shard_training import features_to_train, trainable_index
from storage.shard_verify import verify_tables
from storage.shard_write import MutationBatch, prepare_mutation, trim_log
from storage.types import (
    FeatureRows,
    FeatureSpec,
    ImageRecord,
    JobFailure,
    JobRecord,
    Mutation,
    MutationResult,
    PendingImage,
    ShardAnswer,
    ShardQuery,
    ShardStats,
    TrainingReport,
    VerifyReport,
)
from storage.vectors import VectorIndex

logger = logging.getLogger(__name__)
T = TypeVar("T")

STORE_FOLDER = "store"
SNAPSHOTS_FOLDER = "snapshots"
CLOSING_PATIENCE_S = 5.0


class Shard:
    """Made by `open`, ended by `close`; every method in between may be called from any thread.

    All methods raise `StorageFailure` where the disk fails, `LostOwnership` once another process has opened the shard.
    """

    def __init__(
        self,
        *,
        store: KeyValueStore,
        directory: Path,
        index: int,
        shard_count: int,
        specs: Specs,
        stored_features: Sequence[str],
        index_configs: Mapping[str, IndexConfig],
        ownership: Ownership,
        view: IndexView,
        resources: ExitStack,
    ) -> None:
        """For `open` only. resources: closed with the shard."""
        self.index = index
        self._shard_count = shard_count
        self._store = store
        self._directory = directory
        self._specs = specs
        self._stored_features = stored_features
        self._ownership = ownership
        self._views = IndexViews(view)
        self._resources = resources
        self._write_lock = threading.Lock()
        self._snapshot_lock = threading.Lock()  # also held while an index is trained, which needs the log kept
        self._index_configs = index_configs
        self._saved_sequence = -1
        self._summaries = SummaryCache()

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        index: int,
        shard_count: int,
        features: Sequence[FeatureSpec],
        lock_timeout_s: float = 10.0,
        index_configs: Mapping[str, IndexConfig] | None = None,
        open_store: Callable[[Path, Sequence[str]], KeyValueStore] = LmdbStore,
    ) -> Self:
        """Opens or creates the shard, bringing its indexes up to date before it returns.

        Raises `DataFolderInUse` where another process still has it after ``lock_timeout_s``, `FingerprintMismatch`
        where another model wrote it, `Misconfigured` where it is another shard's folder, `CorruptData`.
        """
        with ExitStack() as resources:
            resources.callback(FolderLock(directory, timeout_s=lock_timeout_s).release)
            store = open_store(directory / STORE_FOLDER, TABLES)
            resources.callback(store.close)
            ownership = take_ownership(store, index, shard_count)
            stored_features = register_features(store, features, ownership.owner)
            with store.read() as transaction:
                indexes = load_indexes(transaction, directory / SNAPSHOTS_FOLDER, features, index_configs or {})
                view = IndexView(meta_number(transaction, SEQUENCE), indexes)
            return cls(
                store=store,
                directory=directory,
                index=index,
                shard_count=shard_count,
                specs={spec.name: spec for spec in features},
                stored_features=stored_features,
                index_configs=index_configs or {},
                ownership=ownership,
                view=view,
                resources=resources.pop_all(),
            )

    @property
    def sequence(self) -> int:
        """Number of the last change; it grows with every batch that changed something."""
        return self._views.current.sequence

    @property
    def epoch(self) -> int:
        """How often the shard has been opened."""
        return self._ownership.epoch

    def check(self, mutation: Mutation) -> None:
        """Raises `InvalidRequest` for a mutation that `apply` would refuse, so that others need not fail with it."""
        check_mutation(mutation, self._specs, self.index, self._shard_count)

    def apply(self, mutations: Sequence[Mutation]) -> list[MutationResult]:
        """Makes the changes in order, all in one transaction that is on disk and searchable when this returns.

        An operation id that was applied before (within the last 100,000) gives its first outcome and changes nothing.
        Raises `InvalidRequest` for a bad mutation; then, as with every other error, none of them is made, except that
        a `StorageFailure` leaves open whether they are on disk: repeat them with the same operation ids.
        """
        for mutation in mutations:
            self.check(mutation)
        prepared = [prepare_mutation(mutation, tuple(self._specs)) for mutation in mutations]

        def work(transaction: WriteTransaction) -> list[MutationResult]:
            check_owner(transaction, self._ownership.owner)
            batch = MutationBatch(transaction, self._stored_features)
            results = [batch.apply(one) for one in prepared]
            self._stage(batch.finish(), batch)
            return results

        with self._write_lock:
            try:
                return self._store.write(work)
            finally:
                self._views.settle(self._stored_sequence)

    def _stage(self, sequence: int, batch: MutationBatch) -> None:
        current = self._views.current
        if sequence != current.sequence:
            indexes = {name: batch.changes.applied(self._specs[name], index) for name, index in current.indexes.items()}
            self._views.stage(IndexView(sequence, indexes))

    def _stored_sequence(self) -> int:
        with self._store.read() as transaction:
            return meta_number(transaction, SEQUENCE)

    def search(self, queries: Sequence[ShardQuery]) -> list[ShardAnswer]:
        """One answer a query, all from the same moment. A feature that cannot be searched is in the answer's
        ``errors``.
        """
        with self._views.read(self._store) as (transaction, view):
            return answer_queries(transaction, view.indexes, self._specs, queries, self._summaries)

    def records(self, ids: Sequence[str]) -> list[ImageRecord | None]:
        return self._ask(lambda transaction: shard_reads.records_of(transaction, ids))

    def page(self, after: str | None, limit: int) -> list[ImageRecord]:
        """Up to ``limit`` records whose ids sort after ``after``, in the order of their UTF-8 bytes."""
        return self._ask(lambda transaction: shard_reads.page_after(transaction, after, limit))

    def thumbnail(self, image_id: str) -> bytes | None:
        return self._ask(lambda transaction: shard_reads.thumbnail_of(transaction, image_id))

    def original(self, image_id: str) -> bytes | None:
        """The file's bytes; kept only while features are pending."""
        return self._ask(lambda transaction: shard_reads.original_of(transaction, image_id))

    def features(self, image_id: str, names: Sequence[str]) -> dict[str, FeatureRows] | None:
        """Those of the features that the image has; None where there is no such image."""
        known = [name for name in names if name in self._specs]
        return self._ask(lambda transaction: shard_reads.features_of(transaction, image_id, known))

    def pending(self, limit: int, after: str | None = None) -> list[PendingImage]:
        """Images with features to compute whose bytes can still be had, oldest first, from behind image ``after``."""
        return self._ask(lambda transaction: shard_reads.pending_images(transaction, tuple(self._specs), limit, after))

    def unchanged(self, sources: Sequence[shard_reads.SourceQuery]) -> list[shard_reads.SourceState]:
        """For (id, path, bytes, mtime in ns) each: whether the image is stored, from that file, as the file is now."""
        return self._ask(lambda transaction: shard_reads.source_states(transaction, sources))

    def index_of(self, feature: str) -> VectorIndex:
        """The feature's index as it is now."""
        return self._views.current.indexes[feature]

    def stats(self) -> ShardStats:
        with self._views.read(self._store) as (transaction, view):
            features = {name: feature_stats(transaction, name, index) for name, index in view.indexes.items()}
            images = transaction.count(IMAGES)
        disk_bytes = self._store.disk_bytes() + folder_bytes(self._directory / SNAPSHOTS_FOLDER)
        return ShardStats(self.index, images, view.sequence, disk_bytes, features)

    def verify(self) -> VerifyReport:
        """Compares everything with everything, at one moment, while reads and writes go on."""
        with self._views.read(self._store) as (transaction, view):
            rows, problems = verify_tables(transaction, view.indexes)
            return VerifyReport(self.index, transaction.count(IMAGES), rows, problems)

    def put_job(self, job: JobRecord) -> None:
        self._store.write(shard_jobs.putting_job(self._ownership.owner, job))

    def jobs(self) -> list[JobRecord]:
        """Newest first."""
        return self._ask(shard_jobs.all_jobs)

    def job(self, job_id: str) -> JobRecord | None:
        return self._ask(lambda transaction: shard_jobs.job_by_id(transaction, job_id))

    def add_job_failures(self, job_id: str, failures: Sequence[JobFailure]) -> None:
        """One entry a path: adding one again replaces it."""
        self._store.write(shard_jobs.adding_failures(self._ownership.owner, job_id, failures))

    def job_failures(self, job_id: str, offset: int, limit: int) -> list[JobFailure]:
        """By path."""
        return self._ask(lambda transaction: shard_jobs.failures_of(transaction, job_id, offset, limit))

    def snapshot(self) -> None:
        """Saves every index, so that the next opening is quick, and drops the log up to there."""
        with self._snapshot_lock:
            view = self._views.current
            if view.sequence == self._saved_sequence:
                return
            self._ask(lambda transaction: check_owner(transaction, self._ownership.owner))
            save_indexes(view, self._directory / SNAPSHOTS_FOLDER, self._specs, self._ownership)
            self._store.write(lambda transaction: self._forget_log(transaction, view.sequence))
            self._saved_sequence = view.sequence

    def _forget_log(self, transaction: WriteTransaction, through: int) -> None:
        check_owner(transaction, self._ownership.owner)
        trim_log(transaction, through)

    def training_due(self) -> list[str]:
        """Features whose index has outgrown what it was trained for, if ever it was."""
        with self._views.read(self._store) as (transaction, view):
            return features_to_train(transaction, view, self._index_configs)

    def train(self, feature: str) -> TrainingReport:
        """Trains the index of a local feature on the rows it has and puts the trained one in its place. Searches and
        writes go on meanwhile. Raises `InvalidRequest` for a feature that has nothing to train.
        """
        started = time.perf_counter()
        with self._snapshot_lock:
            view = self._views.current
            index = trainable_index(feature, view, self._index_configs)
            partition = train_partition(index)
            trained: VectorIndex = sorted_anew(index, partition)
            with self._store.read() as transaction:  # most of what was written meanwhile, before writes have to wait
                reached = meta_number(transaction, SEQUENCE)
                trained = with_logged_changes(transaction, self._specs[feature], trained, view.sequence)
            with self._write_lock:
                self._publish(self._specs[feature], partition, trained, reached)
        took_s = round(time.perf_counter() - started, 3)
        return TrainingReport(self.index, feature, trained.rows_count, len(partition.centroids), took_s)

    def _publish(self, spec: FeatureSpec, partition: Partition, index: VectorIndex, sequence: int) -> None:
        """Takes in what was written after ``sequence``; under the write lock, so that nothing follows it."""

        def work(transaction: WriteTransaction) -> VectorIndex:
            check_owner(transaction, self._ownership.owner)
            put_partition(transaction, spec.name, partition)
            return with_logged_changes(transaction, spec, index, sequence)

        current = self._store.write(work)
        view = self._views.current
        self._views.replace(IndexView(view.sequence, {**view.indexes, spec.name: current}))
        self._saved_sequence = -1  # the snapshot there is has other lists

    def backup(self, directory: Path) -> None:
        """Writes a consistent, checked copy that `open` opens; the folder must not exist. Reads and writes go on."""
        if directory.exists():
            raise StorageFailure(f"{directory} exists", "name a folder that does not exist yet")
        self._store.backup(directory / STORE_FOLDER)

    def close(self) -> None:
        """Saves the indexes, waits for reads to end, frees the folder. A second call does nothing."""
        try:
            if self._snapshot_lock.acquire(timeout=CLOSING_PATIENCE_S):
                self._snapshot_lock.release()
                self.snapshot()
            else:
                logger.info("shard %d: an index is being trained; nothing is saved at closing", self.index)
        except StorageFailure as failure:  # closed already, or lost; the indexes can be rebuilt
            logger.info("shard %d: its indexes are not saved at closing: %s", self.index, failure)
        except OSError as failure:
            logger.warning("shard %d: its indexes could not be saved: %s", self.index, failure)
        with self._write_lock:
            self._resources.close()

    def _ask(self, question: Callable[[ReadTransaction], T]) -> T:
        with self._store.read() as transaction:
            return question(transaction)
