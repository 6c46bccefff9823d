"""File servers that do what they report as failed, or have no such step: no file is lost, and undoing finds each."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graph.moving import files as moving_files
from graph.moving.files import sync_folder
from tests.unit.graph.moving.duplicate_files import group, write
from tests.unit.graph.moving.runs import contents, move, reasons, undo

pytestmark = pytest.mark.usefixtures("done")


@pytest.fixture
def files(photos: Path) -> list[Path]:
    """The one to keep, and a duplicate of it."""
    return write(photos, "keep.jpg", "2019/a.jpg")


def failing(error: int, change: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Fails, after the change where there is one."""

    def call(*arguments: Any, **options: Any) -> None:
        if change is not None:
            change(*arguments, **options)
        raise OSError(error, os.strerror(error))

    return call


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("error", [errno.ENOENT, errno.EIO])
def test_a_removal_that_is_done_and_reported_as_failed_loses_nothing(
    files: list[Path], photos: Path, aside: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    before = contents(photos)
    monkeypatch.setattr(os, "unlink", failing(error, os.unlink))
    moves = move(aside, group(*files))
    assert ([one.source for one in moves.moved], moves.unmoved) == ([str(files[1])], [])
    assert list(contents(aside).values()) == [before["2019/a.jpg"]]
    restored = undo(aside)
    assert (len(restored.moved), restored.unmoved) == (1, [])
    assert (contents(photos), contents(aside)) == (before, {})


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("replacement", [None, b"another picture"])
def test_a_file_that_somebody_removes_or_replaces_meanwhile_is_kept_aside(
    files: list[Path], aside: Path, monkeypatch: pytest.MonkeyPatch, replacement: bytes | None
) -> None:
    found, before = group(*files), files[1].read_bytes()

    def meanwhile(folder: Path) -> None:
        if folder.name == "2019" and contents(aside) and files[1].exists() and files[1].read_bytes() == before:
            files[1].unlink()
            if replacement is not None:
                files[1].write_bytes(replacement)
        sync_folder(folder)

    monkeypatch.setattr(moving_files, "sync_folder", meanwhile)
    moves = move(aside, found)
    assert [one.source for one in moves.moved] == [str(files[1])]
    assert list(contents(aside).values()) == [before]
    assert (files[1].read_bytes() if files[1].exists() else None) == replacement


@pytest.mark.usefixtures("way")
def test_a_folder_that_cannot_be_put_on_disk_after_the_move_does_not_hide_it(
    files: list[Path], photos: Path, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, sources = contents(photos), [files[1].parent]

    def refuse(folder: Path) -> None:
        if folder in sources:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(moving_files, "sync_folder", refuse)
    [moved] = move(aside, group(*files)).moved
    sources[:] = [(aside / moved.target).parent]
    assert len(undo(aside).moved) == 1
    assert (contents(photos), contents(aside)) == (before, {})


@pytest.mark.parametrize(
    ("step", "error"),
    [("fsync", errno.EINVAL), ("open", errno.EACCES)],
    ids=["a file system without it", "a folder that may not be read"],
)
def test_folders_that_have_no_step_of_their_own_to_the_disk_are_moved_from_and_to(
    files: list[Path], photos: Path, aside: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: int
) -> None:
    before, whole = contents(photos), []
    original = getattr(os, step)

    def refuse(path: Any, *arguments: Any) -> Any:
        if os.path.isdir(path if step == "open" else f"/proc/self/fd/{path}"):
            raise OSError(error, os.strerror(error))
        return original(path, *arguments)

    monkeypatch.setattr(os, "sync", lambda: whole.append("on disk"))
    monkeypatch.setattr(os, step, refuse)
    assert len(move(aside, group(*files)).moved) == 1
    assert len(undo(aside).moved) == 1
    assert contents(photos) == before
    assert bool(whole) == (step == "open")


def test_a_second_name_that_is_given_and_reported_as_failed_is_gone_on_with(
    files: list[Path], photos: Path, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(photos)
    monkeypatch.setattr(os, "link", failing(errno.EEXIST, os.link))
    assert len(move(aside, group(*files)).moved) == 1
    assert len(undo(aside).moved) == 1
    assert (contents(photos), contents(aside)) == (before, {})


def test_a_file_of_others_at_the_target_is_left_alone(
    files: list[Path], photos: Path, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(source: Path, target: Path, **_: Any) -> None:
        target.write_bytes(source.read_bytes())
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", taken)
    assert reasons(move(aside, group(*files))) == {"a.jpg": "File exists"}
    assert (undo(aside).moved, undo(aside).unmoved) == ([], [])
    assert contents(photos).keys() == {"keep.jpg", "2019/a.jpg"}
    assert len(contents(aside)) == 1


@pytest.mark.usefixtures("way")
def test_a_move_that_can_be_neither_ended_nor_taken_back_is_taken_back_later(
    files: list[Path], photos: Path, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(photos)
    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", failing(errno.EACCES))
        assert reasons(move(aside, group(*files))) == {"a.jpg": "Permission denied"}
    assert (contents(photos), len(contents(aside))) == (before, 1)
    assert undo(aside).unmoved == []
    assert (contents(photos), contents(aside)) == (before, {})
