"""What OpenAPI says beside the paths: answers, made of the classes that the client reads them into; errors of every
route, hand-parsed bodies, the two ways to send a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field, create_model

from graph.http.replies.answers import OF_DUPLICATES
from graph.http.replies.errors import STATUS
from lookalike_client import answers, job_answers, matches

TITLE = "Lookalike"
DESCRIPTION = "Finds pictures: the same picture, an edited copy, a picture with the same colours."
TAGS = {
    "search": "Pictures like another one, or as words say.",
    "images": "The stored pictures, one by one and page by page.",
    "service": "What the service says of itself, its upkeep, and labels for pictures.",
    "jobs": "Work on many pictures, which runs beside the service.",
    "duplicates": "Groups of pictures of one photograph, and what was decided of them.",
    "library": "The folders that the collection follows.",
    "ambience": "The routes of the original services, for clients that were written for them.",
}
REASONS = {
    304: "the one that If-None-Match names",
    400: "the request is malformed",
    401: "no API key, or one that is wrong or has expired",
    403: "the key lacks the right, a page of another site sent it, or the Host or a path is not allowed",
    404: "there is no such thing",
    409: "the id is taken",
    413: "too large",
    415: "not a picture that is read here",
    422: "a field is unknown or out of range",
    429: "the key asked more often than it may in a minute; see Retry-After",
    503: "busy, or a part is down; see Retry-After",
    504: "the answer took too long",
    507: "the disk is full",
}
EVERYWHERE = (401, 403, 422, 429, 503, 504)
EXAMPLE_FILE = "photo.jpg"  # stands for a picture's bytes in the example of a form

RETRY_AFTER = {"Retry-After": {"description": "seconds to wait before the next try", "schema": {"type": "integer"}}}

Responses = dict[int | str, dict[str, Any]]


class Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorDetail(Schema):
    code: str = Field(description="what a program switches on; never changes")
    message: str = Field(description="what went wrong")
    hint: str = Field(description="what to do about it; may be empty")
    request_id: str = Field(description="what the service's log calls this request; also in X-Request-ID")
    shell_hint: str | None = Field(
        default=None, description="the hint in words of the shell command, where those are others"
    )


class ErrorAnswer(Schema):
    """Every answer of 400 and above."""

    error: ErrorDetail


class Alive(Schema):
    status: Literal["ok"]


class JobSubmitted(Schema):
    id: str


class Caption(Schema):
    caption: str


# By a type that the client reads: what it is in JSON. Two numbers are a list, which more tools understand than a tuple.
_MADE: dict[Any, Any] = {datetime: str, tuple[float, float]: Annotated[list[float], Field(min_length=2, max_length=2)]}


def _schema(name: str, kind: type, /, **changed: Any) -> Any:
    """The fields of the client's ``kind``. All are there, but for those that are left out where empty.

    changed: fields of another type in JSON; None for one that is not there.
    """
    hints, described = get_type_hints(kind), get_type_hints(kind, include_extras=True)
    shown: dict[str, Any] = {}
    for field in fields(kind):
        hint = _in_json(changed.get(field.name, field.metadata.get(answers.ALWAYS, hints[field.name])))
        text = next(iter(getattr(described[field.name], "__metadata__", ())), None)
        if field.metadata.get(answers.LEFT_OUT):
            shown[field.name] = (hint | None, Field(default=None, description=text))
        elif hint is not None:
            shown[answers.json_name(field)] = (hint, Field(description=text))
    _MADE[kind] = create_model(name, __base__=Schema, **shown)
    return _MADE[kind]


def _in_json(hint: Any) -> Any:
    if hint in _MADE or not get_args(hint):
        return _MADE.get(hint, hint)
    origin = get_origin(hint)
    return (Union if origin is UnionType else origin)[tuple(map(_in_json, get_args(hint)))]


def _list_of(name: str, field: str, kind: Any) -> Any:
    shown: dict[str, Any] = {field: (_in_json(kind), ...)}
    return create_model(name, __base__=Schema, **shown)


AddedImage = _schema("AddedImage", answers.AddedImage)
ImageRow = _schema("ImageRow", answers.ImageRow, byte_size=int)
ImageRows = _schema("ImageRows", answers.ImagePage)

KeptPicture = _schema("KeptPicture", answers.DuplicatePicture, **dict.fromkeys(OF_DUPLICATES))
_schema("DuplicatePicture", answers.DuplicatePicture)
_schema("DuplicateGroup", answers.DuplicateGroup, keep=KeptPicture)
DuplicateGroups = _schema("DuplicateGroups", answers.DuplicatePage)
DecisionRow = _schema("Decision", answers.Decision)
DecisionRows = _list_of("Decisions", "decisions", tuple[answers.Decision, ...])

_schema("Transform", matches.Transform)
_schema("Overlap", matches.Overlap)
_schema("Evidence", matches.Evidence)
_schema("Changed", matches.Changed)
_schema("Explanation", matches.Explanation)
SearchHit = _schema("SearchHit", answers.SearchResult, matches=Mapping[str, Mapping[str, Any]])
_schema("FeatureOutcome", answers.PartReport)
SearchResults = _schema("SearchResults", answers.SearchAnswer)

_schema("FeatureInfo", answers.FeatureReport)
FeatureList = _list_of("FeatureList", "features", tuple[answers.FeatureReport, ...])
Stats = _schema("Stats", answers.ServiceStats, shards=list[dict[str, Any]])
_schema("ShardVerified", answers.ShardCheck)
Verified = _schema("Verified", answers.Verification)
_schema("ShardTrained", answers.ShardTraining)
Trained = _schema("Trained", answers.Training)
Ready = _schema("Ready", answers.Readiness)
NotReady = create_model("NotReady", __base__=(ErrorAnswer, Ready))

_schema("LibraryRoot", job_answers.LibraryRoot)
LibraryRoots = _list_of("LibraryRoots", "roots", tuple[job_answers.LibraryRoot, ...])

JobRow = _schema("JobRow", job_answers.Job)
JobList = _list_of("JobList", "jobs", tuple[job_answers.Job, ...])
_schema("FailedFile", job_answers.JobFailure)
JobFailures = _schema("JobFailures", job_answers.JobFailures)

_schema("Tag", answers.Tag)
Tags = _list_of("Tags", "tags", tuple[answers.Tag, ...])


def documented(shown: Mapping[int, tuple[str, Any]], *statuses: int, error: type[BaseModel] = ErrorAnswer) -> Responses:
    """The answers of a route by status, and the errors it may give beside those that every route may."""
    responses: Responses = {
        status: {"description": reason, **({"model": model} if model else {})}
        for status, (reason, model) in shown.items()
    }
    for status in sorted({*EVERYWHERE, *statuses} - responses.keys()):
        responses[status] = _refusal(status, error) if status >= 400 else {"description": REASONS[status]}
    return responses


def _refusal(status: int, error: type[BaseModel]) -> dict[str, Any]:
    code = next(kind.code for kind, kinds_status in STATUS.items() if kinds_status == status)
    detail = {"code": code, "message": REASONS[status], "hint": "", "request_id": "0f9c2b7e"}
    example = {"error": detail, **({"detail": REASONS[status]} if "detail" in error.model_fields else {})}
    refusal = {"description": REASONS[status], "model": error, "content": {"application/json": {"example": example}}}
    return refusal | ({"headers": RETRY_AFTER} if status in (429, 503) else {})


def binary(description: str, *media_types: str) -> Responses:
    """An answer of bytes."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in media_types}
    return {200: {"description": description, "content": content}}


def text(description: str, media_type: str) -> Responses:
    """An answer of plain text."""
    return {200: {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}}


def form_body(
    model: type[BaseModel], *, image_required: bool = True, files: Sequence[str] = ("image",)
) -> dict[str, Any]:
    """A multipart body with pictures and the model's fields."""
    schema = model.model_json_schema()
    said = "the picture's file" if image_required else "the picture's file; repeated, of several"
    image = {"type": "string", "format": "binary", "description": said}
    form: dict[str, Any] = {
        "type": "object",
        "properties": {**dict.fromkeys(files, image), **without_null(schema["properties"])},
        "additionalProperties": False,
    }
    if image_required:
        form["required"] = list(files)
    return {"multipart/form-data": {"schema": form, **examples_of(form)}}


def json_body(*models: type[BaseModel]) -> dict[str, Any]:
    """A JSON body with the fields of one of the models."""
    schemas = [model.model_json_schema() for model in models]
    body = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
    return {"application/json": {"schema": body, **examples_of(*schemas)}}


def without_null(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as forms and query strings have them: these cannot say null."""
    return {name: _without_null(shape) for name, shape in properties.items()}


def _without_null(shape: dict[str, Any]) -> dict[str, Any]:
    choices = [one for one in shape.get("anyOf", ()) if one != {"type": "null"}]
    rest = {name: value for name, value in shape.items() if name != "anyOf"}
    return {**choices[0], **rest} if len(choices) == 1 else {**rest, **({"anyOf": choices} if choices else {})}


def examples_of(*schemas: dict[str, Any]) -> dict[str, Any]:
    """Bodies that work: those that the schema gives, which are taken out of it, else one of its fields' examples."""
    bodies = [body for schema in schemas for body in schema.pop("examples", None) or [_example_of_fields(schema)]]
    return {"examples": {body.get("kind") or ", ".join(body): {"value": body} for body in bodies}}


def _example_of_fields(schema: Mapping[str, Any]) -> dict[str, Any]:
    body = {}
    for name, shape in schema["properties"].items():
        if shape.get("format") == "binary":
            body[name] = EXAMPLE_FILE
        elif "const" in shape:
            body[name] = shape["const"]
        elif "examples" in shape:
            body[name] = shape["examples"][0]
    return body


def request_body(*contents: dict[str, Any]) -> dict[str, Any]:
    return {
        "requestBody": {
            "required": True,
            "content": {kind: body for content in contents for kind, body in content.items()},
        }
    }


def query_parameters(model: type[BaseModel]) -> dict[str, Any]:
    """Query parameters that a route parses by hand."""
    properties = without_null(model.model_json_schema()["properties"])
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": model.model_fields[name].is_required(),
                "schema": shape,
                "description": shape.get("description", ""),
            }
            for name, shape in properties.items()
        ]
    }


def describe(app: FastAPI) -> dict[str, Any]:
    """The document of ``/openapi.json``, made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=TITLE, version=app.version, description=DESCRIPTION, routes=app.routes)
        document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
        document.setdefault("components", {})["securitySchemes"] = {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "an API key, where the service has any",
            },
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same"},
        }
        document["security"] = [{"bearer": []}, {"header": []}, {}]
        app.openapi_schema = document
    return app.openapi_schema
