"""File names by id: the two maps of a service's folder, compared with each other."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from graph.ambience_data.defects import Defects
from graph.ambience_data.folders import IDS, NAMES, ServiceFolder
from graph.ambience_data.stores import DataStore
from storage.errors import CorruptData

ID_BYTES = 4


def image_id_of(key: bytes) -> int | None:
    """The id that a key, or a value of the map of names, stands for; None where it stands for none."""
    return int.from_bytes(key, "big") if len(key) == ID_BYTES else None


class FileNames:
    """One folder's. Both maps may lack what the other one has; where they disagree, a name is not told."""

    def __init__(self, folder: ServiceFolder, defects: Defects) -> None:
        """Reads the map of ids once: names that it alone has are kept in memory."""
        self._names = folder.stores.get(NAMES)
        self._ids = folder.stores.get(IDS)
        self._defects = defects
        self._only_by_name: dict[int, str] = {}
        if self._ids is not None:
            self._read_ids(self._ids)

    def items(self) -> Iterator[tuple[int, str]]:
        """(id, name) in the order of ids."""
        yield from heapq.merge(self._by_id(), sorted(self._only_by_name.items()))

    def _by_id(self) -> Iterator[tuple[int, str]]:
        if self._names is None:
            return
        try:
            for key, value in self._names.items():
                image_id, name = image_id_of(key), self._text(self._names, value)
                if image_id is None:
                    self._defects.add("bad_key", f"{self._names.path}: {key.hex()}", "an id has 4 bytes")
                elif name is not None and self._agrees(self._names, image_id, name):
                    yield image_id, name
        except CorruptData as failure:
            self._defects.add("damaged", self._names.path, failure.message)

    def _agrees(self, names: DataStore, image_id: int, name: str) -> bool:
        """Whether the other map says the same, or nothing."""
        if self._ids is None:
            return True
        key = self._ids.get(name.encode())
        other = None if key is None else image_id_of(key)
        where = f"{names.path}: {image_id}"
        if other is None:
            self._defects.add("one_way_name", where, f"{name!r} is in this map alone")
            return True
        if other != image_id:
            self._defects.add("same_name", where, f"{name!r} is the name of {other}, too; it counts as that of {other}")
            return False
        return True

    def _read_ids(self, ids: DataStore) -> None:
        try:
            for key, value in ids.items():
                name, image_id = self._text(ids, key), image_id_of(value)
                if image_id is None:
                    self._defects.add("bad_key", f"{ids.path}: {name!r}", "an id has 4 bytes")
                elif name is not None:
                    self._read_id(ids, name, image_id)
        except CorruptData as failure:
            self._defects.add("damaged", ids.path, failure.message)

    def _read_id(self, ids: DataStore, name: str, image_id: int) -> None:
        there = None if self._names is None else self._names.get(image_id.to_bytes(ID_BYTES, "big"))
        where = f"{ids.path}: {name!r}"
        if there is not None:
            if there != name.encode():
                self._defects.add("names_differ", where, f"it is the name of {image_id}, which is called {there!r}")
            return
        if self._only_by_name.setdefault(image_id, name) != name:
            reason = f"it is the name of {image_id}, which is called {self._only_by_name[image_id]!r}"
            self._defects.add("names_differ", where, reason)
        elif self._names is not None:
            self._defects.add("one_way_name", where, f"{image_id} has its name in this map alone")

    def _text(self, store: DataStore, data: bytes) -> str | None:
        try:
            return data.decode()
        except UnicodeDecodeError:
            self._defects.add("bad_file_name", f"{store.path}: {data!r}", "it is not UTF-8")
            return None
