"""A shard: one store and its indexes, owned by one process. Plain Python, for any number of threads.

Writes take turns; reads never wait for them. An index is a value, so a write prepares the next indexes beside the
current ones, commits, and then lets the old ones go. A reader opens its transaction first and takes the indexes of
exactly that transaction's sequence, so every picture an index finds is in the tables it is looked up in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

from storage.errors import InvalidRequest
from storage.index.sample import sample_size
from storage.kv.store import WriteTransaction
from storage.shard.checks import check_mutation
from storage.shard.leases import Leases
from storage.shard.mutations import MutationBatch, PreparedMutation, prepare_mutation
from storage.shard.open_shard import OpenShard, open_shard
from storage.shard.operation import Operation
from storage.shard.plan import ShardPlan
from storage.shard.search import answer_queries
from storage.tables.model_versions import ModelVersions
from storage.tables.schema import SEQUENCE, meta_number, missing_count
from storage.types.mutations import Mutation, MutationResult
from storage.types.pictures import ImageRecord
from storage.types.searches import ShardAnswer, ShardQuery
from storage.upkeep.summary_cache import SummaryCache

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Written:
    """What a transaction wrote: rows by handle, None of what was removed; how many pictures are missing after it."""

    rows: dict[int, ImageRecord | None] = field(default_factory=dict)
    missing: int = 0


class Shard:
    """Made by `open`, ended by `close`; every method in between may be called from any thread.

    All methods raise `StorageFailure` where the disk fails, `LostOwnership` once another process has opened the shard.
    """

    def __init__(self, inside: OpenShard) -> None:
        """For `open` only."""
        self._inside = inside
        self._leases = Leases()

    @classmethod
    def open(cls, plan: ShardPlan, *, lock_timeout_s: float = 10.0, search_address: str = "") -> Self:
        """Opens or creates the shard, bringing its indexes up to date before it returns. search_address: where
        processes of this machine may search it.

        Raises `DataFolderInUse` where another process still has it after ``lock_timeout_s``, `FingerprintMismatch`
        where another model wrote it, `Misconfigured` where it is another shard's folder, `CorruptData`.
        """
        return cls(open_shard(plan, lock_timeout_s=lock_timeout_s, search_address=search_address))

    def apply(self, mutations: Sequence[Mutation]) -> list[MutationResult | InvalidRequest]:
        """Makes the changes in order, all in one transaction that is on disk and searchable when this returns. They may
        come from different callers: one that is refused has its refusal for a result, and the others are made.

        An operation id that was applied before (within the last 100,000) gives its first outcome and changes nothing.
        With an error none of the changes is made, except that a `StorageFailure` leaves open whether they are on disk:
        repeat them with the same operation ids.
        """
        live = self._inside.live
        checked = live.moments.current.versions
        prepared = [self._prepared(mutation, checked) for mutation in mutations]
        if all(isinstance(one, InvalidRequest) for one in prepared):
            return [one for one in prepared if isinstance(one, InvalidRequest)]
        with live.write_lock:
            versions = live.moments.current.versions
            if versions is not checked:  # rows without a place may have one now
                prepared = [self._prepared(mutation, versions) for mutation in mutations]
            accepted = [one for one in prepared if isinstance(one, PreparedMutation)]
            before, written = live.moments.current.sequence, Written()
            try:
                made = live.write(lambda transaction: self._apply(transaction, accepted, versions, written))
            finally:
                live.moments.settle(self._stored_sequence)
                if live.moments.current.sequence > before:
                    self._inside.columns.follow(live.moments.current.sequence, written.rows, written.missing)
        results = iter(made)
        return [one if isinstance(one, InvalidRequest) else _shown(next(results), versions) for one in prepared]

    def _prepared(self, mutation: Mutation, versions: ModelVersions) -> PreparedMutation | InvalidRequest:
        """The mutation as it is written, or why it cannot be."""
        plan = self._inside.plan
        try:
            check_mutation(mutation, versions, plan.index, plan.shard_count)
            return prepare_mutation(versions.keyed(mutation), versions.kept)
        except InvalidRequest as refusal:
            return refusal

    def _apply(
        self,
        transaction: WriteTransaction,
        prepared: Sequence[PreparedMutation],
        versions: ModelVersions,
        written: Written,
    ) -> list[MutationResult]:
        batch = MutationBatch(
            transaction,
            sorted({*self._inside.other_features, *versions.specs}),
            kept=versions.kept,
            annotations=versions.annotations,
            keeps_originals=self._inside.plan.settings.keeps_originals,
        )
        results = [batch.apply(one) for one in prepared]
        sequence, moments = batch.finish(), self._inside.live.moments
        written.rows, written.missing = batch.rows, missing_count(transaction)
        current = moments.current
        if sequence != current.sequence:
            specs = current.versions.specs
            indexes = {key: batch.changes.applied(specs[key], index) for key, index in current.indexes.items()}
            summaries = SummaryCache() if batch.changed_in_place else current.summaries
            moments.stage(replace(current, sequence=sequence, indexes=indexes, summaries=summaries))
        return results

    def _stored_sequence(self) -> int:
        with self._inside.store.read() as transaction:
            return meta_number(transaction, SEQUENCE)

    def search(self, queries: Sequence[ShardQuery]) -> list[ShardAnswer]:
        """One answer a query, all from the same moment. A feature that cannot be searched is in the answer's
        ``errors``.
        """
        filters = {query.filter for query in queries}
        with self._inside.read_with_masks(filters) as (transaction, moment, masks):
            return answer_queries(transaction, moment, queries, masks, sample_size(self._inside.plan.shard_count))

    def ask(self, operation: Operation[Answer]) -> Answer:
        """Answers any other question: see `storage.operations` for what can be asked."""
        return operation.run(self._inside)

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Whether the holder alone has this lease now, for so long."""
        return self._leases.take(name, holder, seconds)

    def close(self) -> None:
        """Saves the indexes, waits for reads to end, frees the folder. A second call does nothing."""
        self._inside.close()


def _shown(result: MutationResult, versions: ModelVersions) -> MutationResult:
    return result if result.record is None else replace(result, record=versions.shown(result.record))
