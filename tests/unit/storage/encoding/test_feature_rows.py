"""Feature rows come back exactly as they were; anything else is corrupt data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from storage.encoding.feature_rows import decode_rows, encode_rows
from storage.errors import CorruptData, InvalidRequest
from storage.types.features import FeatureRows

shapes = arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=40)
floats = arrays.arrays(np.float32, shapes, elements=st.floats(width=32, allow_nan=True), fill=st.just(np.float32(0)))
codes = arrays.arrays(np.uint8, shapes)
extras = st.dictionaries(
    st.text(max_size=20),
    st.one_of(
        arrays.arrays(np.int64, arrays.array_shapes(max_dims=3, max_side=4)),
        arrays.arrays(np.float16, arrays.array_shapes(min_dims=0, max_dims=2, max_side=4)),
        arrays.arrays(np.bool_, arrays.array_shapes(max_dims=1, max_side=9)),
    ),
    max_size=3,
)
features = st.builds(FeatureRows, st.one_of(floats, codes), st.one_of(st.none(), floats, codes), extras)


def assert_equal(found: NDArray[Any], wanted: NDArray[Any]) -> None:
    assert (found.dtype, found.shape, found.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes())


@settings(max_examples=60)
@given(features)
def test_rows_come_back_bit_by_bit(feature: FeatureRows) -> None:
    found = decode_rows(encode_rows(feature))
    assert_equal(found.rows, feature.rows)
    assert (found.query_rows is None) == (feature.query_rows is None)
    if found.query_rows is not None and feature.query_rows is not None:
        assert_equal(found.query_rows, feature.query_rows)
    assert list(found.extras) == list(feature.extras)
    for name, array in feature.extras.items():
        assert_equal(found.extras[name], array)


@settings(max_examples=60)
@given(features, st.data())
def test_a_changed_byte_is_noticed(feature: FeatureRows, data: st.DataObject) -> None:
    value = bytearray(encode_rows(feature))
    value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptData):
        decode_rows(bytes(value))


@settings(max_examples=60)
@given(features, st.data())
def test_a_cut_value_is_noticed(feature: FeatureRows, data: st.DataObject) -> None:
    value = encode_rows(feature)
    with pytest.raises(CorruptData):
        decode_rows(value[: data.draw(st.integers(0, len(value) - 1))])


@given(st.binary(max_size=200))
def test_any_other_bytes_are_corrupt(value: bytes) -> None:
    with pytest.raises(CorruptData):
        decode_rows(value)


def test_a_mostly_empty_histogram_takes_little_room() -> None:
    histogram = np.zeros((1, 512), np.float32)
    histogram[0, ::16] = 1 / 32
    assert len(encode_rows(FeatureRows(histogram))) < 32 * 6 + 40


def test_negative_zero_and_nan_survive_the_compact_form() -> None:
    rows = np.zeros((1, 100), np.float32)
    rows[0, 3], rows[0, 5] = -0.0, np.nan
    assert decode_rows(encode_rows(FeatureRows(rows))).rows.tobytes() == rows.tobytes()


def test_a_view_with_strides_is_stored_by_value() -> None:
    rows = np.arange(64, dtype=np.uint8).reshape(8, 8)[::2, ::2]
    np.testing.assert_array_equal(decode_rows(encode_rows(FeatureRows(rows))).rows, rows)


def test_decoded_arrays_may_be_written_to() -> None:
    decode_rows(encode_rows(FeatureRows(np.zeros((1, 9), np.uint8)))).rows[0, 0] = 1


def test_arrays_of_objects_are_refused() -> None:
    extras = {"things": np.array([object()])}
    with pytest.raises(InvalidRequest, match="things"):
        encode_rows(FeatureRows(np.zeros((1, 1), np.uint8), extras=extras))
