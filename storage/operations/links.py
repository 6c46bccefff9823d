"""Which pictures may be duplicates of which, and what they were judged to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storage.duplicates import links
from storage.duplicates.links import Link, LinkedPicture, Verdict
from storage.duplicates.messages import NearPicture
from storage.duplicates.near_search import pictures_at
from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.tables.model_versions import known_key
from storage.tables.schema import HANDLES, feature_table


@dataclass(frozen=True, slots=True)
class NotLinked(Operation[list[NearPicture]]):
    """Up to ``limit`` pictures from behind the handle ``after`` that have the feature and that no near ones were looked
    for, with so many views each. Raises `UnknownFeature`, `InvalidRequest` for a feature without binary rows.
    """

    feature: str
    views: int
    after: int
    limit: int

    def run(self, shard: OpenShard) -> list[NearPicture]:
        with shard.read() as (transaction, moment):
            table = feature_table(known_key(moment.versions, self.feature))
            found = [handle for handle, _ in links.unlinked(transaction, table, links.NEAR, self.after, self.limit)]
            return pictures_at(transaction, moment, self.feature, self.views, found)


@dataclass(frozen=True, slots=True)
class NotSearched(Operation[list[tuple[int, str]]]):
    """Handles and ids of up to ``limit`` pictures from behind the handle ``after`` that were not searched with."""

    after: int
    limit: int

    def run(self, shard: OpenShard) -> list[tuple[int, str]]:
        with shard.store.read() as transaction:
            found = links.unlinked(transaction, HANDLES, links.SEARCHED, self.after, self.limit)
            return [(handle, record.id) for handle, record in found]


@dataclass(frozen=True, slots=True)
class AddLinks(Operation[None], group="write"):
    """By id the way that was gone to find its links, 0 where another picture was looked for, and the links."""

    found: tuple[tuple[str, int, tuple[Link, ...]], ...]

    def run(self, shard: OpenShard) -> None:
        shard.live.write(lambda transaction: links.add_links(transaction, self.found))


@dataclass(frozen=True, slots=True)
class PutVerdicts(Operation[None], group="write"):
    """By id what the picture was judged to be to others, by their ids."""

    verdicts: Mapping[str, dict[str, Verdict]]

    def run(self, shard: OpenShard) -> None:
        shard.live.write(lambda transaction: links.put_verdicts(transaction, self.verdicts))


@dataclass(frozen=True, slots=True)
class Linked(Operation[list[LinkedPicture]]):
    """Up to ``limit`` pictures that have links, from behind the handle ``after``."""

    after: int
    limit: int

    def run(self, shard: OpenShard) -> list[LinkedPicture]:
        with shard.store.read() as transaction:
            return links.linked(transaction, self.after, self.limit)


@dataclass(frozen=True, slots=True)
class LinkedById(Operation[list[LinkedPicture | None]]):
    """None of a picture that is not there, or whose file is missing."""

    ids: tuple[str, ...]

    def run(self, shard: OpenShard) -> list[LinkedPicture | None]:
        with shard.store.read() as transaction:
            return links.linked_by_id(transaction, self.ids)
