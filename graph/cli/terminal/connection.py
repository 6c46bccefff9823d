"""The options that every command has, and the client they give."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from lookalike_client.loopback import is_loopback
from storage.errors import InvalidField

if TYPE_CHECKING:
    from lookalike_client import Client

DEFAULT_SERVER = "http://127.0.0.1:8000"
COMMAND_RETRIES = 2

Server = Annotated[
    str, typer.Option("--server", metavar="URL", envvar="LOOKALIKE_SERVER", help="Address of the service.")
]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", metavar="KEY", envvar="LOOKALIKE_API_KEY", help="Key, where the service asks for one."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]


def connect(context: typer.Context, server: str, api_key: str | None) -> Client:
    """The client of one command; nothing is sent yet.

    The context's ``obj`` is the transport that tests put in the network's place.
    """
    from lookalike_client import Client  # takes 0.2 s, which --help need not wait for

    # Whoever waits at a terminal is told at once that the service is not there, rather than a few seconds later.
    return Client(server, api_key, transport=context.obj, retries=COMMAND_RETRIES)


def is_here(server: str) -> bool:
    """Whether the service runs on this machine, and sees the same files."""
    return is_loopback(urlsplit(server).hostname or "")


def path_at_service(path: str, server: str, *, follow_links: bool = False) -> str:
    """As the service has to know it. One on this machine sees the same files, so they are checked here. Raises
    `InvalidField`.
    """
    here = is_here(server)
    if here and not os.path.exists(path):
        raise InvalidField(f"there is no file or folder {path!r}", "check the path")
    return os.path.realpath(path) if here and follow_links else os.path.abspath(path)


def example(*lines: str) -> str:
    """The end of a command's help."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
