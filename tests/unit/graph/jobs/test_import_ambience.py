"""An original installation's data is imported, continued, searched and deleted from; what does not fit is told, and
nothing else is lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graph.jobs.importing.pictures import PictureImporter
from storage.errors import InvalidField
from storage.operations.reports import Stats
from storage.shard.placement import shard_of
from storage.types.features import FeatureRows, Vectors
from storage.types.mutations import AddFeatures, DeleteImage, MutationResult
from storage.types.pictures import ImageRecord
from tests.unit.graph.ambience_data.installation import (
    key,
    random_hash,
    random_histogram,
    random_vector,
    write_installation,
    write_names,
    write_store,
)
from tests.unit.graph.jobs.importing.target import Target, counts, query_of, tables

RNG = np.random.default_rng(5)


def test_a_thousand_pictures_are_imported_and_found_by_picture_and_by_id(target: Target) -> None:
    write_installation(target.original, range(1000), photos=range(20))
    done = target.run()
    assert counts(done) == (1000, 1000, 1000, 0, 0, 0)
    assert tables(done) == {"phashes.lmdb": (1000, 1000, 0, 0), "rgb_histograms.lmdb": (1000, 1000, 0, 0)}
    for seed in (0, 7, 19):
        phash, color = query_of(seed)
        assert target.nearest("phash", phash) == (str(seed), 0)
        assert target.nearest("color", color)[0] == str(seed)
    record = target.kept(17)
    assert (record.width, record.sha256, record.format, record.source) == (0, "", "", None)
    assert record.metadata == {"file_name": "17.jpg"}
    assert record.features == {"phash": "ok", "color": "ok"}
    views = target.rows(500, "phash").query_rows
    assert views is not None
    assert views.shape == (8, 72)
    assert target.nearest("phash", views[:2]) == ("500", 0)
    assert not target.problems()


def test_running_it_again_changes_nothing(target: Target) -> None:
    write_installation(target.original, range(50))
    target.run()
    before = [one.sequence for one in target.fleet.ask_each(Stats())]
    done = target.run()
    assert counts(done) == (50, 50, 0, 0, 50, 0)
    assert tables(done)["phashes.lmdb"] == (50, 0, 50, 0)
    assert [one.sequence for one in target.fleet.ask_each(Stats())] == before


def test_a_job_that_was_killed_half_way_is_gone_on_with(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    write_installation(target.original, range(100))
    take = PictureImporter.take

    def killed(self: PictureImporter, found: Any) -> Any:
        if found[0].id >= 40:
            raise KeyboardInterrupt
        return take(self, found)

    with monkeypatch.context() as patched:
        patched.setattr("graph.jobs.import_ambience.PICTURES_AT_ONCE", 10)
        patched.setattr(PictureImporter, "take", killed)
        with pytest.raises(KeyboardInterrupt):
            target.run()
    there = target.images()
    assert 0 < there < 100
    assert counts(target.run()) == (100, 100, 100 - there, 0, there, 0)
    assert target.images() == 100


def test_a_dry_run_tells_the_same_and_writes_nothing(target: Target) -> None:
    write_installation(target.original, range(30))
    write_store(target.original / "phash_web" / "phashes.lmdb", {key(3): b"short", key(99): random_hash(RNG)})
    dry = target.run(dry_run=True)
    told = target.failures()
    assert target.images() == 0
    wet = target.run()
    assert {**dry.report, "dry_run": False} == wet.report
    assert (counts(dry), told) == (counts(wet), target.failures())
    assert target.images() == 31


def test_a_picture_has_what_is_good_of_it(target: Target) -> None:
    write_installation(target.original, range(6))
    infinite = np.full(512, np.inf, np.float32).tobytes()
    write_store(target.original / "phash_web" / "phashes.lmdb", {key(1): b"short", key(2): b""})
    write_store(target.original / "color_web" / "rgb_histograms.lmdb", {key(2): infinite, key(3): bytes(2048)})
    done = target.run()
    assert target.failures() == {
        "phashes.lmdb: 1": "wrong_length",
        "phashes.lmdb: 2": "wrong_length",
        "rgb_histograms.lmdb: 2": "not_finite",
        "rgb_histograms.lmdb: 3": "no_histogram",
    }
    assert counts(done) == (6, 6, 5, 0, 0, 4)
    assert tables(done) == {"phashes.lmdb": (6, 4, 0, 2), "rgb_histograms.lmdb": (6, 4, 0, 2)}
    assert target.kept(1).features == {"phash": "absent", "color": "ok"}
    assert target.record(2) is None
    assert target.kept(3).features == {"phash": "ok", "color": "absent"}
    assert {one["code"]: one["count"] for one in done.report["defects"]} == {
        "wrong_length": 2,
        "not_finite": 1,
        "no_histogram": 1,
    }


def test_an_id_of_another_picture_is_a_conflict_and_left_alone(target: Target) -> None:
    write_installation(target.original, range(3))
    other = target.folder / "other"
    write_store(other / "phashes.lmdb", {key(1): random_hash(RNG)})
    target.run(other)
    done = target.run()
    assert counts(done) == (3, 3, 2, 0, 0, 1)
    assert target.failures() == {"1": "conflict"}
    assert target.kept(1).features == {"phash": "ok", "color": "absent"}
    assert tables(done) == {"phashes.lmdb": (3, 2, 0, 1), "rgb_histograms.lmdb": (3, 2, 0, 1)}


@pytest.fixture
def others(target: Target, monkeypatch: pytest.MonkeyPatch) -> list[AddFeatures]:
    """Each is applied just before a write of the importer is."""
    waiting: list[AddFeatures] = []
    apply = target.fleet.apply_patiently

    def overtaken(shard: int, mutations: Any) -> Any:
        if waiting:
            [result] = apply(shard, [waiting.pop(0)])
            assert isinstance(result, MutationResult)
            assert result.outcome in ("created", "filled")
        return apply(shard, mutations)

    monkeypatch.setattr(target.fleet, "apply_patiently", overtaken)
    return waiting


def written_by_others(feature: str, rows: Vectors) -> AddFeatures:
    record = ImageRecord("1", 0, 0, "", "", 0, 0.0, {feature: "ok"})
    return AddFeatures(f"others/{feature}", record, {feature: FeatureRows(rows)}, b"")


def test_a_picture_that_others_add_to_meanwhile_gets_the_rest(target: Target, others: list[AddFeatures]) -> None:
    write_installation(target.original, [1], photos=[1])
    others.append(written_by_others("color", query_of(1)[1]))
    done = target.run()
    assert (counts(done), target.failures()) == ((1, 1, 0, 1, 0, 0), {})
    assert tables(done) == {"phashes.lmdb": (1, 1, 0, 0), "rgb_histograms.lmdb": (1, 0, 1, 0)}
    assert target.kept(1).features == {"phash": "ok", "color": "ok"}
    assert target.kept(1).metadata == {"file_name": "1.jpg"}


def test_a_picture_that_others_add_to_meanwhile_gets_its_photo(target: Target, others: list[AddFeatures]) -> None:
    write_installation(target.original, [1], photos=[1])
    others.append(written_by_others("color", query_of(1)[1]))
    done = target.with_photos(1)
    assert (counts(done), done.report["photos"]["attached"]) == ((1, 1, 0, 1, 0, 0), 1)
    assert (target.kept(1).width, target.kept(1).features) == (160, {"phash": "ok", "color": "ok"})
    assert not target.problems()


def test_a_photo_that_is_missing_is_told_once_where_others_add_meanwhile(
    target: Target, others: list[AddFeatures]
) -> None:
    write_installation(target.original, [1], photos=[1])
    others.append(written_by_others("color", query_of(1)[1]))
    done = target.with_photos()
    assert (counts(done), target.failures()) == ((1, 1, 0, 1, 0, 1), {"photo of 1": "photo_not_found"})
    assert done.report["photos"] == {"folder": str(target.photos), "attached": 0, "there": 0, "missing": 1}


def test_another_picture_that_comes_meanwhile_is_a_conflict(target: Target, others: list[AddFeatures]) -> None:
    write_installation(target.original, [1], photos=[1])
    others.append(written_by_others("color", query_of(2)[1]))
    done = target.run()
    assert (counts(done), target.failures()) == ((1, 1, 0, 0, 0, 1), {"1": "conflict"})
    [defect] = done.report["defects"]
    assert defect["examples"][0].endswith("its color differs")


def test_a_picture_that_others_add_to_again_and_again_is_refused(target: Target, others: list[AddFeatures]) -> None:
    write_installation(target.original, [1], photos=[1])
    phash, color = query_of(1)
    others += [written_by_others("color", color), written_by_others("phash", phash)]
    done = target.run()
    assert (counts(done), target.failures()) == ((1, 1, 0, 0, 0, 1), {"1": "conflict"})
    [defect] = done.report["defects"]
    assert "others added to this picture at the same time" in defect["examples"][0]
    assert counts(target.run()) == (1, 1, 0, 1, 0, 0)


def test_a_folder_that_comes_later_adds_to_the_pictures(target: Target) -> None:
    write_installation(target.original, range(10))
    target.run(target.original / "phash_web")
    assert target.kept(4).features == {"phash": "ok", "color": "absent"}
    done = target.run()
    assert counts(done) == (10, 10, 0, 10, 0, 0)
    assert tables(done) == {"phashes.lmdb": (10, 0, 10, 0), "rgb_histograms.lmdb": (10, 10, 0, 0)}
    assert target.kept(4).features == {"phash": "ok", "color": "ok"}
    assert not target.problems()


def test_names_that_come_later_are_kept(target: Target) -> None:
    write_store(target.original / "phashes.lmdb", {key(n): random_hash(RNG) for n in range(3)})
    target.run()
    write_names(target.original, {n: f"{n}.jpg" for n in range(3)})
    assert counts(target.run()) == (3, 3, 0, 3, 0, 0)
    assert target.kept(2).metadata == {"file_name": "2.jpg"}
    assert counts(target.run()) == (3, 3, 0, 0, 3, 0)


def test_a_picture_that_was_deleted_stays_away_until_it_is_imported_again(target: Target) -> None:
    write_installation(target.original, range(5), photos=range(5))
    target.run()
    [result] = target.fleet.apply_patiently(shard_of("3", 2), [DeleteImage("delete", "3")])
    assert isinstance(result, MutationResult)
    assert target.nearest("phash", query_of(3)[0])[0] != "3"
    assert counts(target.run()) == (5, 5, 1, 0, 4, 0)
    assert target.nearest("phash", query_of(3)[0]) == ("3", 0)


def test_a_feature_that_the_service_lacks_is_left_out_with_the_reason(target: Target) -> None:
    write_store(target.original / "global_features_web" / "features.lmdb", {key(1): random_vector(RNG, 768)})
    done = target.run()
    assert (done.skipped, done.added, done.failed) == (1, 0, 0)
    [table] = done.report["tables"]
    assert table["reason"].startswith("this service has no extractor 'global'")
    assert (table["entries"], table["left_out"]) == (1, 1)


def test_a_folder_without_data_fails_with_the_remedy(target: Target) -> None:
    target.original.mkdir()
    with pytest.raises(InvalidField, match="no data of an original installation"):
        target.run()


def test_a_path_that_is_not_there_is_told_and_the_others_are_imported(target: Target) -> None:
    write_installation(target.original, range(2))
    done = target.run(target.original, target.folder / "nowhere")
    assert (counts(done), target.failures()) == ((2, 2, 2, 0, 0, 1), {"nowhere": "not_found"})


def test_local_features_are_counted_and_not_imported(target: Target) -> None:
    write_installation(target.original, range(2))
    local = target.original / "local_features_web"
    write_store(local / "keypoints.lmdb", {key(n): bytes(8) for n in range(1, 5)})
    write_store(local / "descriptors.lmdb", {key(n): random_vector(RNG, 128) for n in range(1, 4)})
    table = target.folder / "img_points.csv"
    table.write_text('0,0.jpg,"[1,3)"\n1,1.jpg,"[3,5)"\n')
    done = target.run(keypoint_ranges=str(table))
    [keypoints] = done.report["keypoints"]
    assert {name: keypoints[name] for name in ("keypoints", "descriptors", "images", "whole")} == {
        "keypoints": 4,
        "descriptors": 3,
        "images": 2,
        "whole": 1,
    }
    assert "a backfill of local" in keypoints["reason"]
    assert target.failures() == {"local_features_web: keypoints of 1": "missing_points"}
    with pytest.raises(InvalidField, match="cannot be read"):
        target.run(keypoint_ranges=str(target.folder / "none.csv"))


def test_colours_of_another_scale_are_the_same(target: Target) -> None:
    write_store(target.original / "features.lmdb", {key(n): random_histogram(RNG, scale=1) for n in range(9)})
    assert target.run().added == 9
    assert target.rows(4, "color").rows.sum() == pytest.approx(1, abs=1e-5)
