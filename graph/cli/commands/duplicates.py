"""``lookalike duplicates``: groups of the same picture; moving the files of duplicates aside, and back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from graph.cli.commands import duplicate_decisions, duplicate_tables
from graph.cli.commands.duplicate_tables import Found
from graph.cli.terminal import output
from graph.cli.terminal.asking import agreed
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect
from graph.cli.terminal.reporting import FAILED, warn
from graph.same_picture import MOST_THRESHOLD_BITS
from storage.errors import InvalidField

if TYPE_CHECKING:
    from collections.abc import Callable

    from graph.moving.move_back import Moves
    from lookalike_client import Client, DuplicateGroup
    from lookalike_client.matches import Relation

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="different A B | keep-both A B | keep A B | decisions | take-back ID",
        help="Decide of two pictures, by their ids (keep: A of the two); list what was decided; take one back.",
    ),
]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="With a decision: why.")]
Relations = Annotated[
    str | None,
    typer.Option(
        "--relation",
        metavar="NAMES",
        help="What a duplicate may be to the picture that is kept beside same: edited, crop, contains, overlap.",
    ),
]
Threshold = Annotated[
    int | None,
    typer.Option(
        "--threshold",
        metavar="BITS",
        min=0,
        max=MOST_THRESHOLD_BITS,
        help="Group by the hash alone: bits of 576 that copies may differ by. Nothing is judged.",
    ),
]
Output = Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write the JSON to a file.")]
MoveTo = Annotated[
    Path | None,
    typer.Option(
        "--move",
        metavar="DIR",
        help="Move the duplicates' files there, and take them out of the index; shows them and asks.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="With --move: say what would be moved, and move nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="With --move: move without asking.")]
Undo = Annotated[Path | None, typer.Option("--undo", metavar="DIR", help="Put the files that were moved there back.")]


def duplicates(
    context: typer.Context,
    words: Words = None,
    relation: Relations = None,
    threshold: Threshold = None,
    as_json: Json = False,
    to_file: Output = None,
    move: MoveTo = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    undo: Undo = None,
    note: Note = None,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Show groups of pictures of one photograph: the one worth keeping, and its duplicates. Nothing is ever deleted."""
    if undo is not None:
        if move is not None or dry_run or yes or as_json or to_file is not None:
            raise InvalidField("--undo goes with no other option", "give it alone")
        _undo(undo)
        return
    if words or note is not None:
        if move is not None or to_file is not None or relation is not None or threshold is not None:
            raise InvalidField("a decision goes with no other option than --note and --json", "decide first")
        with connect(context, server, api_key) as client:
            duplicate_decisions.carry_out(client, words or [], note, as_json=as_json)
        return
    if (dry_run or yes) and move is None:
        option = "--dry-run" if dry_run else "--yes"
        raise InvalidField(f"{option} needs --move", "name the folder with --move DIR")
    with connect(context, server, api_key) as client:
        if move is not None and not dry_run:
            _resume(client, move)
        found = _found(client, threshold, relation)
        if move is not None and threshold is not None:
            found = replace(found, groups=tuple(_judged(client, group) for group in found.groups))
        if not as_json:
            duplicate_tables.show_groups(found)
        moves = None if move is None else _moves(client, found, move, dry_run=dry_run, yes=yes, show=not as_json)
    if as_json or to_file is not None:
        duplicate_tables.write_json(found, moves, to_file)
    duplicate_tables.warn_of_gaps(found)


def _moves(client: Client, found: Found, folder: Path, *, dry_run: bool, yes: bool, show: bool) -> Moves:
    """Shows what would be moved and asks, unless told not to ask, and moves it. show: what was or would be moved."""
    moves = _moved(client, found, folder, dry_run or not yes)
    if show:
        duplicate_tables.show_moves(moves, folder, dry_run=dry_run or not yes)
    if dry_run or yes or not moves.moved:
        return moves
    what = f"move {output.counted(len(moves.moved), 'file')} to {folder}, and take them out of the index"
    if not agreed(what, "--move"):
        output.say("nothing was moved")
        raise typer.Exit
    moves = _moved(client, found, folder, dry_run=False)
    if show:
        duplicate_tables.show_moves(moves, folder, dry_run=False)
    return moves


def _found(client: Client, threshold: int | None, relation: str | None) -> Found:
    """All groups, before anything is moved: a walk over a collection that shrinks would find others."""
    groups: list[DuplicateGroup] = []
    undecided, cursor = 0, None
    names = None if relation is None else cast("list[Relation]", relation.split(","))  # checked by the service
    with _display(client) as display:
        while True:
            page = client.duplicate_page(threshold, cursor=cursor, relation=names)
            groups += page.groups
            undecided += page.undecided
            display(page.looked_at)
            cursor = page.next_cursor
            if cursor is None:
                return Found(tuple(consistent(groups)), undecided)


def _judged(client: Client, group: DuplicateGroup) -> DuplicateGroup:
    """With what each duplicate is to the picture that is kept: what is moved has to be the same."""
    results = [client.compare(a_id=one.id, b_id=group.keep.id) for one in group.duplicates]
    judged = [
        replace(one, relation=result.relation, confidence=result.confidence)
        for one, result in zip(group.duplicates, results, strict=True)
    ]
    return replace(group, duplicates=tuple(judged))


def consistent(groups: Sequence[DuplicateGroup]) -> Iterator[DuplicateGroup]:
    """The groups without pictures that are kept in another one or are in two, as may be when others write meanwhile."""
    taken = {group.keep.id for group in groups}
    for group in groups:
        left = tuple(one for one in group.duplicates if one.id not in taken)
        taken |= {one.id for one in left}
        if left:
            yield replace(group, duplicates=left)


def _moved(client: Client, found: Found, folder: Path, dry_run: bool) -> Moves:
    from graph.moving import journal as moving_journal
    from graph.moving import move_aside as moving

    folder = Path(os.path.abspath(folder))
    indexed = [str(path) for job in client.jobs() if job.kind == "index" for path in job.arguments.get("paths", ())]
    moving.check_folder(folder, found.groups, indexed)
    if dry_run:
        return moving.rehearse(folder, found.groups)
    with moving_journal.opened(folder, create=True) as journal:
        return moving.move_duplicates(journal, found.groups, client)


def _resume(client: Client, folder: Path) -> None:
    """Brings to an end what a command left that was killed."""
    from graph.moving import journal as moving_journal
    from graph.moving import move_aside as moving

    if not (folder / moving_journal.NAME).is_file():
        return
    with moving_journal.opened(Path(os.path.abspath(folder)), create=False) as journal:
        for problem in moving.resume(journal, client):
            warn(f"{problem.path}: {problem.reason}", f"a command was killed while it moved it; look into {folder}")


def _undo(folder: Path) -> None:
    from graph.moving import journal as moving_journal
    from graph.moving import move_back as moving_back

    with moving_journal.opened(Path(os.path.abspath(folder)), create=False) as journal:
        restored = moving_back.put_back(journal)
    duplicate_tables.show_restored(restored)
    if restored.unmoved:
        raise typer.Exit(FAILED)


@contextmanager
def _display(client: Client) -> Iterator[Callable[[int], None]]:
    """Counts pictures; on stderr, and only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda looked_at: None
        return
    from rich.progress import Progress

    with Progress(console=output.console(stderr=True), transient=True) as progress:
        task = progress.add_task("comparing", total=client.stats().images)
        yield lambda looked_at: progress.advance(task, looked_at)
