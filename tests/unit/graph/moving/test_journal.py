"""The journal of moves: on disk before what it announces, and of one command at a time."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from graph.moving.journal import NAME, Journal, opened
from lookalike_client import DuplicateGroup
from storage.errors import InvalidField, LookalikeError
from tests.unit.graph.moving.duplicate_files import group, picture, write
from tests.unit.graph.moving.runs import move

pytestmark = pytest.mark.usefixtures("done")


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
