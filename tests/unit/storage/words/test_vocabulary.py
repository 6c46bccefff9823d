"""Which words a query may mean."""

from __future__ import annotations

import pytest

from storage.words.vocabulary import Tolerance, Vocabulary, folded, sound_of


def vocabulary(*words: str) -> Vocabulary:
    known = Vocabulary()
    for word in words:
        known.number_of(word)
    return known


def meant(known: Vocabulary, query: str, **tolerance: bool) -> list[tuple[str, str]]:
    return [(one.spelling, one.how) for one in known.alike(folded(query), Tolerance(**tolerance))]


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("Café", "CAFE"), ("cafe\u0301", "café"), ("straße", "STRASSE"), ("\uff21\uff22", "ab"), ("Ёлка", "елка"),
        ("Άλφα", "αλφα"),
    ],
)  # fmt: skip
def test_case_accents_and_compatibility_forms_do_not_matter(word: str, other: str) -> None:
    assert folded(word) == folded(other)


@pytest.mark.parametrize(("word", "other"), [("が", "か"), ("cat", "cut"), ("й2", "и3")])
def test_other_letters_do(word: str, other: str) -> None:
    assert folded(word) != folded(other)


def test_the_very_word_comes_first_then_what_begins_like_it() -> None:
    known = vocabulary("receive", "rec", "received", "deceive")
    assert meant(known, "Receive")[0] == ("receive", "exact")
    assert meant(known, "rec")[:2] == [("rec", "exact"), ("receive", "prefix")]
    assert meant(known, "r") == []


def test_a_misspelt_word_is_meant() -> None:
    known = vocabulary("receive", "Москва", "café", "house")
    assert meant(known, "recieve") == [("receive", "misspelt")]
    assert meant(known, "Масква") == [("москва", "misspelt")]
    assert meant(known, "huose") == [("house", "misspelt")]
    assert meant(known, "recieve", misspelt=False) == [("receive", "sounds")]
    assert meant(known, "recieve", misspelt=False, sounds=False) == []


def test_what_sounds_alike_is_meant() -> None:
    known = vocabulary("Smyth", "night", "Кнут", "Fillip")
    assert meant(known, "Smith", misspelt=False) == [("smyth", "sounds")]
    assert meant(known, "Philip", misspelt=False) == [("fillip", "sounds")]
    assert meant(known, "Philip", misspelt=False, sounds=False) == []


def test_a_number_means_itself_alone() -> None:
    known = vocabulary("2019", "2018", "20190", "A4")
    assert meant(known, "2019") == [("2019", "exact"), ("20190", "prefix")]
    assert sound_of("2019") == ""
    assert meant(known, "A5") == []


def test_short_words_have_no_misspelt_forms() -> None:
    known = vocabulary("at", "it", "cat")
    assert meant(known, "ut", sounds=False) == meant(known, "cut", sounds=False) == []


def test_a_word_in_another_form_is_the_same_word() -> None:
    known = vocabulary("Café", "cafe", "CAFÉ")
    assert len(known) == 1
