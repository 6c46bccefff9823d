"""Groups of pictures of one photograph, page by page: first every new picture is linked to what it may be a duplicate
of, then those that have links are walked over, and the group of each that is kept is given where it comes by.

What is found and judged is kept with the pictures, so the next walk looks only at what has come since.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from graph.duplicates.choosing import better_by, worth_of
from graph.duplicates.decisions import Decided
from graph.duplicates.kinship import Kinship, OutOfTime
from graph.duplicates.linking import FEATURE, NearLinks, PairJudge, SearchedLinks
from graph.ports.contract import ShardPort
from lookalike_client.answers import BetterBy, DuplicateGroup, DuplicatePage, DuplicatePicture
from lookalike_client.matches import Relation
from storage.duplicates.links import LinkedPicture, Verdict
from storage.errors import InvalidField
from storage.operations.links import Linked

PAGE_S = 2.0  # after which a page ends with what it has
STEP_S = 0.5  # that linking some pictures, or walking over them, is meant to take
MOST_STEP = 512  # pictures at a time
MOST_DUPLICATES = 1000  # of one group
BY_HASH: frozenset[str] = frozenset({"same"})  # relations of pictures whose hashes are near for certain
WIDEST: Sequence[Relation] = ("same", "edited", "crop", "contains", "overlap")  # each wider than those before it

DECIDED: tuple[BetterBy, ...] = ("decision",)

Links = NearLinks | SearchedLinks
Judged = tuple[LinkedPicture, Verdict]  # with what it is to the picture that is kept


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk goes on. step: 0 while new pictures are linked in the first way, then in the next, at last those
    that have links are walked over.
    """

    walk: str
    step: int = 0
    shard: int = 0
    after: int = -1

    def __str__(self) -> str:
        return f"{self.walk}.{self.step}.{self.shard}.{self.after + 1}"

    def at(self, cursor: str | None) -> Place:
        """Raises InvalidField for a cursor that is none, or of another walk."""
        if cursor is None:
            return self
        match = re.fullmatch(r"([a-z+]+\.\d{1,4})\.(\d)\.(\d{1,4})\.(\d{1,18})", cursor, re.ASCII)
        if match is None:
            raise InvalidField(f"{cursor!r} is no cursor of duplicates", "send next_cursor of the page before")
        if match[1] != self.walk:
            raise InvalidField(
                "the cursor is of a walk by other relations", "send the same relation and threshold for each page"
            )
        return Place(self.walk, int(match[2]), int(match[3]), int(match[4]) - 1)


class RelatedWalk:
    """Gives one page; further ones come from other objects, of any router.

    relations: that a duplicate has to the picture that is kept. features: that the service computes.
    """

    def __init__(
        self,
        shards: Sequence[ShardPort],
        judge: PairJudge,
        *,
        relations: Collection[Relation],
        features: Collection[str],
        decided: Decided,
        timeout_s: float,
    ) -> None:
        self._decided = decided
        self._shards = shards
        self._start = Place(f"{'+'.join(sorted(relations))}.{len(shards)}")
        self._ways: list[Links] = []
        if FEATURE in features:
            self._ways.append(NearLinks(shards, timeout_s=timeout_s))
        if FEATURE not in features or not BY_HASH.issuperset(relations):
            self._ways.append(SearchedLinks(shards, judge, timeout_s=timeout_s))
        self._timeout_s = timeout_s
        self._until = time.monotonic() + PAGE_S
        self._kinship = Kinship(
            shards, judge, relations=relations, decided=decided, timeout_s=timeout_s, deadline=self._until
        )
        self._groups: list[DuplicateGroup] = []
        self._looked_at = 0
        self._step = 1

    async def page(self, cursor: str | None, limit: int) -> DuplicatePage:
        """Raises InvalidField; ShardUnavailable where any shard does not answer, because it might have the picture that
        is to be kept.
        """
        place = self._start.at(cursor)
        while place.step <= len(self._ways):
            began = time.monotonic()
            if place.step < len(self._ways):
                handles = await self._ways[place.step].step(place.shard, place.after, self._step)
                self._looked_at += len(handles)
                is_done = not handles
            else:
                handles, is_done = await self._walk(place, limit)
            if handles:
                place = replace(place, after=handles[-1])
            if is_done:
                place = self._following(place)
            self._adapt(time.monotonic() - began)
            if time.monotonic() > self._until or len(self._groups) == limit:
                break
        is_end = place.step > len(self._ways)
        return DuplicatePage(tuple(self._groups), None if is_end else str(place), self._looked_at, 0)

    def _following(self, place: Place) -> Place:
        if place.shard + 1 < len(self._shards):
            return replace(place, shard=place.shard + 1, after=-1)
        return replace(place, step=place.step + 1, shard=0, after=-1)

    def _adapt(self, took_s: float) -> None:
        if took_s < STEP_S / 2:
            self._step = min(MOST_STEP, 2 * self._step)
        elif took_s > STEP_S:
            self._step = max(1, self._step // 2)

    async def _walk(self, place: Place, limit: int) -> tuple[list[int], bool]:
        """Handles of the pictures that are done with, and whether there are no more in this shard."""
        question = Linked(place.after, self._step)
        pictures = await self._shards[place.shard].ask(question, timeout_s=self._timeout_s)
        self._kinship.know(pictures)
        done: list[int] = []
        for one in pictures:
            if len(self._groups) == limit:
                return done, False
            try:
                group = await self._group(one.record.id)
            except OutOfTime:
                return done, False
            if group is not None:
                self._groups.append(group)
            done.append(one.handle)
        return done, not pictures

    async def _group(self, image_id: str) -> DuplicateGroup | None:
        """None of a picture that is not kept, or has no duplicates. Raises `OutOfTime`."""
        if await self._kinship.owner_of(image_id) != image_id:
            return None
        found, left_out = await self._kinship.duplicates_of(image_id, MOST_DUPLICATES)
        if not found:
            return None
        owner = self._kinship.of(image_id)
        keep = self._kept_of([owner, *found])
        judged = [(one, await self._kinship.verdict(one, keep)) for one in [owner, *found] if one is not keep]
        related = [(one, verdict) for one, verdict in judged if self._kinship.is_related(verdict)]
        duplicates = self._without_apart(keep, related)
        return group_of(keep, duplicates, left_out, is_decided=keep is not owner) if duplicates else None

    def _kept_of(self, group: Sequence[LinkedPicture]) -> LinkedPicture:
        """Of a group with its owner first."""
        chosen = self._decided.chosen([one.record for one in group])
        return next((one for one in group if chosen is not None and one.record.id == chosen.id), group[0])

    def _without_apart(self, keep: LinkedPicture, judged: Sequence[Judged]) -> list[Judged]:
        """Without those that are not to be in a group with one that is more worth keeping."""
        there = [keep]
        left = []
        for one, verdict in sorted(judged, key=lambda entry: worth_of(entry[0].record)):
            if not any(self._decided.are_apart(one.record, other.record) for other in there):
                there.append(one)
                left.append((one, verdict))
        return left


def group_of(
    keep: LinkedPicture, duplicates: Sequence[Judged], left_out: int, *, is_decided: bool = False
) -> DuplicateGroup:
    """duplicates: each with what it is to the picture that is kept; at least one. is_decided: whether somebody chose
    it.
    """
    ordered = sorted(duplicates, key=lambda entry: (-entry[1].confidence, worth_of(entry[0].record)))
    shown = tuple(_shown(one, keep, verdict, is_decided) for one, verdict in ordered)
    widest = max((one.relation for one in shown if one.relation), key=WIDEST.index)
    least = min(verdict.confidence for _, verdict in ordered)
    return DuplicateGroup(_picture(keep), shown, left_out, widest, least)


def _shown(one: LinkedPicture, keep: LinkedPicture, verdict: Verdict, is_decided: bool) -> DuplicatePicture:
    distances = {link.id: link.distance for link in one.links.links}
    return replace(
        _picture(one),
        distance=distances.get(keep.record.id),
        relation=next((name for name in WIDEST if name == verdict.relation), None),
        confidence=verdict.confidence,
        kept_because=(*(DECIDED if is_decided else ()), *better_by(keep.record, one.record)),
    )


def _picture(one: LinkedPicture) -> DuplicatePicture:
    record = one.record
    path = None if record.source is None else record.source.path
    return DuplicatePicture(
        *(record.id, record.width, record.height, record.byte_size, record.sha256, path),
        bytes=record.byte_size,
        format=record.format,
    )
