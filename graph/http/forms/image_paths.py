"""Ids in paths.

An id may hold any character, so it is taken from the path as it was sent, before decoding could confuse its slashes.

``/v1/images/a%2Fthumbnail`` is the picture "a/thumbnail"; ``/v1/images/a/thumbnail`` is the thumbnail of "a". Slashes
that came unencoded are taken as part of the id where that is not ambiguous.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, unquote_to_bytes

from fastapi import Path
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from graph.requests.messages import check_image_id
from storage.errors import InvalidField

PREFIX = "/v1/images/"
AS_SENT = "/%:@!$&'()*+,;=-._~"  # quote() leaves these alone, so an encoded path stays as it is

Id = Annotated[str, Path(description="the image's id; in the address a slash in it is written %2F")]


class EncodedPaths:
    """Gives the routes below ``/v1/images/`` the path as it was sent, still encoded; `image_id` decodes the id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            root = scope.get("root_path", "")
            if scope["path"].startswith(root + PREFIX):
                scope["path"] = _encoded_path(scope, root)
        await self._app(scope, receive, send)


def _encoded_path(scope: Scope, root: str) -> str:
    raw: bytes | None = scope.get("raw_path")
    sent = quote(raw.split(b"?", 1)[0], safe=AS_SENT) if raw else ""
    if sent.startswith(root + PREFIX):
        return sent
    if sent.startswith(PREFIX):  # a proxy took the prefix off
        return root + sent
    return root + quote(scope["path"].removeprefix(root), safe="/")


def image_id(request: Request) -> str:
    """The id in the request's path. Raises InvalidField."""
    try:
        return check_image_id(unquote_to_bytes(request.path_params["id"]).decode())
    except UnicodeDecodeError as error:
        raise InvalidField("id: the path does not decode as UTF-8", "percent-encode the id's UTF-8 bytes") from error
