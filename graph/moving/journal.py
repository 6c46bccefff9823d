"""What was moved, line by line, each on disk before the move that it announces: so that it can be undone, also after
the command was killed at any moment.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal, get_args

from graph.moving.files import make_folder, sync_folder
from storage.errors import InvalidField, LookalikeError

NAME = "lookalike-moves.jsonl"

MoveState = Literal["moving", "moved", "forgotten", "not_moved", "restoring", "restored"]


@dataclass(frozen=True, slots=True)
class Move:
    """source: the file's path. target: its name in the folder. sha256, byte_size: of the file.

    state: moving is announced, moved is done, forgotten: the picture has left the index, too; restoring is announced,
    restored is done. keep, keep_path: the picture that it is a duplicate of, at this distance.
    """

    number: int
    source: str
    target: str
    id: str
    sha256: str
    byte_size: int
    keep: str
    keep_path: str
    distance: int
    state: MoveState = "moving"


class Journal:
    """The moves of one folder, by number. Made by `opened`."""

    def __init__(self, folder: Path, file: IO[bytes]) -> None:
        self.folder = folder
        self._file = file
        self._moves: dict[int, Move] = {}
        file.seek(0)
        for line in file.read().splitlines():
            self._take(line)
        file.seek(0, os.SEEK_END)
        self._write(b"\n")  # what was cut off in the middle of its line ends here

    @property
    def moves(self) -> list[Move]:
        return list(self._moves.values())

    def target(self, move: Move) -> Path:
        return self.folder / move.target

    def begin(self, move: Move) -> Move:
        """Announces the move, under the next number."""
        announced = replace(move, number=len(self._moves) + 1)
        self._append({"move": asdict(announced)})
        return announced

    def mark(self, move: Move, state: MoveState) -> Move:
        self._append({"number": move.number, "state": state})
        return self._moves[move.number]

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry).encode("ascii")  # a path that is not UTF-8 has escapes
        self._write(line + b"\n")
        self._take(line)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _take(self, line: bytes) -> None:
        """A line that was not written to its end is passed over: what it announces has not begun, and what it says to
        be done shows in the files.
        """
        try:
            entry = json.loads(line)
            if "move" in entry:
                move = Move(**entry["move"])
                self._moves[move.number] = move
            elif entry["state"] in get_args(MoveState):
                self._moves[entry["number"]] = replace(self._moves[entry["number"]], state=entry["state"])
        except (ValueError, KeyError, TypeError):
            return


@contextmanager
def opened(folder: Path, *, create: bool) -> Iterator[Journal]:
    """Raises InvalidField where there is none and none is to be made, LookalikeError where another command has it."""
    path = folder / NAME
    if create:
        make_folder(folder)
    elif not path.is_file():
        raise InvalidField(f"{folder} has no {NAME}", "name the folder that duplicates were moved to")
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LookalikeError(f"another command is moving files of {folder}", "wait for it to end") from None
        sync_folder(folder)
        yield Journal(folder, file)
