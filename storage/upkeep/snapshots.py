"""Saved indexes: one folder a feature and moment, written whole or not at all, believed only when everything in it
agrees.

    snapshots/<feature>/<sequence>/ manifest.json  handles.npy (N,) int64  rows.npy (N, D)
                                    lists.npy (N,) int32, of an index with inverted lists: the list of each row

A snapshot is a cache: whatever is wrong with one, it is set aside and the index is rebuilt from the store.
"""

from __future__ import annotations

import json
import logging
import shutil
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

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
    """handles: (N,), rows: (N, D), lists: (N,) or None, read from disk as they are used."""

    manifest: Manifest
    handles: Handles
    rows: Vectors
    lists: NDArray[np.int32] | None


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
    manifest = Manifest(
        FORMAT,
        spec.name,
        spec.fingerprint,
        sequence,
        owner,
        count,
        rows_checksum,
        handles_checksum,
        whitening=0 if whitening is None else whitening.checksum,
    )
    if isinstance(index, DescriptorIndex) and index.kind == "inverted_file":
        numbers = (np.full(len(handles), i, np.int32) for i, (handles, _) in enumerate(index.live_blocks()))
        lists_checksum = _write_array(unfinished / "lists.npy", (count,), np.dtype(np.int32), numbers)
        manifest = replace(manifest, partition=partition_checksum(index), lists_checksum=lists_checksum)
    (unfinished / "manifest.json").write_text(json.dumps(asdict(manifest), indent=1), "utf-8")
    sync_path(unfinished / "manifest.json")
    sync_path(unfinished)
    final = parent / str(sequence)
    shutil.rmtree(final, ignore_errors=True)
    unfinished.rename(final)
    sync_path(parent)
    for path in parent.iterdir():
        if path != final:
            shutil.rmtree(path, ignore_errors=True)


def load_snapshot(directory: Path, spec: FeatureSpec, whitening: Whitening | None = None) -> Snapshot | None:
    """The newest snapshot of the feature, checked; None where there is none that can be believed, which the log then
    says. whitening: that its rows must have.
    """
    parent = directory / spec.name
    finished = [path for path in parent.iterdir() if path.name.isdecimal()] if parent.is_dir() else []
    for folder in sorted(finished, key=lambda path: -int(path.name)):
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
    count, width = manifest.rows, _width(spec, whitening)
    rows = _load_array(folder / "rows.npy", (count, width), row_dtype(spec), manifest.rows_checksum)
    handles = _load_array(folder / "handles.npy", (count,), np.dtype(np.int64), manifest.handles_checksum)
    lists = None
    if manifest.partition:
        lists = _load_array(folder / "lists.npy", (count,), np.dtype(np.int32), manifest.lists_checksum)
    return Snapshot(manifest, handles, rows, lists)


def _load_array(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], checksum: int) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{path.stem} are {array.shape} {array.dtype}")
    if _checksum(array) != checksum:
        raise ValueError("checksums differ")
    return array


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
    sync_path(path)
    return checksum


def _checksum(array: NDArray[np.generic]) -> int:
    flat = array.reshape(-1)
    step = max(1, CHECKED_AT_ONCE // array.itemsize)
    checksum = 0
    for start in range(0, len(flat), step):
        checksum = zlib.crc32(np.ascontiguousarray(flat[start : start + step]).data, checksum)
    return checksum
