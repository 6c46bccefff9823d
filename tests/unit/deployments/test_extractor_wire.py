"""Calls and answers of an extractor come out of their bytes as they went in."""

from __future__ import annotations

import numpy as np

from deployments.extractor_wire import (
    ExtractorAnswer,
    ExtractorCall,
    decode_calls,
    decode_extractor_answers,
    encode_calls,
    encode_extractor_answers,
)
from storage.errors import ExtractorFailed, InvalidField
from storage.types import FeatureRows


def test_calls_come_back_equal() -> None:
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)
    calls = [
        ExtractorCall("extract", gray, {}),
        ExtractorCall("query_views", gray[:, ::2], {"orientations": "all"}),
        ExtractorCall("embed_text", "a réd circle", {}),
    ]
    back = decode_calls(encode_calls(calls))
    assert [(call.ability, dict(call.params)) for call in back] == [(call.ability, dict(call.params)) for call in calls]
    np.testing.assert_array_equal(back[0].subject, gray)
    np.testing.assert_array_equal(back[1].subject, gray[:, ::2])
    assert back[2].subject == "a réd circle"


def test_answers_come_back_equal_and_errors_as_their_own_class() -> None:
    rows = np.random.default_rng(0).standard_normal((2, 16)).astype(np.float32)
    hashes = np.arange(72, dtype=np.uint8)[None]
    feature = FeatureRows(hashes, np.repeat(hashes, 8, 0))
    answers: list[ExtractorAnswer] = [rows, feature, InvalidField("bad", "good"), ExtractorFailed("x", "y")]
    first, second, third, fourth = decode_extractor_answers(encode_extractor_answers(answers))
    assert isinstance(first, np.ndarray)
    np.testing.assert_array_equal(first, rows)
    assert isinstance(second, FeatureRows)
    np.testing.assert_array_equal(second.rows, hashes)
    assert second.query_rows is not None
    assert second.query_rows.shape == (8, 72)
    assert isinstance(third, InvalidField)
    assert (third.message, third.hint) == ("bad", "good")
    assert isinstance(fourth, ExtractorFailed)
