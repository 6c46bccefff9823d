from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.ocr.word_splitting import split_words


def texts(text: str) -> list[str]:
    return [word.text for word in split_words(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A red bridge, in fog.", ["A", "red", "bridge", "in", "fog"]),
        ("don't O\u2019Neill 'quoted' dogs'", ["don't", "O'Neill", "quoted", "dogs"]),
        ("well-known 555-1234", ["well", "known", "555", "1234"]),
        ("12,50 3.14 v2.0. 1,000,", ["12,50", "3.14", "v2.0", "1,000"]),
        ("www.example.com end.Next", ["www", "example", "com", "end", "Next"]),
        ("zeros_like(coins)", ["zeros", "like", "coins"]),
        ("caf\u00e9 cafe\u0301", ["caf\u00e9", "cafe\u0301"]),
        ("улица Москва", ["улица", "Москва"]),
        ("... -- '' !", []),
        ("", []),
    ],
)  # fmt: skip
def test_words_are_runs_of_letters_marks_and_digits(text: str, words: list[str]) -> None:
    assert texts(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\u56fe\u4e66\u9986", ["\u56fe\u4e66", "\u4e66\u9986"]),
        ("\u5c71", ["\u5c71"]),
        ("\u4e1c\u4eac2026\u5e74", ["\u4e1c\u4eac", "2026", "\u5e74"]),
        ("\u30b3\u30fc\u30d2\u30fc", ["\u30b3\u30fc", "\u30fc\u30d2", "\u30d2\u30fc"]),
        ("Tokyo\u6771\u4eac", ["Tokyo", "\u6771\u4eac"]),
        ("\u0e17\u0e35\u0e48\u0e19\u0e35", ["\u0e17\u0e35\u0e48\u0e19\u0e35"]),
    ],
)
def test_scripts_without_spaces_become_pairs_of_characters(text: str, words: list[str]) -> None:
    assert texts(text) == words


def test_any_part_of_a_run_without_spaces_shares_a_pair_with_it() -> None:
    whole = "\u5317\u4eac\u5e02\u56fe\u4e66\u9986"
    for start in range(len(whole) - 1):
        for end in range(start + 2, len(whole) + 1):
            assert set(texts(whole[start:end])) <= set(texts(whole))


@given(st.text(max_size=40))
def test_every_word_is_where_it_says(text: str) -> None:
    words = split_words(text)
    for word in words:
        assert 0 <= word.start < word.end <= len(text)
        assert len(word.text) == word.end - word.start
        assert word.text.replace("'", "") in text.translate(dict.fromkeys(map(ord, "'\u2019\u02bc\uff07")))
    assert [word.start for word in words] == sorted(word.start for word in words)


@given(st.text(max_size=40))
def test_splitting_a_word_again_changes_nothing(text: str) -> None:
    for word in split_words(text):
        assert texts(word.text) == [word.text]
