"""What OpenAPI says of the original routes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from graph.http.replies.openapi import EVERYWHERE, REASONS, Responses
from graph.http.replies.schemas import ErrorDetail

TAG = "ambience"
ID_TAKEN: Responses = {
    500: {"description": "the id is taken", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


class Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


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
    responses: Responses = {200: {"description": description, **({} if shape is None else {"model": shape})}}
    for status in sorted({400, 413, *EVERYWHERE, *statuses}):
        responses[status] = {"description": REASONS[status], "model": AmbienceError}
    return responses


def any_body(model: type[BaseModel]) -> dict[str, Any]:
    """JSON, or a form with the same fields."""
    schema = model.model_json_schema()
    content = {kind: {"schema": schema} for kind in ("application/json", "multipart/form-data")}
    return {"requestBody": {"required": True, "content": content}}


def picture_body(model: type[BaseModel]) -> dict[str, Any]:
    """A multipart form whose field ``image`` is a file."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
