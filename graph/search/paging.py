"""Pages of a search, and of pictures that are the same only the best."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Hashable, Iterable, Sequence
from hashlib import blake2b
from typing import Protocol

from graph.requests.messages import SearchAnswer, SearchRequest
from graph.requests.shards import Shards
from graph.search.ranking import Candidate
from storage.errors import InvalidField
from storage.filters.text_form import filter_text
from storage.operations.features import RowsOfEach
from storage.operations.pictures import Records

HASH_FEATURE = "phash"
COMPARED_AT_ONCE = 100  # pictures
MARKED_BYTES = 2048  # at either end of a picture's file; enough to tell requests apart


class Ranking(Protocol):
    """A search under way: `graph.search.search.SearchRun`."""

    request: SearchRequest
    order: list[Candidate]
    is_whole: bool

    async def begin(self) -> None: ...

    async def go_deeper(self) -> None: ...

    def answer(self, shown: Sequence[Candidate], next_cursor: str | None) -> SearchAnswer: ...


async def one_page(ranking: Ranking, shards: Shards) -> SearchAnswer:
    """The part of the order that the request is for. Raises `InvalidField` for another search's cursor."""
    request = ranking.request
    start = _place_of(request)
    end = start + request.k
    kept = _Kept(shards) if request.distinct else None
    await ranking.begin()
    shown = ranking.order if kept is None else await kept.of(ranking.order, end)
    if len(shown) < end and not ranking.is_whole:
        await ranking.go_deeper()
        shown = ranking.order if kept is None else await kept.of(ranking.order, end)
    cursor = _cursor_at(request, end) if len(shown) > end or not ranking.is_whole else None
    return ranking.answer(shown[start:end], cursor)


class _Kept:
    """Without those that have the bytes, or the very hash, of one before them."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._compared = 0
        self._seen: set[Hashable] = set()
        self._kept: list[Candidate] = []

    async def of(self, order: Sequence[Candidate], wanted: int) -> Sequence[Candidate]:
        """More than so many where there are more. order: at each call that of the last one, and more."""
        while len(self._kept) <= wanted and self._compared < len(order):
            part = order[self._compared : self._compared + COMPARED_AT_ONCE]
            marks = await self._marks_of([candidate.id for candidate in part])
            for candidate in part:
                own = marks[candidate.id]
                if self._seen.isdisjoint(own):
                    self._kept.append(candidate)
                self._seen.update(own)
            self._compared += len(part)
        return self._kept

    async def _marks_of(self, ids: Sequence[str]) -> dict[str, list[Hashable]]:
        groups = self._shards.with_their_ids(ids)
        found = await asyncio.gather(*(_marks(tuple(own), self._shards) for own in groups.values()))
        return {image_id: marks for group in found for image_id, marks in group}


async def _marks(ids: tuple[str, ...], shards: Shards) -> Iterable[tuple[str, list[Hashable]]]:
    """Of pictures of one shard, what they share with those that are the same."""
    records, rows = await asyncio.gather(
        shards.ask_for(ids[0], Records(ids)), shards.ask_for(ids[0], RowsOfEach(ids, (HASH_FEATURE,)))
    )
    marks: list[tuple[str, list[Hashable]]] = []
    for image_id, record, features in zip(ids, records, rows, strict=True):
        own: list[Hashable] = [] if record is None or not record.sha256 else [record.sha256]
        if features and HASH_FEATURE in features:
            own.append(features[HASH_FEATURE].tobytes())
        marks.append((image_id, own))
    return marks


def _cursor_at(request: SearchRequest, place: int) -> str:
    cursor = f"{_mark(request)}.{place}"
    return base64.urlsafe_b64encode(cursor.encode("ascii")).decode("ascii").rstrip("=")


def _place_of(request: SearchRequest) -> int:
    """In the order, where the page begins."""
    if request.cursor is None:
        return 0
    try:
        padded = request.cursor.encode("ascii") + b"=" * (-len(request.cursor) % 4)
        mark, place = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split(".")
        start = int(place)
    except ValueError as error:
        raise InvalidField("cursor: it is no cursor of a search", "send next_cursor of the answer as it is") from error
    if mark != _mark(request) or start <= 0:
        raise InvalidField("cursor: it is of another search", "send the same request with each page")
    return start


def _mark(request: SearchRequest) -> str:
    """Tells one search from another. ``relevance`` does not: a narrower one is the beginning of the wider ones."""
    said = [
        [len(image) for image in request.images], request.ids, request.combine, request.text, request.text_not,
        request.features, dict(request.weights), dict(request.max_distance),
        {name: dict(own) for name, own in request.params.items()},
        None if request.filter is None else filter_text(request.filter), request.distinct,
    ]  # fmt: skip
    whole = json.dumps(said, sort_keys=True, default=str).encode("ascii")
    ends = [image[:MARKED_BYTES] + image[-MARKED_BYTES:] for image in request.images]
    return blake2b(b"".join([*ends, whole]), digest_size=8).hexdigest()
