"""What all shards together say of the pictures near to a picture, asked for many pictures at a time and kept.

The number of pictures in a question follows the time that the last one took, so that a call of a shard stays short
however many pictures there are and however alike they are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graph.ports.contract import ShardPort
from storage.duplicates.messages import NearAnswer, NearPicture, NearQuery, NearQuestions
from storage.operations.duplicates import Near, Walk

FIRST_AT_ONCE = 4
MOST_AT_ONCE = 512
CALL_S = 0.5  # what a call is meant to take


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """count: pictures near to the picture. larger: the first of those that come before it, in order; all of them unless
    ``is_cut``. nearest: the first of all, nearest first.
    """

    count: int
    larger: tuple[NearPicture, ...]
    is_cut: bool
    nearest: tuple[NearPicture, ...]


class Neighbourhoods:
    """Asks all shards of one walk over the pictures."""

    def __init__(
        self,
        shards: Sequence[ShardPort],
        *,
        feature: str,
        views: int,
        max_distance: int,
        timeout_s: float,
        inverses: tuple[int, ...] = (),
    ) -> None:
        """inverses: as of `NearQuestions`."""
        self._shards = shards
        self._feature = feature
        self._views = views
        self._max_distance = max_distance
        self._timeout_s = timeout_s
        self._inverses = inverses
        self._at_once = FIRST_AT_ONCE  # pictures that are asked about with the next call

    async def walk(self, shard: int, after: int, limit: int) -> list[NearPicture]:
        """Pictures of one shard by handle."""
        port = self._shards[shard]
        return await port.ask(Walk(self._feature, self._views, after, limit), timeout_s=self._timeout_s)

    async def of(self, pictures: Sequence[NearPicture], *, larger: int, nearest: int) -> Mapping[str, Neighbourhood]:
        """By id. Raises ShardUnavailable, DeadlineExceeded where any shard does not answer."""
        found: dict[str, Neighbourhood] = {}
        start = 0
        while start < len(pictures):
            asked = pictures[start : start + self._at_once]
            found.update(await self._ask(asked, larger, nearest))
            start += len(asked)
        return found

    async def _ask(self, pictures: Sequence[NearPicture], larger: int, nearest: int) -> dict[str, Neighbourhood]:
        queries = tuple(NearQuery(one.id, one.rank, one.views, larger, nearest, one.sha256) for one in pictures)
        questions = NearQuestions(self._feature, self._views, self._max_distance, queries, self._inverses)
        started = time.monotonic()
        answers = await asyncio.gather(
            *(shard.ask(Near(questions), timeout_s=self._timeout_s) for shard in self._shards)
        )
        self._adapt(time.monotonic() - started, len(pictures))
        return {
            picture.id: _together(picture, [of_shard[place] for of_shard in answers], larger, nearest)
            for place, picture in enumerate(pictures)
        }

    def _adapt(self, took_s: float, count: int) -> None:
        fits = int(count * CALL_S / max(took_s, 1e-6))
        self._at_once = max(1, min(MOST_AT_ONCE, fits, 8 * self._at_once))


def _together(picture: NearPicture, answers: Sequence[NearAnswer], larger: int, nearest: int) -> Neighbourhood:
    before = sorted((one for answer in answers for one in answer.larger), key=lambda one: one.rank)
    near = sorted(
        (one for answer in answers for one in answer.nearest),
        key=lambda one: (one.sha256 != picture.sha256, one.distance, one.rank),
    )
    return Neighbourhood(
        sum(answer.count for answer in answers),
        tuple(before[:larger]),
        sum(answer.larger_count for answer in answers) > larger,
        tuple(near[:nearest]),
    )
