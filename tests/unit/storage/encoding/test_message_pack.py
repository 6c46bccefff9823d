"""Values come out of MessagePack as they went in, those of JSON that it has no form for among them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from storage.encoding.message_pack import VERSION, pack, packed_array, unpack, unpacked_array
from storage.errors import ShardUnavailable


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1, -1, 2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**40, -(10**40)],
        {"a/\u00fc": [1.5, True, "\N{SNOWMAN}"], "": {}},
        "a file named \udcff by its bytes",
        b"\x00\xff",
    ],
)
def test_values_come_back_equal(value: Any) -> None:
    assert unpack(pack(value)) == value


def test_numbers_and_arrays_of_numpy_come_out_as_plain_ones() -> None:
    assert unpack(pack({"n": np.int64(3), "m": np.eye(2)})) == {"n": 3, "m": [[1.0, 0.0], [0.0, 1.0]]}


def test_packed_arrays_keep_their_type_and_shape() -> None:
    for array in (np.arange(6, dtype=np.uint8).reshape(2, 3)[:, ::2], np.zeros((0, 4), np.float32)):
        back = unpacked_array(unpack(pack(packed_array(array))))
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("data", [b"", bytes((VERSION + 1,)) + pack([])[1:]])
def test_messages_of_another_version_are_refused(data: bytes) -> None:
    with pytest.raises(ShardUnavailable, match="different versions"):
        unpack(data)


def test_what_is_neither_json_nor_numpys_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot hold a object"):
        pack(object())
