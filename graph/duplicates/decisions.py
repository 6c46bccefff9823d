"""What was decided of pairs of duplicates: deciding, and what it means for groups."""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import blake2b

from graph.duplicates.choosing import worth_of
from graph.ports.contract import ShardPort
from storage.errors import ImageNotFound, InvalidField, NotFound
from storage.operations.decisions import Decisions, PutDecision, TakeBackDecision
from storage.operations.pictures import Records
from storage.shard.placement import shard_of
from storage.types.decisions import Choice, Decision
from storage.types.pictures import ImageRecord


class DecisionBook:
    """The decisions, which the first shard keeps."""

    def __init__(self, shards: Sequence[ShardPort], *, timeout_s: float) -> None:
        self._shards = shards
        self._timeout_s = timeout_s

    async def all(self) -> list[Decision]:
        """The oldest first."""
        return await self._shards[0].ask(Decisions(), timeout_s=self._timeout_s)

    async def decide(self, a: str, b: str, choice: Choice, note: str | None) -> Decision:
        """In the place of what was decided of these two before. Raises InvalidField, ImageNotFound."""
        if a == b:
            raise InvalidField("b: it is the same picture as a", "name two pictures")
        first, second = [await self._record(image_id) for image_id in (a, b)]
        decision = Decision(_id_of(a, b), a, b, choice, note, time.time(), first.sha256, second.sha256)
        await self._shards[0].ask(PutDecision(decision), timeout_s=self._timeout_s)
        return decision

    async def take_back(self, decision_id: str) -> None:
        """Raises NotFound."""
        if not await self._shards[0].ask(TakeBackDecision(decision_id), timeout_s=self._timeout_s):
            raise NotFound(f"no decision has the id {decision_id!r}", "GET /v1/duplicates/decisions lists them")

    async def _record(self, image_id: str) -> ImageRecord:
        shard = self._shards[shard_of(image_id, len(self._shards))]
        [record] = await shard.ask(Records((image_id,)), timeout_s=self._timeout_s)
        if record is None:
            raise ImageNotFound(f"no image has the id {image_id!r}", "GET /v1/images lists the ids")
        return record


class Decided:
    """What the decisions say of pictures as they are now."""

    def __init__(self, decisions: Sequence[Decision] = ()) -> None:
        self._of_pair = {frozenset((one.a, one.b)): one for one in decisions}

    def are_apart(self, one: ImageRecord, other: ImageRecord) -> bool:
        """Whether they are not to be in one group."""
        decision = self._of(one, other)
        return decision is not None and decision.decision != "keep"

    def chosen(self, group: Sequence[ImageRecord]) -> ImageRecord | None:
        """Which of a group is kept: one that was to be kept of two of them, and in no other two is not. None where
        nothing was decided, or there is none such. Of several the one most worth keeping.
        """
        by_id = {one.id: one for one in group}
        kept, lost = set(), set()
        for decision in self._of_pair.values():
            first, second = by_id.get(decision.a), by_id.get(decision.b)
            if decision.decision == "keep" and first and second and _is_of(decision, first, second):
                kept.add(first.id)
                lost.add(second.id)
        return min((by_id[image_id] for image_id in kept - lost), key=worth_of, default=None)

    def _of(self, one: ImageRecord, other: ImageRecord) -> Decision | None:
        decision = self._of_pair.get(frozenset((one.id, other.id)))
        if decision is None:
            return None
        first, second = (one, other) if decision.a == one.id else (other, one)
        return decision if _is_of(decision, first, second) else None


def _is_of(decision: Decision, first: ImageRecord, second: ImageRecord) -> bool:
    return (decision.a_sha256, decision.b_sha256) == (first.sha256, second.sha256)


def _id_of(a: str, b: str) -> str:
    """Of the pair, whichever is named first."""
    return blake2b("\0".join(sorted((a, b))).encode(), digest_size=10).hexdigest()
