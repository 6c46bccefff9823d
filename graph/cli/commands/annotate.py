"""``lookalike tags`` and ``caption``: what a picture shows, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect

Image = Annotated[Path, typer.Argument(metavar="IMAGE", exists=True, dir_okay=False, help="Picture to look at.")]


def tags(
    context: typer.Context, image: Image, as_json: Json = False, server: Server = DEFAULT_SERVER, api_key: ApiKey = None
) -> None:
    """Say what a picture shows, as labels with scores. Nothing is stored."""
    with connect(context, server, api_key) as client:
        found = client.tags(image)
    if as_json:
        output.show_json({"tags": found})
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
