"""Searches and answers come out of their bytes as they went in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.encoding.search_messages import decode_answers, decode_queries, encode_answers, encode_queries
from storage.filters.text_form import parse_filter
from storage.types.searches import FeatureQuery, Hit, ImageSummary, SampledDistances, ShardAnswer, ShardQuery


def test_queries_come_back_equal() -> None:
    hashes = np.arange(144, dtype=np.uint8).reshape(2, 72)
    histogram = np.linspace(0, 1, 512, dtype=np.float32)[None]
    query = ShardQuery(
        (
            FeatureQuery("phash", hashes, 20, 64.0, {"orientations": "all"}, fingerprint="phash-1"),
            FeatureQuery("color", histogram, 5, with_pairs=True),
        )
    )
    [back, empty] = decode_queries(encode_queries([query, ShardQuery(())]))
    assert empty.features == ()
    for given, got in zip(query.features, back.features, strict=True):
        assert (got.feature, got.k, got.max_distance) == (given.feature, given.k, given.max_distance)
        assert dict(got.params) == dict(given.params)
        assert got.fingerprint == given.fingerprint
        assert got.with_pairs == given.with_pairs
        assert got.rows.dtype == given.rows.dtype
        np.testing.assert_array_equal(got.rows, given.rows)


def test_what_belongs_to_the_rows_travels_with_them() -> None:
    extras: dict[str, NDArray[Any]] = {
        "points": np.arange(12, dtype=np.uint16).reshape(6, 2),
        "frames": np.array([[6, 640, 480]], np.uint32),
        "mirrored": np.arange(36, dtype=np.uint8).reshape(6, 6)[:, ::-1],
        "none": np.zeros((0, 2), np.uint8),
    }
    query = FeatureQuery("local", np.zeros((6, 6), np.uint8), 3, params={"mirror": False}, extras=extras)
    [back] = decode_queries(encode_queries([ShardQuery((query,))]))
    assert back.features[0].extras.keys() == extras.keys()
    for name, array in extras.items():
        got = back.features[0].extras[name]
        assert got.dtype == array.dtype
        np.testing.assert_array_equal(got, array)


def test_rows_that_are_not_contiguous_come_back_equal() -> None:
    rows = np.arange(288, dtype=np.uint8).reshape(4, 72)[::2]
    [back] = decode_queries(encode_queries([ShardQuery((FeatureQuery("phash", rows, 1),))]))
    np.testing.assert_array_equal(back.features[0].rows, rows)


def test_answers_come_back_equal() -> None:
    answer = ShardAnswer(
        hits={"phash": (Hit("a/ü", 4.0, 1), Hit("b", 5.0)), "color": ()},
        summaries={
            "a/ü": ImageSummary(640, 480, "ab" * 32, {"title": "x", "n": [1, 2.5, None, 10**30]}),
            "b": ImageSummary(
                1, 2, "", {}, {"caption": {"text": "ü", "score": 0.5}}, "/a\udcff", 9, "2019", "x", (1.5, -2)
            ),
        },
        took_ms={"phash": 1.5},
        errors={"local": "not here"},
        samples={
            "phash": SampledDistances(np.array([4, 288], np.float32), 900),
            "local": SampledDistances(None, 7),
        },
    )
    [back] = decode_answers(encode_answers([answer]))
    assert {name: sample.pictures for name, sample in back.samples.items()} == {"phash": 900, "local": 7}
    assert back.samples["local"].distances is None
    np.testing.assert_array_equal(back.samples["phash"].distances, np.array([4, 288], np.float32))
    assert back.hits == answer.hits
    assert back.summaries == answer.summaries
    assert back.took_ms == answer.took_ms
    assert back.errors == answer.errors


def test_evidence_is_kept_with_numpy_values_as_plain_ones() -> None:
    evidence = {"inliers": np.int64(83), "homography": np.eye(3), "box": [[0, 0], [1, 1]]}
    answer = ShardAnswer({"local": (Hit("a", 83.0, 0, evidence), Hit("b", 9.0))}, {}, {})
    [back] = decode_answers(encode_answers([answer]))
    first, second = back.hits["local"]
    assert first.evidence == {"inliers": 83, "homography": np.eye(3).tolist(), "box": [[0, 0], [1, 1]]}
    assert second.evidence == {}


def test_a_filter_comes_back_equal() -> None:
    wide = parse_filter('width >= 1.5 and not (tags in ["a b", c] or metadata.x = 3)')
    [back, without] = decode_queries(encode_queries([ShardQuery((), wide), ShardQuery(())]))
    assert (back.filter, without.filter) == (wide, None)
