"""Saving the indexes of a shard and building them anew, trained or whitened, while it serves."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from storage.errors import StorageFailure
from storage.index.kmeans import sorted_anew, train_partition
from storage.index.vector_index import VectorIndex
from storage.index.whitening import Whitening
from storage.kv.store import KeyValueStore, WriteTransaction
from storage.tables.change_log import trim_log
from storage.tables.model_versions import spec_of_model
from storage.tables.registration import Ownership
from storage.tables.schema import SEQUENCE, check_owner, meta_number
from storage.tables.trained import put_partition, put_whitening
from storage.types.features import FeatureSpec
from storage.types.reports import TrainingReport
from storage.upkeep.current_indexes import IndexViews
from storage.upkeep.factory import IndexConfig, build_index
from storage.upkeep.loading import save_indexes, scanned, with_logged_changes
from storage.upkeep.training import features_to_train, trainable_index, whitenable_key

logger = logging.getLogger(__name__)

CLOSING_PATIENCE_S = 5.0


class IndexUpkeep:
    """One upkeep at a time; searches and writes go on meanwhile."""

    def __init__(
        self,
        shard: int,
        *,
        store: KeyValueStore,
        views: IndexViews,
        snapshots: Path,
        ownership: Ownership,
        index_configs: Mapping[str, IndexConfig],
        write_lock: threading.Lock,
        snapshot_lock: threading.Lock,
    ) -> None:
        """write_lock: held by whoever changes the views. snapshot_lock: held while an index is saved, or built anew,
        which needs the log kept; and while one is dropped.
        """
        self._shard = shard
        self._store = store
        self._views = views
        self._snapshots = snapshots
        self._ownership = ownership
        self._index_configs = index_configs
        self._write_lock = write_lock
        self._snapshot_lock = snapshot_lock
        self._saved_sequence = -1

    def snapshot(self) -> None:
        """Saves every index, so that the next opening is quick, and drops the log up to there."""
        with self._snapshot_lock:
            view = self._views.current
            if view.sequence == self._saved_sequence:
                return
            with self._store.read() as transaction:
                check_owner(transaction, self._ownership.owner)
            save_indexes(view, self._snapshots, view.generations.specs, self._ownership)
            self._store.write(lambda transaction: self._forget_log(transaction, view.sequence))
            self._saved_sequence = view.sequence

    def snapshot_at_closing(self) -> None:
        """Does its best, in short time."""
        try:
            if self._snapshot_lock.acquire(timeout=CLOSING_PATIENCE_S):
                self._snapshot_lock.release()
                self.snapshot()
            else:
                logger.info("shard %d: an index is being trained; nothing is saved at closing", self._shard)
        except StorageFailure as failure:  # closed already, or lost; the indexes can be rebuilt
            logger.info("shard %d: its indexes are not saved at closing: %s", self._shard, failure)
        except OSError as failure:
            logger.warning("shard %d: its indexes could not be saved: %s", self._shard, failure)

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
            spec = spec_of_model(view.generations, feature)
            with self._store.read() as transaction:  # most of what was written meanwhile, before writes have to wait
                reached = meta_number(transaction, SEQUENCE)
                trained = with_logged_changes(transaction, spec, trained, view.sequence)
            self._publish(spec, trained, reached, lambda transaction: put_partition(transaction, spec.name, partition))
        took_s = round(time.perf_counter() - started, 3)
        return TrainingReport(self._shard, feature, trained.rows_count, len(partition.centroids), took_s)

    def whiten(self, feature: str, fingerprint: str, whitening: Whitening | None) -> TrainingReport:
        """Builds the index of a model's vectors anew, whitened so, or as the model gave them where that is None.
        Searches and writes go on meanwhile. Raises `UnknownFeature`, `InvalidRequest` where the whitening does not fit.
        """
        started = time.perf_counter()
        with self._snapshot_lock:
            generations = self._views.current.generations
            spec = generations.specs[whitenable_key(generations, feature, fingerprint, whitening)]
            index = build_index(spec, self._index_configs.get(feature), whitening=whitening)
            with self._store.read() as transaction:
                reached = meta_number(transaction, SEQUENCE)
                index = scanned(transaction, spec, index)
            self._publish(spec, index, reached, lambda transaction: put_whitening(transaction, spec.name, whitening))
        return TrainingReport(self._shard, feature, index.rows_count, 0, round(time.perf_counter() - started, 3))

    def _publish(
        self, spec: FeatureSpec, index: VectorIndex, sequence: int, keep: Callable[[WriteTransaction], None]
    ) -> None:
        """Takes in what was written after ``sequence``; under the write lock, so that nothing follows it. keep: writes
        down what the index was trained to.
        """

        def work(transaction: WriteTransaction) -> VectorIndex:
            check_owner(transaction, self._ownership.owner)
            keep(transaction)
            return with_logged_changes(transaction, spec, index, sequence)

        with self._write_lock:
            current = self._store.write(work)
            view = self._views.current
            self._views.replace(replace(view, indexes={**view.indexes, spec.name: current}))
            self._saved_sequence = -1  # the snapshot there is has other rows
