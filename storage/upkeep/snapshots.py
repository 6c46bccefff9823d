"""Saved indexes: one folder a feature and moment, written whole or not at all, believed only when everything in it
agrees.

    snapshots/<feature>/<sequence>/ manifest.json  handles.npy (N,) int64  rows.npy (N, D)
                                    lists.npy (N,) int32, of an index with inverted lists: the list of each row

A snapshot is a cache: whatever is wrong with one, it is set aside and the index is rebuilt from the store.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage.files import sync_path
from storage.index.inverted_file import DescriptorIndex
from storage.index.vector_index import VectorIndex, row_dtype, row_width
from storage.index.whitening import WhitenedIndex, Whitening
from storage.types.features import FeatureSpec, Handles, Vectors

logger = logging.getLogger(__name__)

FORMAT = 1
CHECKED_AT_ONCE = 16 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """sequence: of the last change it has. owner: mark of the opening that wrote it, hex. Checksums are CRC-32.

    partition: checksum of the centroids that ``lists`` belongs to; 0 where there are none. whitening: checksum of that
    of the rows; 0 where they are as the store has them.
    """

    format: int
    feature: str
    fingerprint: str
    sequence: int
    owner: str
    rows: int
    rows_checksum: int
    handles_checksum: int
    partition: int = 0
    lists_checksum: int = 0
    whitening: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """handles: (N,), rows: (N, D), lists: (N,) or None, read from disk as they are used. partition: of the lists."""

    sequence: int
    owner: str
    handles: Handles
    rows: Vectors
    lists: NDArray[np.int32] | None = None
    partition: int = 0


def save_snapshot(directory: Path, spec: FeatureSpec, index: VectorIndex, *, sequence: int, owner: str) -> None:
    """Writes ``<directory>/<feature>/<sequence>`` and removes the older ones."""
    parent = directory / spec.name
    unfinished = parent / f"{sequence}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    count = index.rows_count
    whitening = index.whitening if isinstance(index, WhitenedIndex) else None
    rows_checksum = _write_array(
        unfinished / "rows.npy",
        (count, _width(spec, whitening)),
        row_dtype(spec),
        (rows for _, rows in index.live_blocks()),
    )
    handles_checksum = _write_array(
        unfinished / "handles.npy", (count,), np.dtype(np.int64), (handles for handles, _ in index.live_blocks())
    )
    manifest = Manifest(FORMAT, spec.name, spec.fingerprint, sequence, owner, count, rows_checksum, handles_checksum)
    if whitening is not None:
        manifest = replace(manifest, whitening=whitening.checksum)
    if isinstance(index, DescriptorIndex) and index.kind == "inverted_file":
        numbers = (np.full(len(handles), i, np.int32) for i, (handles, _) in enumerate(index.live_blocks()))
        lists_checksum = _write_array(unfinished / "lists.npy", (count,), np.dtype(np.int32), numbers)
        manifest = replace(manifest, partition=partition_checksum(index), lists_checksum=lists_checksum)
    _write_text(unfinished / "manifest.json", json.dumps(asdict(manifest), indent=1))
    sync_path(unfinished)
    final = parent / str(sequence)
    shutil.rmtree(final, ignore_errors=True)
    unfinished.rename(final)
    sync_path(parent)
    _remove_all_but(parent, final)


def load_snapshot(directory: Path, spec: FeatureSpec, whitening: Whitening | None = None) -> Snapshot | None:
    """The newest snapshot of the feature, checked; None where there is none that can be believed, which the log then
    says. whitening: that its rows must have.
    """
    for folder in sorted(_finished(directory / spec.name), key=lambda path: -int(path.name)):
        try:
            return _load(folder, spec, whitening)
        except (OSError, ValueError, KeyError, TypeError, EOFError) as failure:
            logger.warning("snapshot %s is not used, the index is rebuilt from the store: %s", folder, failure)
    return None


def partition_checksum(index: DescriptorIndex) -> int:
    """Tells one set of centroids from another; never 0."""
    return _checksum(index.centroids) or 1


def remove_snapshots(directory: Path, feature: str) -> None:
    """Forgets the feature's snapshots, so that none of another history is taken up later."""
    shutil.rmtree(directory / feature, ignore_errors=True)


def _finished(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.name.isdecimal()] if parent.is_dir() else []


def _width(spec: FeatureSpec, whitening: Whitening | None) -> int:
    return row_width(spec) if whitening is None else len(whitening.axes)


def _load(folder: Path, spec: FeatureSpec, whitening: Whitening | None) -> Snapshot:
    manifest = Manifest(**json.loads((folder / "manifest.json").read_text("utf-8")))
    expected = (FORMAT, spec.name, spec.fingerprint, int(folder.name))
    found = (manifest.format, manifest.feature, manifest.fingerprint, manifest.sequence)
    if found != expected:
        raise ValueError(f"it says {found}, not {expected}")
    if manifest.whitening != (0 if whitening is None else whitening.checksum):
        raise ValueError("its rows are whitened otherwise")
    rows: Vectors = np.load(folder / "rows.npy", mmap_mode="r", allow_pickle=False)
    handles: Handles = np.load(folder / "handles.npy", mmap_mode="r", allow_pickle=False)
    if rows.shape != (manifest.rows, _width(spec, whitening)) or rows.dtype != row_dtype(spec):
        raise ValueError(f"rows are {rows.shape} {rows.dtype}")
    if handles.shape != (manifest.rows,) or handles.dtype != np.int64:
        raise ValueError(f"handles are {handles.shape} {handles.dtype}")
    if _checksum(rows) != manifest.rows_checksum or _checksum(handles) != manifest.handles_checksum:
        raise ValueError("checksums differ")
    return Snapshot(manifest.sequence, manifest.owner, handles, rows, _load_lists(folder, manifest), manifest.partition)


def _load_lists(folder: Path, manifest: Manifest) -> NDArray[np.int32] | None:
    if not manifest.partition:
        return None
    lists: NDArray[np.int32] = np.load(folder / "lists.npy", mmap_mode="r", allow_pickle=False)
    if lists.shape != (manifest.rows,) or lists.dtype != np.int32:
        raise ValueError(f"lists are {lists.shape} {lists.dtype}")
    if _checksum(lists) != manifest.lists_checksum:
        raise ValueError("checksums differ")
    return lists


def _write_array(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic], parts: Iterable[NDArray[np.generic]]
) -> int:
    checksum = 0
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            data = np.ascontiguousarray(part).tobytes()
            checksum = zlib.crc32(data, checksum)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return checksum


def _checksum(array: NDArray[np.generic]) -> int:
    flat = array.reshape(-1)
    step = max(1, CHECKED_AT_ONCE // array.itemsize)
    checksum = 0
    for start in range(0, len(flat), step):
        checksum = zlib.crc32(np.ascontiguousarray(flat[start : start + step]).data, checksum)
    return checksum


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _remove_all_but(parent: Path, kept: Path) -> None:
    for path in parent.iterdir():
        if path != kept:
            shutil.rmtree(path, ignore_errors=True)
