"""Verify finds every kind of disagreement, and only those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from storage.encoding.feature_rows import encode_rows
from storage.encoding.keys import number_key, text_key
from storage.kv.store import WriteTransaction
from storage.operations.reports import Verify
from storage.shard.shard import Shard
from storage.types.features import FeatureRows
from tests.unit.storage.samples import applied, inside, picture_rows, put

Damage = Callable[[WriteTransaction], object]


@pytest.fixture
def full(shard: Shard) -> Shard:
    applied(shard, [put("a"), put("b"), put("c", pending=["color"], original=b"bytes")])
    return shard


def test_a_sound_shard_has_no_problems(full: Shard) -> None:
    report = full.ask(Verify())
    assert (report.shard, report.images, report.checked_rows, report.problems) == (0, 3, 5, ())


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda t: t.delete("thumbnails", number_key(0)), "image 'a': no thumbnail"),
        (lambda t: t.put("thumbnails", number_key(9), b"x"), "thumbnails: handle 9 belongs to no image"),
        (lambda t: t.delete("handles", number_key(0)), "image 'a': its handle leads elsewhere"),
        (lambda t: t.delete("sources", next(t.keys("sources"))), "image 'a': it is not found by its file"),
        (lambda t: t.delete("contents", next(t.keys("contents"))), "it is not found by its file"),
        (lambda t: t.put("sources", b"/x\0" + number_key(9), b"sx"), "files: 1 entries lead to no image"),
        (lambda t: t.put("handles", number_key(9), b"x"), "handles: handle 9 belongs to no image"),
        (lambda t: t.delete("images", text_key("a")), "handles: handle 0 belongs to no image"),
        (lambda t: t.put("images", text_key("a"), b"?"), "images: b'a'"),
        (lambda t: t.put("images", b"z", t.get("images", b"a") or b""), "lies under another image's key"),
        (lambda t: t.delete("pending", number_key(2)), "image 'c': its row and the table of pending images disagree"),
        (
            lambda t: t.put("pending", number_key(0), b"a"),
            "'a': its row and the table of pending images disagree",
        ),
        (lambda t: t.put("originals", number_key(0), b"x"), "image 'a': its original is kept"),
        (lambda t: t.delete("feature:phash", number_key(0)), "image 'a': phash is 'ok' but rows are not stored"),
        (
            lambda t: t.put("feature:color", number_key(2), _rows("c")),
            "'c': color is 'pending' but rows are stored",
        ),
        (lambda t: t.put("feature:phash", number_key(0), b"?"), "phash: handle 0: feature rows of 1 bytes"),
        (lambda t: t.put("feature:color", number_key(0), _rows("b")), "color: the index has other rows of handle 0"),
    ],
)
def test_a_damaged_store_is_found_out(full: Shard, damage: Damage, problem: str) -> None:
    inside(full).store.write(damage)
    assert any(problem in line for line in full.ask(Verify()).problems)


def _rows(seed: str) -> bytes:
    return encode_rows(picture_rows(seed)["color"])


def test_an_index_that_lacks_or_adds_rows_is_found_out(full: Shard) -> None:
    moment = inside(full).moment
    index = moment.indexes["phash"]
    none = np.zeros(0, np.int64)
    rows = picture_rows("x")["phash"].rows
    for changed, problem in (
        (index.with_changes(remove=np.array([1]), add=none, rows=rows[:0]), "other rows of handle 1"),
        (index.with_changes(remove=none, add=np.array([77]), rows=rows), "1 rows that the store does not"),
    ):
        inside(full).live.moments.replace(replace(moment, indexes={**moment.indexes, "phash": changed}))
        assert any(problem in line for line in full.ask(Verify()).problems)


def test_rows_are_compared_byte_by_byte(full: Shard) -> None:
    rows = picture_rows("a")["color"].rows.copy()
    rows[0, 0] = np.nextafter(rows[0, 0], np.float32(1))
    inside(full).store.write(lambda t: t.put("feature:color", number_key(0), encode_rows(FeatureRows(rows))))
    assert full.ask(Verify()).problems == ("color: the index has other rows of handle 0 than the store",)
