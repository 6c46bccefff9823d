"""The shards of a collection as requests reach them: by id, or all at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator, Sequence
from typing import TypeVar

from graph.ports.contract import ShardPort
from lookalike_client.job_answers import Thresholds
from storage.errors import ImageNotFound, LookalikeError, ShardUnavailable
from storage.operations.reports import Stats
from storage.operations.thresholds import FindThresholds, PutThresholds
from storage.shard.operation import Operation
from storage.shard.placement import shard_of
from storage.types.mutations import Mutation, MutationResult
from storage.types.reports import ShardStats

Answer = TypeVar("Answer")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0


class Shards:
    """timeout_s: for a question. write_timeout_s: for a write with its retries."""

    def __init__(self, ports: Sequence[ShardPort], *, timeout_s: float, write_timeout_s: float) -> None:
        self.ports = tuple(ports)
        self.timeout_s = timeout_s
        self._write_timeout_s = write_timeout_s

    def __iter__(self) -> Iterator[ShardPort]:
        return iter(self.ports)

    def of(self, image_id: str) -> ShardPort:
        """The shard that has the picture, if any has."""
        return self.ports[shard_of(image_id, len(self.ports))]

    def with_their_ids(self, ids: Sequence[str]) -> dict[int, list[str]]:
        """By the number of the shard that has them."""
        groups: dict[int, list[str]] = {}
        for image_id in ids:
            groups.setdefault(shard_of(image_id, len(self.ports)), []).append(image_id)
        return groups

    async def ask_for(self, image_id: str, operation: Operation[Answer]) -> Answer:
        """Asks the shard of a picture."""
        return await self.of(image_id).ask(operation, timeout_s=self.timeout_s)

    async def ask_all(self, operation: Operation[Answer], *, timeout_s: float | None = None) -> list[Answer]:
        """Asks every shard at once. Raises what the first that fails raises."""
        timeout_s = self.timeout_s if timeout_s is None else timeout_s
        return list(await asyncio.gather(*(port.ask(operation, timeout_s=timeout_s) for port in self.ports)))

    async def write(self, image_id: str, mutation: Mutation) -> MutationResult:
        """Retries while the shard restarts: the operation id makes a repeated write a no-op, whether or not the first
        one got through.
        """
        shard = self.of(image_id)
        deadline = time.monotonic() + self._write_timeout_s
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await shard.apply(mutation, timeout_s=max(FIRST_PAUSE_S, deadline - time.monotonic()))
            except ShardUnavailable:
                if time.monotonic() + pause_s > deadline:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    async def stats(self, *, timeout_s: float | None = None) -> tuple[list[ShardStats], list[int]]:
        """Of the shards that answer, and the numbers of those that do not."""
        calls = [port.ask(Stats(), timeout_s=timeout_s or self.timeout_s) for port in self.ports]
        found = await asyncio.gather(*map(outcome_of, calls))
        missing = [port.index for port, one in zip(self.ports, found, strict=True) if isinstance(one, LookalikeError)]
        return [one for one in found if not isinstance(one, LookalikeError)], missing

    async def thresholds(self) -> Thresholds | None:
        """What the collection asks of a match, where an evaluation has stored that."""
        return await self.ports[0].ask(FindThresholds(), timeout_s=self.timeout_s)

    async def forget_thresholds(self) -> None:
        await self.ports[0].ask(PutThresholds(None), timeout_s=self.timeout_s)


async def outcome_of(
    call: Awaitable[Answer], *, raising: tuple[type[LookalikeError], ...] = ()
) -> Answer | LookalikeError:
    """A failure is a value, so that the calls beside this one are waited for. raising: what is raised all the same."""
    try:
        return await call
    except raising:
        raise
    except LookalikeError as failure:
        return failure


def image_not_found(image_id: str) -> ImageNotFound:
    return ImageNotFound(f"no image has the id {image_id!r}", "GET /v1/images lists the ids", "see `lookalike list`")
