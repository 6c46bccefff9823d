"""Which pictures a filter means: a mask over all handles, by the columns.

Two values, not three: what a picture does not have is equal to nothing and neither more nor less, so ``!=`` and ``not``
are true of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from storage.columns.pictures import SEPARATOR, PictureColumns
from storage.columns.texts import Mask, TextColumn, folded
from storage.columns.values import ORDER, folder_test, scalars_test, text_test
from storage.filters.times import span_of
from storage.types.filters import AllOf, AnyOf, Comparison, Filter, Not, Operator
from storage.words.vocabulary import folded as folded_word
from storage.words.word_index import WordIndex


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """words: read in pictures; None where none are."""

    columns: PictureColumns
    words: WordIndex | None = None

    def mask(self, filter: Filter) -> Mask:
        """(count,) by handle: the pictures that the filter means."""
        return self._any_handle(filter) & self.columns.present

    def _any_handle(self, filter: Filter) -> Mask:
        """As `mask`, and anything of handles that are no pictures."""
        match filter:
            case Comparison(op="!="):
                return ~self._compared(Comparison(filter.field, "=", filter.values, filter.key))
            case Comparison():
                return self._compared(filter)
            case Not(part):
                return ~self._any_handle(part)
            case AllOf(parts):
                return reduce(np.logical_and, map(self._any_handle, parts))
            case AnyOf(parts):
                return reduce(np.logical_or, map(self._any_handle, parts))

    def _compared(self, asked: Comparison) -> Mask:
        columns, count, op = self.columns, self.columns.count, asked.op
        values: Sequence[Any] = asked.values
        match asked.field:
            case "path":
                return self._of_path(op, values)
            case "id" | "caption" as name:
                return _of_text(columns.texts[name], op, values, count, any_case=name == "caption")
            case "tags":
                return _of_tags(columns.texts["tags"], op, values, count)
            case "words":
                return self._of_words(op, values)
            case "missing" | "gps" as name:
                wanted = values if op != "exists" else [True, False] if name == "missing" else [True]
                return _any_of(count, (columns.flags[name][:count] == value for value in wanted))
            case "format" | "camera" as name:
                test = _always if op == "exists" else text_test(op, values)
                return columns.coded[name].matching(test, count)
            case "folder":
                return columns.coded["folder"].matching(_always if op == "exists" else folder_test(op, values), count)
            case "metadata":
                test_all = _always if op == "exists" else scalars_test(op, values)
                return columns.keyed(asked.key).matching(test_all, count)
            case "added_at" | "taken_at" as name:
                return self._of_time(name, op, values)
            case name:
                numbers = columns.number(name)
                if op == "exists":
                    return ~np.isnan(numbers)
                return (
                    ORDER[op](numbers, values[0])
                    if op in ORDER
                    else _any_of(count, (numbers == value for value in values))
                )

    def _of_path(self, op: Operator, values: Sequence[str]) -> Mask:
        columns, count = self.columns, self.columns.count
        folders, names = columns.coded["folder"], columns.texts["name"]
        if op == "exists":
            return names.there(count)
        if op in ORDER:
            return _one_by_one(names.there(count), lambda handle: ORDER[op](columns.path(handle) or "", values[0]))
        if op == "~":
            head, slash, rest = values[0].rpartition("/")
            within = folders.matching(text_test("~", values), count)
            if not slash:
                return within | names.containing(rest, count)
            if not rest:  # it ends with a slash, as folders do
                return within
            before = folded(head + slash)  # the end of the folder, and the beginning of the name, which has no slash
            across = folders.matching(lambda folder: folded(folder).endswith(before), count)
            return within | across & names.beginning_with(rest, count)
        parts = [(value[: value.rfind("/") + 1], value[value.rfind("/") + 1 :]) for value in values]
        in_folder = [folders.matching(head.__eq__, count) for head, _ in parts]
        of_name = (names.equal_to(name, count, any_case=False) for _, name in parts)
        return _any_of(count, map(np.logical_and, in_folder, of_name))

    def _of_time(self, name: str, op: Operator, values: Sequence[str]) -> Mask:
        """A time that is written less exactly is the whole span: before it, within it, behind it."""
        times = self.columns.number(name)
        if op == "exists":
            return ~np.isnan(times)
        spans = [span_of(value, local=name == "taken_at") for value in values]
        if op in ORDER:
            begin, end = spans[0]
            return ORDER[op](times, begin) if op in ("<", ">=") else times < end if op == "<=" else times >= end
        return _any_of(len(times), ((times >= begin) & (times < end) for begin, end in spans))

    def _of_words(self, op: Operator, values: Sequence[str]) -> Mask:
        """Of several words in one value all have to be in the picture."""
        count, index = self.columns.count, self.words
        if index is None:
            return np.zeros(count, np.bool_)
        if op == "exists":
            return _having(index, list(range(len(index.heads))), count)
        spellings = [[folded_word(word) for word in value.split()] for value in values]
        find = index.containing if op == "~" else index.exactly
        return _any_of(
            count,
            (
                reduce(np.logical_and, [_having(index, find(word), count) for word in words])
                for words in spellings
                if words
            ),
        )


def _of_text(column: TextColumn, op: Operator, values: Sequence[str], count: int, *, any_case: bool) -> Mask:
    if op == "exists":
        return column.there(count)
    if op == "~":
        return column.containing(values[0], count)
    if op not in ORDER:
        return _any_of(count, (column.equal_to(value, count, any_case=any_case) for value in values))
    form = folded if any_case else str
    return _one_by_one(column.there(count), lambda handle: ORDER[op](form(column.get(handle) or ""), form(values[0])))


def _one_by_one(there: Mask, test: Callable[[int], bool]) -> Mask:
    """For what nobody asks often."""
    found = np.zeros(len(there), np.bool_)
    for handle in np.flatnonzero(there).tolist():
        found[handle] = test(handle)
    return found


def _of_tags(column: TextColumn, op: Operator, values: Sequence[str], count: int) -> Mask:
    if op == "exists":
        return column.there(count)
    around = "" if op == "~" else SEPARATOR
    return _any_of(count, (column.containing(f"{around}{value}{around}", count) for value in values))


def _having(index: WordIndex, words: Sequence[int], count: int) -> Mask:
    """The pictures that have any of the words."""
    handles, _ = index.rows_of(np.array(words, np.int32))
    found = np.zeros(count, np.bool_)
    found[handles[handles < count]] = True
    return found


def _any_of(count: int, masks: Any) -> Mask:
    return reduce(np.logical_or, masks, np.zeros(count, np.bool_))


def _always(_value: object) -> bool:
    return True
