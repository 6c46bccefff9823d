"""Versions of the models of features coming and going while a shard serves: a model that becomes known, one that is to
take over from another, one that has been replaced.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from storage.errors import Busy, InvalidRequest, UnknownFeature
from storage.index.vector_index import VectorIndex
from storage.kv.store import WriteTransaction
from storage.tables.model_version_records import put_roles, put_spec
from storage.tables.model_versions import ModelVersions, feature_of_key, mismatch
from storage.tables.registration import mark_pending_everywhere, put_configured
from storage.tables.schema import feature_table
from storage.types.features import FeatureSpec
from storage.types.reports import VersionRole
from storage.upkeep.factory import build_index
from storage.upkeep.model_removal import remove_versions
from storage.upkeep.moments import LiveIndexes, Moment

logger = logging.getLogger(__name__)

Write = Callable[[WriteTransaction], None]

ADOPTION_PATIENCE_S = 1.0


class ModelSwitch:
    """Changes the versions of a shard, one change at a time; searches and writes go on meanwhile."""

    def __init__(self, live: LiveIndexes, *, keeps_originals: bool) -> None:
        self._live = live
        self._keeps_originals = keeps_originals
        self._one_change = threading.Lock()

    def adopt(self, spec: FeatureSpec, origin: Mapping[str, Any], *, replaces_empty: bool = False) -> VersionRole:
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

    def _adopt(self, spec: FeatureSpec, origin: Mapping[str, Any], *, replaces_empty: bool) -> VersionRole:
        known = self._role(spec)
        if known is not None:
            return known
        versions = self._live.moments.current.versions
        there = versions.keys_of(spec.name)
        if spec.name not in versions.awaited and (not replaces_empty or any(map(self._count, there))):
            stored = versions.specs[versions.in_use[spec.name]].fingerprint
            raise mismatch(spec.name, stored, spec.fingerprint)
        self._add(spec, origin, "in_use")
        self._drop(there)
        return "in_use"

    def begin(self, spec: FeatureSpec, origin: Mapping[str, Any]) -> VersionRole:
        """Makes a place for the rows of the model that is to take over. Another that was to, gives way; one that was
        replaced can come back.
        """
        with self._one_change:
            role = self._role(spec)
            if role is not None and role != "replaced":
                return role
            versions = self._live.moments.current.versions
            if spec.name in versions.awaited:
                self._add(spec, origin, "in_use")
                return "in_use"
            self._drop([versions.following[spec.name]] if spec.name in versions.following else [])
            key = versions.key_of(spec.name, spec.fingerprint)
            if key is None:
                self._add(spec, origin, "following")
            else:
                self._enter(self._live.moments.current.versions, spec.name, key, "following")
            return "following"

    def take_over(self, name: str, fingerprint: str) -> None:
        """Puts the following version in the place of the one in use, which can still be asked until it is dropped.
        Raises `InvalidRequest` where another one follows, or none.
        """
        with self._one_change:
            versions = self._known(name)
            key = versions.key_of(name, fingerprint)
            if key is not None and key == versions.in_use.get(name):
                return
            if key is None or key != versions.following.get(name):
                raise InvalidRequest(
                    f"no index of {name!r} for {fingerprint!r} is being built",
                    f"a backfill of {name!r} builds it",
                    f"build it: lookalike backfill {name}",
                )
            self._enter(versions, name, key, "in_use")

    def drop_replaced(self, name: str) -> int:
        """Removes what was replaced; how many versions that were."""
        with self._one_change:
            keys = self._known(name).replaced.get(name, ())
            self._drop(keys)
            return len(keys)

    def _known(self, name: str) -> ModelVersions:
        versions = self._live.moments.current.versions
        if name not in versions.in_use and name not in versions.awaited:
            raise UnknownFeature(f"no feature is called {name!r}", f"this shard keeps {', '.join(versions.names)}")
        return versions

    def _role(self, spec: FeatureSpec) -> VersionRole | None:
        versions = self._known(spec.name)
        key = versions.key_of(spec.name, spec.fingerprint)
        return None if key is None else versions.role_of(spec.name, key)

    def _count(self, key: str) -> int:
        with self._live.store.read() as transaction:
            return transaction.count(feature_table(key))

    def _add(self, spec: FeatureSpec, origin: Mapping[str, Any], role: Literal["in_use", "following"]) -> None:
        """A version more, with no rows yet."""
        versions = self._live.moments.current.versions
        key = spec.name if spec.name in versions.awaited else versions.unused_key(spec.name)
        keyed = replace(spec, name=key)
        index = build_index(keyed, self._live.index_configs.get(spec.name))
        self._live.store.add_tables([feature_table(key)])
        self._enter(
            versions.with_version(key, spec, origin),
            spec.name,
            key,
            role,
            write=lambda transaction: put_spec(transaction, keyed, origin),
            added={key: index},
        )
        logger.info("feature %r: %s is %s", spec.name, spec.fingerprint, role)

    def _enter(
        self,
        versions: ModelVersions,
        name: str,
        key: str,
        role: Literal["in_use", "following"],
        *,
        write: Write = lambda transaction: None,
        added: Mapping[str, VectorIndex] | None = None,
    ) -> None:
        """Gives a version its role. New pictures wait for it from here on; then those that there are."""
        versions = versions.with_role(name, key, role)
        new = set(versions.kept) - set(self._live.moments.current.versions.kept)
        self._switch(versions, {name}, set(versions.kept) - new, write=write, added=added)
        if new:
            mark_pending_everywhere(self._live.store, sorted(new), self._live.ownership)
            self._live.write(lambda transaction: put_configured(transaction, versions.kept))

    def _drop(self, keys: Sequence[str]) -> None:
        """First from the moments, so that nobody asks any more, then from the disk."""
        if not keys:
            return
        with self._live.snapshot_lock:
            versions = self._live.moments.current.versions
            for key in keys:
                versions = versions.without(key)
            self._switch(versions, {feature_of_key(key) for key in keys}, versions.kept, dropped=keys)
            live = self._live
            remove_versions(live.store, live.snapshots, live.ownership, keys, keeps_originals=self._keeps_originals)

    def _switch(
        self,
        versions: ModelVersions,
        names: Iterable[str],
        configured: Iterable[str],
        *,
        write: Write = lambda transaction: None,
        added: Mapping[str, VectorIndex] | None = None,
        dropped: Sequence[str] = (),
    ) -> None:
        """Commits, then shows the new versions and their indexes to readers and writers at once. names: of the features
        that they are of. configured: what every picture has a state of now.
        """

        def work(transaction: WriteTransaction) -> None:
            write(transaction)
            for name in names:
                put_roles(transaction, versions, name)
            put_configured(transaction, configured)

        with self._live.write_lock:
            self._live.write(work)
            moment = self._live.moments.current
            indexes = {**moment.indexes, **(added or {})}
            kept = {key: index for key, index in indexes.items() if key not in dropped}
            self._live.moments.replace(Moment(moment.sequence, kept, versions))
