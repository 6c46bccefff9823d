"""The client for ordinary code."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from lookalike_client import answers, calls
from lookalike_client.blocking_jobs import JobClient
from lookalike_client.calls import Call, Combine, FilterSource, OnConflict, Order
from lookalike_client.failures import Outcome
from lookalike_client.matches import Relation, Relevance
from lookalike_client.session import ImageSource, image_bytes, images_bytes, session

Answer = TypeVar("Answer")


class Client(JobClient):
    """Speaks with one service; safe to share between threads.

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
        transport: httpx.BaseTransport | None = None,
        *,
        retries: int = 4,
        deadline_s: float | None = None,
    ) -> None:
        self._session = session(base_url, api_key, timeout_s, retries, deadline_s)
        self._http = httpx.Client(transport=transport, **self._session.options())

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

    def add(
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
        return self._send(calls.add(image_bytes(image), id, metadata, on_conflict))

    def replace(self, id: str, image: ImageSource, *, metadata: Mapping[str, Any] | None = None) -> answers.AddedImage:
        """Store a picture under this id, in the place of what was there, if anything was."""
        return self._send(calls.replace(id, image_bytes(image), metadata))

    def get(self, id: str) -> answers.ImageRow:
        """A picture's row. Raises `errors.ImageNotFound`, as do all calls that name one."""
        return self._send(calls.get(id))

    def delete(self, id: str, *, stays_out: bool = True) -> None:
        """Remove a picture from everywhere at once. stays_out: the file that it came from is not indexed again unless
        its bytes change, or somebody names it.
        """
        self._send(calls.delete(id, stays_out))

    def page(
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
        return self._send(calls.page(limit, cursor, filter, sort, order))

    def images(
        self, page_size: int = 100, *, filter: FilterSource | None = None, sort: str | None = None, order: Order = "asc"
    ) -> Iterator[answers.ImageRow]:
        """All rows of `page`, asked for page by page."""
        page = self.page(page_size, filter=filter, sort=sort, order=order)
        yield from page.images
        while page.next_cursor is not None:
            page = self.page(page_size, page.next_cursor, filter=filter, sort=sort, order=order)
            yield from page.images

    def duplicate_page(
        self,
        threshold: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
        *,
        relation: Sequence[Relation] | None = None,
    ) -> answers.DuplicatePage:
        """One page of the groups of `duplicates`; one without groups may have a following page."""
        return self._send(calls.duplicates(threshold, limit, cursor, relation))

    def duplicates(
        self, threshold: int | None = None, page_size: int = 100, *, relation: Sequence[Relation] | None = None
    ) -> Iterator[answers.DuplicateGroup]:
        """All groups of pictures of one photograph, asked for page by page: the one to keep, and those that are the
        ``same``, or have one of the relations to it. threshold: group by the hash alone, those within so many bits.

        What is added or deleted while this goes on may be in it or not. Raises `errors.UnknownFeature` where a
        threshold is given and the service computes no hashes.
        """
        page = self.duplicate_page(threshold, page_size, relation=relation)
        yield from page.groups
        while page.next_cursor is not None:
            page = self.duplicate_page(threshold, page_size, page.next_cursor, relation=relation)
            yield from page.groups

    def thumbnail(self, id: str) -> bytes:
        """A JPEG whose long side is at most 256."""
        return self._send(calls.thumbnail(id))

    def original(self, id: str) -> bytes:
        """The picture's file, where the service can still read it."""
        return self._send(calls.original(id))

    def search(
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
            images_bytes(image),
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
        return self._send(call)

    def similar(
        self,
        id: str,
        *,
        features: Sequence[str] | None = None,
        k: int = 20,
        filter: FilterSource | None = None,
        relevance: Relevance = "all",
    ) -> answers.SearchAnswer:
        """Pictures like a stored one."""
        return self._send(calls.similar(id, features, k, filter, relevance))

    def compare(
        self,
        *,
        a: ImageSource | None = None,
        a_id: str | None = None,
        b: ImageSource | None = None,
        b_id: str | None = None,
        explain: bool = False,
    ) -> answers.SearchResult:
        """What picture ``a`` is to ``b``, each a file or the id of a stored one: a result as of a search with ``a``."""
        files = {name: image_bytes(image) for name, image in (("a", a), ("b", b)) if image is not None}
        ids = {name: id for name, id in (("a", a_id), ("b", b_id)) if id is not None}
        return self._send(calls.compare(files, ids, explain))

    def tags(self, image: ImageSource) -> tuple[answers.Tag, ...]:
        """What the service sees in a picture, best first.

        Raises `errors.NotFound` where the configuration has no such annotator, and
        `errors.ExtractorUnavailable` where its model is missing.
        """
        return self._send(calls.tags(image_bytes(image)))

    def caption(self, image: ImageSource) -> str:
        """A picture in a sentence. Raises as `tags` does."""
        return self._send(calls.caption(image_bytes(image)))

    def features(self) -> tuple[answers.FeatureReport, ...]:
        """The service's extractors and annotators."""
        return self._send(calls.features())

    def stats(self) -> answers.ServiceStats:
        return self._send(calls.stats())

    def verify(self) -> answers.Verification:
        """Compare every shard's store with its indexes; takes long on much data."""
        return self._send(calls.verify())

    def train(self, feature: str) -> answers.Training:
        """Train the index of a local feature in every shard now; takes long on much data.

        Raises `errors.InvalidRequest` where there is nothing to train.
        """
        return self._send(calls.train(feature))

    def health(self) -> None:
        """Raises `errors.ServiceUnreachable` unless the service is alive."""
        self._send(calls.health())

    def ready(self) -> answers.Readiness:
        """Whether the service can answer, and what is missing."""
        return self._send(calls.ready())

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._session!r})"

    def _send(self, call: Call[Answer]) -> Answer:
        attempts = self._session.attempts(call)
        while True:
            outcome = self._attempt(attempts.request())
            pause_s = attempts.pause_s(outcome)
            if pause_s is None:
                return attempts.answer(outcome)
            time.sleep(pause_s)

    def _attempt(self, request: Mapping[str, Any]) -> Outcome:
        try:
            return self._http.request(**request)
        except httpx.HTTPError as error:
            return error
