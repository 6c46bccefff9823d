"""Which picture each picture is a duplicate of, by what the two are to each other.

As in `graph.duplicates.owners` a picture is *kept* unless it is a duplicate of one that is worth more and is kept
itself, its *owner*. So every duplicate is one of its owner itself, and none by way of others. Judged is each picture
against the owners of what it is linked to, the nearest first, and at most `MOST_JUDGED` of them: what a crowd of
pictures costs grows with their number and not with that of their pairs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b

from graph.duplicates.choosing import worth_of
from graph.duplicates.decisions import Decided
from graph.duplicates.linking import PairJudge
from graph.ports.contract import ShardPort
from lookalike_client.answers import SearchResult
from lookalike_client.matches import PROVEN
from storage.duplicates.links import Link, LinkedPicture, Verdict
from storage.operations.links import LinkedById, PutVerdicts
from storage.shard.placement import shard_of

MOST_JUDGED = 12  # owners that one picture is judged against


class OutOfTime(Exception):
    """What is not decided yet stays open; what was judged is kept."""


class Kinship:
    """relations: that duplicates have to the picture that is kept. decided: what is no duplicate whatever it is judged
    to be. deadline: of the monotonic clock; at least one judgement is made whatever it says.
    """

    def __init__(
        self,
        shards: Sequence[ShardPort],
        judge: PairJudge,
        *,
        relations: Collection[str],
        decided: Decided,
        timeout_s: float,
        deadline: float,
    ) -> None:
        self._shards = shards
        self._judge = judge
        self._relations = relations
        self._decided = decided
        self._timeout_s = timeout_s
        self._deadline = deadline
        self._made_by, self._goes_by = judge.judgement_marks()
        self._known: dict[str, LinkedPicture | None] = {}
        self._owners: dict[str, str] = {}
        self._judgements = 0

    def know(self, pictures: Iterable[LinkedPicture]) -> None:
        for one in pictures:
            self._known.setdefault(one.record.id, one)

    def of(self, image_id: str) -> LinkedPicture:
        """One that is known."""
        found = self._known[image_id]
        if found is None:
            raise KeyError(image_id)
        return found

    async def owner_of(self, image_id: str) -> str:
        """Its own id where it is kept. Raises `OutOfTime`."""
        path = [image_id]
        while path:
            current = path[-1]
            if current in self._owners:
                path.pop()
                continue
            before = await self._linked_before(self.of(current))
            open_ones = [one.id for one in before if one.id not in self._owners]
            if open_ones:
                path += open_ones
            else:
                self._owners[current] = await self._judged_owner(self.of(current), before)
        return self._owners[image_id]

    async def duplicates_of(self, kept: str, most: int) -> tuple[list[LinkedPicture], int]:
        """Those whose owner it is, as far as links lead, and how many more were seen. Raises `OutOfTime`."""
        found: list[LinkedPicture] = []
        reached, seen, left_out = [kept], {kept}, 0
        while reached:
            linked = await self._linked(self.of(reached.pop()))
            for one in linked:
                if one.id in seen:
                    continue
                seen.add(one.id)
                if await self.owner_of(one.id) != kept:
                    continue
                if len(found) == most:
                    left_out += 1
                    continue
                found.append(self.of(one.id))
                reached.append(one.id)
        return found, left_out

    async def verdict(self, picture: LinkedPicture, other: LinkedPicture) -> Verdict:
        """What the picture is to another one. Raises `OutOfTime`."""
        [verdict] = await self._verdicts(picture, [other])
        return verdict

    def is_related(self, verdict: Verdict) -> bool:
        return verdict.relation in self._relations and verdict.confidence >= PROVEN

    async def _judged_owner(self, picture: LinkedPicture, before: Sequence[Link]) -> str:
        owners = [self.of(image_id) for image_id in dict.fromkeys(self._owners[link.id] for link in before)]
        kept = [one for one in owners if not self._decided.are_apart(one.record, picture.record)][:MOST_JUDGED]
        for one, verdict in zip(kept, await self._verdicts(picture, kept), strict=True):
            if self.is_related(verdict):
                return one.record.id
        return picture.record.id

    async def _linked_before(self, picture: LinkedPicture) -> list[Link]:
        own = worth_of(picture.record)
        return [one for one in await self._linked(picture) if worth_of(self.of(one.id).record) < own]

    async def _linked(self, picture: LinkedPicture) -> list[Link]:
        """Those that are there, nearest first, and known from now on."""
        links = picture.links.links
        await self._learn([one.id for one in links if one.id not in self._known])
        there = [one for one in links if self._known[one.id] is not None]
        return sorted(there, key=lambda one: one.farness)

    async def _learn(self, ids: Sequence[str]) -> None:
        by_shard: dict[int, list[str]] = {}
        for image_id in ids:
            by_shard.setdefault(shard_of(image_id, len(self._shards)), []).append(image_id)
        asked = [
            self._shards[number].ask(LinkedById(tuple(own)), timeout_s=self._timeout_s)
            for number, own in by_shard.items()
        ]
        for own, found in zip(by_shard.values(), await asyncio.gather(*asked), strict=True):
            self._known.update(zip(own, found, strict=True))

    async def _verdicts(self, picture: LinkedPicture, others: Sequence[LinkedPicture]) -> list[Verdict]:
        marks = {one.record.id: self._mark(one) for one in (picture, *others)}
        own = marks[picture.record.id]
        known = {
            image_id: verdict
            for image_id, verdict in picture.links.verdicts.items()
            if (verdict.own, verdict.other) == (own, marks.get(image_id))
        }
        missing = [one.record.id for one in others if one.record.id not in known]
        if missing:
            if self._judgements and time.monotonic() > self._deadline:
                raise OutOfTime
            results = await self._judge.compare_stored(picture.record.id, missing)
            self._judgements += len(missing)
            judged = {
                image_id: _verdict(result, own, marks[image_id])
                for image_id, result in zip(missing, results, strict=True)
            }
            await self._keep(picture, judged)
            known |= judged
        return [known[one.record.id] for one in others]

    async def _keep(self, picture: LinkedPicture, judged: dict[str, Verdict]) -> None:
        image_id = picture.record.id
        links = replace(picture.links, verdicts=picture.links.verdicts | judged)
        self._known[image_id] = replace(picture, links=links)
        shard = self._shards[shard_of(image_id, len(self._shards))]
        await shard.ask(PutVerdicts({image_id: judged}), timeout_s=self._timeout_s)

    def _mark(self, picture: LinkedPicture) -> str:
        """Another one wherever a judgement of the picture may be another one."""
        record = picture.record
        there = [name for name in self._goes_by if record.features.get(name) == "ok"]
        return blake2b(f"{self._made_by} {picture.handle} {record.sha256} {there}".encode(), digest_size=8).hexdigest()


def _verdict(result: SearchResult | None, own: str, other: str) -> Verdict:
    if result is None or not result.is_strong:
        return Verdict(own, other, None, 0.0)
    return Verdict(own, other, result.relation, result.confidence or 0.0)
