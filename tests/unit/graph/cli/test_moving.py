"""Moving duplicates aside and back: never over a file, never the kept one, and to an end after any interruption."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph.cli import moving, moving_files
from graph.cli.moving import Moves
from graph.cli.moving_back import Restored, put_back
from graph.cli.moving_files import free_name, move_file
from graph.cli.moving_journal import NAME, Journal, opened
from graph.client import Client, DuplicateGroup
from storage.errors import InvalidField, LookalikeError
from tests.unit.graph.cli.duplicate_files import Index, group, picture, write

WAYS = ("links", "copies")


@pytest.fixture(autouse=True)
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to the disk, in order; it is not waited for, which takes most of the time."""
    order: list[str] = []
    link = os.link

    def linked(source: Any, target: Any, **options: Any) -> None:
        order.append("link")
        link(source, target, **options)

    monkeypatch.setattr(os, "fsync", lambda _: order.append("on disk"))
    monkeypatch.setattr(os, "link", linked)
    return order


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How files are moved: within a file system, and to another one."""
    if request.param == "copies":

        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", refuse)
    return str(request.param)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    return tmp_path / "aside"


def move(aside: Path, *groups: DuplicateGroup, index: Index | None = None) -> Moves:
    with client_of(index or Index(*groups)) as client, opened(aside, create=True) as journal:
        moving.resume(journal, client)
        return moving.move_duplicates(journal, groups, client)


def undo(aside: Path) -> Restored:
    with opened(aside, create=False) as journal:
        return put_back(journal)


@contextmanager
def client_of(index: Index) -> Iterator[Client]:
    with Client("http://127.0.0.1:8000", transport=httpx.MockTransport(index), retries=0) as client:
        yield client


def contents(folder: Path) -> dict[str, bytes]:
    """Of every picture below the folder, by its path from there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }


def reasons(moves: Moves) -> dict[str, str]:
    return {Path(one.path).name: one.reason for one in moves.unmoved}


@pytest.mark.usefixtures("way")
def test_duplicates_are_moved_and_leave_the_index_and_come_back(photos: Path, aside: Path) -> None:
    keep, first, second, other = write(photos, "keep.jpg", "2019/a.jpg", "2020/a.jpg", "other.jpg")
    before = contents(photos)
    groups = [DuplicateGroup(picture(keep), (picture(first, id="2019/a.jpg"), picture(second, id="2020/a.jpg")))]
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
    assert (len(restored.moves), restored.problems) == (2, [])
    assert contents(photos) == before
    assert contents(aside) == {}
    assert undo(aside).moves == []
    assert other.exists()


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


@pytest.mark.usefixtures("way")
def test_undoing_does_not_overwrite_a_file(photos: Path, aside: Path) -> None:
    keep, first, second = write(photos, "keep.jpg", "a.jpg", "b.jpg")
    move(aside, group(keep, first, second))
    first.write_bytes(b"new here")
    restored = undo(aside)
    assert [one.source for one in restored.moves] == [str(second)]
    assert [(one.path, one.reason) for one in restored.problems] == [(str(first), "there is a file in its place")]
    assert first.read_bytes() == b"new here"
    assert len(contents(aside)) == 1
    first.unlink()
    assert [one.source for one in undo(aside).moves] == [str(first)]


def test_undoing_says_what_cannot_be_found_any_more(photos: Path, aside: Path) -> None:
    keep, first, second = write(photos, "keep.jpg", "a.jpg", "b.jpg")
    moves = move(aside, group(keep, first, second))
    (aside / moves.moved[0].target).unlink()
    (aside / moves.moved[1].target).write_bytes(b"something else")
    said = {Path(one.path).name: one.reason for one in undo(aside).problems}
    assert said["a.jpg"] == "it is in neither place any more"
    assert "is not the file that was moved" in said["b.jpg"]


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


@pytest.mark.usefixtures("way")
def test_a_file_that_cannot_be_removed_stays_and_no_copy_is_left(
    photos: Path, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, duplicate = write(photos, "keep.jpg", "a.jpg")
    unlink = os.unlink

    def refuse(path: Any) -> None:
        if Path(path) == duplicate:
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(path)

    monkeypatch.setattr(os, "unlink", refuse)
    moves = move(aside, group(keep, duplicate))
    assert reasons(moves) == {"a.jpg": "Permission denied"}
    assert contents(aside) == {}
    assert contents(photos).keys() == {"keep.jpg", "a.jpg"}
    assert undo(aside).problems == []


def test_a_copy_that_differs_is_no_copy(photos: Path, aside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [duplicate] = write(photos, "a.jpg")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(moving_files, "content_at", lambda *_: "other")
    with pytest.raises(OSError, match="differs"):
        move_file(duplicate, aside / "a.jpg", "")
    assert (duplicate.exists(), (aside / "a.jpg").exists()) == (True, False)


def test_the_line_is_on_disk_before_the_file_is_touched(
    photos: Path, aside: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, duplicate = write(photos, "keep.jpg", "a.jpg")
    append = Journal._append

    def noted(journal: Journal, entry: dict[str, Any]) -> None:
        append(journal, entry)
        done.append("line")

    monkeypatch.setattr(Journal, "_append", noted)
    move(aside, group(keep, duplicate))
    first = done.index("line")
    assert done[first - 1] == "on disk"
    assert first < done.index("link")
    assert done.count("line") == 3


class Killed(BaseException):
    """Stands for kill -9: nothing that catches errors sees it."""


@contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Ends at the so manieth change of the disk, half of it done where that is a line of the journal."""
    count = [0]

    def fused(change: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            count[0] += 1
            if count[0] == step:
                raise Killed
            return change(*arguments, **options)

        return call

    write_line = Journal._write

    def torn(journal: Journal, data: bytes) -> None:
        count[0] += 1
        if count[0] == step:
            write_line(journal, data[: len(data) // 2])
            raise Killed
        write_line(journal, data)

    with monkeypatch.context() as patch:
        for name in ("link", "unlink", "fsync", "mkdir"):
            patch.setattr(os, name, fused(getattr(os, name)))
        patch.setattr("shutil.copyfileobj", fused(half_copied))
        patch.setattr(Journal, "_write", torn)
        yield count


def half_copied(source: Any, target: Any, length: int) -> None:
    data = source.read()
    target.write(data[: len(data) // 2])
    target.flush()
    os.fsync(target.fileno())  # the fuse may go here
    target.write(data[len(data) // 2 :])


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("then", ["undo", "go on", "undo is killed, too"])
def test_killed_at_any_moment_it_can_be_undone_or_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    step = 0
    while True:
        step += 1
        photos, aside = tmp_path / f"{step}" / "photos", tmp_path / f"{step}" / "aside"
        aside.mkdir(parents=True)
        keep, first, second = write(photos, "keep.jpg", "a.jpg", "sub/b.jpg")
        before, found = contents(photos), group(keep, first, second)
        index, is_over = Index(found), False
        with killed_at(step, monkeypatch):
            try:
                move(aside, found, index=index)
                is_over = True
            except Killed:
                pass
        assert_nothing_is_lost(photos, aside, before)
        if then == "go on":
            move(aside, found, index=index)
            assert contents(photos).keys() == {"keep.jpg"}
            assert sorted(contents(aside).values()) == sorted(before[name] for name in ("a.jpg", "sub/b.jpg"))
            assert index.rows.keys() == {"keep.jpg"}
        if then == "undo is killed, too":
            undo_killed_at_every_step(photos, aside, before, monkeypatch)
        if (aside / NAME).exists():
            assert undo(aside).problems == []
            assert undo(aside) == Restored([], [])
        assert contents(photos) == before
        assert contents(aside) == {}
        if is_over:
            assert step > 10
            return


def undo_killed_at_every_step(
    photos: Path, aside: Path, before: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(1, 40, 3):
        if not (aside / NAME).exists():
            return
        with killed_at(step, monkeypatch):
            try:
                undo(aside)
                return
            except Killed:
                assert_nothing_is_lost(photos, aside, before)


def assert_nothing_is_lost(photos: Path, aside: Path, before: dict[str, bytes]) -> None:
    assert set(before.values()) <= {*contents(photos).values(), *contents(aside).values()}
    assert contents(photos)["keep.jpg"] == before["keep.jpg"]


def test_a_service_that_goes_away_leaves_a_move_that_is_ended_later(photos: Path, aside: Path) -> None:
    keep, first, second = write(photos, "keep.jpg", "a.jpg", "b.jpg")
    found = group(keep, first, second)
    index = Index(found)
    index.is_down = True
    with pytest.raises(LookalikeError):
        move(aside, found, index=index)
    assert contents(photos).keys() == {"keep.jpg", "b.jpg"}
    index.is_down = False
    move(aside, found, index=index)
    assert index.deleted == ["a.jpg", "b.jpg"]


def test_two_commands_do_not_move_into_one_folder_at_a_time(aside: Path) -> None:
    with opened(aside, create=True), pytest.raises(LookalikeError, match="another command"), opened(aside, create=True):
        pass


def test_a_folder_without_a_journal_has_nothing_to_undo(aside: Path) -> None:
    with pytest.raises(InvalidField, match=NAME), opened(aside, create=False):
        pass
    assert not aside.exists()


def test_the_journal_says_of_each_move_what_is_needed_to_undo_it(photos: Path, aside: Path) -> None:
    keep, duplicate = write(photos, "keep.jpg", os.fsdecode(b"caf\xe9.jpg"))
    move(aside, DuplicateGroup(picture(keep), (picture(duplicate, id="x", distance=4),)))
    lines = [json.loads(line) for line in (aside / NAME).read_bytes().splitlines() if line]
    announced, *states = lines
    assert announced["move"] == {
        "number": 1,
        "source": str(duplicate),
        "target": str(duplicate)[1:],
        "id": "x",
        "sha256": picture(aside / str(duplicate)[1:]).sha256,
        "byte_size": 50 * len("picture ") + 50 * len(duplicate.name.encode(errors="surrogateescape")),
        "keep": "keep.jpg",
        "keep_path": str(keep),
        "distance": 4,
        "state": "moving",
    }
    assert states == [{"number": 1, "state": "moved"}, {"number": 1, "state": "forgotten"}]


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


def test_names_that_are_taken_get_a_number(tmp_path: Path) -> None:
    assert free_name(tmp_path / "a.jpg") == tmp_path / "a.jpg"
    write(tmp_path, "a.jpg", "a (2).jpg")
    (tmp_path / "a (3).jpg").symlink_to("nowhere")
    assert free_name(tmp_path / "a.jpg") == tmp_path / "a (4).jpg"
