"""``lookalike library``: the folders that were indexed; forgetting one, watching one no longer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect
from storage.errors import InvalidField

if TYPE_CHECKING:
    from lookalike_client import LibraryRoot

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="forget PATH | watch PATH | unwatch PATH", help="What to do with a folder; all are listed without."
    ),
]


def library(
    context: typer.Context,
    words: Words = None,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """List the folders that were indexed, with what is in them; forget one, watch one, watch one no longer."""
    with connect(context, server, api_key) as client:
        match words or []:
            case []:
                _list(client.library(), as_json=as_json)
            case ["forget", path]:
                client.forget_folder(os.path.abspath(path))
                output.say(f"{path} is forgotten; its pictures stay")
            case ["watch", path]:
                job_id = client.watch_folder(os.path.abspath(path))
                output.say(f"{path} is watched, by the job {job_id}")
            case ["unwatch", path]:
                client.unwatch_folder(os.path.abspath(path))
                output.say(f"{path} is watched no longer")
            case _:
                raise InvalidField(
                    "library takes nothing, or forget, watch or unwatch with a path", "see `lookalike library --help`"
                )


def _list(roots: tuple[LibraryRoot, ...], *, as_json: bool) -> None:
    if as_json:
        output.show_json({"roots": roots})
        return
    if not roots:
        output.say("no folder was indexed yet: lookalike index PATH")
        return
    output.show_table(
        ["folder", "pictures ", "missing ", "kept out ", "state", "passed over", "last looked at"],
        [
            [
                root.path,
                str(root.pictures),
                str(root.missing),
                str(root.kept_out),
                _state(root),
                _passed_over(root.passed_over),
                "never" if root.last_scan_at is None else output.moment(root.last_scan_at),
            ]
            for root in roots
        ],
        long=("folder", "passed over"),
    )


def _state(root: LibraryRoot) -> str:
    if not root.reachable:
        return "away or empty"
    return "watched" if root.watched else "reachable"


def _passed_over(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda entry: -entry[1])[:3]
    return ", ".join(f"{count} {ending or 'without an ending'}" for ending, count in most)
