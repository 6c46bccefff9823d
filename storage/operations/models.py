"""Versions of a feature's model coming and going: see `storage.upkeep.model_switch`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.tables.pending import count_left_behind
from storage.types.features import FeatureSpec
from storage.types.reports import VersionRole


@dataclass(frozen=True, slots=True)
class AdoptModel(Operation[VersionRole], group="control"):
    """What a running model's rows are here. origin: the options that the model was made with."""

    spec: FeatureSpec
    origin: Mapping[str, Any]
    replaces_empty: bool = False

    def run(self, shard: OpenShard) -> VersionRole:
        return shard.models.adopt(self.spec, self.origin, replaces_empty=self.replaces_empty)


@dataclass(frozen=True, slots=True)
class BeginModel(Operation[VersionRole], group="upkeep"):
    """Makes a place for the rows of the model that is to take over."""

    spec: FeatureSpec
    origin: Mapping[str, Any]

    def run(self, shard: OpenShard) -> VersionRole:
        return shard.models.begin(self.spec, self.origin)


@dataclass(frozen=True, slots=True)
class CountLeftBehind(Operation[int], group="upkeep"):
    """Pictures that would lose their rows if the model took over now. added_before: Unix seconds; younger ones are not
    looked at, for they may be on their way.
    """

    feature: str
    fingerprint: str
    added_before: float

    def run(self, shard: OpenShard) -> int:
        with shard.read() as (transaction, moment):
            return count_left_behind(transaction, moment.versions, self.feature, self.fingerprint, self.added_before)


@dataclass(frozen=True, slots=True)
class SwitchModel(Operation[None], group="upkeep"):
    """Puts the model's index in the place of the one in use."""

    feature: str
    fingerprint: str

    def run(self, shard: OpenShard) -> None:
        shard.models.take_over(self.feature, self.fingerprint)


@dataclass(frozen=True, slots=True)
class DropReplaced(Operation[int], group="upkeep"):
    """Removes what was replaced; how many versions that were."""

    feature: str

    def run(self, shard: OpenShard) -> int:
        return shard.models.drop_replaced(self.feature)
