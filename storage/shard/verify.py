"""Whether a shard's tables agree with each other, and every index with its table, row for row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from storage.encoding.feature_rows import decode_rows
from storage.encoding.keys import number_key, number_of, text_key
from storage.errors import CorruptData
from storage.index.vector_index import VectorIndex
from storage.index.whitening import WhitenedIndex
from storage.kv.store import ReadTransaction
from storage.tables.schema import (
    HANDLES,
    IMAGES,
    ORIGINALS,
    PENDING,
    THUMBNAILS,
    StoredImage,
    absent_count,
    absent_in,
    can_be_filled,
    decode_image,
    feature_table,
)
from storage.tables.sources import count_strays, is_noted
from storage.types.features import Vectors

MAX_PROBLEMS = 100
WHITENED_TOLERANCE = 1e-4


def table_problems(
    transaction: ReadTransaction, indexes: Mapping[str, VectorIndex], *, keeps_originals: bool = False
) -> Iterator[str]:
    """Disagreements among images, handles, thumbnails, originals, pending and feature tables."""
    known = set()
    absent: Counter[str] = Counter()
    for key, value in transaction.items(IMAGES):
        try:
            image = decode_image(value)
        except CorruptData as failure:
            yield f"images: {key[:80]!r}: {failure.message}"
            continue
        known.add(image.handle)
        absent.update(absent_in(image.record.features))
        if text_key(image.record.id) != key:
            yield f"images: {image.record.id!r} lies under another image's key"
        yield from _image_problems(transaction, image, indexes, keeps_originals=keeps_originals)
    for table in (HANDLES, THUMBNAILS, ORIGINALS, PENDING, *map(feature_table, indexes)):
        unknown = [number_of(key) for key in transaction.keys(table) if number_of(key) not in known]
        yield from (f"{table}: handle {handle} belongs to no image" for handle in unknown)
    if strays := count_strays(transaction, known):
        yield f"files: {strays} entries lead to no image"
    for feature in indexes:
        if absent[feature] != absent_count(transaction, feature):
            yield f"{feature} is absent of {absent[feature]} images, counted as {absent_count(transaction, feature)}"


def _image_problems(
    transaction: ReadTransaction, image: StoredImage, indexes: Mapping[str, VectorIndex], *, keeps_originals: bool
) -> Iterator[str]:
    record, key = image.record, number_key(image.handle)
    name = f"image {record.id!r}"
    if transaction.get(HANDLES, key) != record.id.encode():
        yield f"{name}: its handle leads elsewhere"
    if not is_noted(transaction, image):
        yield f"{name}: it is not found by its file"
    if not transaction.has(THUMBNAILS, key):
        yield f"{name}: no thumbnail"
    original = transaction.has(ORIGINALS, key)
    if original and not keeps_originals and "pending" not in record.features.values():
        yield f"{name}: its original is kept though nothing is pending"
    if (transaction.get(PENDING, key) == record.id.encode()) != can_be_filled(record, original):
        yield f"{name}: its row and the table of pending images disagree"
    for feature in indexes:
        stored = transaction.has(feature_table(feature), key)
        if stored != (record.features.get(feature) == "ok"):
            yield f"{name}: {feature} is {record.features.get(feature)!r} but rows are {'' if stored else 'not '}stored"


class IndexCheck:
    """Compares one index with the feature's table. rows: how many were compared so far."""

    def __init__(self, index: VectorIndex) -> None:
        self._whitening = index.whitening if isinstance(index, WhitenedIndex) else None
        blocks = list(index.live_blocks())
        self._blocks = [rows for _, rows in blocks]
        self._starts = np.cumsum([0, *(len(rows) for rows in self._blocks)])
        handles = np.concatenate([np.zeros(0, np.int64), *(handles for handles, _ in blocks)])
        self._order = np.argsort(handles, kind="stable")
        self._handles = handles[self._order]
        self.rows = 0

    def problems(self, transaction: ReadTransaction, feature: str) -> Iterator[str]:
        matched = 0
        for key, value in transaction.items(feature_table(feature)):
            handle = number_of(key)
            try:
                wanted = decode_rows(value).rows
            except CorruptData as failure:
                yield f"{feature}: handle {handle}: {failure.message}"
                continue
            places = self._places(handle)
            matched += len(places)
            self.rows += len(places)
            if not self._same(places, wanted):
                yield f"{feature}: the index has other rows of handle {handle} than the store"
        if matched != len(self._handles):
            yield f"{feature}: the index has {len(self._handles) - matched} rows that the store does not"

    def _places(self, handle: int) -> NDArray[np.intp]:
        low, high = np.searchsorted(self._handles, [handle, handle + 1])
        return self._order[low:high]

    def _same(self, places: NDArray[np.intp], wanted: Vectors) -> bool:
        """In any order: an index may sort a picture's rows into lists of its own."""
        if len(places) != len(wanted):
            return False
        if self._whitening is not None:  # sums round by the number of rows that are whitened at a time
            whitened = self._whitening.applied(np.asarray(wanted, np.float32))
            return np.allclose([self._row(place) for place in places], whitened, atol=WHITENED_TOLERANCE)
        return sorted(self._row(place).tobytes() for place in places) == sorted(row.tobytes() for row in wanted)

    def _row(self, place: np.intp) -> Vectors:
        block = int(np.searchsorted(self._starts, place, side="right")) - 1
        row: Vectors = self._blocks[block][place - self._starts[block]]
        return row


def verify_tables(
    transaction: ReadTransaction, indexes: Mapping[str, VectorIndex], *, keeps_originals: bool = False
) -> tuple[int, tuple[str, ...]]:
    """Rows compared, and the first problems found. The indexes must be of the transaction's moment."""
    checks = {name: IndexCheck(index) for name, index in indexes.items()}
    every = chain(
        table_problems(transaction, indexes, keeps_originals=keeps_originals),
        *(check.problems(transaction, name) for name, check in checks.items()),
    )
    problems = tuple(islice(every, MAX_PROBLEMS))
    return sum(check.rows for check in checks.values()), problems
