"""Local features through a shard: stored, found, replaced and deleted like any other, with evidence in pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from storage.encoding.search_messages import decode_answers, decode_queries, encode_answers, encode_queries
from storage.errors import InvalidRequest
from storage.keypoints.plane_maps import transformed
from storage.operations.features import Features
from storage.operations.pictures import Records
from storage.operations.reports import Stats, Verify
from storage.shard.search import QUERY_FRAME
from storage.shard.shard import Shard
from storage.types.features import FeatureRows
from storage.types.mutations import FillFeatures
from storage.types.searches import FeatureQuery, ShardQuery
from storage.upkeep.factory import build_index
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.samples import (
    PHASH,
    SPECS,
    applied,
    ask,
    delete,
    find,
    inside,
    open_shard,
    picture_rows,
    put,
    record,
)
from tests.unit.storage.scenes import (
    LOCAL,
    PICTURES,
    SIZE,
    feature,
    find_scene,
    mirrored,
    put_scene,
    query,
    scene,
    seen,
    similarity,
)


@pytest.fixture
def full(reopen: Reopen) -> Shard:
    shard = reopen([LOCAL])
    applied(shard, [put_scene(f"i{number}", picture) for number, picture in PICTURES.items()])
    return shard


def found(shard: Shard, number: int) -> list[str]:
    return [hit.id for hit in find_scene(shard, query(PICTURES[number]))]


def test_a_stored_picture_is_found_with_the_number_of_its_inliers(full: Shard) -> None:
    for number in PICTURES:
        (hit,) = find_scene(full, query(PICTURES[number]))
        assert (hit.id, hit.distance, hit.view) == (f"i{number}", 80.0, 0)


def test_a_mirrored_query_is_told_by_its_view(full: Shard) -> None:
    (hit,) = find_scene(full, query(mirrored(PICTURES[4])))
    assert (hit.id, hit.view) == ("i4", 1)


def test_a_deleted_picture_is_not_found(full: Shard) -> None:
    applied(full, [delete("i4")])
    assert (found(full, 4), found(full, 5)) == ([], ["i5"])
    assert full.ask(Verify()).problems == ()


def test_a_replaced_picture_is_found_as_the_new_one_only(full: Shard) -> None:
    applied(full, [put_scene("i4", scene(50), operation="again", on_conflict="replace")])
    assert found(full, 4) == []
    assert [hit.id for hit in find_scene(full, query(scene(50)))] == ["i4"]
    assert full.ask(Verify()).problems == ()


def test_a_picture_whose_keypoints_come_later_is_found_then(reopen: Reopen) -> None:
    shard = reopen([PHASH, LOCAL])
    made = record("a", {"phash": "ok", "local": "pending"})
    applied(shard, [replace(put("a"), record=made, features={"phash": picture_rows("a")["phash"]})])
    assert find_scene(shard, query(PICTURES[1])) == ()
    applied(shard, [FillFeatures("fill", "a", made.sha256, {"local": feature(PICTURES[1])})])
    assert [hit.id for hit in find_scene(shard, query(PICTURES[1]))] == ["a"]
    assert [hit.id for hit in find(shard, "a")] == ["a"]
    assert shard.ask(Verify()).problems == ()


def test_keypoints_come_back_as_they_were_stored(full: Shard) -> None:
    kept = full.ask(Features("i3", ("local",)))
    assert kept is not None
    np.testing.assert_array_equal(kept["local"].rows, feature(PICTURES[3]).rows)
    for name, array in feature(PICTURES[3]).extras.items():
        np.testing.assert_array_equal(kept["local"].extras[name], array)


def test_statistics_count_rows_and_pictures(full: Shard) -> None:
    applied(full, [delete("i4"), put_scene("bare", scene(51, count=0))])
    stats = full.ask(Stats()).features["local"]
    assert (stats.images, stats.rows, stats.index_kind) == (12, 11 * 80, "exact")


def test_the_homography_maps_pixels_of_the_stored_file_to_the_frame_of_the_query(reopen: Reopen) -> None:
    shard = reopen([LOCAL])
    stored = put_scene("large", PICTURES[2])
    file_size = np.array([2560, 1440])  # of which the frame is a fourth one way, a third the other
    applied(shard, [replace(stored, record=replace(stored.record, width=2560, height=1440))])
    view, size = similarity(0.8, 0.4, (60, -90)), (500, 400)
    (hit,) = find_scene(shard, query(seen(PICTURES[2], view, size)))
    in_frame = np.array([[100.0, 90.0], [400.0, 200.0], [600.0, 470.0]])
    in_file = in_frame * (file_size / SIZE)
    found_at = transformed(np.array(hit.evidence["homography"]), in_file)
    assert np.abs(found_at - transformed(view, in_frame)).max() < 0.5
    corners = transformed(np.array(hit.evidence["homography"]), np.array(hit.evidence["box"]))
    np.testing.assert_allclose(corners, [[0, 0], [500, 0], [500, 400], [0, 400]], atol=1e-6)
    assert hit.evidence[QUERY_FRAME] == [0, 500, 400]


def test_the_box_of_the_picture_itself_is_the_outline_of_its_file(reopen: Reopen) -> None:
    shard = reopen([LOCAL])
    stored = put_scene("large", PICTURES[2])
    applied(shard, [replace(stored, record=replace(stored.record, width=4000, height=3000))])
    (hit,) = find_scene(shard, query(PICTURES[2]))
    np.testing.assert_allclose(hit.evidence["box"], [[0, 0], [4000, 0], [4000, 3000], [0, 3000]], atol=0.01)


def test_an_answer_is_the_same_after_the_way_between_processes(full: Shard) -> None:
    asked = ShardQuery((query(seen(PICTURES[4], similarity(0.7, 1.0, (400, 0)))),))
    (answer,) = full.search(decode_queries(encode_queries([asked])))
    assert answer.hits == full.search([asked])[0].hits
    (back,) = decode_answers(encode_answers([answer]))
    assert back.hits == answer.hits
    assert back.hits["local"][0].evidence.keys() == {"homography", "box", "matched", "error", "bend", QUERY_FRAME}


def test_every_hit_is_summed_up(full: Shard) -> None:
    (answer,) = full.search([ShardQuery((query(PICTURES[4]),))])
    assert answer.summaries.keys() == {"i4"}
    assert (answer.summaries["i4"].width, answer.summaries["i4"].height) == SIZE
    assert answer.took_ms["local"] > 0


def test_a_bad_query_is_an_error_of_its_feature_alone(reopen: Reopen) -> None:
    shard = reopen([*SPECS, LOCAL])
    applied(shard, [put("a", pending=["local"])])
    bad = query(PICTURES[1], min_inliers=2)
    no_places = FeatureQuery("local", query(PICTURES[1]).rows, 5)
    good = ask("phash", picture_rows("a")["phash"].rows)
    for part, reason in ((bad, "min_inliers"), (no_places, "what pictures")):
        (answer,) = shard.search([ShardQuery((part, *good.features))])
        assert reason in answer.errors["local"]
        assert [hit.id for hit in answer.hits["phash"]] == ["a"]


def test_a_query_without_keypoints_finds_nothing_and_is_no_error(full: Shard) -> None:
    assert find_scene(full, query(scene(52, count=0))) == ()


def test_keypoints_that_do_not_fit_their_rows_are_not_stored(full: Shard) -> None:
    good = put_scene("new", PICTURES[1])
    kept = good.features["local"]
    bad = replace(good, features={"local": FeatureRows(kept.rows[1:], extras=kept.extras)})
    with pytest.raises(InvalidRequest, match="'new'"):
        applied(full, [bad])
    assert full.ask(Records(("new",))) == [None]


def test_verify_finds_keypoints_that_the_index_has_otherwise(tmp_path: Path) -> None:
    shard = open_shard(tmp_path / "shard", [LOCAL])
    applied(shard, [put_scene("a", PICTURES[1]), put_scene("b", PICTURES[2])])
    view, handles = inside(shard).moment, np.repeat([0, 1, 7], 80)
    rows = np.concatenate([feature(PICTURES[number]).rows for number in (1, 2, 3)])
    rows[85, 5] ^= 1
    changed = build_index(LOCAL).with_changes(remove=handles[:0], add=handles, rows=rows)
    inside(shard).live.moments.replace(replace(view, indexes={"local": changed}))
    assert shard.ask(Verify()).problems == (
        "local: the index has other rows of handle 1 than the store",
        "local: the index has 80 rows that the store does not",
    )
    shard.close()
