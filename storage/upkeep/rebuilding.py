"""Saving the indexes of a shard and building them anew, trained or whitened, while it serves."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from storage.errors import StorageFailure
from storage.index.kmeans import sorted_anew, train_partition
from storage.index.vector_index import VectorIndex
from storage.index.whitening import Whitening
from storage.kv.store import WriteTransaction
from storage.tables.change_log import trim_log
from storage.tables.model_versions import spec_of_model
from storage.tables.schema import SEQUENCE, check_owner, meta_number
from storage.tables.trained import put_partition, put_whitening
from storage.types.features import FeatureSpec
from storage.types.reports import TrainingReport
from storage.upkeep.factory import build_index
from storage.upkeep.live_indexes import LiveIndexes
from storage.upkeep.loading import save_indexes, scanned, with_logged_changes
from storage.upkeep.training import features_to_train, trainable_index, whitenable_key

logger = logging.getLogger(__name__)

CLOSING_PATIENCE_S = 5.0


class IndexUpkeep:
    """One upkeep at a time; searches and writes go on meanwhile."""

    def __init__(self, shard: int, live: LiveIndexes) -> None:
        self._shard = shard
        self._live = live
        self._saved_sequence = -1

    def snapshot(self, min_changes: int = 0) -> None:
        """Saves every index, so that the next opening is quick, and drops the log up to there; not before there were so
        many changes since the last time, or since the first.
        """
        with self._live.snapshot_lock:
            moment = self._live.moments.current
            unsaved = moment.sequence - max(0, self._saved_sequence)
            if moment.sequence == self._saved_sequence or unsaved < min_changes:
                return
            with self._live.store.read() as transaction:
                check_owner(transaction, self._live.ownership)
            save_indexes(moment, self._live.snapshots, moment.versions.specs, self._live.ownership)
            self._live.store.write(lambda transaction: self._forget_log(transaction, moment.sequence))
            self._saved_sequence = moment.sequence

    def snapshot_at_closing(self) -> None:
        """Does its best, in short time."""
        try:
            if self._live.snapshot_lock.acquire(timeout=CLOSING_PATIENCE_S):
                self._live.snapshot_lock.release()
                self.snapshot()
            else:
                logger.info("shard %d: an index is being trained; nothing is saved at closing", self._shard)
        except StorageFailure as failure:  # closed already, or lost; the indexes can be rebuilt
            logger.info("shard %d: its indexes are not saved at closing: %s", self._shard, failure)
        except OSError as failure:
            logger.warning("shard %d: its indexes could not be saved: %s", self._shard, failure)

    def _forget_log(self, transaction: WriteTransaction, through: int) -> None:
        check_owner(transaction, self._live.ownership)
        trim_log(transaction, through)

    def training_due(self) -> list[str]:
        """Features whose index has outgrown what it was trained for, if ever it was."""
        with self._live.read() as (transaction, moment):
            return features_to_train(transaction, moment, self._live.index_configs)

    def train(self, feature: str) -> TrainingReport:
        """Trains the index of a local feature on the rows it has and puts the trained one in its place. Searches and
        writes go on meanwhile. Raises `InvalidRequest` for a feature that has nothing to train.
        """
        started = time.perf_counter()
        with self._live.snapshot_lock:
            moment = self._live.moments.current
            index = trainable_index(feature, moment, self._live.index_configs)
            partition = train_partition(index)
            trained: VectorIndex = sorted_anew(index, partition)
            spec = spec_of_model(moment.versions, feature)
            with self._live.store.read() as transaction:  # most of what came meanwhile, before writes have to wait
                reached = meta_number(transaction, SEQUENCE)
                trained = with_logged_changes(transaction, spec, trained, moment.sequence)
            self._publish(spec, trained, reached, lambda transaction: put_partition(transaction, spec.name, partition))
        took_s = round(time.perf_counter() - started, 3)
        return TrainingReport(self._shard, feature, trained.rows_count, len(partition.centroids), took_s)

    def whiten(self, feature: str, fingerprint: str, whitening: Whitening | None) -> TrainingReport:
        """Builds the index of a model's vectors anew, whitened so, or as the model gave them where that is None.
        Searches and writes go on meanwhile. Raises `UnknownFeature`, `InvalidRequest` where the whitening does not fit.
        """
        started = time.perf_counter()
        with self._live.snapshot_lock:
            versions = self._live.moments.current.versions
            spec = versions.specs[whitenable_key(versions, feature, fingerprint, whitening)]
            index = build_index(spec, self._live.index_configs.get(feature), whitening=whitening)
            with self._live.store.read() as transaction:
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
            check_owner(transaction, self._live.ownership)
            keep(transaction)
            return with_logged_changes(transaction, spec, index, sequence)

        with self._live.write_lock:
            current = self._live.store.write(work)
            moment = self._live.moments.current
            self._live.moments.replace(replace(moment, indexes={**moment.indexes, spec.name: current}))
            self._saved_sequence = -1  # the snapshot there is has other rows
