"""``lookalike add``, ``rm`` and ``show``: one image. ``tags`` and ``caption``: what a picture shows, in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from graph.cli.terminal import options, output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect
from graph.cli.terminal.reporting import FAILED, warn
from storage.errors import ImageNotFound

if TYPE_CHECKING:
    from lookalike_client import ImageRow

VERBS = {"created": "added", "skipped": "kept what was there:"}

Image = Annotated[Path, typer.Argument(metavar="IMAGE", exists=True, dir_okay=False, help="Picture to look at.")]
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
    with connect(context, server, api_key) as client:
        added = client.add(file, id=id, metadata=options.json_object("--metadata", metadata), on_conflict=on_conflict)
    if as_json:
        output.show_json(added)
    elif output.on_terminal():
        verb = VERBS.get(added.outcome, added.outcome)
        output.say(f"{verb} {added.id} ({added.width}x{added.height}; {output.states(added.features)})")
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
                output.say(f"removed {image_id}")
            except ImageNotFound as error:
                warn(error.message, error.shell_hint)
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
    pairs = {
        "id": row.id,
        "size": f"{row.width}x{row.height}",
        "format": row.format,
        "bytes": None if row.byte_size is None else output.byte_size(row.byte_size),
        "sha256": row.sha256,
        "features": output.states(row.features),
        "added": None if row.added_at is None else output.moment(row.added_at),
        "file": None if row.path is None else row.path + (" (gone)" if row.missing else ""),
        "taken": row.taken_at,
        "camera": row.camera,
        "place": None if row.gps is None else output.place(row.gps),
        "tags": output.tags_text(row.tags) if row.tags else None,
        "caption": row.caption,
        "metadata": json.dumps(row.metadata, ensure_ascii=False),
    }
    return {name: value for name, value in pairs.items() if value is not None}


def tags(
    context: typer.Context, image: Image, as_json: Json = False, server: Server = DEFAULT_SERVER, api_key: ApiKey = None
) -> None:
    """Say what a picture shows, as labels with scores. Nothing is stored."""
    with connect(context, server, api_key) as client:
        found = client.tags(image)
    if as_json:
        output.show_json({"tags": found})
    elif not found and output.on_terminal():
        output.say("no label fits")
    else:
        output.show_table(["label", "score "], [[tag.label, f"{tag.score:.2f}"] for tag in found])


def caption(
    context: typer.Context, image: Image, as_json: Json = False, server: Server = DEFAULT_SERVER, api_key: ApiKey = None
) -> None:
    """Describe a picture in a sentence. Nothing is stored."""
    with connect(context, server, api_key) as client:
        sentence = client.caption(image)
    if as_json:
        output.show_json({"caption": sentence})
    else:
        output.say(sentence)
