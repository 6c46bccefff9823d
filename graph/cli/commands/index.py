"""``lookalike index``: submit the batch job and follow it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer

from graph.cli.commands.follow import follow_to_the_end
from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Server, connect
from graph.loopback import is_loopback
from storage.errors import InvalidField

Paths = Annotated[list[str], typer.Argument(metavar="PATH", help="Files and folders of pictures.")]
IdFrom = Annotated[
    Literal["path", "stem", "sha256", "int"],
    typer.Option("--id-from", help="What becomes the id: the path, the name without its ending, the hash, a number."),
]
OnConflict = Annotated[
    Literal["skip", "replace"], typer.Option("--on-conflict", help="What to do with a file whose id is taken.")
]
Watch = Annotated[bool, typer.Option("--watch", help="Go on with files that appear or change later, until Ctrl-C.")]
Detach = Annotated[bool, typer.Option("--detach", help="Write the job's id and leave it to run.")]
AllFailures = Annotated[bool, typer.Option("--failures", help="List every file that could not be read.")]


def index(
    context: typer.Context,
    paths: Paths,
    id_from: IdFrom = "path",
    on_conflict: OnConflict = "replace",
    watch: Watch = False,
    detach: Detach = False,
    failures: AllFailures = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Index files and folders. Files that are indexed and unchanged are passed over; bad files are listed."""
    with connect(context, server, api_key) as client:
        found = _absolute(paths, server)
        job_id = client.submit_index(found, id_from=id_from, on_conflict=on_conflict, watch=watch)
        if detach:
            output.say(job_id)
            return
        follow_to_the_end(client, job_id, all_failures=failures)


def _absolute(paths: Sequence[str], server: str) -> list[str]:
    """The paths as the service has to know them. One on this machine sees the same files, so they are checked here."""
    if not is_loopback(urlsplit(server).hostname or ""):
        return [os.path.abspath(path) for path in paths]
    for path in paths:
        if not os.path.exists(path):
            raise InvalidField(f"there is no file or folder {path!r}", "check the path")
    return [str(Path(path).resolve()) for path in paths]
