"""Which data an original installation has: its LMDBs, found by name, by the folder of the service that wrote them.

What a folder is called counts from the last name of the path that was given on; what that lies in says nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from graph.ambience_data.defects import Defects
from graph.ambience_data.stores import DataStore
from graph.ambience_data.vectors import COLORS, HASH_BYTES, looks_like_colors
from storage.errors import CorruptData

HASHES, HISTOGRAMS, VECTORS = "phashes.lmdb", "rgb_histograms.lmdb", "features.lmdb"
NAMES, IDS = "id_to_filename.lmdb", "filename_to_id.lmdb"  # file name by id; id by file name
KEYPOINTS, DESCRIPTORS = "keypoints.lmdb", "descriptors.lmdb"
FEATURES = (HASHES, HISTOGRAMS, VECTORS)
KNOWN = (*FEATURES, NAMES, IDS, KEYPOINTS, DESCRIPTORS)
FEATURE_OF = {HASHES: "phash", HISTOGRAMS: "color"}
# Of a value. The features are words in the names of their services' folders, too.
BYTES_OF = {"image_text": 4 * 512, "global": 4 * 768, "color": 4 * COLORS, "phash": HASH_BYTES}
LOOKED_AT = 200  # values, for their length


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """A feature's values by id. width: bytes of each. entries: as the store counts them."""

    feature: str
    width: int
    store: DataStore

    @property
    def path(self) -> str:
        return self.store.path


@dataclass(slots=True, eq=False)
class ServiceFolder:
    """What one service left. stores: all LMDBs that could be opened, by their names. tables: those of features."""

    path: str
    stores: dict[str, DataStore] = field(default_factory=dict)
    tables: list[FeatureTable] = field(default_factory=list)

    def close(self) -> None:
        for store in self.stores.values():
            store.close()


def open_folders(paths: Sequence[str], said: Mapping[str, str], defects: Defects) -> list[ServiceFolder]:
    """Every folder below the paths, or one of them, that holds any of the LMDBs, each once, by path.

    said: feature by folder, for vectors that name and length do not tell apart. What cannot be read, or told apart, is
    a defect.
    """
    said = {os.path.realpath(path): feature for path, feature in said.items()}
    found: dict[str, set[str]] = {}
    called: dict[str, str | None] = {}
    for path in sorted(map(os.path.realpath, paths), reverse=True):  # an outer path after those in it
        for store in _walk(path):
            folder = os.path.dirname(store)
            found.setdefault(folder, set()).add(store)
            called[folder] = _by_name(os.path.relpath(folder, os.path.dirname(path)))
    return [_open_folder(path, sorted(stores), called[path], said, defects) for path, stores in sorted(found.items())]


def _walk(path: str) -> Iterator[str]:
    if os.path.basename(path) in KNOWN:
        yield path
        return
    for folder, folders, files in os.walk(path):
        yield from (os.path.join(folder, name) for name in (*folders, *files) if name in KNOWN)
        folders[:] = sorted(name for name in folders if name not in KNOWN)


def _open_folder(
    path: str, paths: Sequence[str], called: str | None, said: Mapping[str, str], defects: Defects
) -> ServiceFolder:
    folder = ServiceFolder(path)
    for store_path in paths:
        name = os.path.basename(store_path)
        try:
            folder.stores[name] = DataStore(store_path)
            if name not in FEATURES:
                continue
            table = _table(folder.stores[name], called, said)
            if table is not None:
                folder.tables.append(table)
            else:
                reason = "its folder's name and the length of its values do not tell what they are"
                defects.add("unknown_feature", store_path, f"{reason}: name the feature of this folder")
        except CorruptData as failure:
            defects.add("damaged", store_path, failure.message)
    return folder


def _table(store: DataStore, called: str | None, said: Mapping[str, str]) -> FeatureTable | None:
    """called: the feature that the folder's name says; it has to have values of this length."""
    values = [value for _, value in islice(store.items(), LOOKED_AT)]
    width = Counter(map(len, values)).most_common(1)[0][0] if values else 0
    feature = _said(store.path, said) or FEATURE_OF.get(os.path.basename(store.path))
    if feature is None and called is not None:
        feature = called if width == BYTES_OF[called] else None
    elif feature is None:
        feature = _by_width([value for value in values if len(value) == width])
    if feature is None:
        return None
    return FeatureTable(feature, {"phash": HASH_BYTES, "color": 4 * COLORS}.get(feature, width // 4 * 4), store)


def _said(path: str, said: Mapping[str, str]) -> str | None:
    """What was said of the innermost folder."""
    while path != os.path.dirname(path):
        if path in said:
            return said[path]
        path = os.path.dirname(path)
    return None


def _by_name(path: str) -> str | None:
    """The feature that the innermost folder with one in its name is called by."""
    names = reversed(path.split(os.sep))
    return next((feature for name in names for feature in BYTES_OF if feature in name), None)


def _by_width(values: Sequence[bytes]) -> str | None:
    width = len(values[0]) if values else 0
    if width == BYTES_OF["color"] and looks_like_colors(values):
        return "color"
    return next((feature for feature, size in BYTES_OF.items() if size == width), None)
