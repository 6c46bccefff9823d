"""A picture's feature rows as bytes: a small header, the arrays one after the other, a checksum.

    version u8 | arrays u8 | for each: role u8, encoding u8, dtype u8, name length u8, dimensions u8, payload bytes u32,
    dimensions x u32, name | payloads in the same order | CRC-32 of all before it, u32

Little-endian throughout. A float32 array that is mostly zero, as colour histograms are, is kept as the positions and
values of the others where that is smaller; "zero" is meant bit by bit, so every array comes back as it was.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import CorruptData, InvalidRequest
from storage.types.features import FeatureRows

VERSION = 1
ROWS, QUERY_ROWS, EXTRA = 0, 1, 2
RAW, SPARSE_16, SPARSE_32 = 0, 1, 2
_DTYPES = tuple(
    np.dtype(name) for name in ("u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8", "?")
)
_CODES = {dtype: code for code, dtype in enumerate(_DTYPES)}
_FLOAT32 = np.dtype("<f4")
_START = struct.Struct("<BB")
_ENTRY = struct.Struct("<BBBBBI")
_CHECKSUM = struct.Struct("<I")
_POSITIONS: Mapping[int, np.dtype[Any]] = {SPARSE_16: np.dtype("<u2"), SPARSE_32: np.dtype("<u4")}

AnyArray = NDArray[Any]


def encode_rows(feature: FeatureRows) -> bytes:
    """Bytes that `decode_rows` turns back into equal arrays. Raises `InvalidRequest` for an array type it has no code
    for.
    """
    header, payloads = [], []
    arrays: list[tuple[int, str, AnyArray]] = [(ROWS, "", feature.rows)]
    if feature.query_rows is not None:
        arrays.append((QUERY_ROWS, "", feature.query_rows))
    arrays += [(EXTRA, name, array) for name, array in feature.extras.items()]
    for role, name, array in arrays:
        encoding, payload = _encode_array(array)
        label = name.encode()
        if array.dtype not in _CODES or len(label) > 255 or array.ndim > 255:
            raise InvalidRequest(f"array {name!r} of type {array.dtype} cannot be stored", "use numbers or booleans")
        entry = _ENTRY.pack(role, encoding, _CODES[array.dtype], len(label), array.ndim, len(payload))
        header += [entry, struct.pack(f"<{array.ndim}I", *array.shape), label]
        payloads.append(payload)
    body = b"".join([_START.pack(VERSION, len(arrays)), *header, *payloads])
    return body + _CHECKSUM.pack(zlib.crc32(body))


def _encode_array(array: AnyArray) -> tuple[int, bytes]:
    flat = np.ascontiguousarray(array).reshape(-1)
    if array.dtype == _FLOAT32 and flat.size > 8:
        filled = np.flatnonzero(flat.view(np.uint32))
        encoding = SPARSE_16 if flat.size <= 1 << 16 else SPARSE_32
        positions = _POSITIONS[encoding]
        if filled.size * (positions.itemsize + 4) < flat.nbytes:
            return encoding, filled.astype(positions).tobytes() + flat[filled].tobytes()
    return RAW, flat.tobytes()


def decode_rows(value: bytes) -> FeatureRows:
    """Inverse of `encode_rows`. Raises `CorruptData` for anything else."""
    if len(value) < _START.size + _CHECKSUM.size or zlib.crc32(value[:-4]) != _CHECKSUM.unpack(value[-4:])[0]:
        raise CorruptData(f"feature rows of {len(value)} bytes fail their checksum")
    version, count = _START.unpack_from(value)
    if version != VERSION:
        raise CorruptData(
            f"feature rows of format {version}, this program reads {VERSION}", "use the version that wrote them"
        )
    try:
        return _decode_body(value, count)
    except (struct.error, ValueError, IndexError, KeyError, UnicodeDecodeError) as failure:
        raise CorruptData(f"feature rows do not decode: {failure}") from failure


def _decode_body(value: bytes, count: int) -> FeatureRows:
    entries, offset = [], _START.size
    for _ in range(count):
        role, encoding, dtype, name_length, ndim, size = _ENTRY.unpack_from(value, offset)
        offset += _ENTRY.size
        shape = struct.unpack_from(f"<{ndim}I", value, offset)
        offset += 4 * ndim
        entries.append((role, value[offset : offset + name_length].decode(), encoding, _DTYPES[dtype], shape, size))
        offset += name_length
    arrays: dict[tuple[int, str], AnyArray] = {}
    for role, name, encoding, dtype, shape, size in entries:
        arrays[role, name] = _decode_array(value[offset : offset + size], encoding, dtype, shape)
        offset += size
    extras = {name: array for (role, name), array in arrays.items() if role == EXTRA}
    return FeatureRows(arrays[ROWS, ""], arrays.get((QUERY_ROWS, "")), extras)


def _decode_array(payload: bytes, encoding: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> AnyArray:
    if encoding == RAW:
        return np.frombuffer(payload, dtype).reshape(shape).copy()
    positions = _POSITIONS[encoding]
    count = len(payload) // (positions.itemsize + 4)
    flat = np.zeros(math.prod(shape), _FLOAT32)
    flat[np.frombuffer(payload, positions, count)] = np.frombuffer(payload, _FLOAT32, count, count * positions.itemsize)
    return flat.reshape(shape)
