"""Groups of the same picture, page by page: each picture that is kept, with those that are duplicates of it.

A page walks the pictures shard by shard, in the order in which they were stored, and gives the group of each kept
picture where it comes by it. Whether a picture is kept, and whose duplicate it is, follows from the collection alone
(`graph.duplicates.owners`), so pages need not know of one another: every group is on exactly one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Self

from deployments.extractors.phash import DEFAULT_ORIENTATIONS, VIEW_COUNT
from graph.duplicates.decisions import Decided, DecisionBook
from graph.duplicates.linking import PairJudge
from graph.duplicates.neighbourhoods import Neighbourhoods
from graph.duplicates.owners import NEAREST, Owners
from graph.duplicates.related_pages import RelatedWalk
from graph.ports.contract import ShardPort
from lookalike_client import answers
from lookalike_client.matches import Relation
from storage.duplicates.messages import NearPicture
from storage.errors import InvalidField, UnknownFeature

FEATURE = "phash"
VIEWS = VIEW_COUNT[DEFAULT_ORIENTATIONS]  # of a picture, as a search asks with

PAGE_S = 2.0  # after which a page ends with what it has
FIRST_STEP, MOST_STEP = 1, 1024  # pictures walked over at a time
PATIENCE = 2  # times as long as for a search: the first question about a crowd reads a row of each picture
STEP_S = 1.0  # which that is meant to take at most
DECIDE_S = 12.0  # for one picture, which stays undecided then
MOST_DUPLICATES = 1000  # of one group
FEWEST_DUPLICATES = 20  # that are looked for in any crowd
CROWD_WORK = 30_000_000  # duplicates of one group times pictures near to it: bounds what a crowd costs


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """duplicates: nearest first, each with its distance to ``keep``. left_out: further pictures near to ``keep`` that
    were not looked at, because there are too many.
    """

    keep: NearPicture
    duplicates: tuple[NearPicture, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class DuplicatePage:
    """next_cursor: None at the end; behind an empty page, too, there may be more. looked_at: pictures that the page
    walked over. undecided: those of them that could not be told to be kept or not within the time for it.
    """

    groups: tuple[DuplicateGroup, ...]
    next_cursor: str | None
    looked_at: int
    undecided: int


@dataclass(frozen=True, slots=True)
class Position:
    """Behind which picture to go on, of a walk with this threshold over so many shards."""

    max_distance: int
    shard_count: int
    shard: int = 0
    after: int = -1

    def __str__(self) -> str:
        return f"{self.max_distance}.{self.shard_count}.{self.shard}.{self.after + 1}"

    def at(self, cursor: str | None) -> Self:
        """Raises InvalidField for a cursor that is none, or of another walk."""
        if cursor is None:
            return self
        match = re.fullmatch(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})\.(\d{1,18})", cursor, re.ASCII)
        if match is None:
            raise InvalidField(f"{cursor!r} is no cursor of duplicates", "send next_cursor of the page before")
        max_distance, shard_count, shard, behind = map(int, match.groups())
        if (max_distance, shard_count) != (self.max_distance, self.shard_count):
            raise InvalidField(
                "the cursor is of a walk with another threshold", "send the same threshold for each page"
            )
        return type(self)(max_distance, shard_count, shard, behind - 1)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pictures that may be duplicates of a kept one, nearest first, and how many more there are."""

    pictures: Sequence[NearPicture] = ()
    left_out: int = 0


class Duplicates:
    """Groups of the same picture, page by page."""

    def __init__(
        self, features: Collection[str], shards: Sequence[ShardPort], judge: PairJudge, *, shard_timeout_s: float
    ) -> None:
        """features: that the service computes."""
        self._features = features
        self._shards = shards
        self._judge = judge
        self._shard_timeout_s = shard_timeout_s
        self.decisions = DecisionBook(shards, timeout_s=shard_timeout_s)

    async def related(
        self, cursor: str | None, limit: int, *, relations: Collection[Relation]
    ) -> answers.DuplicatePage:
        """Up to ``limit`` groups of pictures that have one of these relations to the one that is kept, as it was
        decided. Raises as `RelatedWalk.page`.
        """
        walk = RelatedWalk(
            self._shards,
            self._judge,
            relations=relations,
            features=self._features,
            decided=Decided(await self.decisions.all()),
            timeout_s=PATIENCE * self._shard_timeout_s,
        )
        return await walk.page(cursor, limit)

    async def page(self, cursor: str | None, limit: int, *, max_distance: int) -> DuplicatePage:
        """Up to ``limit`` groups of pictures whose hashes differ by no more bits. Raises UnknownFeature where there are
        no hashes, and as `DuplicateWalk.page`.
        """
        if FEATURE not in self._features:
            hint = f"add {FEATURE} to args.extractors in the configuration"
            raise UnknownFeature(f"duplicates are found by {FEATURE}, which this service does not compute", hint)
        walk = DuplicateWalk(self._shards, max_distance=max_distance, shard_timeout_s=self._shard_timeout_s)
        return await walk.page(cursor, limit)


class DuplicateWalk:
    """Gives one page; further ones come from other objects, of any router."""

    def __init__(self, shards: Sequence[ShardPort], *, max_distance: int, shard_timeout_s: float) -> None:
        self._shard_count = len(shards)
        self._start = Position(max_distance, len(shards))
        self._neighbourhoods = Neighbourhoods(
            shards, feature=FEATURE, views=VIEWS, max_distance=max_distance, timeout_s=PATIENCE * shard_timeout_s
        )
        self._began = time.monotonic()
        self._owners = Owners(self._neighbourhoods, max_distance=max_distance, deadline=self._began + DECIDE_S)
        self._groups: list[DuplicateGroup] = []
        self._step = FIRST_STEP
        self._looked_at = 0
        self._undecided = 0

    async def page(self, cursor: str | None, limit: int) -> DuplicatePage:
        """Raises InvalidField; ShardUnavailable where any shard does not answer, because it might have the picture that
        is to be kept.
        """
        position = self._start.at(cursor)
        while position.shard < self._shard_count:
            step_began = time.monotonic()
            pictures = await self._neighbourhoods.walk(position.shard, position.after, self._step)
            if not pictures:
                position = replace(position, shard=position.shard + 1, after=-1)
                continue
            done = await self._take(pictures, limit)
            self._adapt(time.monotonic() - step_began)
            if done:
                position = replace(position, after=done[-1].handle)
            late = time.monotonic() - self._began > PAGE_S
            if late or len(done) < len(pictures) or len(self._groups) == limit:
                return self._finished(str(position))
        return self._finished(None)

    def _adapt(self, took_s: float) -> None:
        if took_s < STEP_S / 4:
            self._step = min(MOST_STEP, 4 * self._step)
        elif took_s > STEP_S:
            self._step = max(1, self._step // 2)

    def _finished(self, cursor: str | None) -> DuplicatePage:
        return DuplicatePage(tuple(self._groups), cursor, self._looked_at, self._undecided)

    async def _take(self, pictures: Sequence[NearPicture], limit: int) -> Sequence[NearPicture]:
        """Adds the groups of these pictures; gives those that are done with."""
        owners = self._owners
        await owners.decide(pictures)
        await owners.settle([other for one in pictures for other in self._few(one).pictures])
        for place, one in enumerate(pictures):
            if len(self._groups) == limit:
                return pictures[:place]
            candidates = await self._candidates(one)
            if self._looked_at and any(map(owners.is_undecided, (one, *candidates.pictures))):
                return pictures[:place]  # on a page that begins with it there is more time for it
            self._looked_at += 1
            self._undecided += owners.is_undecided(one)
            duplicates = tuple(other for other in candidates.pictures if owners.is_owned_by(other, one))
            if duplicates:
                self._groups.append(DuplicateGroup(one, duplicates, candidates.left_out))
        return pictures

    def _few(self, picture: NearPicture) -> Candidates:
        """Those of a kept picture that has few neighbours."""
        if not self._owners.is_kept(picture) or self._owners.near(picture).count > NEAREST:
            return Candidates()
        return Candidates(_behind(picture, self._owners.near(picture).nearest))

    async def _candidates(self, picture: NearPicture) -> Candidates:
        """Of a kept picture, their owners known; of any other, none."""
        if not self._owners.is_kept(picture) or self._owners.near(picture).count <= NEAREST:
            return self._few(picture)
        count = self._owners.near(picture).count
        most = max(FEWEST_DUPLICATES, min(MOST_DUPLICATES, CROWD_WORK // count))
        found = await self._neighbourhoods.of([picture], larger=0, nearest=most)
        nearest = found[picture.id].nearest
        behind = _behind(picture, nearest)
        await self._owners.settle(behind)
        return Candidates(behind, max(0, count - len(nearest)))


def _behind(kept: NearPicture, others: Sequence[NearPicture]) -> list[NearPicture]:
    """Those that come after it. One that comes before is the duplicate of another: else this one would not be kept."""
    return [other for other in others if other.rank > kept.rank]
