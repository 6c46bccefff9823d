"""Rows of pictures, outcomes and jobs survive the store."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.encoding.records import decode_job, decode_record, decode_result, encode_job, encode_record, encode_result
from storage.errors import CorruptData, InvalidField
from storage.types.jobs import JobFailure, JobRecord
from storage.types.mutations import MutationResult, Outcome
from storage.types.pictures import ImageRecord, SourceFile

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
records = st.builds(
    ImageRecord,
    id=st.text(min_size=1),
    width=st.integers(1),
    height=st.integers(1),
    sha256=st.text(),
    format=st.text(),
    byte_size=st.integers(0),
    added_at=st.floats(0, 1e11),
    features=st.dictionaries(st.text(), st.sampled_from(["ok", "pending"]), max_size=3),
    metadata=st.dictionaries(st.text(), json_values, max_size=3),
    source=st.none() | st.builds(SourceFile, st.text(), st.integers(0), st.integers()),
    annotations=st.dictionaries(st.text(), json_values, max_size=2),
)


@given(records)
def test_a_record_comes_back_as_it_was(record: ImageRecord) -> None:
    assert decode_record(encode_record(record)) == record


@given(records, st.sampled_from(get_args(Outcome)))
def test_an_outcome_comes_back_with_its_record(record: ImageRecord, outcome: Outcome) -> None:
    assert decode_result(encode_result(outcome, encode_record(record))) == MutationResult(outcome, record)
    assert decode_result(encode_result(outcome, None)) == MutationResult(outcome, None)


def test_a_record_without_annotations_is_as_it_was_before_there_were_any() -> None:
    plain = ImageRecord("a", 1, 1, "", "jpeg", 1, 0.0, {})
    assert b"annotations" not in encode_record(plain)
    assert decode_record(encode_record(plain)).annotations == {}


def test_a_path_of_bytes_that_are_not_utf8_survives() -> None:
    path = b"/photos/caf\xe9.jpg".decode("utf-8", "surrogateescape")
    record = ImageRecord("a", 1, 1, "", "jpeg", 1, 0.0, {}, {}, SourceFile(path, 1, 2))
    assert decode_record(encode_record(record)).source == SourceFile(path, 1, 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object(), b"bytes"])
def test_metadata_that_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidField, match="JSON"):
        encode_record(ImageRecord("a", 1, 1, "", "jpeg", 1, 0.0, {}, {"key": value}))


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"{}", b"\xff", b'{"id": "a", "source": 3}', b'{"source": null}'])
def test_other_bytes_are_corrupt(value: bytes) -> None:
    with pytest.raises(CorruptData):
        decode_record(value)
    with pytest.raises(CorruptData):
        decode_result(value)


def test_jobs_and_failures_come_back_as_they_were() -> None:
    job = JobRecord("j1", "index", "running", 1.5, 2.5, {"paths": ["/a"], "watch": False}, total=3, message="half")
    failure = JobFailure("/a/b.jpg", "unreadable_image", "it is empty")
    assert decode_job(encode_job(job), JobRecord) == job
    assert decode_job(encode_job(failure), JobFailure) == failure
    with pytest.raises(CorruptData):
        decode_job(encode_job(failure), JobRecord)
