"""What OpenAPI says beside the paths: errors of every route, hand-parsed bodies, the two ways to send a key."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from graph.http.replies.schemas import ErrorAnswer

TITLE = "Lookalike"
DESCRIPTION = "Finds pictures: the same picture, an edited copy, a picture with the same colours."
REASONS = {
    400: "the request is malformed",
    401: "no API key, or a wrong one",
    403: "a page of another site sent it, or the Host is not allowed",
    404: "there is no such thing",
    409: "the id is taken",
    413: "too large",
    415: "not a picture that is read here",
    422: "a field is unknown or out of range",
    503: "busy, or a part is down; see Retry-After",
    504: "the answer took too long",
}
EVERYWHERE = (401, 403, 422, 503, 504)

Responses = dict[int | str, dict[str, Any]]


def documented(answers: dict[int, tuple[str, type[BaseModel] | None]], *statuses: int) -> Responses:
    """The answers of a route by status, and the errors it may give beside those that every route may."""
    responses: Responses = {
        status: {"description": reason, **({"model": model} if model else {})}
        for status, (reason, model) in answers.items()
    }
    for status in sorted({*EVERYWHERE, *statuses} - responses.keys()):
        responses[status] = {"description": REASONS[status], "model": ErrorAnswer}
    return responses


def binary(description: str, *media_types: str) -> Responses:
    """An answer of bytes."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in media_types}
    return {200: {"description": description, "content": content}}


def form_body(model: type[BaseModel], *, image_required: bool = True) -> dict[str, Any]:
    """A multipart body with a picture and the model's fields."""
    schema = model.model_json_schema()
    image = {"type": "string", "format": "binary", "description": "the picture's file"}
    form: dict[str, Any] = {
        "type": "object",
        "properties": {"image": image, **schema["properties"]},
        "additionalProperties": False,
    }
    if image_required:
        form["required"] = ["image"]
    return {"multipart/form-data": {"schema": form}}


def json_body(*models: type[BaseModel]) -> dict[str, Any]:
    """A JSON body with the fields of one of the models."""
    schemas = [model.model_json_schema() for model in models]
    return {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}}


def request_body(*contents: dict[str, Any]) -> dict[str, Any]:
    return {
        "requestBody": {
            "required": True,
            "content": {kind: body for content in contents for kind, body in content.items()},
        }
    }


def query_parameters(model: type[BaseModel]) -> dict[str, Any]:
    """Query parameters that a route parses by hand."""
    schema = model.model_json_schema()
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": False,
                "schema": shape,
                "description": shape.get("description", ""),
            }
            for name, shape in schema["properties"].items()
        ]
    }


def describe(app: FastAPI) -> dict[str, Any]:
    """The document of ``/openapi.json``, made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=TITLE, version=app.version, description=DESCRIPTION, routes=app.routes)
        document.setdefault("components", {})["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        document["security"] = [{"bearer": []}, {"header": []}, {}]
        app.openapi_schema = document
    return app.openapi_schema
