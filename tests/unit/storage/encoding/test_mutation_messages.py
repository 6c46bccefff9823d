"""Writes and their outcomes come out of their bytes as they went in."""

from __future__ import annotations

import numpy as np

from storage.encoding.mutation_messages import decode_mutations, decode_results, encode_mutations, encode_results
from storage.errors import InvalidField, LookalikeError
from storage.types.features import FeatureRows
from storage.types.mutations import AddFeatures, DeleteImage, FillFeatures, MutationResult, PutImage, RemoveFeatures
from storage.types.pictures import ImageRecord, SourceFile

RECORD = ImageRecord(
    id="a/\u00fc",
    width=640,
    height=480,
    sha256="ab" * 32,
    format="jpeg",
    byte_size=10**12,
    added_at=1.5,
    features={"phash": "ok", "color": "pending"},
    metadata={"title": "x", "n": [1, 10**30, None]},
    source=SourceFile("/in/\udcff.jpg", 12, 1_700_000_000_123_456_789),
    annotations={"caption": {"text": "a caf\u00e9", "score": 0.5}, "tags": []},
)
ROWS = FeatureRows(
    np.arange(72, dtype=np.uint8)[None],
    np.arange(144, dtype=np.uint8).reshape(2, 72),
    {"positions": np.ones((3, 2), np.float32)},
    "phash-1",
)


def assert_equal_features(given: FeatureRows, got: FeatureRows) -> None:
    np.testing.assert_array_equal(got.rows, given.rows)
    assert got.rows.dtype == given.rows.dtype
    assert (got.query_rows is None) == (given.query_rows is None)
    if got.query_rows is not None and given.query_rows is not None:
        np.testing.assert_array_equal(got.query_rows, given.query_rows)
    assert got.fingerprint == given.fingerprint
    assert got.extras.keys() == given.extras.keys()
    for name, array in given.extras.items():
        np.testing.assert_array_equal(got.extras[name], array)


def test_puts_come_back_equal() -> None:
    whole = PutImage("op-1", RECORD, {"phash": ROWS}, b"\xff\xd8", "replace", b"bytes")
    bare = PutImage("op-2", ImageRecord("b", 1, 1, "", "png", 1, 0.0, {}), {}, b"")
    got = decode_mutations(encode_mutations([whole, bare]))
    for given, back in zip((whole, bare), got, strict=True):
        assert isinstance(back, PutImage)
        assert back.record == given.record
        assert (back.operation_id, back.thumbnail) == (given.operation_id, given.thumbnail)
        assert (back.on_conflict, back.original) == (given.on_conflict, given.original)
        assert back.features.keys() == given.features.keys()
        for name, rows in given.features.items():
            assert_equal_features(rows, back.features[name])


def test_deletes_and_fills_come_back_equal() -> None:
    fill = FillFeatures(
        "op-2", "b", "cd" * 32, {"color": FeatureRows(np.ones((1, 512), np.float32))}, {"tags": ["x", None]}
    )
    delete, back = decode_mutations(encode_mutations([DeleteImage("op-1", "a"), fill]))
    assert delete == DeleteImage("op-1", "a")
    assert isinstance(back, FillFeatures)
    assert (back.operation_id, back.id, back.sha256) == (fill.operation_id, fill.id, fill.sha256)
    assert back.annotations == {"tags": ["x", None]}
    assert_equal_features(fill.features["color"], back.features["color"])


def test_single_features_come_back_equal() -> None:
    add = AddFeatures("op-1", RECORD, {"phash": ROWS}, b"\xff\xd8", b"bytes")
    remove = RemoveFeatures("op-2", "a", ("phash", "color"))
    back, removed = decode_mutations(encode_mutations([add, remove]))
    assert removed == remove
    assert isinstance(back, AddFeatures)
    assert (back.operation_id, back.record, back.thumbnail, back.original) == ("op-1", RECORD, b"\xff\xd8", b"bytes")
    assert_equal_features(ROWS, back.features["phash"])


def test_results_and_refusals_come_back_in_their_places() -> None:
    refusal = InvalidField("metadata: too deep")
    given: list[MutationResult | LookalikeError] = [
        MutationResult("created", RECORD),
        refusal,
        MutationResult("absent"),
    ]
    assert decode_results(encode_results(given)) == given
