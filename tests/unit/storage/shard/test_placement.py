"""Placement is part of the data format: these numbers may never change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.shard.placement import shard_of


@pytest.mark.parametrize(
    ("image_id", "shard_count", "shard"),
    [
        ("a", 1, 0),
        ("a", 2, 1),
        ("a/b.jpg", 16, 14),
        ("aaa-orig.jpg", 7, 0),
        ("画像/猫.png", 1000, 487),
        ("0", 4096, 3957),
    ],
)
def test_an_id_stays_in_the_shard_it_was_always_in(image_id: str, shard_count: int, shard: int) -> None:
    assert shard_of(image_id, shard_count) == shard


def test_ids_spread_evenly() -> None:
    counts = [0] * 8
    for number in range(8000):
        counts[shard_of(f"photos/{number}.jpg", 8)] += 1
    assert min(counts) > 850
    assert max(counts) < 1150


@given(st.text(), st.integers(1, 10_000))
def test_every_id_has_one_of_the_shards(image_id: str, shard_count: int) -> None:
    assert 0 <= shard_of(image_id, shard_count) < shard_count
