"""Undoing moves: never over another file, and saying what cannot be put back."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookalike_client import DuplicateGroup
from tests.unit.graph.moving.duplicate_files import Index, group, picture, write
from tests.unit.graph.moving.runs import contents, move, undo

pytestmark = pytest.mark.usefixtures("done")


@pytest.mark.usefixtures("way")
def test_duplicates_are_moved_and_leave_the_index_and_come_back(photos: Path, aside: Path) -> None:
    keep, first, second, other = write(photos, "keep.jpg", "2019/a.jpg", "2020/a.jpg", "other.jpg")
    before = contents(photos)
    groups = [
        DuplicateGroup(
            picture(keep), (picture(first, id="2019/a.jpg", distance=3), picture(second, id="2020/a.jpg", distance=4))
        )
    ]
    index = Index(*groups)
    moves = move(aside, *groups, index=index)
    assert [one.id for one in moves.moved] == ["2019/a.jpg", "2020/a.jpg"]
    assert moves.byte_size == len(before["2019/a.jpg"]) + len(before["2020/a.jpg"])
    assert contents(photos).keys() == {"keep.jpg", "other.jpg"}
    assert {Path(name).relative_to(str(photos)[1:]) for name in contents(aside)} == {
        Path("2019/a.jpg"),
        Path("2020/a.jpg"),
    }
    assert index.deleted == ["2019/a.jpg", "2020/a.jpg"]
    restored = undo(aside)
    assert (len(restored.moved), restored.unmoved) == (2, [])
    assert contents(photos) == before
    assert contents(aside) == {}
    assert undo(aside).moved == []
    assert other.exists()


@pytest.mark.usefixtures("way")
def test_undoing_does_not_overwrite_a_file(photos: Path, aside: Path) -> None:
    keep, first, second = write(photos, "keep.jpg", "a.jpg", "b.jpg")
    move(aside, group(keep, first, second))
    first.write_bytes(b"new here")
    restored = undo(aside)
    assert [one.source for one in restored.moved] == [str(second)]
    assert [(one.path, one.reason) for one in restored.unmoved] == [(str(first), "there is a file in its place")]
    assert first.read_bytes() == b"new here"
    assert len(contents(aside)) == 1
    first.unlink()
    assert [one.source for one in undo(aside).moved] == [str(first)]


def test_undoing_says_what_cannot_be_found_any_more(photos: Path, aside: Path) -> None:
    keep, first, second = write(photos, "keep.jpg", "a.jpg", "b.jpg")
    moves = move(aside, group(keep, first, second))
    (aside / moves.moved[0].target).unlink()
    (aside / moves.moved[1].target).write_bytes(b"something else")
    said = {Path(one.path).name: one.reason for one in undo(aside).unmoved}
    assert said["a.jpg"] == "it is in neither place any more"
    assert "is not the file that was moved" in said["b.jpg"]


def test_undoing_keeps_a_file_that_a_link_to_its_folder_shows_in_both_places(photos: Path, aside: Path) -> None:
    keep, duplicate = write(photos, "keep.jpg", "2019/a.jpg")
    before = duplicate.read_bytes()
    [moved] = move(aside, group(keep, duplicate)).moved
    duplicate.parent.rmdir()
    duplicate.parent.symlink_to((aside / moved.target).parent)
    [problem] = undo(aside).unmoved
    assert "the same file" in problem.reason
    assert duplicate.read_bytes() == before
