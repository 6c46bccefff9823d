"""Which stored pictures are near to a picture: one pass over the index for many queries, then a few rows of the store.

Two pictures are as far apart as the rows of the two, or as another view of either is from the row of the other, the
farther of both ways round: so it does not matter which of the two is asked about. The way back is by the inverse view,
which of the mirrored one is itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from storage.duplicates.messages import NOTHING_NEAR, NearAnswer, NearPicture, NearQuery, NearQuestions
from storage.duplicates.picture_facts import NearMemory, NearStore
from storage.errors import InvalidRequest
from storage.index.hamming_range import Matches, rows_within
from storage.index.vector_index import Allowed, are_allowed, check_rows
from storage.kv.store import ReadTransaction
from storage.tables.model_versions import known_key
from storage.types.features import Handles
from storage.upkeep.moments import Moment

PAIRS_AT_ONCE = 8_000_000  # pictures times queries: bounds the matches that are held at a time
QUERIES_AT_ONCE = 64
FAR = 1 << 30

Bits = NDArray[np.int32]


def walk_pictures(
    transaction: ReadTransaction,
    moment: Moment,
    feature: str,
    views: int,
    after: int,
    limit: int,
    allowed: Allowed | None = None,
) -> list[NearPicture]:
    """Pictures that have the feature, in the order of their handles, from behind ``after``, with so many views each.
    Raises as `near_pictures`.
    """
    return NearStore(transaction, _binary_key(moment, feature), views, NearMemory()).after(after, limit, allowed)


def pictures_at(
    transaction: ReadTransaction, moment: Moment, feature: str, views: int, handles: Sequence[int]
) -> list[NearPicture]:
    """These pictures, which have the feature, with so many views each. Raises as `near_pictures`."""
    store = NearStore(transaction, _binary_key(moment, feature), views, NearMemory())
    return [store.picture(handle, 0) for handle in handles]


def near_pictures(
    transaction: ReadTransaction,
    moment: Moment,
    questions: NearQuestions,
    memory: NearMemory,
    allowed: Allowed | None = None,
) -> Iterator[NearAnswer]:
    """One answer a query. allowed: the pictures that may be near; all of them where it is None.

    Raises `UnknownFeature`, `InvalidRequest` for a feature without binary rows, or bad views.
    """
    key = _binary_key(moment, questions.feature)
    for query in questions.queries:
        check_rows(f"the query of {query.id!r}", query.views, moment.versions.specs[key])
    index = moment.indexes[key]
    at_once = min(QUERIES_AT_ONCE, max(1, PAIRS_AT_ONCE // max(1, index.rows_count)))
    for first in range(0, len(questions.queries), at_once):
        asked = questions.queries[first : first + at_once]
        store = NearStore(transaction, key, questions.views, memory)
        matches = rows_within(index, np.concatenate([query.views for query in asked]), questions.max_distance)
        yield from _answers(store, asked, matches, questions, allowed)


def _binary_key(moment: Moment, feature: str) -> str:
    key = known_key(moment.versions, feature)
    if moment.versions.specs[key].kind != "binary":
        raise InvalidRequest(f"pictures are not compared bit by bit in {feature!r}", "ask for a hash, such as phash")
    return key


def _answers(
    store: NearStore, queries: Sequence[NearQuery], matches: Matches, questions: NearQuestions, allowed: Allowed | None
) -> Iterator[NearAnswer]:
    row = 0
    for query in queries:
        end = row + len(query.views)
        if matches.count(row, end) == 0 or _is_alone(store, query, matches, row, end):
            yield NOTHING_NEAR
        else:
            handles, bits = _distances(store, query, matches, row, questions.inverses)
            there = (bits <= questions.max_distance) & (handles != store.handle_of(query.id))
            if allowed is not None:
                there &= are_allowed(allowed, handles)
            yield _answer(store, query, handles[there], bits[there])
        row = end


def _is_alone(store: NearStore, query: NearQuery, matches: Matches, row: int, end: int) -> bool:
    """Whether the picture found nothing but itself, as most do."""
    return matches.count(row, end) == 1 and int(matches.of(row, end)[1][0]) == store.handle_of(query.id)


def _distances(
    store: NearStore, query: NearQuery, matches: Matches, row: int, inverses: Sequence[int]
) -> tuple[Handles, Bits]:
    """Handles and distances of the pictures near to the query whose views begin at ``row``; `FAR` for some that are not
    near the other way round.
    """
    _, handles, bits = matches.of(row, row + 1)
    others, other_handles, other_bits = matches.of(row + 1, row + len(query.views))
    if not len(others):
        return handles, bits
    there, columns = np.unique(np.concatenate([handles, other_handles]), return_inverse=True)
    found = np.full((len(query.views), len(there)), FAR, np.int32)
    found[0, columns[: len(handles)]] = bits
    found[others - row, columns[len(handles) :]] = other_bits
    for view in range(1, len(query.views)):
        [nearer] = np.nonzero(found[view] < found[0])
        if len(nearer):
            both = np.maximum(
                found[view, nearer], _back(store, there[nearer], inverses[view] if inverses else view, query)
            )
            found[0, nearer] = np.minimum(found[0, nearer], both)
    return there, found[0]


def _back(store: NearStore, handles: Handles, view: int, query: NearQuery) -> Bits:
    """How far this view of each picture is from the query's row; `FAR` of one that has none."""
    stored = store.views(handles)[:, view]
    bits = np.bitwise_count(np.bitwise_xor(stored[:, 1:], query.views[0])).sum(axis=1, dtype=np.int32)
    return np.where(stored[:, 0] == 1, bits, np.int32(FAR))


def _answer(store: NearStore, query: NearQuery, handles: Handles, bits: Bits) -> NearAnswer:
    if not len(handles):
        return NOTHING_NEAR
    larger, larger_count = store.first_larger(handles, query.rank, query.larger)
    nearest = _smallest(bits, query.nearest)
    if query.sha256 and len(nearest) < len(bits):
        same = store.with_bytes(handles[bits == 0], query)
        places = [place for place in np.nonzero(bits == 0)[0].tolist() if int(handles[place]) in same]
        nearest = list(dict.fromkeys([*places, *nearest]))[: query.nearest]
    return NearAnswer(
        len(handles),
        larger_count,
        tuple(store.picture(int(handles[place]), int(bits[place])) for place in larger),
        tuple(store.picture(int(handles[place]), int(bits[place])) for place in nearest),
    )


def _smallest(bits: Bits, count: int) -> list[int]:
    """Places of the smallest, in order; of equal ones the first."""
    if count < len(bits):
        bound = np.partition(bits, count)[count]
        [places] = np.nonzero(bits <= bound)
    else:
        places = np.arange(len(bits))
    order: list[int] = places[np.argsort(bits[places], kind="stable")][:count].tolist()
    return order
