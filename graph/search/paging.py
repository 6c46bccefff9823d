"""Pages of a search, and of pictures that are the same only the best.

How several features rank together depends on how deep each was asked, so a deeper answer is not a longer one. The first
page is what a search gives; all others follow from one answer as deep as there can be, without what the first page has.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b

from graph.requests.messages import SearchAnswer, SearchRequest, SearchResult
from graph.requests.shards import Shards
from storage.errors import InvalidField
from storage.filters.text_form import filter_text
from storage.operations.features import RowsOfEach
from storage.operations.pictures import Records
from storage.shard.placement import shard_of

HASH_FEATURE = "phash"
DEEPER = 4  # times as many results, where too many of them are the same
MARKED_BYTES = 2048  # at either end of a picture's file; enough to tell requests apart


async def one_page(
    request: SearchRequest,
    answer: Callable[[SearchRequest], Awaitable[SearchAnswer]],
    shards: Shards,
    *,
    max_results: int,
) -> SearchAnswer:
    """answer: to a request without a cursor, whatever its ``k``. Raises `InvalidField` for another search's cursor."""
    first, start = _place_of(request)
    if request.cursor is None:
        return await _first_page(request, answer, shards, max_results)
    whole = replace(request, k=max_results, cursor=None, distinct=False)
    head, found = await asyncio.gather(
        _first_page(replace(request, k=first, cursor=None), answer, shards, max_results), answer(whole)
    )
    shown = {result.id for result in head.results}
    ranked = [*head.results, *(result for result in found.results if result.id not in shown)]
    kept = await _only_the_best(ranked, shards) if request.distinct else ranked
    end = start + request.k
    cursor = _cursor_at(request, first, end) if len(kept) > end else None
    return replace(found, results=tuple(kept[start:end]), next_cursor=cursor)


async def _first_page(
    request: SearchRequest,
    answer: Callable[[SearchRequest], Awaitable[SearchAnswer]],
    shards: Shards,
    max_results: int,
) -> SearchAnswer:
    end = depth = min(request.k, max_results)
    while True:
        found = await answer(replace(request, k=depth, distinct=False))
        kept = await _only_the_best(found.results, shards) if request.distinct else found.results
        if len(kept) >= end or len(found.results) < depth or depth == max_results:
            break
        depth = min(max_results, DEEPER * depth)
    cursor = _cursor_at(request, end, end) if len(kept) >= end and end < max_results else None
    return replace(found, results=tuple(kept[:end]), next_cursor=cursor)


async def _only_the_best(results: Sequence[SearchResult], shards: Shards) -> list[SearchResult]:
    """Without those that have the bytes, or the very hash, of one before them."""
    ids = [result.id for result in results]
    groups: dict[int, list[str]] = {}
    for image_id in ids:
        groups.setdefault(shard_of(image_id, len(shards.ports)), []).append(image_id)
    marks: dict[str, list[Hashable]] = {}
    for found in await asyncio.gather(*(_marks(tuple(own), shards) for own in groups.values())):
        marks.update(found)
    seen: set[Hashable] = set()
    kept = []
    for result in results:
        own = marks[result.id]
        if seen.isdisjoint(own):
            kept.append(result)
        seen.update(own)
    return kept


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


def _cursor_at(request: SearchRequest, first: int, place: int) -> str:
    """first: results of the first page."""
    cursor = f"{_mark(request)}.{first}.{place}"
    return base64.urlsafe_b64encode(cursor.encode("ascii")).decode("ascii").rstrip("=")


def _place_of(request: SearchRequest) -> tuple[int, int]:
    """(results of the first page, where this one begins)."""
    if request.cursor is None:
        return request.k, 0
    try:
        padded = request.cursor.encode("ascii") + b"=" * (-len(request.cursor) % 4)
        mark, *places = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split(".")
        first, start = map(int, places)
    except ValueError as error:
        raise InvalidField("cursor: it is no cursor of a search", "send next_cursor of the answer as it is") from error
    if mark != _mark(request) or not 0 < first <= start:
        raise InvalidField("cursor: it is of another search", "send the same request with each page")
    return first, start


def _mark(request: SearchRequest) -> str:
    """Tells one search from another."""
    image = request.image or b""
    said = [
        len(image), request.id, request.text, request.text_not, request.features, dict(request.weights),
        dict(request.max_distance), {name: dict(own) for name, own in request.params.items()},
        None if request.filter is None else filter_text(request.filter), request.distinct,
    ]  # fmt: skip
    whole = json.dumps(said, sort_keys=True, default=str).encode("ascii")
    return blake2b(image[:MARKED_BYTES] + image[-MARKED_BYTES:] + whole, digest_size=8).hexdigest()
