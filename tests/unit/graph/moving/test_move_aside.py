"""Moving duplicates aside: never the kept one, and only what still is the picture that was indexed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graph.moving import move_aside as moving
from graph.moving.files import move_file
from storage.errors import InvalidField
from tests.unit.graph.moving.duplicate_files import Index, group, picture, write
from tests.unit.graph.moving.runs import contents, move, reasons

pytestmark = pytest.mark.usefixtures("done")


def test_a_rehearsal_says_the_same_and_changes_nothing(photos: Path, aside: Path) -> None:
    keep, first, second = write(photos, "keep.jpg", "a.jpg", "b.jpg")
    second.unlink()
    second.symlink_to(first)
    found = group(keep, first, second)
    moves = moving.rehearse(aside, [found])
    assert not aside.exists()
    done = move(aside, found)
    assert [one.source for one in moves.moved] == [one.source for one in done.moved] == [str(first)]
    assert moves.unmoved == done.unmoved


def test_what_is_not_the_picture_that_was_indexed_stays(photos: Path, aside: Path) -> None:
    keep, changed, gone, link, same, linked, named = write(
        photos, "keep.jpg", "changed.jpg", "gone.jpg", "link.jpg", "same.jpg", "linked.jpg", "named.jpg"
    )
    same.unlink()
    os.link(keep, same)
    found = group(keep, changed, gone, link, same, linked, None)
    changed.write_bytes(b"another picture")
    gone.unlink()
    link.unlink()
    link.symlink_to(named)
    os.link(linked, photos / "linked too.jpg")
    index = Index(found)
    moves = move(aside, found, index=index)
    assert moves.moved == []
    assert index.deleted == []
    assert contents(aside) == {}
    said = reasons(moves)
    assert "not the one that was indexed" in said["changed.jpg"]
    assert "not on this machine" in said["gone.jpg"]
    assert "is a link" in said["link.jpg"]
    assert "the very file that is kept" in said["same.jpg"]
    assert "2 names" in said["linked.jpg"]
    assert "was uploaded" in said["upload"]


@pytest.mark.parametrize("harm", ["changed", "gone", "upload", "link to the duplicate"])
def test_without_the_file_that_is_kept_no_file_of_its_group_is_moved(photos: Path, aside: Path, harm: str) -> None:
    keep, duplicate, fine, fine_duplicate = write(photos, "keep.jpg", "a.jpg", "fine.jpg", "b.jpg")
    found = group(None if harm == "upload" else keep, duplicate)
    if harm == "changed":
        keep.write_bytes(b"another picture")
    elif harm != "upload":
        keep.unlink()
    if harm == "link to the duplicate":
        keep.symlink_to(duplicate)
    moves = move(aside, found, group(fine, fine_duplicate))
    assert [one.source for one in moves.moved] == [str(fine_duplicate)]
    assert "the picture to keep" in reasons(moves)["a.jpg"] or "is a link" in reasons(moves)["a.jpg"]
    assert duplicate.exists()


def test_a_kept_file_that_changes_while_others_are_moved_ends_it(
    photos: Path, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, first, second = write(photos, "keep.jpg", "a.jpg", "b.jpg")

    def moved_and_spoilt(source: Path, target: Path, sha256: str) -> None:
        move_file(source, target, sha256)
        keep.write_bytes(b"spoilt")

    monkeypatch.setattr(moving, "move_file", moved_and_spoilt)
    moves = move(aside, group(keep, first, second))
    assert [one.source for one in moves.moved] == [str(first)]
    assert "has just changed" in reasons(moves)["b.jpg"]


@pytest.mark.usefixtures("way")
def test_a_file_of_the_same_path_gets_another_name(photos: Path, aside: Path) -> None:
    keep, duplicate = write(photos, "keep.jpg", "a.jpg")
    move(aside, group(keep, duplicate))
    first = contents(aside)
    write(photos, "a.jpg")[0].write_bytes(b"a later picture")
    move(aside, group(keep, duplicate))
    assert len(contents(aside)) == 2
    assert first.items() < contents(aside).items()
    assert any(name.endswith("a (2).jpg") for name in contents(aside))


def test_a_picture_that_has_changed_in_the_index_stays_there(photos: Path, aside: Path) -> None:
    keep, duplicate = write(photos, "keep.jpg", "a.jpg")
    found = group(keep, duplicate)
    index = Index(found)
    index.rows["a.jpg"] = picture(keep, id="a.jpg")
    assert len(move(aside, found, index=index).moved) == 1
    assert index.deleted == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_said_so(photos: Path, aside: Path) -> None:
    keep, duplicate = write(photos, "keep.jpg", "locked/a.jpg")
    duplicate.parent.chmod(0o500)
    try:
        moves = move(aside, group(keep, duplicate))
    finally:
        duplicate.parent.chmod(0o700)
    assert "denied" in reasons(moves)["a.jpg"]


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("photos/aside", "would be indexed again"),
        ("photos", "would be indexed again"),
        ("photos/2019/aside", "would be indexed again"),
        ("roots/aside", "would be indexed again"),
        (".", "holds"),
        ("link/aside", "would be indexed again"),
        ("photos/.aside", None),
        ("photos/.hidden/aside", None),
        ("aside", None),
        ("photos too", None),
    ],
)
def test_a_folder_whose_files_would_be_indexed_is_refused(tmp_path: Path, folder: str, message: str | None) -> None:
    keep, duplicate = write(tmp_path / "photos", "keep.jpg", "2019/a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    groups, roots = [group(keep, duplicate)], [str(tmp_path / "roots")]
    if message is None:
        moving.check_folder(tmp_path / folder, groups, roots)
    else:
        with pytest.raises(InvalidField, match=message):
            moving.check_folder(tmp_path / folder, groups, roots)
