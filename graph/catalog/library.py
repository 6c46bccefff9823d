"""The folders that the collection follows: what is known of each, watching them, forgetting them."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from graph.ports.contract import JobPort
from graph.requests.messages import LibraryRoot
from graph.requests.shards import Shards
from storage.errors import NotFound
from storage.files import EVERYWHERE, is_reachable, lies_in
from storage.operations.roots import ForgetRoot, Roots, WatchRoot
from storage.operations.sources import CountBelow
from storage.types.jobs import JobRecord
from storage.types.library import FileState, Root

logger = logging.getLogger(__name__)

RESUMED_AFTER_S = 60.0


class Library:
    """Folders are told by their real paths on the service's machine; another path to one will do."""

    def __init__(self, shards: Shards, jobs: JobPort, roots: Sequence[Path] = EVERYWHERE) -> None:
        """roots: beyond which no folder is watched again after a restart."""
        self._shards = shards
        self._first = shards.ports[0]
        self._jobs = jobs
        self._roots = roots
        self._refused: set[str] = set()

    async def roots(self) -> list[LibraryRoot]:
        """Each with counts as they are now. Raises ShardUnavailable."""
        jobs = [job for job in await self._jobs.jobs() if job.arguments.get("watch")]
        return [await self._described(root, jobs) for root in await self._known()]

    async def forget(self, path: str) -> None:
        """Its pictures stay. Raises NotFound."""
        root = await self._root(path)
        await self._stop_watching([root.path])
        await self._first.ask(ForgetRoot(root.path), timeout_s=self._shards.timeout_s)

    async def watch(self, path: str) -> str:
        """Looks through the folder as it was looked through the last time, and then follows it; the job's id. One that
        is watched is left as it is. Raises NotFound for a folder that was never indexed.
        """
        root = await self._root(path)
        for job in await self._watching():
            if root.path in job.arguments["paths"]:
                return job.id
        await self._note_watched([root.path], watched=True)
        return await self._submit(root)

    async def unwatch(self, path: str) -> None:
        """Raises NotFound."""
        await self._stop_watching([(await self._root(path)).path])

    async def stop(self, job_id: str) -> None:
        """Stops a job for good: what it watched is watched no longer. Raises JobNotFound."""
        job = await self._jobs.job(job_id)
        if job.arguments.get("watch"):
            await self._stop_watching(job.arguments["paths"])
        await self._jobs.stop(job_id)

    async def resume(self) -> None:
        """Begins to watch again what is to be watched and is not: the service or the job was killed. A folder that was
        tried a moment ago has to wait.
        """
        known = [root for root in await self._known() if root.watched]
        wanted = [root for root in known if await asyncio.to_thread(self._may_watch, root.path)]
        if not wanted:
            return
        jobs = [job for job in await self._jobs.jobs() if job.arguments.get("watch")]
        since = time.time() - RESUMED_AFTER_S
        tried = {path for job in jobs if job.is_at_work or job.submitted_at > since for path in job.arguments["paths"]}
        for root in wanted:
            if root.path not in tried:
                await self._submit(root)

    def _may_watch(self, path: str) -> bool:
        if lies_in(os.path.realpath(path), map(os.path.realpath, self._roots)):
            return True
        if path not in self._refused:
            logger.warning("%r is not watched: it is not below one of the allowed_roots", path)
            self._refused.add(path)
        return False

    async def _stop_watching(self, paths: Iterable[str]) -> None:
        """Other folders of the same jobs go on to be watched, by jobs of their own, in a while."""
        stopped = set(paths)
        await self._note_watched(stopped, watched=False)
        for job in await self._watching():
            if stopped.intersection(job.arguments["paths"]):
                await self._jobs.stop(job.id)
        await self._note_watched(stopped, watched=False)  # a job may have noted otherwise when it was stopped

    async def _note_watched(self, paths: Iterable[str], *, watched: bool) -> None:
        for path in paths:
            await self._first.ask(WatchRoot(path, watched), timeout_s=self._shards.timeout_s)

    async def _submit(self, root: Root) -> str:
        return await self._jobs.submit_index(
            [root.path],
            id_from=root.id_from,
            on_conflict=root.on_conflict,
            watch=True,
            exclude=root.exclude,
            prune=False,
        )

    async def _watching(self) -> list[JobRecord]:
        return [job for job in await self._jobs.jobs() if job.is_at_work and job.arguments.get("watch")]

    async def _known(self) -> list[Root]:
        return await self._first.ask(Roots(), timeout_s=self._shards.timeout_s)

    async def _root(self, path: str) -> Root:
        real = await asyncio.to_thread(os.path.realpath, path)
        found = {root.path: root for root in await self._known()}
        root = found.get(path) or found.get(real)
        if root is None:
            raise NotFound(
                f"{path!r} is no folder that was indexed",
                "GET /v1/library lists those that were",
                "see `lookalike library`",
            )
        return root

    async def _described(self, root: Root, jobs: Iterable[JobRecord]) -> LibraryRoot:
        is_there = await asyncio.to_thread(is_reachable, root.path)
        last_look = _last_look(root, jobs) if is_there else root.last_scan_at
        counts: Counter[FileState] = Counter()
        for of_shard in await self._shards.ask_all(CountBelow(root.path)):
            counts.update(of_shard)
        return LibraryRoot(
            path=root.path,
            reachable=is_there,
            pictures=counts["stored"] + counts["missing"],
            missing=counts["missing"],
            kept_out=counts["removed"],
            passed_over=root.passed_over,
            watched=root.watched,
            last_scan_at=None if last_look is None else datetime.fromtimestamp(last_look, UTC),
        )


def _last_look(root: Root, jobs: Iterable[JobRecord]) -> float | None:
    """jobs: that watch. Once one has been through its folders, each sign of life says that it still looks at them."""
    if root.last_scan_at is None:
        return None
    looks = (
        job.updated_at
        for job in jobs
        if job.state in ("running", "stopped")
        and root.path in job.arguments["paths"]
        and job.submitted_at <= root.last_scan_at
    )
    return max((root.last_scan_at, *looks))
