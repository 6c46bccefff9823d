"""The client's part for batch jobs, the folders that they look through, and decisions, for asyncio and trio.

Made from `lookalike_client.blocking_jobs` by ``python -m lookalike_client.generate``: change that file, not this one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TypeVar

from lookalike_client import answers, calls, job_answers, job_calls
from lookalike_client.calls import Call, Choice
from lookalike_client.job_calls import IdFrom, OnKnownFile

Answer = TypeVar("Answer")


class AsyncJobClient(ABC):
    """What `Client` has of it."""

    async def submit_index(
        self,
        paths: Sequence[str],
        *,
        id_from: IdFrom = "path",
        on_conflict: OnKnownFile = "replace",
        watch: bool = False,
        exclude: Sequence[str] = (),
        prune: bool = False,
    ) -> str:
        """Start indexing files and folders, absolute paths on the service's machine; returns the job's id.

        on_conflict: what to do with a file that changed since it was indexed. watch: follow what changes later.
        exclude: what to leave out, patterns as in a .gitignore file. prune: remove the images whose files are gone.
        """
        return await self._send(job_calls.submit_index(paths, id_from, on_conflict, watch, exclude, prune))

    async def submit_backfill(self, feature: str | None = None, *, allow_missing: bool = False) -> str:
        """Start computing what stored pictures lack, of one extractor or annotator or of all; returns the job's id.

        allow_missing: move over to a model that has changed even where pictures of the old index are left behind.
        Raises `errors.UnknownFeature`.
        """
        return await self._send(job_calls.submit_backfill(feature, allow_missing))

    async def submit_import(
        self,
        paths: Sequence[str],
        *,
        photos: str | None = None,
        dry_run: bool = False,
        keypoint_ranges: str | None = None,
        features: Mapping[str, str] | None = None,
    ) -> str:
        """Start importing the data folders of an original installation; returns the job's id.

        Paths are absolute, on the service's machine. photos: the folder of its pictures. dry_run: write nothing, and
        report the same. keypoint_ranges: a CSV file of the table img_points, or a connection string. features: what
        the vectors of a folder are. Raises `errors.UnknownFeature`.
        """
        return await self._send(job_calls.submit_import(paths, photos, dry_run, keypoint_ranges, features))

    async def submit_eval(
        self,
        path: str | None = None,
        *,
        n: int = 50,
        strangers: int | None = None,
        seed: int = 0,
        calibrate: bool = False,
    ) -> str:
        """Start measuring how well the service finds the user's own photos; returns the job's id. The job's ``report``
        says what came of it; no picture is added or changed.

        path: a folder on the service's machine; None takes photos of the collection. n: how many are asked for by every
        edit of them. strangers: how many are asked with themselves left out; None: 10 n, or 3000 to calibrate. seed:
        another one draws other photos. calibrate: store what a match has to be sure of, so that few strangers are
        called one.
        """
        return await self._send(job_calls.submit_eval(path, n, strangers, seed, calibrate))

    async def forget_thresholds(self) -> None:
        """Take back what an evaluation has stored about matches."""
        await self._send(job_calls.forget_thresholds())

    async def library(self) -> tuple[job_answers.LibraryRoot, ...]:
        """The folders that were indexed."""
        return await self._send(job_calls.library())

    async def forget_folder(self, path: str) -> None:
        """Its images stay. Raises `errors.NotFound`."""
        await self._send(job_calls.forget_folder(path))

    async def watch_folder(self, path: str) -> str:
        """Follow what changes in a folder that was indexed; returns the job's id. Raises `errors.NotFound`."""
        return await self._send(job_calls.watch_folder(path))

    async def unwatch_folder(self, path: str) -> None:
        """Raises `errors.NotFound`."""
        await self._send(job_calls.unwatch_folder(path))

    async def decide(self, a: str, b: str, decision: Choice, note: str | None = None) -> answers.Decision:
        """Of two pictures that may be duplicates: they are ``different``; ``keep_both``; or ``keep`` a of the two. In
        the place of what was decided of them before. Raises `errors.ImageNotFound`.
        """
        return await self._send(calls.decide(a, b, decision, note))

    async def decisions(self) -> tuple[answers.Decision, ...]:
        """All decisions about duplicates, the oldest first."""
        return await self._send(calls.decisions())

    async def take_back(self, id: str) -> None:
        """Take a decision back, by its id. Raises `errors.NotFound`."""
        await self._send(calls.take_back(id))

    async def jobs(self) -> tuple[job_answers.Job, ...]:
        return await self._send(job_calls.jobs())

    async def job(self, id: str) -> job_answers.Job:
        """A job's progress. Raises `errors.JobNotFound`."""
        return await self._send(job_calls.job(id))

    async def stop_job(self, id: str) -> job_answers.Job:
        """Stop a job; what it has done stays, and the same job submitted again goes on from there."""
        return await self._send(job_calls.stop_job(id))

    async def job_failures(self, id: str, *, offset: int = 0, limit: int = 100) -> job_answers.JobFailures:
        """A page of what the job failed at."""
        return await self._send(job_calls.job_failures(id, offset, limit))

    @abstractmethod
    async def _send(self, call: Call[Answer]) -> Answer: ...
