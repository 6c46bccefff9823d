"""Calls and answers of an extractor come out of their bytes as they went in."""

from __future__ import annotations

import numpy as np

from deployments.replica.extractor_wire import (
    Annotated,
    ExtractorAnswer,
    ExtractorCall,
    decode_calls,
    decode_extractor_answers,
    encode_calls,
    encode_extractor_answers,
)
from storage.errors import ExtractorFailed, InvalidField
from storage.types.features import FeatureRows


def test_calls_come_back_equal() -> None:
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)
    calls = [
        ExtractorCall("extract", gray, {}),
        ExtractorCall("query_views", gray[:, ::2], {"orientations": "all"}),
        ExtractorCall("embed_text", "a réd circle", {}, {"model": "older"}),
    ]
    back = decode_calls(encode_calls(calls))
    assert [(call.ability, dict(call.params)) for call in back] == [(call.ability, dict(call.params)) for call in calls]
    assert [call.origin for call in back] == [None, None, {"model": "older"}]
    np.testing.assert_array_equal(back[0].subject, gray)
    np.testing.assert_array_equal(back[1].subject, gray[:, ::2])
    assert back[2].subject == "a réd circle"


def test_answers_come_back_equal_and_errors_as_their_own_class() -> None:
    said = Annotated([{"label": "bicyclette à eau", "score": 0.75}])
    hashes = np.arange(72, dtype=np.uint8)[None]
    feature = FeatureRows(hashes, np.repeat(hashes, 8, 0), fingerprint="phash-1")
    answers: list[ExtractorAnswer] = [said, feature, InvalidField("bad", "good"), ExtractorFailed("x", "y")]
    first, second, third, fourth = decode_extractor_answers(encode_extractor_answers(answers))
    assert first == said
    assert isinstance(second, FeatureRows)
    np.testing.assert_array_equal(second.rows, hashes)
    assert second.fingerprint == "phash-1"
    assert second.query_rows is not None
    assert second.query_rows.shape == (8, 72)
    assert isinstance(third, InvalidField)
    assert (third.message, third.hint) == ("bad", "good")
    assert isinstance(fourth, ExtractorFailed)
