"""What ``lookalike duplicates`` writes of groups, and of files that it moved."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph.cli.terminal import output
from graph.cli.terminal.reporting import warn

if TYPE_CHECKING:
    from graph.moving.journal import Move
    from graph.moving.move_back import Moves, Unmoved
    from lookalike_client import DuplicateGroup, DuplicatePicture


@dataclass(frozen=True, slots=True)
class Found:
    """undecided: pictures that could not be told to be copies or not in the time for it."""

    groups: tuple[DuplicateGroup, ...]
    undecided: int

    @property
    def duplicates(self) -> list[DuplicatePicture]:
        return [one for group in self.groups for one in group.duplicates]

    @property
    def byte_size(self) -> int:
        return sum(one.byte_size for one in self.duplicates)

    @property
    def left_out(self) -> int:
        return sum(group.left_out for group in self.groups)


def show_groups(found: Found) -> None:
    rows = [[group.keep.id, one.id, *_facts(one)] for group in found.groups for one in group.duplicates]
    if rows or not output.on_terminal():
        columns = ["kept", "duplicate", "is", "sure ", "kept for", "distance ", "size ", "bytes "]
        output.show_table(columns, rows, long=("kept", "duplicate"))
    counts = f"{output.counted(len(found.groups), 'group')}, {output.counted(len(found.duplicates), 'duplicate')}"
    output.say(f"{counts}, {output.bytes_text(found.byte_size)} would be freed")


def _facts(one: DuplicatePicture) -> list[str]:
    sure = "" if one.confidence is None else f"{one.confidence:.3f}"
    distance = "" if one.distance is None else str(one.distance)
    sizes = f"{one.width}x{one.height}", output.byte_size(one.byte_size)
    return [one.relation or "", sure, next(iter(one.kept_because), ""), distance, *sizes]


def show_moves(moves: Moves, folder: Path, *, dry_run: bool) -> None:
    verb = "would move" if dry_run else "moved"
    output.say(f"{verb} {output.counted(len(moves.moved), 'file')}, {output.bytes_text(moves.byte_size)}, to {folder}")
    _show_unmoved(moves.unmoved)


def show_restored(restored: Moves) -> None:
    output.say(f"put back {output.counted(len(restored.moved), 'file')}")
    forgotten = [move for move in restored.moved if move.state == "forgotten"]
    if forgotten:
        output.say(f"{output.counted(len(forgotten), 'picture')} had left the index; to have them in it again:")
        for command in sorted(set(map(_index_command, forgotten))):
            output.say(f"  {command}")
    _show_unmoved(restored.unmoved)


def _index_command(move: Move) -> str:
    """Names the folder that the id begins in: indexed from any other, all its pictures would get other ids."""
    if move.source.endswith(f"/{move.id}"):
        return f"lookalike index {shlex.quote(move.source.removesuffix(move.id))}"
    return f"index {shlex.quote(os.path.dirname(move.source))} as you did before"


def _show_unmoved(unmoved: Sequence[Unmoved]) -> None:
    if unmoved:
        output.say(f"{output.counted(len(unmoved), 'file')} not moved:")
        output.show_table(["file", "reason"], [[one.path, one.reason] for one in unmoved], long=("file", "reason"))


def warn_of_gaps(found: Found) -> None:
    if found.left_out:
        warn(f"{found.left_out} more pictures are near to those that are kept", "they come up once these are gone")
    if found.undecided:
        warn(f"{found.undecided} pictures were left alone: it takes too long to tell", "try a smaller --threshold")


def write_json(found: Found, moves: Moves | None, file: Path | None) -> None:
    """To the file, or to stdout where there is none."""
    body: dict[str, Any] = {
        "groups": [asdict(group) for group in found.groups],
        "duplicates": len(found.duplicates),
        "bytes": found.byte_size,
        "left_out": found.left_out,
        "undecided": found.undecided,
    }
    if moves is not None:
        body |= {"moved": list(map(_shown, moves.moved)), "not_moved": [asdict(one) for one in moves.unmoved]}
    if file is None:
        output.show_json(body)
    else:
        file.write_text(json.dumps(body, indent=2) + "\n", encoding="ascii")


def _shown(move: Move) -> dict[str, Any]:
    return {name: value for name, value in asdict(move).items() if name not in ("number", "state")}
