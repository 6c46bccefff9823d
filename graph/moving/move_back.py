"""Undoing moves, and settling those that a killed command left half done."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from graph.moving.files import content_at, is_apart, is_part_of, move_file, sync_folder
from graph.moving.journal import Journal, Move


@dataclass(frozen=True, slots=True)
class Unmoved:
    """A file that stays where it is, and why."""

    path: str
    reason: str


@dataclass(slots=True)
class Moves:
    """moved: or, in a rehearsal, what would be; as they were before, of files that are put back. unmoved: files that
    stay.
    """

    moved: list[Move] = field(default_factory=list)
    unmoved: list[Unmoved] = field(default_factory=list)

    @property
    def byte_size(self) -> int:
        return sum(move.byte_size for move in self.moved)


def put_back(journal: Journal) -> Moves:
    """Puts back every file that is not back yet, the last one first; never over another file."""
    done = Moves(unmoved=settle(journal))
    for move in reversed(journal.moves):
        if move.state not in ("moved", "forgotten", "restoring"):
            continue
        problem = _taken_back(journal, move)
        if problem is None:
            journal.mark(move, "restored")
            done.moved.append(move)
        else:
            done.unmoved.append(Unmoved(move.source, problem))
    return done


def settle(journal: Journal) -> list[Unmoved]:
    """Brings moves that were announced to an end: those that had not come far are taken back."""
    problems = []
    for move in journal.moves:
        if move.state != "moving":
            continue
        state = state_found(journal, move)
        problem = _taken_back(journal, move) if state == "moving" else None
        if problem is None:
            journal.mark(move, "not_moved" if state == "moving" else state)
        else:
            problems.append(Unmoved(move.source, problem))
    return problems


def state_found(journal: Journal, move: Move) -> Literal["moving", "moved", "not_moved"]:
    """What the files say has become of a move that was announced; "moving" where the file is in both places, or in
    neither.
    """
    at_source = content_at(Path(move.source), move.sha256)
    at_target = content_at(journal.target(move), move.sha256)
    if at_target == "right" and at_source != "right":
        return "moved"
    return "not_moved" if at_target == "missing" and at_source != "missing" else "moving"


def _taken_back(journal: Journal, move: Move) -> str | None:
    """As `_put_back`, announced; what counts is where the file is, and not that a step was reported to have failed."""
    source = Path(move.source)
    try:
        if move.state in ("moved", "forgotten") and content_at(source, move.sha256) == "missing":
            move = journal.mark(move, "restoring")
        return _put_back(journal, move)
    except OSError as failure:
        is_back = content_at(source, move.sha256) == "right" and not os.path.lexists(journal.target(move))
        return None if is_back else failure.strerror or str(failure)


def _put_back(journal: Journal, move: Move) -> str | None:
    """Why it cannot be done; None where the file is at its source now, and nowhere else."""
    source, target = Path(move.source), journal.target(move)
    at_source, at_target = content_at(source, move.sha256), content_at(target, move.sha256)
    unfinished = move.state in ("moving", "restoring")
    if at_target == "missing":
        return None if at_source == "right" else "it is in neither place any more"
    if at_source == "missing":
        if at_target != "right":
            return f"{target} is not the file that was moved"
        move_file(target, source, move.sha256)
    elif at_source == "right" and not is_apart(source, target):
        return f"{target} is the same file, under its only name"  # by a link to a folder
    elif at_source == "right" and (os.path.samefile(source, target) or (unfinished and is_part_of(target, source))):
        os.unlink(target)  # a second name, or a copy that was being made or had been made
        sync_folder(target.parent)
    elif at_target == "right" and move.state == "restoring" and is_part_of(source, target):
        os.unlink(source)  # likewise, the other way
        move_file(target, source, move.sha256)
    else:
        return "there is a file in its place"
    return None
