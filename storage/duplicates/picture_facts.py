"""The pictures of one moment of a shard's store, as a search for copies needs them."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from storage.duplicates.fact_cache import Remembered
from storage.duplicates.messages import NearPicture, NearQuery, Rank
from storage.encoding.feature_rows import decode_rows
from storage.encoding.keys import number_key, number_of, text_key
from storage.encoding.records import decode_fields
from storage.errors import CorruptData
from storage.index.vector_index import Allowed
from storage.kv.store import ReadTransaction
from storage.tables.schema import HANDLE_BYTES, HANDLES, IMAGES, feature_table, record_by_handle
from storage.types.features import BinaryVectors, Handles


@dataclass(frozen=True, slots=True)
class NearMemory:
    """What a shard remembers of crowds of pictures. sizes: (N, 2) pixels and bytes; ids: (N,); views: (N, V, 1 + D), by
    V.
    """

    sizes: Remembered = field(default_factory=Remembered)
    ids: Remembered = field(default_factory=Remembered)
    views: dict[int, Remembered] = field(default_factory=lambda: defaultdict(Remembered))

    def forget_expired(self) -> None:
        """See `Remembered.forget_expired`."""
        for facts in (self.sizes, self.ids, *list(self.views.values())):
            facts.forget_expired()


class NearStore:
    """views: how many of each picture's are used."""

    def __init__(self, transaction: ReadTransaction, key: str, views: int, memory: NearMemory) -> None:
        self._transaction = transaction
        self._key = key
        self._table = feature_table(key)
        self._views = views
        self._memory = memory
        self._known: dict[int, NearPicture] = {}

    def handle_of(self, image_id: str) -> int:
        """-1 where it is not a picture of this shard."""
        value = self._transaction.get(IMAGES, text_key(image_id))
        return -1 if value is None else number_of(value[:HANDLE_BYTES])

    def after(self, handle: int, limit: int, allowed: Allowed | None = None) -> list[NearPicture]:
        """Pictures that have the feature, in the order of their handles, from behind this one. allowed: those that are
        wanted; all where it is None.
        """
        items = self._transaction.items(self._table, number_key(handle + 1))
        entries = ((number_of(key), value) for key, value in items)
        wanted = (one for one in entries if allowed is None or (one[0] < len(allowed) and allowed[one[0]]))
        return [self._picture(*entry) for entry in islice(wanted, limit)]

    def picture(self, handle: int, distance: int) -> NearPicture:
        """Raises `CorruptData` where there is none."""
        if handle not in self._known:
            self._known[handle] = self._picture(handle, self._value(handle))
        return replace(self._known[handle], distance=distance)

    def views(self, handles: Handles) -> NDArray[np.uint8]:
        """(N, V, 1 + D): whether the picture has such a view, and the view."""
        return self._memory.views[self._views].of(handles, self._read_views)

    def with_bytes(self, handles: Handles, query: NearQuery) -> set[int]:
        """Those of the pictures that have the very bytes of the query's; read are only those of its size."""
        if not len(handles):
            return set()
        sizes = self._memory.sizes.of(handles, self._read_sizes)
        alike = handles[(sizes[:, 0] == -query.rank[0]) & (sizes[:, 1] == -query.rank[1])]
        return {handle for handle in alike.tolist() if self.picture(handle, 0).sha256 == query.sha256}

    def first_larger(self, handles: Handles, rank: Rank, limit: int) -> tuple[list[int], int]:
        """Places of the first ``limit`` pictures that come before the rank, in order, and how many there are in all."""
        sizes = self._memory.sizes.of(handles, self._read_sizes)
        pixels, byte_sizes = sizes[:, 0], sizes[:, 1]
        above = (pixels > -rank[0]) | ((pixels == -rank[0]) & (byte_sizes > -rank[1]))
        [tied] = np.nonzero((pixels == -rank[0]) & (byte_sizes == -rank[1]))
        if len(tied):
            above[tied] = self._memory.ids.of(handles[tied], self._read_ids) < rank[2]
        [places] = np.nonzero(above)
        return self._in_order(places, handles, sizes, limit), len(places)

    def _in_order(self, places: NDArray[np.intp], handles: Handles, sizes: NDArray[np.int64], limit: int) -> list[int]:
        """The first by size; ids are read only of those that may be among them."""
        order = np.lexsort((-sizes[places, 1], -sizes[places, 0]))
        if len(order) > limit > 0:
            last = sizes[places[order[limit - 1]]]
            here = sizes[places[order]]
            order = order[(here[:, 0] > last[0]) | ((here[:, 0] == last[0]) & (here[:, 1] >= last[1]))]
        chosen = places[order]
        ids = self._memory.ids.of(handles[chosen], self._read_ids)
        keys = zip(
            (-sizes[chosen, 0]).tolist(), (-sizes[chosen, 1]).tolist(), ids.tolist(), chosen.tolist(), strict=True
        )
        return [place for *_, place in heapq.nsmallest(limit, keys)]

    def _value(self, handle: int) -> bytes:
        value = self._transaction.get(self._table, number_key(handle))
        if value is None:
            raise CorruptData(f"the index of {self._key} has a picture that the store does not", "run verify")
        return value

    def _picture(self, handle: int, value: bytes) -> NearPicture:
        record = record_by_handle(self._transaction, handle)
        if record is None:
            raise CorruptData(f"{self._key} has rows of a picture that is not there, handle {handle}", "run verify")
        return NearPicture(
            handle,
            record.id,
            record.width,
            record.height,
            record.byte_size,
            record.sha256,
            None if record.source is None else record.source.path,
            self._decoded_views(value),
        )

    def _decoded_views(self, value: bytes) -> BinaryVectors:
        feature = decode_rows(value)
        views = feature.rows[:1] if feature.query_rows is None else feature.query_rows[: self._views]
        return np.asarray(views, np.uint8)

    def _read_views(self, handles: Handles) -> NDArray[np.uint8]:
        decoded = [self._decoded_views(self._value(handle)) for handle in handles.tolist()]
        table = np.zeros((len(decoded), self._views, 1 + decoded[0].shape[1]), np.uint8)
        for entry, views in zip(table, decoded, strict=True):
            entry[: len(views), 0] = 1
            entry[: len(views), 1:] = views
        return table

    def _read_sizes(self, handles: Handles) -> NDArray[np.int64]:
        table = np.zeros((len(handles), 2), np.int64)
        for entry, image_id in zip(table, self._read_ids(handles), strict=True):
            value = self._transaction.get(IMAGES, text_key(image_id))
            if value is not None:
                fields = decode_fields(value[HANDLE_BYTES:])  # a crowd's records would take twice the time
                entry[:] = fields["width"] * fields["height"], fields["byte_size"]
        return table

    def _read_ids(self, handles: Handles) -> NDArray[np.object_]:
        ids = [(self._transaction.get(HANDLES, number_key(handle)) or b"").decode() for handle in handles.tolist()]
        return np.array(ids, object)
