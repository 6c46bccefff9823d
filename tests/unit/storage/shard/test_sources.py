"""Pictures found by the files they came from, and files that are kept out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from storage.operations.pictures import Records
from storage.operations.reports import Verify
from storage.operations.roots import ForgetRoot, NoteScans, Roots, WatchRoot
from storage.operations.sources import (
    CountBelow,
    FilesAt,
    FilesBelow,
    FilesOfContents,
    HeldSizes,
    IdHolders,
    LiftRemovals,
    MoveRemovals,
)
from storage.shard.shard import Shard
from storage.tables.schema import SOURCES_EPOCH
from storage.types.library import IdHolder, KnownFile, Root
from storage.types.mutations import DeleteImage, UpdateSource
from storage.types.pictures import Exif, SourceFile
from tests.unit.storage.samples import applied, find, found_ids, inside, open_shard, outcomes, put, record

EXIF = Exif("2019-06-01T10:11:12", "Canon EOS 5D", 6, (48.1, 11.5))


def at(*paths: str) -> FilesAt:
    return FilesAt(tuple(paths))


def below(shard: Shard, folder: str, limit: int = 2) -> list[KnownFile]:
    """Page by page."""
    found: list[KnownFile] = []
    start: bytes | None = b""
    while start is not None:
        page, start = shard.ask(FilesBelow(folder, start, limit))
        found += page
    return found


def moved(image_id: str, path: str, *, missing: bool = False, exif: Exif | None = None) -> UpdateSource:
    sha256 = record(image_id, {}).sha256
    return UpdateSource(f"{image_id} {path} {missing}", image_id, sha256, SourceFile(path, 10, 20), missing, exif)


def test_a_picture_is_found_by_the_path_and_by_the_contents_of_its_file(shard: Shard) -> None:
    applied(shard, [put("a"), put("b", source=None)])
    sha256 = record("a", {}).sha256
    known = KnownFile("a", "/photos/a", 10, 20, sha256, "stored", False)
    assert shard.ask(at("/photos/a", "/photos/b", "/photos")) == [known]
    assert shard.ask(HeldSizes((9, 10, 11))) == [10]
    assert shard.ask(FilesOfContents(((10, sha256), (11, sha256), (10, "0" * 64)))) == [known]
    upload = IdHolder(None, record("b", {}).sha256, 1000)
    assert shard.ask(IdHolders(("a", "b", "c"))) == [IdHolder("/photos/a", sha256, 1000), upload, None]


def test_files_below_a_folder_come_in_pages_and_no_others(shard: Shard) -> None:
    deep = "/photos/" + "/".join(["d" * 90] * 6)
    names = ("x", "2019/a", "2019/b/c", "20190/d", "2019.jpg")
    paths = [*(f"/photos/{name}" for name in names), f"{deep}/1", f"{deep}x/2"]
    applied(shard, [put(str(number), source=SourceFile(path, 1, 1)) for number, path in enumerate(paths)])
    assert sorted(file.path for file in below(shard, "/photos/2019")) == ["/photos/2019/a", "/photos/2019/b/c"]
    assert sorted(file.path for file in below(shard, "/photos/2019/")) == ["/photos/2019/a", "/photos/2019/b/c"]
    assert [file.path for file in below(shard, deep)] == [f"{deep}/1"]
    assert len(below(shard, "/photos")) == len(below(shard, "/")) == len(paths)
    assert shard.ask(CountBelow("/photos/2019")) == {"stored": 2, "missing": 0, "removed": 0}


def test_a_row_goes_to_another_file_and_keeps_all_else(shard: Shard) -> None:
    applied(shard, [put("a"), put("b")])
    [before] = shard.ask(Records(("a",)))
    assert before is not None
    assert outcomes(applied(shard, [moved("a", "/photos/new", exif=EXIF)])) == ["updated"]
    assert shard.ask(Records(("a",))) == [replace(before, source=SourceFile("/photos/new", 10, 20), exif=EXIF)]
    assert shard.ask(at("/photos/a")) == []
    assert [file.has_exif for file in shard.ask(at("/photos/new"))] == [True]
    assert found_ids(shard, "a") == ["a"]
    assert shard.ask(Verify()).problems == ()


def test_a_missing_file_is_noted_and_back_again(shard: Shard) -> None:
    applied(shard, [put("a"), moved("a", "/photos/a", missing=True)])
    assert [file.state for file in shard.ask(at("/photos/a"))] == ["missing"]
    assert shard.ask(CountBelow("/photos")) == {"stored": 0, "missing": 1, "removed": 0}
    applied(shard, [moved("a", "/photos/a")])
    assert [file.state for file in shard.ask(at("/photos/a"))] == ["stored"]


def test_a_row_that_has_become_another_picture_is_left_alone(shard: Shard) -> None:
    applied(shard, [put("a", seed="other")])
    assert outcomes(applied(shard, [moved("a", "/photos/new"), moved("nobody", "/x")])) == ["skipped", "absent"]


def test_a_file_never_takes_the_place_of_a_picture_from_another_file(shard: Shard) -> None:
    applied(shard, [put("a")])
    other = SourceFile("/elsewhere/a", 10, 20)
    for on_conflict, outcome in (("replace", "conflict"), ("skip", "skipped"), ("error", "conflict")):
        mutation = put("a", seed="x", operation=on_conflict, on_conflict=on_conflict, source=other)  # type: ignore[arg-type]
        assert outcomes(applied(shard, [mutation])) == [outcome]
    assert found_ids(shard, "a") == ["a"]
    uploaded = put("a", seed="x", operation="upload", on_conflict="replace", source=None)
    assert outcomes(applied(shard, [uploaded])) == ["replaced"]


def test_what_was_removed_by_hand_leaves_a_mark_until_its_file_is_stored_again(shard: Shard) -> None:
    applied(shard, [put("a"), DeleteImage("by hand", "a", stays_out=True)])
    [mark] = shard.ask(at("/photos/a"))
    assert mark == KnownFile("a", "/photos/a", 10, 20, record("a", {}).sha256, "removed", True)
    assert shard.ask(FilesOfContents(((10, mark.sha256),))) == [mark]
    assert shard.ask(IdHolders(("a",))) == [IdHolder("/photos/a")]
    assert find(shard, "a") == []
    assert shard.ask(Verify()).problems == ()
    applied(shard, [put("a", operation="again")])
    assert [file.state for file in shard.ask(at("/photos/a"))] == ["stored"]


def test_a_mark_goes_with_its_file_and_can_be_lifted(shard: Shard) -> None:
    applied(shard, [put("a"), DeleteImage("by hand", "a", stays_out=True)])
    [mark] = shard.ask(at("/photos/a"))
    there = mark._replace(path="/photos/new", mtime_ns=30)
    shard.ask(MoveRemovals((there,)))
    assert shard.ask(at("/photos/a", "/photos/new")) == [there]
    assert shard.ask(LiftRemovals((mark,))) == 0
    assert shard.ask(LiftRemovals((there,))) == 1
    assert shard.ask(at("/photos/new")) == []
    assert shard.ask(FilesOfContents(((10, mark.sha256),))) == []


def test_an_upload_under_the_id_of_a_mark_leaves_the_mark(shard: Shard) -> None:
    applied(shard, [put("a"), DeleteImage("by hand", "a", stays_out=True)])
    applied(shard, [put("a", seed="x", operation="upload", source=None)])
    assert [file.state for file in shard.ask(at("/photos/a"))] == ["removed"]


def test_what_an_earlier_version_stored_is_found_by_its_file_after_the_opening(tmp_path: Path) -> None:
    shard = open_shard(tmp_path)
    applied(shard, [put("a"), put("b"), put("c"), DeleteImage("by hand", "c", stays_out=True)])
    store = inside(shard).store
    known = shard.ask(FilesBelow("/photos", b"", 9))
    for table in ("sources", "contents"):
        for key in store_keys(shard, table):
            store.write(lambda transaction, table=table, key=key: transaction.delete(table, key))  # type: ignore[misc]
    store.write(lambda transaction: transaction.put("sources", b"/stray\0" + b"\0" * 8, b"sa"))
    store.write(lambda transaction: transaction.delete("meta", SOURCES_EPOCH))
    shard.close()
    again = open_shard(tmp_path)
    assert again.ask(FilesBelow("/photos", b"", 9)) == known
    assert len(store_keys(again, "sources")) == len(store_keys(again, "contents")) == 3
    assert again.ask(Verify()).problems == ()
    again.close()


def test_roots_are_kept_with_whether_they_are_watched(shard: Shard) -> None:
    root = Root("/photos", exclude=("*.gif",), passed_over={".mp4": 2}, last_scan_at=1.5)
    assert not shard.ask(WatchRoot("/photos", True))
    shard.ask(NoteScans((root,)))
    assert shard.ask(WatchRoot("/photos", True))
    shard.ask(NoteScans((replace(root, last_scan_at=2.5),)))
    assert shard.ask(Roots()) == [replace(root, last_scan_at=2.5, watched=True)]
    assert shard.ask(ForgetRoot("/photos"))
    assert not shard.ask(ForgetRoot("/photos"))
    assert shard.ask(Roots()) == []


def store_keys(shard: Shard, table: str) -> list[bytes]:
    with inside(shard).store.read() as transaction:
        return list(transaction.keys(table))
