"""The client, for asyncio and trio.

Made from `lookalike_client.blocking` by ``python -m lookalike_client.generate``: change that file, not this one.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from lookalike_client import answers, calls
from lookalike_client.asynchronous_jobs import AsyncJobClient
from lookalike_client.calls import Call, Combine, FilterSource, OnConflict, Order
from lookalike_client.failures import Outcome
from lookalike_client.matches import Relation, Relevance
from lookalike_client.session import ImageSource, read_image, read_images, session

Answer = TypeVar("Answer")


class AsyncClient(AsyncJobClient):
    """`lookalike_client.Client` with every call awaited.

    api_key: needed where the service asks for one. timeout_s: how long an attempt may wait for the service. retries:
    further attempts of a call that is safe to repeat, when the service is busy or away. deadline_s: for a call with all
    its attempts and the pauses between them; ``timeout_s`` where it is None. transport: stands in for the network, in
    tests.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        retries: int = 4,
        deadline_s: float | None = None,
    ) -> None:
        self._session = session(base_url, api_key, timeout_s, retries, deadline_s)
        self._http = httpx.AsyncClient(transport=transport, **self._session.options())

    @property
    def base_url(self) -> str:
        return str(self._session.url)

    def within(self, deadline_s: float) -> Self:
        """This client with another deadline, over the same connections: ``client.within(2).search(...)``. It is closed
        with this one.
        """
        other = copy.copy(self)
        other._session = replace(self._session, deadline_s=deadline_s)
        return other

    async def add(
        self,
        image: ImageSource,
        *,
        id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = "error",
    ) -> answers.AddedImage:
        """Store a picture; searchable when this returns. Without an id the service takes the SHA-256 of the bytes.

        Raises `errors.ImageExists` where the id is taken, unless told to skip or replace, and
        `errors.UnreadableImage` for bytes that are no picture.
        """
        return await self._send(calls.add(await read_image(image), id, metadata, on_conflict))

    async def replace(
        self, id: str, image: ImageSource, *, metadata: Mapping[str, Any] | None = None
    ) -> answers.AddedImage:
        """Store a picture under this id, in the place of what was there, if anything was."""
        return await self._send(calls.replace(id, await read_image(image), metadata))

    async def get(self, id: str) -> answers.ImageRow:
        """A picture's row. Raises `errors.ImageNotFound`, as do all calls that name one."""
        return await self._send(calls.get(id))

    async def delete(self, id: str, *, stays_out: bool = True) -> None:
        """Remove a picture from everywhere at once. stays_out: the file that it came from is not indexed again unless
        its bytes change, or somebody names it.
        """
        await self._send(calls.delete(id, stays_out))

    async def page(
        self,
        limit: int = 100,
        cursor: str | None = None,
        *,
        filter: FilterSource | None = None,
        sort: str | None = None,
        order: Order = "asc",
    ) -> answers.ImagePage:
        """One page of the rows that a filter means, in the order of a field, of their ids unless said. Without a filter
        those of all pictures whose file is not gone.
        """
        return await self._send(calls.page(limit, cursor, filter, sort, order))

    async def images(
        self, page_size: int = 100, *, filter: FilterSource | None = None, sort: str | None = None, order: Order = "asc"
    ) -> AsyncIterator[answers.ImageRow]:
        """All rows of `page`, asked for page by page."""
        page = await self.page(page_size, filter=filter, sort=sort, order=order)
        for one in page.images:
            yield one
        while page.next_cursor is not None:
            page = await self.page(page_size, page.next_cursor, filter=filter, sort=sort, order=order)
            for one in page.images:
                yield one

    async def duplicate_page(
        self,
        threshold: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
        *,
        relation: Sequence[Relation] | None = None,
    ) -> answers.DuplicatePage:
        """One page of the groups of `duplicates`; one without groups may have a following page."""
        return await self._send(calls.duplicates(threshold, limit, cursor, relation))

    async def duplicates(
        self, threshold: int | None = None, page_size: int = 100, *, relation: Sequence[Relation] | None = None
    ) -> AsyncIterator[answers.DuplicateGroup]:
        """All groups of pictures of one photograph, asked for page by page: the one to keep, and those that are the
        ``same``, or have one of the relations to it. threshold: group by the hash alone, those within so many bits.

        What is added or deleted while this goes on may be in it or not. Raises `errors.UnknownFeature` where a
        threshold is given and the service computes no hashes.
        """
        page = await self.duplicate_page(threshold, page_size, relation=relation)
        for one in page.groups:
            yield one
        while page.next_cursor is not None:
            page = await self.duplicate_page(threshold, page_size, page.next_cursor, relation=relation)
            for one in page.groups:
                yield one

    async def thumbnail(self, id: str) -> bytes:
        """A JPEG whose long side is at most 256."""
        return await self._send(calls.thumbnail(id))

    async def original(self, id: str) -> bytes:
        """The picture's file, where the service can still read it."""
        return await self._send(calls.original(id))

    async def search(
        self,
        image: ImageSource | Sequence[ImageSource] | None = None,
        *,
        id: Sequence[str] | str | None = None,
        combine: Combine = "mean",
        text: str | None = None,
        text_not: Sequence[str] | str | None = None,
        features: Sequence[str] | None = None,
        k: int = 20,
        weights: Mapping[str, float] | None = None,
        max_distance: Mapping[str, float] | None = None,
        params: Mapping[str, Mapping[str, Any]] | None = None,
        filter: FilterSource | None = None,
        distinct: bool = False,
        cursor: str | None = None,
        relevance: Relevance = "all",
        explain: bool = False,
    ) -> answers.SearchAnswer:
        """Pictures like this one: a file, a stored id, a sentence, or several of them together. Image and id may be
        lists, of at most 8 together.

        combine: pictures near to all of these together ("mean"), or near to each ("all"). text_not: sentences to keep
        away from. features: those to ask; None asks all that can answer. weights: how much each counts, 1 unless said.
        max_distance: leaves out what is farther, by feature. params: each feature's own settings, such as
        ``{"phash": {"orientations": "all"}}``. filter: which pictures may be found, as text or JSON. distinct: of
        pictures that are the same only the best. cursor: ``next_cursor`` of the answer before. relevance: ``strong``,
        what is proven alone, ``likely``, or ``all``, the k best as they rank. explain: whether each result says what
        its relation follows from.
        """
        call = calls.search(
            await read_images(image),
            id=id,
            combine=combine,
            text=text,
            text_not=text_not,
            features=features,
            k=k,
            weights=weights,
            max_distance=max_distance,
            params=params,
            filter=filter,
            distinct=distinct,
            cursor=cursor,
            relevance=relevance,
            explain=explain,
        )
        return await self._send(call)

    async def similar(
        self,
        id: str,
        *,
        features: Sequence[str] | None = None,
        k: int = 20,
        filter: FilterSource | None = None,
        relevance: Relevance = "all",
    ) -> answers.SearchAnswer:
        """Pictures like a stored one."""
        return await self._send(calls.similar(id, features, k, filter, relevance))

    async def compare(
        self,
        *,
        a: ImageSource | None = None,
        a_id: str | None = None,
        b: ImageSource | None = None,
        b_id: str | None = None,
        explain: bool = False,
    ) -> answers.SearchResult:
        """What picture ``a`` is to ``b``, each a file or the id of a stored one: a result as of a search with ``a``."""
        files = {name: await read_image(image) for name, image in (("a", a), ("b", b)) if image is not None}
        ids = {name: id for name, id in (("a", a_id), ("b", b_id)) if id is not None}
        return await self._send(calls.compare(files, ids, explain))

    async def tags(self, image: ImageSource) -> tuple[answers.Tag, ...]:
        """What the service sees in a picture, best first.

        Raises `errors.NotFound` where the configuration has no such annotator, and
        `errors.ExtractorUnavailable` where its model is missing.
        """
        return await self._send(calls.tags(await read_image(image)))

    async def caption(self, image: ImageSource) -> str:
        """A picture in a sentence. Raises as `tags` does."""
        return await self._send(calls.caption(await read_image(image)))

    async def features(self) -> tuple[answers.FeatureReport, ...]:
        """The service's extractors and annotators."""
        return await self._send(calls.features())

    async def stats(self) -> answers.ServiceStats:
        return await self._send(calls.stats())

    async def verify(self) -> answers.Verification:
        """Compare every shard's store with its indexes; takes long on much data."""
        return await self._send(calls.verify())

    async def train(self, feature: str) -> answers.Training:
        """Train the index of a local feature in every shard now; takes long on much data.

        Raises `errors.InvalidRequest` where there is nothing to train.
        """
        return await self._send(calls.train(feature))

    async def health(self) -> None:
        """Raises `errors.ServiceUnreachable` unless the service is alive."""
        await self._send(calls.health())

    async def ready(self) -> answers.Readiness:
        """Whether the service can answer, and what is missing."""
        return await self._send(calls.ready())

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
        attempts = self._session.attempts(call)
        while True:
            outcome = await self._attempt(attempts.request())
            pause_s = attempts.pause_s(outcome)
            if pause_s is None:
                return attempts.answer(outcome)
            import anyio  # here, because the shell command imports this file and never awaits

            await anyio.sleep(pause_s)

    async def _attempt(self, request: Mapping[str, Any]) -> Outcome:
        try:
            return await self._http.request(**request)
        except httpx.HTTPError as error:
            return error
