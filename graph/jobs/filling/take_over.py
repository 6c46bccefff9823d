"""The end of a backfill: an index that was built for another model takes the place of the one in use."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from graph.catalog.training import SAMPLE_ROWS
from graph.jobs.running.fleet_shards import ShardCalls
from storage.errors import InvalidRequest
from storage.index.whitening import train_whitening
from storage.operations.features import SampleRows
from storage.operations.indexes import Whiten
from storage.operations.models import CountLeftBehind, DropReplaced, SwitchModel
from storage.operations.reports import Stats
from storage.types.reports import ShardStats

logger = logging.getLogger(__name__)


class TakeOver:
    """models: fingerprints by feature. added_before: Unix seconds; every picture that is older has been tried.
    allow_missing: whether pictures that the old index has may be left behind.
    """

    def __init__(
        self, shards: ShardCalls, models: Mapping[str, str], *, added_before: float, allow_missing: bool, grace_s: float
    ) -> None:
        self._shards = shards
        self._models = models
        self._added_before = added_before
        self._allow_missing = allow_missing
        self._grace_s = grace_s

    def run(self, following: Iterable[str]) -> None:
        """What was replaced is dropped, by an earlier run too. following: features whose model is to take over. Raises
        `InvalidRequest` for the first of them that would lose pictures, when all else is done.
        """
        refusals: list[InvalidRequest] = []
        for name in following:
            try:
                self._take_over(name, self._models[name])
            except InvalidRequest as refusal:
                refusals.append(refusal)
        self._drop_replaced()
        if refusals:
            raise refusals[0]

    def _take_over(self, name: str, fingerprint: str) -> None:
        stats = self._shards.ask_each(Stats())
        roles = _roles(stats, name, fingerprint)
        if set(roles) == {"in_use"}:  # another job was quicker
            return
        if not self._allow_missing:
            self._refuse_loss(name, fingerprint, stats)
        if set(roles) == {"following"}:
            self._whiten_alike(name, fingerprint, stats)
        self._shards.ask_each(SwitchModel(name, fingerprint))

    def _refuse_loss(self, name: str, fingerprint: str, stats: Sequence[ShardStats]) -> None:
        left = sum(self._shards.ask_each(CountLeftBehind(name, fingerprint, self._added_before)))
        if left:
            kept = sum(shard.versions[name][0].images for shard in stats)
            raise InvalidRequest(
                f"the index for the new model of {name!r} lacks {left} of the {kept} images that the one in use has",
                "make their files readable or add the images again, then run it again; "
                "or let the backfill leave them behind (allow_missing)",
            )

    def _whiten_alike(self, name: str, fingerprint: str, stats: Sequence[ShardStats]) -> None:
        """Trains a whitening of its own for the new index, where the old one has one."""
        if not any(shard.features[name].whitening for shard in stats):
            return
        share = -(-SAMPLE_ROWS // self._shards.count)
        try:
            rows = self._shards.ask_each(SampleRows(name, fingerprint, share))
            self._shards.ask_each(Whiten(name, fingerprint, train_whitening(np.concatenate(rows))))
        except InvalidRequest as refusal:
            logger.warning("the index for the new model of %r is not whitened: %s", name, refusal)

    def _drop_replaced(self) -> None:
        """Once routers had the time to ask the model that has taken over."""
        stats = self._shards.ask_each(Stats())
        names = [
            name
            for name, fingerprint in self._models.items()
            if set(_roles(stats, name, fingerprint)) == {"in_use"} and _has_replaced(stats, name)
        ]
        if names:
            time.sleep(self._grace_s)
        for name in names:
            self._shards.ask_each(DropReplaced(name))


def _roles(stats: Sequence[ShardStats], name: str, fingerprint: str) -> list[str]:
    """Of the model's rows, by shard; empty where they have no place."""
    known = [{one.spec.fingerprint: one.role for one in shard.versions.get(name, ())} for shard in stats]
    return [str(roles.get(fingerprint, "")) for roles in known]


def _has_replaced(stats: Sequence[ShardStats], name: str) -> bool:
    return any(one.role == "replaced" for shard in stats for one in shard.versions.get(name, ()))
