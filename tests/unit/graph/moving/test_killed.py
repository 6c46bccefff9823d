"""Moving and undoing come to an end after any interruption."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from graph.moving.journal import NAME, Journal
from graph.moving.move_back import Moves
from storage.errors import LookalikeError
from tests.unit.graph.moving.duplicate_files import Index, group, write
from tests.unit.graph.moving.runs import contents, move, undo

pytestmark = pytest.mark.usefixtures("done")


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
            assert undo(aside).unmoved == []
            assert undo(aside) == Moves([], [])
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
