"""Pages of a search, and of pictures that are the same only the best."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b
from typing import Protocol

import numpy as np

from graph.requests.messages import SearchAnswer, SearchRequest
from graph.requests.shards import Shards
from graph.search.compare import Compared, stored_pictures
from graph.search.ranking import Candidate
from storage.errors import InvalidField
from storage.filters.text_form import filter_text
from storage.types.features import BinaryVectors

HASH_FEATURE = "phash"
COMPARED_AT_ONCE = 100  # pictures
NEAR_BITS = 150  # of two hashes that may be of the same picture
JUDGED_OF_ONE = 3  # pairs
MOST_JUDGED = 48  # pairs of one search
THE_QUERY = "the query"
MARKED_BYTES = 2048  # at either end of a picture's file; enough to tell requests apart


AreSame = Callable[[str, Sequence[str]], Awaitable[bool]]


class Ranking(Protocol):
    """A search under way: `graph.search.search.SearchRun`."""

    request: SearchRequest
    order: list[Candidate]
    is_whole: bool

    async def begin(self) -> None: ...

    async def go_deeper(self) -> None: ...

    def answer(self, shown: Sequence[Candidate], next_cursor: str | None) -> SearchAnswer: ...


async def one_page(ranking: Ranking, shards: Shards, are_same: AreSame) -> SearchAnswer:
    """The part of the order that the request is for. are_same: whether a stored picture is the same as one of others.
    Raises `InvalidField` for another search's cursor.
    """
    request = ranking.request
    start = _place_of(request)
    end = start + request.k
    is_one_picture = len(request.images) + len(request.ids) == 1
    kept = _Kept(shards, are_same, is_one_picture=is_one_picture) if request.distinct else None
    await ranking.begin()
    shown = ranking.order if kept is None else await kept.of(ranking.order, end)
    if len(shown) < end and not ranking.is_whole:
        await ranking.go_deeper()
        shown = ranking.order if kept is None else await kept.of(ranking.order, end)
    cursor = _cursor_at(request, end) if len(shown) > end or not ranking.is_whole else None
    return ranking.answer(shown[start:end], cursor)


class _Kept:
    """Without those that are the same as one before them: by their bytes, as both are the same as the query, or as the
    judge says of two whose hashes are near.
    """

    def __init__(self, shards: Shards, are_same: AreSame, *, is_one_picture: bool) -> None:
        """is_one_picture: that is searched with."""
        self._shards = shards
        self._are_same = are_same
        self._is_one_picture = is_one_picture
        self._compared = 0
        self._judged = 0
        self._seen: set[str] = set()
        self._kept: list[Candidate] = []
        self._views: list[tuple[str, BinaryVectors]] = []

    async def of(self, order: Sequence[Candidate], wanted: int) -> Sequence[Candidate]:
        """More than so many where there are more. order: at each call that of the last one, and more."""
        while len(self._kept) <= wanted and self._compared < len(order):
            part = order[self._compared : self._compared + COMPARED_AT_ONCE]
            there = await stored_pictures([candidate.id for candidate in part], (HASH_FEATURE,), self._shards)
            for candidate, stored in zip(part, there, strict=True):
                if not await self._is_another(candidate, stored):
                    self._kept.append(candidate)
            self._compared += len(part)
        return self._kept

    async def _is_another(self, candidate: Candidate, stored: Compared | None) -> bool:
        """Whether it is the same as one before it."""
        marks = set() if stored is None or not stored.summary.sha256 else {stored.summary.sha256}
        if self._is_one_picture and candidate.is_strong and candidate.relation == "same":
            marks.add(THE_QUERY)
        seen = not self._seen.isdisjoint(marks)
        self._seen |= marks
        if seen or stored is None or HASH_FEATURE not in stored.features:
            return seen
        rows = stored.features[HASH_FEATURE]
        near = self._near(np.asarray(rows.rows[0], np.uint8))
        if near and await self._are_same(candidate.id, near):
            return True
        self._views.append((candidate.id, np.asarray(rows.rows if rows.query_rows is None else rows.query_rows)))
        return False

    def _near(self, code: BinaryVectors) -> list[str]:
        """Ids of the few nearest before it that it may be the same as, in any turn; none once many were judged."""
        bits = [(int(np.bitwise_count(views ^ code).sum(axis=1).min()), image_id) for image_id, views in self._views]
        near = [image_id for distance, image_id in sorted(bits) if distance <= NEAR_BITS][:JUDGED_OF_ONE]
        near = near[: MOST_JUDGED - self._judged]
        self._judged += len(near)
        return near


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
