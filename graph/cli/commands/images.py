"""``lookalike add``, ``rm`` and ``show``: one image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from graph.cli.terminal import options, output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect
from graph.cli.terminal.reporting import FAILED, warn
from graph.cli.terminal.text import bytes_text, states, tags_text
from storage.errors import ImageNotFound

if TYPE_CHECKING:
    from graph.client import ImageRow

VERBS = {"created": "added", "skipped": "kept what was there:"}

File = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Picture to add.")]
NewId = Annotated[str | None, typer.Option("--id", metavar="ID", help="Its id; otherwise the SHA-256 of the file.")]
Metadata = Annotated[str | None, typer.Option("--metadata", metavar="JSON", help="A JSON object to keep with it.")]
OnConflict = Annotated[
    Literal["error", "skip", "replace"], typer.Option("--on-conflict", help="What to do where the id is taken.")
]


def add(
    context: typer.Context,
    file: File,
    id: NewId = None,
    metadata: Metadata = None,
    on_conflict: OnConflict = "error",
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Add one picture. Writes its id."""
    extra = options.json_object("--metadata", metadata)
    with connect(context, server, api_key) as client:
        added = client.add(file, id=id, metadata=extra, on_conflict=on_conflict)
    if as_json:
        output.show_json(added)
    elif output.on_terminal():
        verb = VERBS.get(added.outcome, added.outcome)
        output.say(f"{verb} {added.id} ({added.width}x{added.height}; {states(added.features)})")
    else:
        output.say(added.id)


def remove(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of the pictures to remove.")],
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Remove pictures from the index. Their files stay where they are."""
    missing = 0
    with connect(context, server, api_key) as client:
        for image_id in ids:
            try:
                client.delete(image_id)
            except ImageNotFound as error:
                warn(error.message, error.hint)
                missing += 1
    if missing:
        raise typer.Exit(FAILED)


def show(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="Id of the picture.")],
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Show what is stored of one picture."""
    with connect(context, server, api_key) as client:
        row = client.get(id)
    if as_json:
        output.show_json(row)
    else:
        output.show_pairs(_pairs(row))


def _pairs(row: ImageRow) -> dict[str, str]:
    pairs = {"id": row.id, "size": f"{row.width}x{row.height}", "format": row.format}
    if row.byte_size is not None:
        pairs["bytes"] = bytes_text(row.byte_size) if output.on_terminal() else str(row.byte_size)
    pairs |= {"sha256": row.sha256, "features": states(row.features)}
    if row.added_at is not None:
        pairs["added"] = row.added_at.isoformat(timespec="seconds")
    if row.path is not None:
        pairs["file"] = row.path
    if row.tags:
        pairs["tags"] = tags_text(row.tags)
    if row.caption is not None:
        pairs["caption"] = row.caption
    pairs["metadata"] = json.dumps(row.metadata, ensure_ascii=False)
    return pairs
