"""The client for asyncio and trio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from graph.client import answers, calls, job_answers, job_calls
from graph.client.annotations import Tag
from graph.client.calls import Call, OnConflict
from graph.client.duplicate_answers import DuplicateGroup, DuplicatePage
from graph.client.image_source import ImageSource, image_bytes
from graph.client.job_calls import IdFrom, OnKnownFile
from graph.client.session import Outcome, session
from graph.same_picture import SAME_PICTURE_BITS

Answer = TypeVar("Answer")


class AsyncClient:
    """`graph.client.Client` with every call awaited: the same names, arguments, answers and errors."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        retries: int = 2,
    ) -> None:
        self._session = session(base_url, api_key, timeout_s, retries)
        self._http = httpx.AsyncClient(transport=transport, **self._session.options())

    @property
    def base_url(self) -> str:
        return str(self._session.url)

    async def add(
        self,
        image: ImageSource,
        *,
        id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = "error",
    ) -> answers.AddedImage:
        return await self._send(calls.add(await _read(image), id, metadata, on_conflict))

    async def replace(
        self, id: str, image: ImageSource, *, metadata: Mapping[str, Any] | None = None
    ) -> answers.AddedImage:
        return await self._send(calls.replace(id, await _read(image), metadata))

    async def get(self, id: str) -> answers.ImageRow:
        return await self._send(calls.get(id))

    async def delete(self, id: str) -> None:
        await self._send(calls.delete(id))

    async def page(self, limit: int = 100, cursor: str | None = None) -> answers.ImagePage:
        return await self._send(calls.page(limit, cursor))

    async def images(self, page_size: int = 100) -> AsyncIterator[answers.ImageRow]:
        cursor: str | None = None
        while True:
            page = await self.page(page_size, cursor)
            for row in page.images:
                yield row
            cursor = page.next_cursor
            if cursor is None:
                return

    async def duplicate_page(
        self, threshold: int = SAME_PICTURE_BITS, limit: int = 100, cursor: str | None = None
    ) -> DuplicatePage:
        return await self._send(calls.duplicates(threshold, limit, cursor))

    async def duplicates(
        self, threshold: int = SAME_PICTURE_BITS, page_size: int = 100
    ) -> AsyncIterator[DuplicateGroup]:
        cursor: str | None = None
        while True:
            page = await self.duplicate_page(threshold, page_size, cursor)
            for group in page.groups:
                yield group
            cursor = page.next_cursor
            if cursor is None:
                return

    async def thumbnail(self, id: str) -> bytes:
        return await self._send(calls.thumbnail(id))

    async def original(self, id: str) -> bytes:
        return await self._send(calls.original(id))

    async def search(
        self,
        image: ImageSource | None = None,
        *,
        id: str | None = None,
        text: str | None = None,
        text_not: Sequence[str] | str | None = None,
        features: Sequence[str] | None = None,
        k: int = 20,
        weights: Mapping[str, float] | None = None,
        max_distance: Mapping[str, float] | None = None,
        params: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> answers.SearchAnswer:
        call = calls.search(
            None if image is None else await _read(image),
            id=id,
            text=text,
            text_not=text_not,
            features=features,
            k=k,
            weights=weights,
            max_distance=max_distance,
            params=params,
        )
        return await self._send(call)

    async def similar(self, id: str, *, features: Sequence[str] | None = None, k: int = 20) -> answers.SearchAnswer:
        return await self._send(calls.similar(id, features, k))

    async def tags(self, image: ImageSource) -> tuple[Tag, ...]:
        return await self._send(calls.tags(await _read(image)))

    async def caption(self, image: ImageSource) -> str:
        return await self._send(calls.caption(await _read(image)))

    async def features(self) -> tuple[answers.FeatureReport, ...]:
        return await self._send(calls.features())

    async def stats(self) -> answers.ServiceStats:
        return await self._send(calls.stats())

    async def verify(self) -> answers.Verification:
        return await self._send(calls.verify())

    async def train(self, feature: str) -> answers.Training:
        return await self._send(calls.train(feature))

    async def health(self) -> None:
        await self._send(calls.health())

    async def ready(self) -> answers.Readiness:
        return await self._send(calls.ready())

    async def submit_index(
        self,
        paths: Sequence[str],
        *,
        id_from: IdFrom = "path",
        on_conflict: OnKnownFile = "replace",
        watch: bool = False,
    ) -> str:
        return await self._send(job_calls.submit_index(paths, id_from, on_conflict, watch))

    async def submit_backfill(self, feature: str | None = None, *, allow_missing: bool = False) -> str:
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
        return await self._send(job_calls.submit_import(paths, photos, dry_run, keypoint_ranges, features))

    async def jobs(self) -> tuple[job_answers.Job, ...]:
        return await self._send(job_calls.jobs())

    async def job(self, id: str) -> job_answers.Job:
        return await self._send(job_calls.job(id))

    async def stop_job(self, id: str) -> job_answers.Job:
        return await self._send(job_calls.stop_job(id))

    async def job_failures(self, id: str, *, offset: int = 0, limit: int = 100) -> job_answers.JobFailures:
        return await self._send(job_calls.job_failures(id, offset, limit))

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncClient({self._session!r})"

    async def _send(self, call: Call[Answer]) -> Answer:
        attempt = 0
        while True:
            outcome = await self._attempt(call)
            pause_s = self._session.pause_s(call, attempt, outcome)
            if pause_s is None:
                return self._session.answer(call, outcome)
            import anyio  # here, because the shell command imports this file and never awaits

            await anyio.sleep(pause_s)
            attempt += 1

    async def _attempt(self, call: Call[Any]) -> Outcome:
        try:
            return await self._http.request(**self._session.request(call))
        except httpx.HTTPError as error:
            return error


async def _read(image: ImageSource) -> bytes:
    """A file is read in a thread, since reading it would hold up everything else on the loop."""
    if isinstance(image, bytes):
        return image
    from anyio import to_thread

    return await to_thread.run_sync(image_bytes, image)
