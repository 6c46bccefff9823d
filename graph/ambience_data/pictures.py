"""The tables of all folders, merged by id: what an original installation has of each picture."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, TypeVar

from graph.ambience_data.defects import Defects
from graph.ambience_data.file_names import ID_BYTES, FileNames, image_id_of
from graph.ambience_data.folders import IDS, NAMES, FeatureTable, ServiceFolder
from storage.errors import CorruptData

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FoundPicture:
    """values: by feature, the table that it is from and the bytes in it. file_name: None where none is known.
    left_out: tables whose value of it does not count.
    """

    id: int
    file_name: str | None
    values: dict[str, tuple[FeatureTable, bytes]]
    left_out: list[FeatureTable]


class _Entry(NamedTuple):
    """Of a table, or a name."""

    id: int
    folder: int
    table: FeatureTable | None = None
    value: bytes = b""
    name: str = ""


class FoundPictures:
    """Iterates over pictures in the order of ids, with no more in memory than one of them.

    An id is the same picture in all folders; where their names for it differ, that of the first folder counts, and
    what the others have of it is left out.
    """

    def __init__(self, folders: Sequence[ServiceFolder], defects: Defects) -> None:
        self._defects = defects
        self._folders = folders
        self._tables = [(place, table) for place, folder in enumerate(folders) for table in folder.tables]

    def count(self) -> int:
        """Ids with any feature. Reads all keys."""
        keys = [_until_damaged(table.store.keys(), table, Defects()) for _, table in self._tables]
        return sum(len(key) == ID_BYTES for key, _ in groupby(heapq.merge(*keys)))

    def __iter__(self) -> Iterator[FoundPicture]:
        names = [FileNames(folder, self._defects) for folder in self._folders]
        is_named = any({NAMES, IDS} & folder.stores.keys() for folder in self._folders)
        streams: list[Iterable[_Entry]] = [_named(place, one) for place, one in enumerate(names)]
        streams += [self._values(*table) for table in self._tables]
        merged = heapq.merge(*streams, key=attrgetter("id"))  # of one id in the order of streams
        for image_id, entries in groupby(merged, key=attrgetter("id")):
            picture = self._picture(image_id, list(entries), is_named=is_named)
            if picture is not None:
                yield picture

    def _values(self, folder: int, table: FeatureTable) -> Iterator[_Entry]:
        for key, value in _until_damaged(table.store.items(), table, self._defects):
            image_id = image_id_of(key)
            if image_id is None:
                self._defects.add("bad_key", f"{table.path}: {key.hex()}", "an id has 4 bytes")
            else:
                yield _Entry(image_id, folder, table, value)

    def _picture(self, image_id: int, entries: Sequence[_Entry], *, is_named: bool) -> FoundPicture | None:
        names = {entry.folder: entry.name for entry in entries if entry.table is None}
        with_features = [entry.folder for entry in entries if entry.table is not None]
        name = next((names[folder] for folder in (*with_features, *names) if folder in names), None)
        if not with_features:
            reason = f"{name!r} is named, but no folder has features of it"
            self._defects.add("no_features", f"features of {image_id}", reason)
            return None
        if is_named and name is None:
            self._defects.add("no_file_name", f"name of {image_id}", "no folder knows its file name; it has none")
        picture = FoundPicture(image_id, name, {}, [])
        for entry in entries:
            if entry.table is None:
                continue
            if self._belongs(entry, entry.table, picture, names):
                picture.values[entry.table.feature] = (entry.table, entry.value)
            else:
                picture.left_out.append(entry.table)
        return picture

    def _belongs(self, entry: _Entry, table: FeatureTable, picture: FoundPicture, names: dict[int, str]) -> bool:
        """Whether the value is the picture's, and the first of its feature."""
        where = f"{table.path}: {picture.id}"
        own_name = names.get(entry.folder, picture.file_name)
        if own_name != picture.file_name:
            reason = f"it is called {own_name!r} here and {picture.file_name!r} in another folder; left out"
            self._defects.add("names_differ", where, reason)
            return False
        if table.feature not in picture.values:
            return True
        first, value = picture.values[table.feature]
        same = "the same" if value == entry.value else "another one"
        self._defects.add("duplicate", where, f"{first.path} has {same} of it, which counts")
        return False


def _named(folder: int, names: FileNames) -> Iterator[_Entry]:
    return (_Entry(image_id, folder, name=name) for image_id, name in names.items())


def _until_damaged(items: Iterator[T], table: FeatureTable, defects: Defects) -> Iterator[T]:
    try:
        yield from items
    except CorruptData as failure:
        defects.add("damaged", table.path, failure.message)
