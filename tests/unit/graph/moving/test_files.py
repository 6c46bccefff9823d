"""Moving one file: never over another one, and whole in one of the two places whatever fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from graph.moving import files as moving_files
from graph.moving.files import free_name, move_file
from tests.unit.graph.moving.duplicate_files import group, write
from tests.unit.graph.moving.runs import contents, move, reasons, undo

pytestmark = pytest.mark.usefixtures("done")


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
    assert undo(aside).unmoved == []


def test_a_copy_that_differs_is_no_copy(photos: Path, aside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [duplicate] = write(photos, "a.jpg")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(moving_files, "content_at", lambda *_: "other")
    with pytest.raises(OSError, match="differs"):
        move_file(duplicate, aside / "a.jpg", "")
    assert (duplicate.exists(), (aside / "a.jpg").exists()) == (True, False)


def test_names_that_are_taken_get_a_number(tmp_path: Path) -> None:
    assert free_name(tmp_path / "a.jpg") == tmp_path / "a.jpg"
    write(tmp_path, "a.jpg", "a (2).jpg")
    (tmp_path / "a (3).jpg").symlink_to("nowhere")
    assert free_name(tmp_path / "a.jpg") == tmp_path / "a (4).jpg"
