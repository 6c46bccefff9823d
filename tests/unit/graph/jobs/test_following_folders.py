"""A library follows its folders: files that were renamed, exchanged, changed, deleted, removed by hand."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import Any

import pytest
from PIL import ExifTags, Image

from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import prepare_picture
from graph.catalog.put_image import put_image
from graph.jobs.scanning import comparison
from graph.jobs.scanning.library import Library
from storage.errors import Unavailable
from storage.shard.placement import shard_of
from storage.types.mutations import PutImage
from tests.unit.graph.jobs.indexed_folder import SHARDS, IndexedFolder
from tests.unit.graph.local_catalog import photo


def test_files_of_one_name_from_two_folders_are_two_pictures(folder: IndexedFolder) -> None:
    folder.write("trips/2019/IMG_0001.jpg", 1)
    folder.write("trips/2020/IMG_0001.jpg", 2)
    assert folder.index("trips/2019").added == 1
    second = folder.index("trips/2020")
    assert (second.added, second.replaced, second.failed) == (1, 0, 0)
    assert sorted(folder.rows()) == ["2020/IMG_0001.jpg", "IMG_0001.jpg"]
    again = folder.index("trips")
    assert (again.added, again.replaced, again.unchanged) == (0, 0, 2)
    assert sorted(folder.rows()) == ["2020/IMG_0001.jpg", "IMG_0001.jpg"]


def test_files_of_one_name_within_one_command_are_two_pictures(folder: IndexedFolder) -> None:
    folder.write("a/x.jpg", 1)
    folder.write("b/x.jpg", 2)
    done = folder.index("a", "b")
    assert (done.added, done.failed) == (2, 0)
    assert sorted(folder.rows()) == ["b/x.jpg", "x.jpg"]


def test_a_renamed_file_keeps_its_row_and_nothing_is_computed(folder: IndexedFolder) -> None:
    folder.write("a.jpg", 1)
    folder.index()
    before = folder.rows()["a.jpg"]
    folder.move("a.jpg", "deep/b.jpg")
    done = folder.index()
    assert (done.added, done.replaced, done.report["moved"]) == (0, 0, 1)
    [row] = folder.rows().values()
    assert row.source is not None
    assert row.source.path == str(folder.photos / "deep/b.jpg")
    assert (row.id, row.added_at, row.metadata) == ("a.jpg", before.added_at, before.metadata)
    assert folder.index().unchanged == 1


def test_files_that_exchange_their_names_keep_their_rows(folder: IndexedFolder) -> None:
    folder.write("a.jpg", 1)
    folder.write("b.jpg", 2)
    folder.index()
    hashes = {name: folder.phash(name) for name in ("a.jpg", "b.jpg")}
    folder.move("a.jpg", "x.jpg")
    folder.move("b.jpg", "a.jpg")
    folder.move("x.jpg", "b.jpg")
    done = folder.index()
    assert (done.added, done.replaced, done.report["moved"]) == (0, 0, 2)
    assert {name: os.path.basename(row.source.path) for name, row in folder.rows().items() if row.source} == {
        "a.jpg": "b.jpg",
        "b.jpg": "a.jpg",
    }
    assert {name: folder.phash(name) for name in ("a.jpg", "b.jpg")} == hashes


def test_a_file_moved_to_another_root_takes_its_row_along(folder: IndexedFolder) -> None:
    folder.write("one/a.jpg", 1)
    folder.write("one/stays.jpg", 2)
    folder.write("two/c.jpg", 3)
    folder.index("one", "two")
    folder.move("one/a.jpg", "two/a.jpg")
    done = folder.index("two")
    assert (done.added, done.report["moved"]) == (0, 1)
    assert folder.library().keys() == {"one/stays.jpg", "two/a.jpg", "two/c.jpg"}


def test_a_copy_is_another_picture(folder: IndexedFolder) -> None:
    folder.write("a.jpg", 1)
    folder.index()
    shutil.copy2(folder.photos / "a.jpg", folder.photos / "b.jpg")
    done = folder.index()
    assert (done.added, done.report["moved"], done.unchanged) == (1, 0, 1)
    assert sorted(folder.rows()) == ["a.jpg", "b.jpg"]


def test_a_file_with_another_time_and_its_bytes_is_not_computed_again(folder: IndexedFolder) -> None:
    path = folder.write("a.jpg", 1)
    folder.index()
    os.utime(path, ns=(1, 1))
    done = folder.index()
    assert (done.replaced, done.unchanged) == (0, 1)
    source = folder.rows()["a.jpg"].source
    assert source is not None
    assert source.mtime_ns == 1


def test_a_deleted_file_is_missing_until_it_is_back(folder: IndexedFolder) -> None:
    path = folder.write("a.jpg", 1)
    folder.write("b.jpg", 2)
    folder.index()
    kept = path.read_bytes()
    path.unlink()
    done = folder.index()
    assert done.report["missing"] == {"count": 1, "examples": [str(path)]}
    assert {name: row.missing for name, row in folder.rows().items()} == {"a.jpg": True, "b.jpg": False}
    path.write_bytes(kept)
    back = folder.index()
    assert (back.added, back.replaced, back.unchanged) == (0, 0, 2)
    assert not folder.rows()["a.jpg"].missing


def test_pruning_removes_what_is_missing_and_nothing_else(folder: IndexedFolder) -> None:
    for number, name in enumerate(("a.jpg", "b.jpg", "c.jpg")):
        folder.write(name, number)
    folder.index()
    (folder.photos / "a.jpg").unlink()
    folder.index()
    (folder.photos / "b.jpg").unlink()
    done = folder.index(prune=True)
    assert (done.report["pruned"], done.report["missing"]["count"]) == (2, 0)
    assert sorted(folder.rows()) == ["c.jpg"]


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_root_that_is_away_loses_nothing_and_is_not_pruned(folder: IndexedFolder, is_empty: bool) -> None:
    folder.write("usb/a.jpg", 1)
    folder.write("usb/b.jpg", 2)
    folder.index("usb")
    shutil.move(folder.photos / "usb", folder.photos / "away")
    if is_empty:
        (folder.photos / "usb").mkdir()
    done = folder.index("usb")
    assert done.failed == 1
    assert not any(row.missing for row in folder.rows().values())
    with pytest.raises(Unavailable, match="cannot be reached"):
        folder.job("usb", prune=True).run()
    assert len(folder.rows()) == 2
    if is_empty:
        (folder.photos / "usb").rmdir()
    shutil.move(folder.photos / "away", folder.photos / "usb")
    assert folder.index("usb").unchanged == 2


def test_what_was_removed_by_hand_stays_out(folder: IndexedFolder) -> None:
    folder.write("a.jpg", 1)
    folder.write("b.jpg", 2)
    folder.index()
    folder.remove("a.jpg")
    for _ in range(2):
        done = folder.index()
        assert (done.added, done.unchanged, done.report["kept_out"]) == (0, 1, 1)
    os.utime(folder.photos / "a.jpg", ns=(1, 1))
    folder.move("a.jpg", "renamed.jpg")
    assert folder.index().report["kept_out"] == 1
    assert folder.index().report["kept_out"] == 1
    assert sorted(folder.rows()) == ["b.jpg"]


def test_what_was_removed_by_hand_comes_back_with_other_bytes_or_by_name(folder: IndexedFolder) -> None:
    folder.write("in/a.jpg", 1)
    folder.write("in/b.jpg", 2)
    folder.index()
    folder.remove("in/a.jpg")
    folder.remove("in/b.jpg")
    assert folder.index("in/a.jpg").added == 1
    folder.write("in/b.jpg", 3)
    assert folder.index().added == 1
    assert sorted(folder.rows()) == ["in/a.jpg", "in/b.jpg"]
    assert folder.index().unchanged == 2


def test_another_file_does_not_take_the_id_of_one_that_is_kept_out(folder: IndexedFolder) -> None:
    folder.write("one/x.jpg", 1)
    folder.index("one")
    folder.remove("x.jpg")
    folder.write("two/x.jpg", 2)
    folder.index("two")
    assert sorted(folder.rows()) == ["two/x.jpg"]
    assert folder.index("one").report["kept_out"] == 1


def test_a_row_goes_with_its_bytes_though_its_name_has_another_picture_now(folder: IndexedFolder) -> None:
    folder.write("a.jpg", 1)
    folder.index()
    folder.move("a.jpg", "b.jpg")
    folder.write("a.jpg", 2)
    done = folder.index()
    assert (done.added, done.replaced, done.report["moved"]) == (1, 0, 1)
    assert folder.library().keys() == {"a.jpg", "b.jpg"}
    assert folder.index().unchanged == 2


def test_a_picture_that_was_moved_over_another_one_takes_its_place(folder: IndexedFolder) -> None:
    folder.write("a.jpg", 1)
    folder.write("b.jpg", 2)
    folder.index()
    os.replace(folder.photos / "a.jpg", folder.photos / "b.jpg")
    done = folder.index()
    assert (done.added, done.replaced, done.report["moved"]) == (0, 0, 1)
    assert folder.library() == {"b.jpg": folder.rows()["a.jpg"].sha256}
    assert folder.rows()["b.jpg"].missing
    assert folder.index(prune=True).report["pruned"] == 1
    assert folder.library().keys() == {"b.jpg"}


def test_rows_of_a_linked_folder_are_found_by_their_real_paths(
    folder: IndexedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("real/a.jpg", 1)
    (folder.photos / "alias").symlink_to(folder.photos / "real")
    with monkeypatch.context() as earlier:  # as rows were stored before
        earlier.setattr("graph.jobs.scanning.listing.os.path.realpath", lambda path, **_: path)
        folder.index("alias")
    [row] = folder.rows().values()
    assert row.source is not None
    assert "alias" in row.source.path
    done = folder.index("alias")
    assert (done.added, done.unchanged, done.report["missing"]["count"]) == (0, 1, 0)
    assert folder.index("real").unchanged == 1
    assert folder.library().keys() == {"real/a.jpg"}


def test_a_file_that_cannot_be_looked_at_is_not_gone(folder: IndexedFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("a/x.jpg", 1)
    folder.write("b.jpg", 2)
    folder.index()

    def refused(path: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as now:
        now.setattr(os, "lstat", refused)
        assert not comparison.is_gone(str(folder.photos / "a" / "x.jpg"))
    assert comparison.is_gone(str(folder.photos / "nothing"))


def test_ids_of_contents_follow_the_contents(folder: IndexedFolder) -> None:
    folder.write("a.jpg", 1)
    folder.index(id_from="sha256")
    [first] = folder.rows()
    folder.write("a.jpg", 2)
    done = folder.index(id_from="sha256")
    assert (done.added, done.replaced) == (1, 0)
    rows = folder.rows()
    assert {name: row.missing for name, row in rows.items()} == {name: name == first for name in rows}


def test_two_jobs_that_want_one_id_at_a_time_lose_nothing(folder: IndexedFolder) -> None:
    folder.write("one/x.jpg", 1)
    folder.write("two/x.jpg", 2)
    first, second = folder.job("one"), folder.job("two")
    [one], [two] = list(first._rounds), list(second._rounds)  # both have looked, neither has written
    assert one.work[0][0] == two.work[0][0] == "x.jpg"
    assert first._index(one) == []
    assert second._index(two) == [str(folder.photos / "two/x.jpg")]
    assert second._index(second._rounds.again([str(folder.photos / "two/x.jpg")])) == []
    assert folder.library().keys() == {"one/x.jpg", "two/x.jpg"}
    assert (second.progress.record.done, second.progress.record.total) == (1, 1)


def test_only_what_changed_is_looked_at_between_whole_rounds(folder: IndexedFolder) -> None:
    for number in range(4):
        folder.write(f"in/{number}.jpg", number)
    job = folder.job(watch=True)
    changed = [None, frozenset({"in/0.jpg", "in/9.jpg"}), frozenset({"in/1.jpg", "in/2.jpg"}), frozenset({"new"})]
    changes = (one and frozenset(str(folder.photos / name) for name in one) for one in changed)
    rounds = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graph.jobs.scanning.rounds.changes", lambda paths, tick: changes)
        for one in job._rounds:
            assert job._index(one) == []
            job._rounds.finish(one)
            rounds.append(len(one.listing.files))
            if one.number == 1:
                folder.move("in/0.jpg", "in/9.jpg")
            if one.number == 2:
                folder.write("in/1.jpg", 10)
                (folder.photos / "in/2.jpg").unlink()
            if one.number == 3:
                folder.write("new/x.jpg", 11)
                (folder.photos / "new" / "y.txt").write_text("")
    assert rounds == [4, 1, 1, 1]
    record = job.progress.record
    assert (record.added, record.replaced, record.report["moved"]) == (5, 1, 1)
    assert (record.done, record.total) == (5, 5)
    assert record.report["missing"] == {"count": 1, "examples": [str(folder.photos / "in/2.jpg")]}
    assert folder.library().keys() == {"in/9.jpg", "in/1.jpg", "in/3.jpg", "new/x.jpg"}


def test_what_could_not_be_taken_is_counted_as_it_is_now_while_a_folder_is_watched(folder: IndexedFolder) -> None:
    folder.write("good.jpg", 1)
    for name in ("mended.jpg", "gone.jpg", "still.jpg"):
        (folder.photos / name).write_bytes(b"these are words")
    job = folder.job(watch=True)
    changed: list[set[str] | None] = [None, {"mended.jpg"}, {"gone.jpg"}, {"still.jpg"}, None]
    changes = (one and frozenset(str(folder.photos / name) for name in one) for one in changed)
    counts = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graph.jobs.scanning.rounds.changes", lambda paths, tick: changes)
        for one in job._rounds:
            assert job._index(one) == []
            job._rounds.finish(one)
            record = job.progress.record
            assert record.done == record.total
            assert len(folder.failures(record)) == record.failed == sum(record.report["failed_by_code"].values())
            counts.append((record.total, record.added, record.failed))
            if one.number == 1:
                folder.write("mended.jpg", 2)
            if one.number == 2:
                (folder.photos / "gone.jpg").unlink()
    assert counts == [(4, 1, 3), (4, 2, 2), (3, 2, 1), (3, 2, 1), (3, 2, 1)]
    assert [failure.path for failure in folder.failures(record)] == [str(folder.photos / "still.jpg")]


def test_roots_are_noted_with_what_they_passed_over(folder: IndexedFolder) -> None:
    folder.write("a.jpg", 1)
    (folder.photos / "b.mp4").write_bytes(b"")
    folder.index(exclude=["*.gif"])
    [root] = Library(folder.fleet).roots()
    assert (root.path, root.exclude, root.passed_over) == (str(folder.photos), ("*.gif",), {".mp4": 1})
    assert root.last_scan_at is not None


def test_rows_that_were_stored_before_get_what_the_camera_wrote_and_nothing_is_computed(
    folder: IndexedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder.write("a.jpg", 1)
    with Image.open(path) as picture:
        exif = picture.getexif()
        exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Canon", "Canon EOS 5D"
        picture.save(path, exif=exif)
    with monkeypatch.context() as earlier:
        earlier.setattr("graph.jobs.indexing.pictures.put_image", lambda *given, **named: without_exif(*given, **named))
        folder.index()
    assert folder.rows()["a.jpg"].exif is None
    done = folder.index()
    assert (done.added, done.replaced, done.unchanged) == (0, 0, 1)
    found = folder.rows()["a.jpg"].exif
    assert found is not None
    assert found.camera == "Canon EOS 5D"


def without_exif(*given: Any, **named: Any) -> PutImage:
    put = put_image(*given, **named)
    return replace(put, record=replace(put.record, exif=None))


def upload(folder: IndexedFolder, image_id: str, seed: int, **metadata: str) -> None:
    """As over HTTP: without a file."""
    prepared = prepare_picture(photo(seed, (64, 48)), (), DecodeLimits())
    put = put_image(
        prepared.facts, {}, image_id=image_id, operation_id=f"{image_id} {seed} {metadata}", asked=["phash"],
        on_conflict="replace", metadata=metadata, original=photo(seed, (64, 48)),
    )  # fmt: skip
    folder.fleet.apply(shard_of(image_id, SHARDS), [put])


def test_an_upload_stays_where_a_file_of_its_name_is_another_picture(folder: IndexedFolder) -> None:
    upload(folder, "a.jpg", 1, album="Paris")
    folder.write("a.jpg", 2)
    assert folder.index().added == 1
    rows = folder.rows()
    assert sorted(rows) == ["a.jpg", "photos/a.jpg"]
    assert rows["a.jpg"].metadata == {"album": "Paris"}


def test_an_upload_that_is_just_the_file_comes_from_it_from_now_on(folder: IndexedFolder) -> None:
    upload(folder, "a.jpg", 1, album="Paris")
    path = folder.write("a.jpg", 1)
    done = folder.index()
    assert (done.added, done.replaced, done.unchanged) == (0, 0, 1)
    [row] = folder.rows().values()
    assert row.source is not None
    assert (row.id, row.source.path, row.metadata) == ("a.jpg", str(path), {"album": "Paris"})


def test_metadata_that_a_picture_is_given_stays_with_its_file(folder: IndexedFolder) -> None:
    folder.write("a.jpg", 1)
    folder.index()
    upload(folder, "a.jpg", 1, album="Paris")
    assert folder.index().unchanged == 1
    folder.move("a.jpg", "b.jpg")
    assert folder.index().report["moved"] == 1
    folder.write("b.jpg", 2)
    assert folder.index().replaced == 1
    [row] = folder.rows().values()
    assert (row.id, row.metadata) == ("a.jpg", {"album": "Paris"})


@pytest.mark.parametrize("asked", ["pix", "disk/pix"])
def test_a_folder_that_moved_and_left_a_link_takes_its_rows_along(folder: IndexedFolder, asked: str) -> None:
    folder.write("pix/a.jpg", 1)
    folder.write("pix/b.jpg", 2)
    folder.index("pix")
    folder.remove("b.jpg")
    folder.move("pix", "disk/pix")
    (folder.photos / "pix").symlink_to(folder.photos / "disk/pix")
    done = folder.index(asked)
    assert (done.added, done.unchanged + done.report["moved"], done.report["kept_out"]) == (0, 1, 1)
    assert folder.library().keys() == {"disk/pix/a.jpg"}


def test_a_folder_with_nothing_but_hidden_files_is_away(folder: IndexedFolder) -> None:
    path = folder.write("usb/a.jpg", 1)
    folder.index("usb")
    path.unlink()
    (folder.photos / "usb" / ".trash").write_bytes(b"")
    (folder.photos / "usb" / "lost+found").mkdir()
    assert folder.index("usb").report["unreachable"] == [str(folder.photos / "usb")]
    assert not folder.rows()["a.jpg"].missing


def test_a_link_to_a_file_that_is_counted_is_said(folder: IndexedFolder) -> None:
    folder.write("m.jpg", 1)
    (folder.photos / "a link.jpg").symlink_to(folder.photos / "m.jpg")
    (folder.photos / "z link.jpg").symlink_to(folder.photos / "m.jpg")
    done = folder.index()
    assert (done.total, done.added, done.report["linked_files"]) == (1, 1, 2)
    again = folder.index("", "m.jpg")
    assert (again.total, again.unchanged, again.report["linked_files"]) == (1, 1, 2)


def test_the_file_of_patterns_is_no_hidden_file(folder: IndexedFolder) -> None:
    folder.write("a.jpg", 1)
    (folder.photos / ".lookalikeignore").write_text("*.gif\n")
    (folder.photos / ".hidden").touch()
    assert folder.index().report["hidden_files"] == 1
