"""``lookalike same``: whether two pictures are the same one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect
from graph.cli.terminal.judging import confidence_figure, how_text, is_unsure
from graph.cli.terminal.reporting import UNREACHABLE, fail
from storage.errors import (
    BodyTooLarge,
    ImageNotFound,
    InvalidRequest,
    LookalikeError,
    ServiceUnreachable,
    UnreadableImage,
)

if TYPE_CHECKING:
    from lookalike_client import SearchResult

OF_STORED = "id:"
DIFFERENT, UNREADABLE = 1, 4

First = Annotated[str, typer.Argument(metavar="A", help="A picture: a file, or id:ID of a stored one.")]
Second = Annotated[str, typer.Argument(metavar="B", help="The picture to compare it with, likewise.")]


def same(
    context: typer.Context,
    first: First,
    second: Second,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Say what picture A is to picture B. Ends with 0 where they are the same one, changed or in part, and with 1 where
    they are not; with 2 for wrong usage, 3 where the service, or the part that could tell, gives no answer, 4 where a
    picture cannot be read.
    """
    with connect(context, server, api_key) as client:
        try:
            result = client.compare(**_picture("a", first), **_picture("b", second))
        except (UnreadableImage, BodyTooLarge, ImageNotFound) as error:
            fail(error.message, error.shell_hint, UNREADABLE)
        except (InvalidRequest, ServiceUnreachable):
            raise
        except LookalikeError as error:
            fail(error.message, error.shell_hint, UNREACHABLE)
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}", "check the file and try again", UNREADABLE)
    if as_json:
        output.show_json(result)
    else:
        output.say(_said(result))
    if is_unsure(result):
        unsure = "whether that is right hangs on a part of the service that did not answer"
        fail(unsure, "see `lookalike status`", UNREACHABLE)
    if not result.is_strong:
        raise typer.Exit(DIFFERENT)


def _picture(name: str, given: str) -> dict[str, Any]:
    if given.startswith(OF_STORED):
        return {f"{name}_id": given.removeprefix(OF_STORED)}
    return {name: Path(given)}


def _said(result: SearchResult) -> str:
    """On one line: "edited, confidence 0.98, mirrored"."""
    if result.relation is None:
        return "no relation found"
    confidence = "perhaps" if is_unsure(result) else ""
    if result.confidence is not None:
        confidence = f"confidence {confidence_figure(result.confidence)}"
    return ", ".join(filter(None, [result.relation, confidence, how_text(result)]))
