"""Generations of features coming and going while a shard serves: a model that becomes known, one that is to take over
from another, one that has been replaced.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from storage.encoding.keys import number_of
from storage.errors import Busy, InvalidRequest, UnknownFeature
from storage.index.vector_index import VectorIndex
from storage.kv.store import ReadTransaction, WriteTransaction
from storage.tables.model_version_records import put_roles, put_spec
from storage.tables.model_versions import Generations, mismatch
from storage.tables.registration import mark_pending_everywhere, put_configured
from storage.tables.schema import check_owner, feature_table, record_by_handle
from storage.types.features import FeatureSpec
from storage.types.reports import GenerationRole
from storage.upkeep.current_indexes import IndexView
from storage.upkeep.factory import build_index
from storage.upkeep.live_indexes import LiveIndexes
from storage.upkeep.model_removal import remove_generations

logger = logging.getLogger(__name__)

Write = Callable[[WriteTransaction], None]

ADOPTION_PATIENCE_S = 1.0


class GenerationKeeper:
    """Changes the generations of a shard, one change at a time; searches and writes go on meanwhile."""

    def __init__(self, live: LiveIndexes, *, keeps_originals: bool) -> None:
        self._live = live
        self._keeps_originals = keeps_originals
        self._one_change = threading.Lock()

    def adopt(self, spec: FeatureSpec, origin: Mapping[str, Any], *, replaces_empty: bool = False) -> GenerationRole:
        """What a running model's rows are here. The first model of a feature gets an index. Raises
        `FingerprintMismatch` for a model whose rows have no place here, `Busy` where a change under way takes long.

        replaces_empty: another model takes the place of one that has no rows yet. For a caller who knows that no shard
        has any: one that took another model while its neighbours refused it would part from them.
        """
        known = self._role(spec)  # without waiting for a change under way, which may take minutes
        if known is not None:
            return known
        if not self._one_change.acquire(timeout=ADOPTION_PATIENCE_S):
            raise Busy(f"{spec.name!r} of {spec.fingerprint!r}: an index is being changed", "try again in a minute")
        try:
            return self._adopt(spec, origin, replaces_empty=replaces_empty)
        finally:
            self._one_change.release()

    def _adopt(self, spec: FeatureSpec, origin: Mapping[str, Any], *, replaces_empty: bool) -> GenerationRole:
        known = self._role(spec)
        if known is not None:
            return known
        generations = self._live.views.current.generations
        there = generations.keys_of(spec.name)
        if spec.name not in generations.awaited and (not replaces_empty or any(map(self._count, there))):
            stored = generations.specs[generations.in_use[spec.name]].fingerprint
            raise mismatch(spec.name, stored, spec.fingerprint)
        self._add(spec, origin, "in_use")
        self._drop(there)
        return "in_use"

    def begin(self, spec: FeatureSpec, origin: Mapping[str, Any]) -> GenerationRole:
        """Makes a place for the rows of the model that is to take over. Another that was to, gives way; one that was
        replaced can come back.
        """
        with self._one_change:
            role = self._role(spec)
            if role is not None and role != "replaced":
                return role
            generations = self._live.views.current.generations
            if spec.name in generations.awaited:
                self._add(spec, origin, "in_use")
                return "in_use"
            self._drop([generations.following[spec.name]] if spec.name in generations.following else [])
            key = generations.key_of(spec.name, spec.fingerprint)
            if key is None:
                self._add(spec, origin, "following")
            else:
                self._enter(self._live.views.current.generations, spec.name, key, "following")
            return "following"

    def count_left_behind(self, name: str, fingerprint: str, added_before: float) -> int:
        """Pictures that would lose their rows if the model took over now. added_before: Unix seconds; younger ones are
        not looked at, for they may be on their way.
        """
        with self._live.read() as (transaction, view):
            return count_left_behind(transaction, view.generations, name, fingerprint, added_before)

    def take_over(self, name: str, fingerprint: str) -> None:
        """Puts the following generation in the place of the one in use, which can still be asked until it is dropped.
        Raises `InvalidRequest` where another one follows, or none.
        """
        with self._one_change:
            generations = self._known(name)
            key = generations.key_of(name, fingerprint)
            if key is not None and key == generations.in_use.get(name):
                return
            if key is None or key != generations.following.get(name):
                raise InvalidRequest(
                    f"no index of {name!r} for {fingerprint!r} is being built", f"build it: lookalike backfill {name}"
                )
            self._enter(generations, name, key, "in_use")

    def drop_replaced(self, name: str) -> int:
        """Removes what was replaced; how many generations that were."""
        with self._one_change:
            keys = self._known(name).replaced.get(name, ())
            self._drop(keys)
            return len(keys)

    def _known(self, name: str) -> Generations:
        generations = self._live.views.current.generations
        if name not in generations.in_use and name not in generations.awaited:
            raise UnknownFeature(f"no feature is called {name!r}", f"this shard keeps {', '.join(generations.names)}")
        return generations

    def _role(self, spec: FeatureSpec) -> GenerationRole | None:
        generations = self._known(spec.name)
        key = generations.key_of(spec.name, spec.fingerprint)
        return None if key is None else generations.role_of(spec.name, key)

    def _count(self, key: str) -> int:
        with self._live.store.read() as transaction:
            return transaction.count(feature_table(key))

    def _add(self, spec: FeatureSpec, origin: Mapping[str, Any], role: Literal["in_use", "following"]) -> None:
        """A generation more, with no rows yet."""
        generations = self._live.views.current.generations
        key = spec.name if spec.name in generations.awaited else generations.unused_key(spec.name)
        keyed = replace(spec, name=key)
        index = build_index(keyed, self._live.index_configs.get(spec.name))
        self._live.store.add_tables([feature_table(key)])
        self._enter(
            generations.with_generation(key, spec, origin),
            spec.name,
            key,
            role,
            write=lambda transaction: put_spec(transaction, keyed, origin),
            added={key: index},
        )
        logger.info("feature %r: %s is %s", spec.name, spec.fingerprint, role)

    def _enter(
        self,
        generations: Generations,
        name: str,
        key: str,
        role: Literal["in_use", "following"],
        *,
        write: Write = lambda transaction: None,
        added: Mapping[str, VectorIndex] | None = None,
    ) -> None:
        """Gives a generation its role. New pictures wait for it from here on; then those that there are."""
        new = set(generations.with_role(name, key, role).kept) - set(self._live.views.current.generations.kept)
        generations = generations.with_role(name, key, role)

        def work(transaction: WriteTransaction) -> None:
            write(transaction)
            put_roles(transaction, generations, name)
            put_configured(transaction, sorted(set(generations.kept) - new))

        self._switch(generations, work, added=added)
        if new:
            mark_pending_everywhere(self._live.store, sorted(new), self._live.ownership)
            self._live.store.write(lambda transaction: self._all_marked(transaction, generations))

    def _all_marked(self, transaction: WriteTransaction, generations: Generations) -> None:
        check_owner(transaction, self._live.ownership)
        put_configured(transaction, generations.kept)

    def _drop(self, keys: Sequence[str]) -> None:
        """First from the views, so that nobody asks any more, then from the disk."""
        if not keys:
            return
        with self._live.snapshot_lock:
            generations = self._live.views.current.generations
            names = {generations.name_of(key) for key in keys}
            for key in keys:
                generations = generations.without(key)

            def work(transaction: WriteTransaction) -> None:
                for name in names:
                    put_roles(transaction, generations, name)
                put_configured(transaction, generations.kept)

            self._switch(generations, work, dropped=keys)
            live = self._live
            remove_generations(live.store, live.snapshots, live.ownership, keys, keeps_originals=self._keeps_originals)

    def _switch(
        self,
        generations: Generations,
        write: Write,
        *,
        added: Mapping[str, VectorIndex] | None = None,
        dropped: Sequence[str] = (),
    ) -> None:
        """Commits, then shows the new generations and their indexes to readers and writers at once."""

        def work(transaction: WriteTransaction) -> None:
            check_owner(transaction, self._live.ownership)
            write(transaction)

        with self._live.write_lock:
            self._live.store.write(work)
            view = self._live.views.current
            indexes = {**view.indexes, **(added or {})}
            kept = {key: index for key, index in indexes.items() if key not in dropped}
            self._live.views.replace(IndexView(view.sequence, kept, generations))


def count_left_behind(
    transaction: ReadTransaction, generations: Generations, name: str, fingerprint: str, added_before: float
) -> int:
    """Pictures that have rows in the feature's generation in use, and none in the model's. added_before: Unix seconds;
    of the younger ones nothing is said.
    """
    used, model = generations.in_use.get(name), generations.key_of(name, fingerprint)
    if used is None or used == model:
        return 0
    there = transaction.keys(feature_table(used))
    left = (at for at in there if model is None or not transaction.has(feature_table(model), at))
    records = (record_by_handle(transaction, number_of(at)) for at in left)
    return sum(record is not None and record.added_at < added_before for record in records)
