"""Damaged files: whatever the bytes, a picture or one of our errors."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.pictures.images import DecodeLimits, decode
from storage.errors import UnreadableImage
from tests.unit.deployments.pictures.pillow_build import each, readable
from tests.unit.deployments.pictures.samples import encoded, exif_with_orientation, photo

LIMITS = DecodeLimits(max_pixels=1_000_000)
FORMATS = ("jpeg", "progressive", "png", "gif", "webp", "bmp", "tiff", "avif")


@cache
def file_of(name: str) -> bytes:
    if name == "progressive":
        return encoded(photo(120, 90), "jpeg", progressive=True)
    options = {} if name in ("gif", "bmp") else {"exif": exif_with_orientation(6)}
    return encoded(photo(120, 90), name, **options)


@pytest.mark.parametrize("name", each(*FORMATS))
@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused_or_lacks_nothing_of_the_picture(name: str, share: float) -> None:
    data = file_of(name)
    try:
        image = decode(data[: int(len(data) * share)], LIMITS)
    except UnreadableImage:
        return
    np.testing.assert_array_equal(image.pixels, decode(data).pixels)


@pytest.mark.parametrize("name", ["jpeg", "progressive", "png"])
def test_half_a_file_is_refused(name: str) -> None:
    data = file_of(name)
    with pytest.raises(UnreadableImage, match="cannot be decoded"):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize("name", each(*FORMATS))
@settings(max_examples=80, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_give_a_picture_or_our_error(name: str, changes: list[tuple[float, int]]) -> None:
    data = bytearray(file_of(name))
    for share, value in changes:
        data[int(len(data) * share**3)] = value  # most of them in the headers
    try:
        image = decode(bytes(data), LIMITS)
    except UnreadableImage:
        return
    assert image.pixels.ndim == 3
    assert max(image.pixels.shape) <= 1024


@settings(max_examples=100, deadline=None)
@given(head=st.sampled_from(readable(*FORMATS)), keep=st.integers(0, 40), tail=st.binary(max_size=300))
def test_any_bytes_after_a_header_give_a_picture_or_our_error(head: str, keep: int, tail: bytes) -> None:
    try:
        decode(file_of(head)[:keep] + tail, LIMITS)
    except UnreadableImage:
        return
