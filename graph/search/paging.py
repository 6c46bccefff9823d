"""Pages of a search, and of pictures that are the same only the best.

A page asks for as many results as it ends with and gives the last of them.
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
    start = _start_of(request)
    end = min(start + request.k, max_results)
    depth = end
    while True:
        found = await answer(replace(request, k=depth, cursor=None, distinct=False))
        kept = await _only_the_best(found.results, shards) if request.distinct else found.results
        if len(kept) >= end or len(found.results) < depth or depth == max_results:
            break
        depth = min(max_results, DEEPER * depth)
    cursor = _cursor_at(request, end) if len(kept) >= end and end < max_results else None
    return replace(found, results=tuple(kept[start:end]), next_cursor=cursor)


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


def _cursor_at(request: SearchRequest, place: int) -> str:
    return base64.urlsafe_b64encode(f"{_mark(request)}.{place}".encode("ascii")).decode("ascii").rstrip("=")


def _start_of(request: SearchRequest) -> int:
    if request.cursor is None:
        return 0
    try:
        padded = request.cursor.encode("ascii") + b"=" * (-len(request.cursor) % 4)
        mark, _, place = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition(".")
        start = int(place)
    except ValueError as error:
        raise InvalidField("cursor: it is no cursor of a search", "send next_cursor of the answer as it is") from error
    if mark != _mark(request):
        raise InvalidField("cursor: it is of another search", "send the same request with each page")
    return start


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
