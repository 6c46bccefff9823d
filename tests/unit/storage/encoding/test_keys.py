"""Keys: short, unambiguous, in the order of ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.encoding.keys import MAX_ID_CHARACTERS, check_image_id, number_key, number_of, text_key, text_key_start
from storage.errors import CorruptData, InvalidField
from storage.kv.store import MAX_KEY_BYTES

ids = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=MAX_ID_CHARACTERS)


@given(ids)
def test_every_id_fits_a_key(image_id: str) -> None:
    check_image_id(image_id)
    assert 0 < len(text_key(image_id)) <= MAX_KEY_BYTES


@given(ids, ids)
def test_different_ids_have_different_keys(first: str, second: str) -> None:
    assert (text_key(first) == text_key(second)) == (first == second)


@given(ids, ids)
def test_an_id_that_sorts_later_is_found_from_the_start_key(first: str, second: str) -> None:
    if second.encode() > first.encode():
        assert text_key(second) >= text_key_start(first)


def test_long_ids_that_begin_alike_keep_apart() -> None:
    first, second = "語" * 255 + "a", "語" * 255 + "b"
    assert text_key(first) != text_key(second)
    assert text_key(first)[:400] == text_key(second)[:400] == text_key_start(first)


@pytest.mark.parametrize("image_id", ["", "a" * 257, "a\nb", "a\x00", "\x7f", "\x85", "\ud800"])
def test_ids_that_are_no_ids_are_refused(image_id: str) -> None:
    with pytest.raises(InvalidField):
        check_image_id(image_id)


@pytest.mark.parametrize("image_id", ["a", "a/b c.jpg", "../..", "é" * 256, "😀" * 256, "‮x"])
def test_ids_of_any_printable_text_are_taken(image_id: str) -> None:
    check_image_id(image_id)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_number_keys_sort_as_numbers(first: int, second: int) -> None:
    assert (number_key(first) < number_key(second)) == (first < second)
    assert number_of(number_key(first)) == first


def test_a_number_of_the_wrong_size_is_corrupt() -> None:
    with pytest.raises(CorruptData):
        number_of(b"1234")
