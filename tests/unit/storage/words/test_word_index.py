"""The index of words against brute force, and what earlier views keep while it changes."""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from storage.types.features import Handles
from storage.words.vocabulary import Tolerance, folded
from storage.words.word_index import WordIndex, empty_word_index
from storage.words.word_rows import decode_words, encode_words

WORDS = st.text(alphabet="abcé", min_size=1, max_size=8)
PICTURES = st.lists(st.tuples(st.lists(WORDS, max_size=4), st.booleans()), min_size=1, max_size=12)


def handles(*numbers: int) -> Handles:
    return np.array(numbers, np.int64)


def with_picture(index: WordIndex, handle: int, words: Sequence[str]) -> WordIndex:
    rows = encode_words(words)
    return index.with_changes(remove=handles(), add=np.full(len(rows), handle, np.int64), rows=rows)


def without(index: WordIndex, *numbers: int) -> WordIndex:
    return index.with_changes(remove=handles(*numbers), add=handles(), rows=encode_words([]))


def pictures_with(index: WordIndex, word: str, tolerance: Tolerance | None = None) -> list[int]:
    alike = index.alike(folded(word), tolerance or Tolerance(False, False, False))
    found, _ = index.rows_of(np.array([one.word for one in alike], np.int32))
    return sorted(set(found.tolist()))


def live(index: WordIndex) -> list[tuple[int, str]]:
    owners, rows = index.live_rows()
    return sorted(zip(owners.tolist(), decode_words(rows), strict=True))


@settings(max_examples=60, deadline=None)
@given(pictures=PICTURES, query=WORDS)
def test_it_finds_what_brute_force_finds_after_any_changes(pictures: list[tuple[list[str], bool]], query: str) -> None:
    index = empty_word_index()
    kept: dict[int, list[str]] = {}
    for handle, (words, stays) in enumerate(pictures):
        index = with_picture(index, handle, words)
        if stays:
            kept[handle] = words
        else:
            index = without(index, handle)
    assert live(index) == sorted((handle, word) for handle, words in kept.items() for word in words)
    assert index.rows_count == sum(map(len, kept.values()))
    assert index.pictures == sum(bool(words) for words in kept.values())
    spelling = folded(query)
    exactly = [handle for handle, words in kept.items() if spelling in map(folded, words)]
    assert pictures_with(index, query) == exactly
    edits = 0 if len(spelling) < 4 else 1 if len(spelling) < 7 else 2
    nearly = [
        handle for handle, words in kept.items() if any(OSA.distance(spelling, folded(word)) <= edits for word in words)
    ]
    assert pictures_with(index, query, Tolerance(prefix=False, sounds=False)) == nearly
    begins = [
        handle
        for handle, words in kept.items()
        if any(folded(w) == spelling or (len(spelling) >= 2 and folded(w).startswith(spelling)) for w in words)
    ]
    assert pictures_with(index, query, Tolerance(misspelt=False, sounds=False)) == begins


def test_earlier_views_stay_as_they_were() -> None:
    first = with_picture(empty_word_index(), 1, ["apple", "pear"])
    second = with_picture(first, 2, ["apple", "plum"])
    third = without(second, 1)
    assert live(first) == [(1, "apple"), (1, "pear")]
    assert (pictures_with(first, "apple"), pictures_with(first, "plum")) == ([1], [])
    assert (pictures_with(second, "apple"), pictures_with(third, "apple")) == ([1, 2], [2])


def test_a_view_that_is_given_up_leaves_no_trace() -> None:
    base = with_picture(empty_word_index(), 1, ["apple"])
    with_picture(base, 2, ["apple", "kiwi"])
    taken = with_picture(base, 3, ["plum", "apple"])
    assert live(taken) == [(1, "apple"), (3, "apple"), (3, "plum")]
    assert (pictures_with(taken, "apple"), pictures_with(taken, "kiwi")) == ([1, 3], [])
    assert (pictures_with(base, "apple"), pictures_with(base, "plum")) == ([1], [])


def test_words_leave_when_a_quarter_of_the_rows_is_dead() -> None:
    index = empty_word_index()
    for handle in range(8):
        index = with_picture(index, handle, [f"word{string.ascii_letters[handle]}"])
    index = without(index, 0, 1)
    assert index.dead_rows == 2
    index = without(index, 2)
    assert (index.dead_rows, index.rows_count, index.used) == (0, 5, 5)
    assert live(index) == [(handle, f"word{string.ascii_letters[handle]}") for handle in range(3, 8)]
    assert index.pictures == 5


def test_removing_what_has_no_words_changes_nothing() -> None:
    index = with_picture(empty_word_index(), 1, ["apple"])
    assert without(index, 7) is index


def test_rows_come_back_byte_for_byte() -> None:
    words = ["Café", "CAFÉ", "Жук", "日本", "x" * 80, "é" * 40]
    index = with_picture(empty_word_index(), 5, words)
    owners, rows = index.live_rows()
    np.testing.assert_array_equal(rows, encode_words(words))
    assert owners.tolist() == [5] * 6
    again = empty_word_index().with_changes(remove=handles(), add=owners, rows=rows)
    np.testing.assert_array_equal(again.live_rows()[1], rows)


@pytest.mark.parametrize("letters", ["é", "Ж", "日", "a"])
def test_a_long_word_is_cut_between_letters(letters: str) -> None:
    [word] = decode_words(encode_words([letters * 100]))
    assert set(word) == {letters}
    assert 60 < len(word.encode()) <= 64


def test_nearest_rows_come_first() -> None:
    index = with_picture(with_picture(empty_word_index(), 1, ["receive"]), 2, ["recieve"])
    neighbors = index.search(encode_words(["recieve"]), 3)
    assert neighbors.handles.tolist() == [[2, 1, -1]]
    assert neighbors.distances[0, 0] == 0
    assert 0 < neighbors.distances[0, 1] < 0.5
    assert np.isinf(neighbors.distances[0, 2])


def test_only_allowed_pictures_are_found() -> None:
    index = empty_word_index()
    for handle, words in enumerate((["bridge"], ["bridges"], ["bridge"], ["bridge"])):
        index = with_picture(index, handle, words)
    allowed = np.array([False, True, True])  # the last picture came later
    np.testing.assert_array_equal(index.search(encode_words(["bridge"]), 4, allowed).handles, [[2, 1, -1, -1]])


def test_words_are_found_whole_and_by_a_part() -> None:
    index = with_picture(with_picture(empty_word_index(), 1, ["Bridge"]), 2, ["abridged", "red"])
    spellings = index.written.vocabulary.spellings
    assert [spellings[number] for number in index.exactly("bridge")] == ["bridge"]
    assert [spellings[number] for number in index.containing("bridge")] == ["bridge", "abridged"]
    assert index.exactly("tree") == []
