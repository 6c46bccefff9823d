"""Looking for what each new picture may be a duplicate of: once a picture, as pictures come.

Links are made both ways, so a picture that was looked at before learns of the new one. What is found so is only to be
judged: it need not be a duplicate.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from deployments.extractors.phash import INVERSES
from graph.duplicates.neighbourhoods import Neighbourhoods
from graph.ports.contract import ShardPort
from lookalike_client.answers import SearchResult
from storage.duplicates.links import NEAR, SEARCHED, Link
from storage.operations.links import AddLinks, NotLinked, NotSearched
from storage.shard.placement import shard_of

FEATURE = "phash"
NEAR_BITS = 150  # of 576, in any of the eight turns and flips: copies are nearer, strangers farther by far
NEAREST = 24  # links of one picture to its nearest
FOUND = 24  # links of one picture by a search with it

Found = dict[str, tuple[int, list[Link]]]  # by id: the way that was gone, and the links


class PairJudge(Protocol):
    """What says what two pictures are to each other: `graph.search.search.Searches`."""

    async def compare_stored(self, a_id: str, b_ids: Sequence[str]) -> list[SearchResult | None]: ...

    async def strong_matches(self, image_id: str, k: int) -> list[SearchResult]: ...

    def judgement_marks(self) -> tuple[str, tuple[str, ...]]: ...


class NearLinks:
    """By hash, in all turns and flips."""

    def __init__(self, shards: Sequence[ShardPort], *, timeout_s: float) -> None:
        self._shards = shards
        self._timeout_s = timeout_s
        self._neighbourhoods = Neighbourhoods(
            shards,
            feature=FEATURE,
            views=len(INVERSES),
            max_distance=NEAR_BITS,
            timeout_s=timeout_s,
            inverses=INVERSES,
        )

    async def step(self, shard: int, after: int, limit: int) -> list[int]:
        """Links up to ``limit`` new pictures of a shard from behind a handle; gives their handles."""
        question = NotLinked(FEATURE, len(INVERSES), after, limit)
        pictures = await self._shards[shard].ask(question, timeout_s=self._timeout_s)
        if not pictures:
            return []
        near = await self._neighbourhoods.of(pictures, larger=0, nearest=NEAREST)
        found: Found = {one.id: (NEAR, []) for one in pictures}
        for one in pictures:
            for other in near[one.id].nearest:
                _link(found, one.id, other.id, other.distance, bool(one.sha256) and one.sha256 == other.sha256)
        await _add(found, self._shards, self._timeout_s)
        return [one.handle for one in pictures]


class SearchedLinks:
    """By a search with each picture, which finds parts, too."""

    def __init__(self, shards: Sequence[ShardPort], judge: PairJudge, *, timeout_s: float) -> None:
        self._shards = shards
        self._judge = judge
        self._timeout_s = timeout_s

    async def step(self, shard: int, after: int, limit: int) -> list[int]:
        """As `NearLinks.step`."""
        pictures = await self._shards[shard].ask(NotSearched(after, limit), timeout_s=self._timeout_s)
        found: Found = {image_id: (SEARCHED, []) for _, image_id in pictures}
        for _, image_id in pictures:
            for match in await self._judge.strong_matches(image_id, FOUND + 1):
                _link(found, image_id, match.id, None)
        await _add(found, self._shards, self._timeout_s)
        return [handle for handle, _ in pictures]


def _link(found: Found, one: str, other: str, distance: int | None, has_its_bytes: bool = False) -> None:
    found[one][1].append(Link(other, distance, has_its_bytes))
    found.setdefault(other, (0, []))[1].append(Link(one, distance, has_its_bytes))


async def _add(found: Found, shards: Sequence[ShardPort], timeout_s: float) -> None:
    by_shard: dict[int, list[tuple[str, int, tuple[Link, ...]]]] = defaultdict(list)
    for image_id, (way, links) in found.items():
        by_shard[shard_of(image_id, len(shards))].append((image_id, way, tuple(links)))
    await asyncio.gather(
        *(shards[number].ask(AddLinks(tuple(own)), timeout_s=timeout_s) for number, own in by_shard.items())
    )
