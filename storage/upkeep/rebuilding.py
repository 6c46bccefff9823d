"""Saving the indexes of a shard and building them anew, trained or whitened, while it serves; and which of them can be
trained, which ask for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from storage.errors import InvalidRequest, StorageFailure
from storage.index.inverted_file import DEAD_FRACTION, DescriptorIndex
from storage.index.kmeans import sorted_anew, train_partition
from storage.index.vector_index import VectorIndex
from storage.index.whitening import Whitening
from storage.kv.store import ReadTransaction, WriteTransaction
from storage.tables.change_log import trim_log
from storage.tables.model_version_records import put_partition, put_whitening, stored_partition
from storage.tables.model_versions import known_key, spec_of_model
from storage.tables.schema import SEQUENCE, check_owner, meta_number
from storage.types.features import FeatureSpec
from storage.types.reports import TrainingReport
from storage.upkeep.factory import IndexConfig, build_index
from storage.upkeep.loading import scanned, with_logged_changes
from storage.upkeep.moments import LiveIndexes, Moment
from storage.upkeep.snapshots import save_snapshot

logger = logging.getLogger(__name__)

RETRAIN_GROWTH = 4  # times the rows that the centroids were trained on
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
            owner = self._live.ownership.owner.hex()
            for key, index in moment.indexes.items():
                spec = moment.versions.specs[key]
                save_snapshot(self._live.snapshots, spec, index, sequence=moment.sequence, owner=owner)
            self._live.write(lambda transaction: trim_log(transaction, moment.sequence))
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

    def training_due(self) -> list[str]:
        """Features whose index in use has outgrown what it was trained for, if ever it was."""
        with self._live.moments.read(self._live.store) as (transaction, moment):
            in_use = {name: moment.indexes[key] for name, key in moment.versions.in_use.items()}
            return [
                name
                for name, index in in_use.items()
                if isinstance(index, DescriptorIndex) and self._is_due(transaction, moment, name, index)
            ]

    def _is_due(self, transaction: ReadTransaction, moment: Moment, name: str, index: DescriptorIndex) -> bool:
        partition = stored_partition(transaction, moment.versions.in_use[name])
        config = self._live.index_configs.get(name, IndexConfig())
        return training_is_due(index, config, 0 if partition is None else partition.rows)

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
            spec = spec_of_model(self._live.moments.current.versions, feature, fingerprint)
            if spec.metric != "cosine" or (whitening is not None and whitening.axes.shape[1] != spec.dim):
                raise InvalidRequest(f"{feature!r} cannot be whitened so", "train it again")
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
            keep(transaction)
            return with_logged_changes(transaction, spec, index, sequence)

        with self._live.write_lock:
            current = self._live.write(work)
            moment = self._live.moments.current
            self._live.moments.replace(replace(moment, indexes={**moment.indexes, spec.name: current}))
            self._saved_sequence = -1  # the snapshot there is has other rows


def trainable_index(feature: str, moment: Moment, configs: Mapping[str, IndexConfig]) -> DescriptorIndex:
    """The feature's index. Raises `InvalidRequest` where there is nothing to train, `UnknownFeature`."""
    index = moment.indexes[known_key(moment.versions, feature)]
    if not isinstance(index, DescriptorIndex):
        raise InvalidRequest(f"the index of {feature!r} compares every row: there is nothing to train", "leave it")
    if configs.get(feature, IndexConfig()).kind == "exact":
        raise InvalidRequest(f"the index of {feature!r} is configured to be exact", f"set indexes.{feature}.kind: auto")
    if not index.rows_count:
        raise InvalidRequest(f"{feature!r} has no rows to train on", "index pictures first")
    return index


def training_is_due(index: DescriptorIndex, config: IndexConfig, trained_rows: int) -> bool:
    """Whether the index has outgrown its lists, or carries too many rows of removed pictures."""
    if config.kind == "exact":
        return False
    rows = index.rows_count
    if index.kind == "inverted_file" and rows and index.dead_rows > DEAD_FRACTION * (rows + index.dead_rows):
        return True
    return rows >= config.train_after_rows and (index.kind == "exact" or rows >= RETRAIN_GROWTH * trained_rows)
