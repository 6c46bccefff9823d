"""A shard's answers about pictures near to a picture, against comparing every pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from storage.duplicates import fact_cache as remembered
from storage.duplicates import near_search as near_pictures
from storage.duplicates.messages import NearAnswer, NearQuestions
from storage.errors import InvalidRequest, UnknownFeature
from storage.operations.duplicates import Near, Walk
from storage.operations.pictures import Records
from storage.shard.shard import Shard
from storage.types.mutations import UpdateSource
from tests.unit.storage.duplicates.near_collection import SPECS, Made, made_up, neighbours
from tests.unit.storage.samples import COLOR, applied, delete, open_shard, put

MOST = 64


@pytest.fixture
def pictures() -> list[Made]:
    return made_up(1, 120)


@pytest.fixture
def shard(tmp_path: Path, pictures: Sequence[Made]) -> Iterator[Shard]:
    opened = open_shard(tmp_path / "shard", SPECS)
    applied(opened, [picture.put() for picture in pictures])
    yield opened
    opened.close()


def ask(shard: Shard, pictures: Sequence[Made], larger: int = 1000, nearest: int = 1000) -> list[NearAnswer]:
    queries = tuple(picture.query(larger, nearest) for picture in pictures)
    return shard.ask(Near(NearQuestions("phash", 2, MOST, queries)))


def check(answer: NearAnswer, picture: Made, pictures: Sequence[Made]) -> None:
    """The whole answer, against every pair."""
    near = neighbours(picture, pictures, MOST)
    by_id = {other.id: other for other in pictures}
    assert answer.count == len(near)
    assert {one.id: one.distance for one in answer.nearest} == near
    assert [one.distance for one in answer.nearest] == sorted(near.values())
    larger = sorted(by_id[one].rank for one in near if by_id[one].rank < picture.rank)
    assert [one.rank for one in answer.larger] == larger
    assert answer.larger_count == len(larger)
    for one in answer.nearest:
        assert (one.path, one.byte_size) == (by_id[one.id].path, by_id[one.id].byte_size)
        assert np.array_equal(one.views, by_id[one.id].views)


@pytest.mark.parametrize("few", [256, 1])
def test_the_answers_are_those_of_comparing_every_pair(
    shard: Shard, pictures: Sequence[Made], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(remembered, "FEW", few)
    monkeypatch.setattr(near_pictures, "QUERIES_AT_ONCE", 7)
    for answer, picture in zip(ask(shard, pictures), pictures, strict=True):
        check(answer, picture, pictures)


@pytest.mark.parametrize("few", [256, 1])
def test_of_many_the_first_in_order_and_the_nearest_are_given(
    shard: Shard, pictures: Sequence[Made], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(remembered, "FEW", few)
    whole, part = ask(shard, pictures), ask(shard, pictures, larger=2, nearest=3)
    assert any(len(answer.larger) > 2 for answer in whole)
    for answer, first in zip(whole, part, strict=True):
        assert (first.count, first.larger_count) == (answer.count, answer.larger_count)
        assert [one.id for one in first.larger] == [one.id for one in answer.larger[:2]]
        assert [one.distance for one in first.nearest] == [one.distance for one in answer.nearest[:3]]


def test_the_distance_is_the_same_whichever_is_asked_about(shard: Shard, pictures: Sequence[Made]) -> None:
    found = {
        (picture.id, one.id): one.distance
        for picture, answer in zip(pictures, ask(shard, pictures), strict=True)
        for one in answer.nearest
    }
    assert found
    assert all(found[b, a] == bits for (a, b), bits in found.items())


def test_a_picture_of_another_shard_is_asked_about_all_the_same(shard: Shard, pictures: Sequence[Made]) -> None:
    stranger = Made("not here", 1, 1, 1, pictures[0].views)
    [answer] = ask(shard, [stranger])
    assert answer.nearest[0].distance == 0
    assert {one.id for one in answer.nearest} == neighbours(stranger, pictures, MOST).keys()


def test_deleted_pictures_are_near_to_nothing(shard: Shard, pictures: Sequence[Made]) -> None:
    applied(shard, [delete(picture.id) for picture in pictures[::2]])
    left = pictures[1::2]
    for answer, picture in zip(ask(shard, left), left, strict=True):
        check(answer, picture, left)


def test_a_walk_gives_every_picture_once(shard: Shard, pictures: Sequence[Made]) -> None:
    walked, after = [], -1
    while page := shard.ask(Walk("phash", 2, after, 50)):
        walked += page
        after = page[-1].handle
    assert sorted(one.id for one in walked) == [picture.id for picture in pictures]
    assert {one.rank for one in walked} == {picture.rank for picture in pictures}


def test_pictures_without_the_feature_are_passed_over(tmp_path: Path) -> None:
    shard = open_shard(tmp_path / "shard")
    applied(shard, [put("a", pending=["phash"]), put("b", pending=["color"])])
    assert [one.id for one in shard.ask(Walk("phash", 2, -1, 9))] == ["b"]
    shard.close()


def test_a_feature_that_is_not_there_or_not_binary_is_refused(tmp_path: Path) -> None:
    shard = open_shard(tmp_path / "shard", [COLOR])
    with pytest.raises(UnknownFeature):
        shard.ask(Walk("phash", 2, -1, 9))
    with pytest.raises(InvalidRequest, match="bit by bit"):
        shard.ask(Near(NearQuestions("color", 2, MOST, ())))
    shard.close()


def test_bad_rows_are_refused(shard: Shard) -> None:
    bad = Made("bad", 1, 1, 1, np.zeros((1, 3), np.uint8))
    with pytest.raises(InvalidRequest, match="bad"):
        ask(shard, [bad])


def test_pictures_whose_file_is_missing_are_left_out(shard: Shard, pictures: Sequence[Made]) -> None:
    gone = [picture for picture in pictures if picture.path is not None][:40]
    records = shard.ask(Records(tuple(picture.id for picture in gone)))
    applied(
        shard,
        [
            UpdateSource(f"gone {one.id}", one.id, one.sha256, one.source, missing=True)
            for one in records
            if one is not None and one.source is not None
        ],
    )
    left = [picture for picture in pictures if picture not in gone]
    for picture, answer in zip(left, ask(shard, left), strict=True):
        check(answer, picture, left)
    assert {one.id for one in shard.ask(Walk("phash", 2, -1, 1000))} == {picture.id for picture in left}
