"""Moving the files of duplicates aside: what may be moved, and moving it.

A file is moved only if its picture is surely the same as the one that is kept, if it still is the picture that was
indexed, and if the file of the picture that is kept still is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graph.moving.files import content_at, free_name, move_file
from graph.moving.journal import Journal, Move
from graph.moving.move_back import Moves, Unmoved, settle, state_found
from storage.errors import ImageNotFound, InvalidField

if TYPE_CHECKING:
    from lookalike_client import Client, DuplicateGroup, DuplicatePicture

SURE = 0.99  # least confidence that a picture is the same as the one that is kept: others are not moved

Seen = tuple[int, int, int, int]  # device, inode, bytes, mtime in ns


class NotMovable(Exception):
    """Says why."""


def check_folder(folder: Path, groups: Sequence[DuplicateGroup], indexed: Iterable[str]) -> None:
    """Raises InvalidField for a folder whose files would be indexed again, or that holds what is to be moved.

    indexed: files and folders that were given to index. Indexing passes over folders whose names begin with a dot, so
    such a one may lie among the pictures.
    """
    pictures = [picture for group in groups for picture in (group.keep, *group.duplicates)]
    roots = {os.path.dirname(picture.path) for picture in pictures if picture.path is not None}
    wanted = Path(os.path.realpath(folder))
    for root in sorted({*roots, *indexed}):
        real = Path(os.path.realpath(root))
        if wanted.is_relative_to(real) and not any(part.startswith(".") for part in wanted.relative_to(real).parts):
            raise InvalidField(
                f"{folder} lies in {root}, whose pictures are indexed: the files would be indexed again",
                "name a folder elsewhere, or one whose name begins with a dot",
            )
        if real.is_relative_to(wanted):
            raise InvalidField(f"{folder} holds {root}, whose pictures are indexed", "name a folder of its own")


def resume(journal: Journal, client: Client) -> list[Unmoved]:
    """Ends what a killed command left: see `settle`; pictures whose files were moved leave the index."""
    problems = settle(journal)
    for move in journal.moves:
        if move.state == "moved":
            forget(journal, move, client)
    return problems


def rehearse(folder: Path, groups: Sequence[DuplicateGroup]) -> Moves:
    """What `move_duplicates` would do now, with nothing changed."""
    moves = Moves()
    moves.moved += [_move(folder, keep, duplicate) for keep, duplicate in _movable(groups, moves.unmoved)]
    return moves


def move_duplicates(journal: Journal, groups: Sequence[DuplicateGroup], client: Client) -> Moves:
    """Moves the files, and takes the pictures out of the index, one after the other."""
    moves = Moves()
    for keep, duplicate in _movable(groups, moves.unmoved):
        move = journal.begin(_move(journal.folder, keep, duplicate))
        reason = _moved(journal, move)
        if reason is not None:
            moves.unmoved.append(Unmoved(move.source, reason))
            continue
        moves.moved.append(move)
        forget(journal, move, client)
    return moves


def _moved(journal: Journal, move: Move) -> str | None:
    """Why it stays; None where it is moved. The files decide, and not what was reported; where one is in both places
    the move stays announced, for `settle`.
    """
    failure = None
    try:
        move_file(Path(move.source), journal.target(move), move.sha256)
    except OSError as raised:
        failure = raised
    state = state_found(journal, move)
    if state == "moving" and isinstance(failure, FileExistsError):
        state = "not_moved"  # another's file has come to the target
    if state != "moving":
        journal.mark(move, state)
    if state == "moved":
        return None
    return "it is in two places, or in none" if failure is None else failure.strerror or str(failure)


def forget(journal: Journal, move: Move, client: Client) -> None:
    """Takes a moved picture out of the index, unless its id has another picture or another file by now."""
    try:
        row = client.get(move.id)
        if (row.sha256, row.path) == (move.sha256, move.source) and not os.path.lexists(move.source):
            client.delete(move.id, stays_out=False)  # its file is elsewhere, and may be put back
    except ImageNotFound:
        pass
    journal.mark(move, "forgotten")


def _move(folder: Path, keep: DuplicatePicture, duplicate: DuplicatePicture) -> Move:
    """The file keeps its whole path below the folder."""
    source = os.path.abspath(duplicate.path or "")
    target = free_name(folder / os.path.relpath(source, "/"))
    return Move(
        number=0,
        source=source,
        target=os.path.relpath(target, folder),
        id=duplicate.id,
        sha256=duplicate.sha256,
        byte_size=duplicate.byte_size,
        keep=keep.id,
        keep_path=keep.path or "",
        distance=duplicate.distance or 0,
    )


def _movable(
    groups: Sequence[DuplicateGroup], unmoved: list[Unmoved]
) -> Iterator[tuple[DuplicatePicture, DuplicatePicture]]:
    """The kept picture and the duplicate, of each file that may be moved at the moment it is given."""
    for group in groups:
        try:
            kept = _seen(group.keep, "the picture to keep")
        except NotMovable as reason:
            unmoved += [Unmoved(one.path or one.id, str(reason)) for one in group.duplicates]
            continue
        for duplicate in group.duplicates:
            try:
                _check(group.keep, kept, duplicate)
            except NotMovable as reason:
                unmoved.append(Unmoved(duplicate.path or duplicate.id, str(reason)))
                continue
            yield group.keep, duplicate


def _check(keep: DuplicatePicture, kept: Seen, duplicate: DuplicatePicture) -> None:
    """Raises NotMovable."""
    if duplicate.relation != "same":
        raise NotMovable(f"it is not the same as the picture to keep: {duplicate.relation or 'nothing is proven'}")
    if (duplicate.confidence or 0.0) < SURE:
        raise NotMovable(f"it is the same as the picture to keep by {duplicate.confidence:.3f}, {SURE} is wanted")
    seen = _seen(duplicate, "the picture")
    if seen[:2] == kept[:2]:
        raise NotMovable("it is the very file that is kept, under another name: moving it frees nothing")
    links = os.lstat(duplicate.path or "").st_nlink
    if links > 1:
        raise NotMovable(f"the file has {links} names (hard links): moving one of them frees nothing")
    if _status(keep, "the picture to keep") != kept:
        raise NotMovable(f"the file of the picture to keep, {keep.path}, has just changed")


def _seen(picture: DuplicatePicture, what: str) -> Seen:
    """Raises NotMovable unless the file of the picture is here and holds what was indexed."""
    seen = _status(picture, what)
    if content_at(Path(picture.path or ""), picture.sha256) != "right" or _status(picture, what) != seen:
        raise NotMovable(f"the file of {what}, {picture.path}, is not the one that was indexed, or cannot be read")
    return seen


def _status(picture: DuplicatePicture, what: str) -> Seen:
    if picture.path is None:
        raise NotMovable(f"{what}, {picture.id!r}, was uploaded: it has no file")
    try:
        status = os.lstat(picture.path)
    except OSError:
        raise NotMovable(f"the file of {what}, {picture.path}, is not on this machine") from None
    if not stat.S_ISREG(status.st_mode):
        raise NotMovable(f"{picture.path} is a link or no file")
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
