"""Holds what a route answers against what OpenAPI says of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from fastapi import FastAPI
from jsonschema import Draft202012Validator

FAULT = 500  # of the service's own: no route promises one


def checking(app: FastAPI) -> Callable[[httpx.Response], Awaitable[None]]:
    """A hook of an httpx client: fails for an answer whose status, content type or shape OpenAPI does not have."""

    async def check(response: httpx.Response) -> None:
        operation = _operation(app, response.request)
        if operation is not None:
            await response.aread()
            check_documented(app.openapi(), operation, response)

    return check


def check_documented(document: dict[str, Any], operation: dict[str, Any], response: httpx.Response) -> None:
    known, status = operation["responses"], str(response.status_code)
    if response.status_code == FAULT and status not in known:
        return
    asked = f"{response.request.method} {response.request.url.path}"
    assert status in known, f"{asked}: {status} is not documented: {response.text}"
    content = known[status].get("content", {})
    if not response.content and not content:
        return
    media_type = response.headers.get("content-type", "").partition(";")[0]
    assert media_type in content, f"{asked}: {status} is documented as {sorted(content)}, and is {media_type!r}"
    if media_type == "application/json":
        shape = {**content[media_type].get("schema", {}), "components": document["components"]}
        Draft202012Validator(shape).validate(response.json())


def _operation(app: FastAPI, request: httpx.Request) -> dict[str, Any] | None:
    """What OpenAPI says of the route that takes the request; None where it has no such route."""
    method, paths = request.method.lower(), app.openapi()["paths"]
    asked = request.url.raw_path.decode("ascii").partition("?")[0]
    for path in sorted(paths, key=len, reverse=True):  # of an id with slashes, the route with most words
        if method in paths[path] and re.fullmatch(re.escape(path).replace(r"\{id\}", ".+"), asked):
            described: dict[str, Any] = paths[path][method]
            return described
    return None
