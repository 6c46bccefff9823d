"""Errors as clients of the original services expect them: ``detail`` as FastAPI writes it, beside our own ``error``."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from graph.http.replies.answers import json_response
from graph.http.replies.errors import error_response, http_exception_response
from storage.errors import ImageExists

TAKEN = "Image with the same id is already in the db"  # clients compare it


def ambience_error(scope: Scope, error: BaseException) -> Response:
    """The same statuses as under ``/v1``, but for a taken id."""
    if isinstance(error, ImageExists):
        return PlainTextResponse(TAKEN, 500)
    standard = (
        http_exception_response(scope, error) if isinstance(error, HTTPException) else error_response(scope, error)
    )
    body = json.loads(bytes(standard.body))
    headers = {name: value for name, value in standard.headers.items() if not name.startswith("content-")}
    return json_response(
        {"detail": _detail(standard.status_code, body["error"], error), **body}, standard.status_code, headers
    )


def _detail(status: int, shown: dict[str, str], error: BaseException) -> Any:
    """A text; of a field that is wrong, FastAPI's list."""
    text = f"{shown['message']} ({shown['hint']})" if shown["hint"] else shown["message"]
    if status != 422:
        return text
    if isinstance(error.__cause__, ValidationError):
        return [
            {"type": problem["type"], "loc": ["body", *problem["loc"]], "msg": problem["msg"]}
            for problem in error.__cause__.errors(include_url=False, include_input=False, include_context=False)
        ]
    return [{"type": shown["code"], "loc": ["body"], "msg": text}]
