"""What results show of pictures comes out of its packed form as it went in, and equal bytes are found in there."""

from __future__ import annotations

from storage.encoding.summaries import Summaries
from storage.types.searches import ImageSummary

SHA256 = "ab" * 32
SHOWN = {
    "a": ImageSummary(640, 480, SHA256, {"title": "ü"}, {}, "/photos/a", 9, "2019-06-01T10:11:12", "X", (1.0, 2.0)),
    "b": ImageSummary(1, 2, "cd" * 32, {"a copy of": SHA256}),
}


def test_what_was_packed_comes_out_as_it_was() -> None:
    summaries = Summaries.of(SHOWN)
    assert dict(summaries) == SHOWN
    assert Summaries.of(summaries) is summaries


def test_the_same_bytes_are_told_from_metadata_that_name_them() -> None:
    assert Summaries.of(SHOWN).with_bytes(SHA256) == {"a"}
    assert Summaries.of(SHOWN).with_bytes("ef" * 32) == set()
