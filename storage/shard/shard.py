"""A shard: one store and its indexes, owned by one process. Plain Python, for any number of threads.

Writes take turns; reads never wait for them. An index is a value, so a write prepares the next indexes beside the
current ones, commits, and then lets the old ones go. A reader opens its transaction first and takes the indexes of
exactly that transaction's sequence, so every picture an index finds is in the tables it is looked up in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from storage.duplicates.messages import NearAnswer, NearPicture, NearQuestions
from storage.duplicates.near_search import near_pictures, walk_pictures
from storage.duplicates.picture_facts import NearMemory
from storage.errors import StorageFailure
from storage.index.vector_index import VectorIndex
from storage.index.whitening import WhitenedIndex, Whitening
from storage.kv.folder_lock import FolderLock
from storage.kv.lmdb_store import LmdbStore
from storage.kv.store import KeyValueStore, ReadTransaction, WriteTransaction
from storage.shard.checks import check_mutation
from storage.shard.mutations import MutationBatch, PreparedMutation, prepare_mutation
from storage.shard.search import SummaryCache, answer_queries
from storage.shard.stats import feature_stats, folder_bytes, generation_stats
from storage.shard.verify import verify_tables
from storage.tables import jobs as shard_jobs
from storage.tables import pending as pending_reads
from storage.tables import reads as shard_reads
from storage.tables.absent_counts import absent_count
from storage.tables.model_version_records import stored_fingerprints
from storage.tables.model_versions import Generations, known_key, spec_of_model
from storage.tables.registration import Ownership, note_originals, register_features, take_ownership
from storage.tables.schema import IMAGES, SEQUENCE, TABLES, check_owner, meta_number
from storage.types.features import FeatureRows, FeatureSpec, FloatVectors, Vectors
from storage.types.jobs import JobFailure, JobRecord
from storage.types.mutations import Mutation, MutationResult
from storage.types.pictures import ImageRecord, PendingImage, PendingPage
from storage.types.reports import FeatureStats, ShardStats, TrainingReport, VerifyReport
from storage.types.searches import ShardAnswer, ShardQuery
from storage.upkeep.current_indexes import IndexView, IndexViews
from storage.upkeep.factory import IndexConfig
from storage.upkeep.loading import load_indexes
from storage.upkeep.model_removal import finish_removals
from storage.upkeep.model_switch import GenerationKeeper
from storage.upkeep.rebuilding import IndexUpkeep

T = TypeVar("T")

STORE_FOLDER = "store"
SNAPSHOTS_FOLDER = "snapshots"


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
        other_features: frozenset[str],
        index_configs: Mapping[str, IndexConfig],
        ownership: Ownership,
        view: IndexView,
        resources: ExitStack,
        keeps_originals: bool,
        originals_may_stay: bool,
    ) -> None:
        """For `open` only. other_features: that have a table but are not configured. resources: closed with the
        shard. originals_may_stay: see `note_originals`.
        """
        self.index = index
        self._shard_count = shard_count
        self._store = store
        self._directory = directory
        self._other_features = other_features
        self._ownership = ownership
        self._views = IndexViews(view)
        self._resources = resources
        self._keeps_originals = keeps_originals
        self._originals_may_stay = originals_may_stay
        self._write_lock = threading.Lock()
        self._summaries = SummaryCache()
        self._near_memory = NearMemory()
        snapshot_lock = threading.Lock()
        self.keeper = GenerationKeeper(
            store=store,
            views=self._views,
            snapshots=directory / SNAPSHOTS_FOLDER,
            ownership=ownership,
            index_configs=index_configs,
            keeps_originals=keeps_originals,
            write_lock=self._write_lock,
            snapshot_lock=snapshot_lock,
        )
        self._upkeep = IndexUpkeep(
            index,
            store=store,
            views=self._views,
            snapshots=directory / SNAPSHOTS_FOLDER,
            ownership=ownership,
            index_configs=index_configs,
            write_lock=self._write_lock,
            snapshot_lock=snapshot_lock,
        )

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
        late: Sequence[str] = (),
        annotations: Sequence[str] = (),
        keeps_originals: bool = False,
        open_store: Callable[[Path, Sequence[str]], KeyValueStore] = LmdbStore,
    ) -> Self:
        """Opens or creates the shard, bringing its indexes up to date before it returns.

        late: features whose spec comes with a model, see `keeper`. annotations: of annotators, kept in the rows.
        keeps_originals: of uploads, for models that come later.

        Raises `DataFolderInUse` where another process still has it after ``lock_timeout_s``, `FingerprintMismatch`
        where another model wrote it, `Misconfigured` where it is another shard's folder, `CorruptData`.
        """
        with ExitStack() as resources:
            resources.callback(FolderLock(directory, timeout_s=lock_timeout_s).release)
            store = open_store(directory / STORE_FOLDER, TABLES)
            resources.callback(store.close)
            ownership = take_ownership(store, index, shard_count)
            owner, snapshots = ownership.owner, directory / SNAPSHOTS_FOLDER
            originals_may_stay = note_originals(store, owner, keeps_originals=keeps_originals)
            generations = register_features(store, features, owner, late=late, annotations=annotations)
            finish_removals(store, snapshots, owner, late, generations, keeps_originals=keeps_originals)
            with store.read() as transaction:
                stored = stored_fingerprints(transaction)
                indexes = load_indexes(transaction, snapshots, generations, index_configs or {})
                view = IndexView(meta_number(transaction, SEQUENCE), indexes, generations)
            return cls(
                store=store,
                directory=directory,
                index=index,
                shard_count=shard_count,
                other_features=frozenset(stored) - generations.specs.keys(),
                index_configs=index_configs or {},
                ownership=ownership,
                view=view,
                resources=resources.pop_all(),
                keeps_originals=keeps_originals,
                originals_may_stay=originals_may_stay,
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
        check_mutation(mutation, self._views.current.generations, self.index, self._shard_count)

    def apply(self, mutations: Sequence[Mutation]) -> list[MutationResult]:
        """Makes the changes in order, all in one transaction that is on disk and searchable when this returns.

        An operation id that was applied before (within the last 100,000) gives its first outcome and changes nothing.
        Raises `InvalidRequest` for a bad mutation; then, as with every other error, none of them is made, except that
        a `StorageFailure` leaves open whether they are on disk: repeat them with the same operation ids.
        """
        checked = self._check_all(mutations)
        with self._write_lock:
            generations = self._views.current.generations
            if generations is not checked:  # rows without a place may have one now
                self._check_all(mutations)
            prepared = [prepare_mutation(generations.keyed(mutation), generations.kept) for mutation in mutations]
            try:
                results = self._store.write(lambda transaction: self._apply(transaction, prepared, generations))
            finally:
                self._views.settle(self._stored_sequence)
        return [
            result if result.record is None else replace(result, record=generations.shown(result.record))
            for result in results
        ]

    def _check_all(self, mutations: Sequence[Mutation]) -> Generations:
        generations = self._views.current.generations
        for mutation in mutations:
            check_mutation(mutation, generations, self.index, self._shard_count)
        return generations

    def _apply(
        self, transaction: WriteTransaction, prepared: Sequence[PreparedMutation], generations: Generations
    ) -> list[MutationResult]:
        check_owner(transaction, self._ownership.owner)
        batch = MutationBatch(
            transaction,
            sorted({*self._other_features, *generations.specs}),
            kept=generations.kept,
            annotations=generations.annotations,
            keeps_originals=self._keeps_originals,
        )
        results = [batch.apply(one) for one in prepared]
        self._stage(batch.finish(), batch)
        return results

    def _stage(self, sequence: int, batch: MutationBatch) -> None:
        current = self._views.current
        if sequence != current.sequence:
            specs = current.generations.specs
            indexes = {key: batch.changes.applied(specs[key], index) for key, index in current.indexes.items()}
            self._views.stage(replace(current, sequence=sequence, indexes=indexes))

    def _stored_sequence(self) -> int:
        with self._store.read() as transaction:
            return meta_number(transaction, SEQUENCE)

    def search(self, queries: Sequence[ShardQuery]) -> list[ShardAnswer]:
        """One answer a query, all from the same moment. A feature that cannot be searched is in the answer's
        ``errors``.
        """
        with self._views.read(self._store) as (transaction, view):
            return answer_queries(transaction, view, queries, self._summaries)

    def near(self, questions: NearQuestions) -> list[NearAnswer]:
        """See `near_pictures`."""
        with self._views.read(self._store) as (transaction, view):
            return near_pictures(transaction, view, questions, self._near_memory)

    def forget_expired(self) -> None:
        """Gives back the memory of what `near` has not needed for a while; to be called now and then."""
        self._near_memory.forget_expired()

    def walk(self, feature: str, views: int, after: int, limit: int) -> list[NearPicture]:
        """See `walk_pictures`."""
        with self._views.read(self._store) as (transaction, view):
            return walk_pictures(transaction, view, feature, views, after, limit)

    def records(self, ids: Sequence[str]) -> list[ImageRecord | None]:
        return self._ask(lambda transaction: shard_reads.records_of(transaction, ids, self._views.current.generations))

    def page(self, after: str | None, limit: int) -> list[ImageRecord]:
        """Up to ``limit`` records whose ids sort after ``after``, in the order of their UTF-8 bytes."""
        return self._ask(
            lambda transaction: shard_reads.page_after(transaction, after, limit, self._views.current.generations)
        )

    def ids_of_file_name(self, name: str) -> list[str]:
        """Of the pictures whose metadata has this ``file_name``, oldest first."""
        return self._ask(lambda transaction: shard_reads.ids_of_file_name(transaction, name))

    def thumbnail(self, image_id: str) -> bytes | None:
        return self._ask(lambda transaction: shard_reads.thumbnail_of(transaction, image_id))

    def original(self, image_id: str) -> bytes | None:
        """The file's bytes, of an upload; kept while features are pending, or for good where the shard keeps them."""
        return self._ask(lambda transaction: shard_reads.original_of(transaction, image_id))

    def features(self, image_id: str, names: Sequence[str]) -> dict[str, FeatureRows] | None:
        """Those of the features that the image has; None where there is no such image."""
        with self._views.read(self._store) as (transaction, view):
            return shard_reads.features_of(transaction, image_id, names, view.generations)

    def rows_of_each(self, ids: Sequence[str], names: Sequence[str]) -> list[dict[str, Vectors] | None]:
        """The rows of `features`, of each image."""
        with self._views.read(self._store) as (transaction, view):
            return shard_reads.rows_of_each(transaction, ids, names, view.generations)

    def sample_rows(self, feature: str, count: int, seed: int = 0, fingerprint: str = "") -> FloatVectors:
        """(N, D) rows of pictures chosen by chance, of the model's generation, or of the one in use. Raises
        `UnknownFeature`, `InvalidRequest` for a model that has none.
        """
        with self._views.read(self._store) as (transaction, view):
            spec = spec_of_model(view.generations, feature, fingerprint)
            return shard_reads.sampled_rows(transaction, spec, count, seed)

    def whitening_of(self, feature: str, fingerprint: str) -> Whitening | None:
        """What the index of a model's vectors is whitened with. Raises as `sample_rows`."""
        view = self._views.current
        index = view.indexes[spec_of_model(view.generations, feature, fingerprint).name]
        return index.whitening if isinstance(index, WhitenedIndex) else None

    def pending(self, limit: int, after: str | None = None) -> list[PendingImage]:
        """Images with features to compute whose bytes can still be had, oldest first, from behind image ``after``, with
        the originals of uploads: see `pending_reads.pending_images` for how large a page gets.
        """
        with self._views.read(self._store) as (transaction, view):
            return pending_reads.pending_images(transaction, view.generations, limit, after)

    def pending_for(self, wanted: Mapping[str, str], start: int, limit: int) -> PendingPage:
        """Those that wait for any of these, without their originals, from ``start`` on (0, then the last page's
        ``next_start``). wanted: as for `count_pending`.
        """
        with self._views.read(self._store) as (transaction, view):
            return pending_reads.pending_page(transaction, view.generations, wanted, start, limit)

    def count_pending(self, wanted: Mapping[str, str]) -> int:
        """Pictures that wait for any of these and can be filled. wanted: features with the fingerprint of the model,
        annotations with an empty one.
        """
        with self._views.read(self._store) as (transaction, view):
            return pending_reads.count_pending(transaction, pending_reads.waiting_keys(view.generations, wanted))

    def pending_without_file(self, wanted: Mapping[str, str], limit: int) -> list[str]:
        """Ids of pictures that wait likewise, but whose bytes cannot be had any more."""
        with self._views.read(self._store) as (transaction, view):
            keys = pending_reads.waiting_keys(view.generations, wanted)
            return pending_reads.pending_without_file(transaction, keys, limit)

    def unchanged(self, sources: Sequence[shard_reads.SourceQuery]) -> list[shard_reads.SourceState]:
        """For (id, path, bytes, mtime in ns) each: whether the image is stored, from that file, as the file is now."""
        return self._ask(lambda transaction: shard_reads.source_states(transaction, sources))

    def index_of(self, feature: str) -> VectorIndex:
        """The feature's index as it is now."""
        view = self._views.current
        return view.indexes[known_key(view.generations, feature)]

    def stats(self) -> ShardStats:
        with self._views.read(self._store) as (transaction, view):
            in_use = view.generations.in_use
            features = {name: feature_stats(transaction, key, view.indexes[key]) for name, key in in_use.items()}
            generations = generation_stats(transaction, view.generations)
            images = transaction.count(IMAGES)
            for name in view.generations.awaited:
                features[name] = FeatureStats(0, 0, images - absent_count(transaction, name), "", 0)
        disk_bytes = self._store.disk_bytes() + folder_bytes(self._directory / SNAPSHOTS_FOLDER)
        return ShardStats(self.index, images, view.sequence, disk_bytes, features, generations)

    def verify(self) -> VerifyReport:
        """Compares everything with everything, at one moment, while reads and writes go on."""
        with self._views.read(self._store) as (transaction, view):
            rows, problems = verify_tables(transaction, view.indexes, keeps_originals=self._originals_may_stay)
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
        self._upkeep.snapshot()

    def training_due(self) -> list[str]:
        """Features whose index in use has outgrown what it was trained for, if ever it was."""
        return self._upkeep.training_due()

    def train(self, feature: str) -> TrainingReport:
        """See `IndexUpkeep.train`."""
        return self._upkeep.train(feature)

    def whiten(self, feature: str, fingerprint: str, whitening: Whitening | None) -> TrainingReport:
        """See `IndexUpkeep.whiten`."""
        return self._upkeep.whiten(feature, fingerprint, whitening)

    def backup(self, directory: Path) -> None:
        """Writes a consistent, checked copy that `open` opens; the folder must not exist. Reads and writes go on."""
        if directory.exists():
            raise StorageFailure(f"{directory} exists", "name a folder that does not exist yet")
        self._store.backup(directory / STORE_FOLDER)

    def close(self) -> None:
        """Saves the indexes, waits for reads to end, frees the folder. A second call does nothing."""
        self._upkeep.snapshot_at_closing()
        with self._write_lock:
            self._resources.close()

    def _ask(self, question: Callable[[ReadTransaction], T]) -> T:
        with self._store.read() as transaction:
            return question(transaction)
