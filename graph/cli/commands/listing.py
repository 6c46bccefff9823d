"""``lookalike list``."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect
from graph.cli.terminal.filters import with_real_paths

if TYPE_CHECKING:
    from lookalike_client import ImageRow

PAGE_SIZE = 1000

Filter = Annotated[
    str | None,
    typer.Option("--filter", metavar="FILTER", help="Which pictures, as in 'folder = \"2019\" and width >= 1920'."),
]
Sort = Annotated[str | None, typer.Option("--sort", metavar="FIELD", help="The field to sort by; otherwise the id.")]
Order = Annotated[Literal["asc", "desc"], typer.Option("--order", help="Smallest first, or largest.")]
Count = Annotated[int, typer.Option("-n", min=1, metavar="N", help="How many pictures at most.")]


def list_pictures(
    context: typer.Context,
    filter: Filter = None,
    sort: Sort = None,
    order: Order = "asc",
    n: Count = 100,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """List stored pictures, those of a filter, in the order of a field."""
    with connect(context, server, api_key) as client:
        rows = client.images(min(n + 1, PAGE_SIZE), filter=with_real_paths(filter, server), sort=sort, order=order)
        found = list(islice(rows, n + 1))
    if as_json:
        output.show_json({"images": found[:n]})
        return
    if not found and output.on_terminal():
        output.say("nothing found")
        return
    output.show_table_with_paths(
        ["id", "taken at", "size ", "format", "bytes "],
        [_cells(row) for row in found[:n]],
        [row.path for row in found[:n]],
        long=("id",),
    )
    if len(found) > n and output.on_terminal():
        output.say(f"there are more: see them with -n {10 * n}")


def _cells(row: ImageRow) -> list[str]:
    size = "" if row.byte_size is None else output.byte_size(row.byte_size)
    taken_at = (row.taken_at or "").replace("T", " ")
    return [row.id, taken_at, f"{row.width}x{row.height}", row.format, size]
