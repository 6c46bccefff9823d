"""Texts by handle: what is found in them, and that replaced ones leave no trace."""

from __future__ import annotations

import random

import numpy as np

from storage.columns.texts import TextColumn, folded

LETTERS = "aAbBéÉßSs/. \0İ\udcff"


def test_it_finds_what_python_finds_while_texts_change() -> None:
    rng, column = random.Random(1), TextColumn()
    texts: dict[int, str | None] = {}
    for _ in range(3000):
        handle = rng.randrange(60)
        texts[handle] = None if rng.random() < 0.1 else "".join(rng.choices(LETTERS, k=rng.randrange(12)))
        column.put(handle, texts[handle])
    count = 64  # some behind the last
    for wanted in ["", "a", "É", "ss", "ß", "/.", "\0", "b A", "\udcff"]:
        there = [texts.get(handle) for handle in range(count)]
        assert column.containing(wanted, count).tolist() == [
            text is not None and folded(wanted) in folded(text) for text in there
        ]
        assert column.equal_to(wanted, count, any_case=False).tolist() == [text == wanted for text in there]
        assert column.equal_to(wanted, count, any_case=True).tolist() == [
            text is not None and folded(text) == folded(wanted) for text in there
        ]
    assert [column.get(handle) for handle in range(60)] == [texts.get(handle) for handle in range(60)]
    np.testing.assert_array_equal(column.there(count), [texts.get(handle) is not None for handle in range(count)])


def test_replaced_texts_do_not_stay_in_memory() -> None:
    column = TextColumn()
    for _ in range(1000):
        for handle in range(10):
            column.put(handle, "x" * 100)
    assert column.memory_bytes < 20_000


def test_a_column_without_texts_takes_no_memory() -> None:
    column = TextColumn()
    column.put(10_000, None)
    assert column.memory_bytes == 0
    assert column.get(10_000) is None
    assert not column.containing("", 5).any()
