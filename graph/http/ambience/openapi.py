"""What OpenAPI says of the original routes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from graph.http.replies.openapi import (
    ErrorDetail,
    Responses,
    Schema,
    documented,
    examples_of,
    request_body,
    without_null,
)

TAG = "ambience"
JSON, FORM = "application/json", "multipart/form-data"
ID_TAKEN: Responses = {
    500: {"description": "the id is taken", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


class AmbienceError(Schema):
    """Every answer of 400 and above, but for a taken id."""

    detail: Any = Field(description="what went wrong, as FastAPI writes it: a text, or with 422 a list")
    error: ErrorDetail


class Neighbor(Schema):
    image_id: int | str = Field(description="a number where the id is one")
    distance: float
    file_name: str | None = Field(default=None, description="only with ambience.filenames")


class Matched(Schema):
    image_id: int | str = Field(description="a number where the id is one")
    file_name: str
    matches: int = Field(description="keypoints that agree")


class UnifiedHit(Schema):
    image_id: int | str
    score: float = Field(description="sum of 1 / place over the lists that have the picture")


class ReverseSearchAnswer(Schema):
    """Every list is absent when empty. With find_duplicate there is only duplicate."""

    phash_res: list[Neighbor] | None = None
    global_features_res: list[Neighbor] | None = None
    local_features_res: list[Matched] | None = None
    color_res: list[Neighbor] | None = None
    image_text_res: list[Neighbor] | None = None
    unified_res: list[UnifiedHit] | None = None
    duplicate: list[Neighbor] | None = None


class Settled(Schema):
    status: str = Field(description="fulfilled or rejected")
    value: str | None = Field(default=None, description="empty; of what is fulfilled")
    reason: dict[str, Any] | None = Field(default=None, description="message, code and status; of what is rejected")
    url: str = Field(description="the route that does the same for one feature")


def answers(description: str, shape: Any = None, *statuses: int) -> Responses:
    """The answer of 200, and the errors beside those that every route may give."""
    return documented({200: (description, shape)}, 400, 413, *statuses, error=AmbienceError)


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """JSON, or a form with the same fields; a form alone where its field ``image`` is a file."""
    schema = model.model_json_schema()
    form = {**schema, "properties": without_null(schema["properties"])}
    kinds = {FORM: form} if "image" in model.model_fields else {JSON: schema, FORM: form}
    return request_body({kind: {"schema": shape, **examples_of(shape)} for kind, shape in kinds.items()})
