"""MessagePack as the hops between processes use it: any JSON value, numpy's numbers, arrays with their type.

Integers of JSON have no bounds, those of MessagePack have 64 bits: larger ones travel as text. Names of files may hold
bytes that are no text, which Python keeps as lone surrogates; they come out as they went in. The first byte is the
version of what the messages hold: during a rollout an older service meets newer shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from storage.errors import ShardUnavailable

VERSION = 4  # raise it when a field of any message is added, moved or dropped
LONG_INTEGER = 1  # the type code of MessagePack's extension


def pack(value: Any) -> bytes:
    """Raises TypeError for what is neither JSON nor numpy's."""
    packed: bytes = msgpack.packb(value, default=_plain, unicode_errors="surrogatepass")
    return bytes((VERSION,)) + packed


def unpack(data: bytes) -> Any:
    """Inverse of `pack`, but numpy's values come out as plain ones. Raises `ShardUnavailable` for another version."""
    if data[:1] != bytes((VERSION,)):
        raise ShardUnavailable(
            "the shard and its caller are of different versions", "try again when the rollout has ended"
        )
    return msgpack.unpackb(
        memoryview(data)[1:], ext_hook=_extension, unicode_errors="surrogatepass", strict_map_key=False
    )


def packed_array(array: NDArray[Any]) -> list[Any]:
    return [array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes()]


def unpacked_array(packed: Any) -> NDArray[Any]:
    """Read-only, a view of the bytes that it came in."""
    dtype, shape, data = packed
    return np.frombuffer(data, dtype).reshape(shape)


def _plain(value: Any) -> Any:
    if isinstance(value, int):
        return msgpack.ExtType(LONG_INTEGER, str(value).encode())
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a message cannot hold a {type(value).__name__}")


def _extension(code: int, data: bytes) -> Any:
    if code != LONG_INTEGER:
        raise ValueError(f"a message holds an unknown extension {code}")
    return int(data)
