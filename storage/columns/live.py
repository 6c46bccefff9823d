"""The columns of an open shard, and what was made of them: masks of filters, orders of listings.

They are built from the store when they are first needed, and follow every write from then on. What was made of them is
kept until the next write.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from storage.columns.matching import Matching
from storage.columns.pictures import PictureColumns
from storage.columns.sorting import SortColumn, order_by_id, place_after
from storage.columns.texts import Mask
from storage.errors import LookalikeError, StorageFailure
from storage.filters.limits import names
from storage.kv.store import LmdbStore
from storage.tables.schema import IMAGES, SEQUENCE, decode_image, meta_number
from storage.types.features import Handles
from storage.types.filters import AllOf, Comparison, Filter, Not
from storage.types.listings import Sort, SortKey
from storage.types.pictures import ImageRecord
from storage.words.word_index import WordIndex

Changed = Mapping[int, ImageRecord | None]  # by handle: the row as it is now, None where the picture is gone
T = TypeVar("T", bound="NDArray[np.bool_] | NDArray[np.int64]")

logger = logging.getLogger(__name__)

KEPT_BYTES = 64 << 20
LARGE = 50_000  # pictures, from which on the columns are built right after opening: nobody is to wait for seconds
PATIENCE_S = 10.0  # for a write that is on disk to reach the columns

IS_MISSING = Comparison("missing", "=", (True,))


def with_missing_left_out(filter: Filter | None) -> Filter:
    """Missing pictures are meant only where the filter speaks of them."""
    there = Not(IS_MISSING)
    if filter is None:
        return there
    return filter if names(filter, "missing") else AllOf((filter, there))


class LiveColumns:
    """For any number of threads, none of which may be in a transaction: a store that has to grow waits for those, and
    they would wait for whoever builds the columns.

    missing: how many pictures' files are gone.
    """

    def __init__(self, store: LmdbStore, missing: int = 0, kept_bytes: int = KEPT_BYTES) -> None:
        self._store = store
        self.missing = missing
        self._columns: PictureColumns | None = None
        self._sequence = -1
        self._following: list[tuple[int, Changed]] | None = None  # while the columns are being built
        self._building = threading.Lock()
        self._changed = threading.Condition()  # also the lock of everything here
        self._made = _Kept(kept_bytes)
        self._closed = False
        self._builder: threading.Thread | None = None

    def build_ahead(self, pictures: int) -> None:
        """Builds them in the background, where searches will need them or there are many pictures. To be ended by
        `close`.
        """
        if self.missing or pictures >= LARGE:
            self._builder = threading.Thread(target=self._build_until_closed, name="columns", daemon=True)
            self._builder.start()

    def close(self) -> None:
        """Gives up building."""
        self._closed = True
        if self._builder is not None:
            self._builder.join()

    @property
    def memory_bytes(self) -> int:
        with self._changed:
            return self._made.bytes + (0 if self._columns is None else self._columns.memory_bytes)

    def follow(self, sequence: int, changed: Changed, missing: int) -> None:
        """To be called after a commit, with the sequence that the store is at."""
        with self._changed:
            self.missing = missing
            if self._following is not None:
                self._following.append((sequence, changed))
            if self._columns is not None and sequence > self._sequence:
                self._apply(self._columns, sequence, changed)

    def masks(
        self, filters: Collection[Filter | None], words: WordIndex | None, at_least: int = 0
    ) -> tuple[dict[Filter | None, Mask | None], int | None]:
        """By filter and handle, the pictures that it means, for reading only; None: all of them. Handles behind the end
        of a mask came later. And the sequence that the masks are of; None: of any.

        words: read in pictures. at_least: a sequence that was committed.
        """
        if not self.missing and not any(filters):
            return dict.fromkeys(filters), None
        with self._at(at_least) as columns:
            wanted = {one: with_missing_left_out(one) if one or self.missing else None for one in filters}
            masks = {one: None if whole is None else self._mask(columns, whole, words) for one, whole in wanted.items()}
            return masks, self._sequence

    def page(
        self, filter: Filter | None, words: WordIndex | None, sort: Sort, after: SortKey | None, limit: int
    ) -> list[tuple[int, SortKey]]:
        """Up to so many handles that the filter means, in order, from behind a place; and where they stand."""
        with self._at(0) as columns:
            mask = self._mask(columns, with_missing_left_out(filter), words)
            column = SortColumn(columns, sort.field, sort.key)
            order = self._order(columns, column, sort)
            start = 0 if after is None else place_after(order, column, after, sort)
            ids = columns.texts["id"]
            return [
                (handle, SortKey(column.value(handle), ids.get(handle) or ""))
                for handle in _first_allowed(order[start:], mask, limit)
            ]

    def _mask(self, columns: PictureColumns, filter: Filter, words: WordIndex | None) -> Mask:
        of_words = words if names(filter, "words") else None  # which another model may have read, without a write
        return self._made.get(("mask", filter, of_words), lambda: Matching(columns, words).mask(filter))

    def _order(self, columns: PictureColumns, column: SortColumn, sort: Sort) -> Handles:
        by_id = self._made.get(("order", Sort()), lambda: order_by_id(columns))
        return self._made.get(("order", sort), lambda: column.order(by_id, descending=sort.descending))

    @contextmanager
    def _at(self, sequence: int) -> Iterator[PictureColumns]:
        """The columns, locked, with every change up to this committed one."""
        while True:
            self._build()
            with self._changed:
                self._changed.wait_for(lambda: self._sequence >= sequence, PATIENCE_S)
                if self._columns is not None and self._sequence >= sequence:
                    yield self._columns
                    return
                self._columns, self._sequence = None, -1  # a change never came: build them anew

    def _build(self) -> None:
        with self._building:
            if self._columns is not None:
                return
            with self._changed:
                self._following = []
            try:
                columns = PictureColumns()
                with self._store.read() as transaction:
                    sequence = meta_number(transaction, SEQUENCE)
                    for _, value in transaction.items(IMAGES):
                        if self._closed:
                            raise StorageFailure("the shard is being closed", "open it again")
                        image = decode_image(value)
                        columns.put(image.handle, image.record)
                with self._changed:
                    self._made.clear()
                    self._columns, self._sequence = columns, sequence
                    for later, changed in self._following:
                        if later > sequence:
                            self._apply(columns, later, changed)
            finally:
                with self._changed:
                    self._following = None

    def _build_until_closed(self) -> None:
        try:
            self._build()
        except LookalikeError as failure:  # whoever needs them tries again, and is told
            logger.warning("the columns of pictures could not be built: %s", failure)

    def _apply(self, columns: PictureColumns, sequence: int, changed: Changed) -> None:
        for handle, record in changed.items():
            columns.put(handle, record)
        self._sequence = sequence
        self._made.clear()
        self._changed.notify_all()


class _Kept:
    """What was made last, up to so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._made: OrderedDict[Hashable, Mask | Handles] = OrderedDict()
        self.bytes = 0

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._made:
            made = make()
            made.flags.writeable = False
            self._made[key] = made
            self.bytes += made.nbytes
            while self.bytes > self._most_bytes and len(self._made) > 1:
                self.bytes -= self._made.popitem(last=False)[1].nbytes
        self._made.move_to_end(key)
        return self._made[key]  # type: ignore[return-value]  # a key has one type

    def clear(self) -> None:
        self._made.clear()
        self.bytes = 0


def _first_allowed(order: Handles, mask: Mask, limit: int) -> list[int]:
    """Looked for in growing pieces: most pages are found at the beginning."""
    found: list[int] = []
    start, step = 0, max(4 * limit, 1024)
    while start < len(order) and len(found) < limit:
        part = order[start : start + step]
        found += part[mask[part]].tolist()
        start, step = start + step, 2 * step
    return found[:limit]
