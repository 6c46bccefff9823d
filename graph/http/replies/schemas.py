"""Answers as OpenAPI describes them, made of the classes that the client reads them into."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from graph.client import answers, duplicate_answers, job_answers, wire
from graph.client.annotations import Tag


class Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorDetail(Schema):
    code: str = Field(description="what a program switches on; never changes")
    message: str = Field(description="what went wrong")
    hint: str = Field(description="what to do about it; may be empty")
    request_id: str = Field(description="what the service's log calls this request; also in X-Request-ID")


class ErrorAnswer(Schema):
    """Every answer of 400 and above."""

    error: ErrorDetail


class Alive(Schema):
    status: Literal["ok"]


class JobSubmitted(Schema):
    id: str


class Caption(Schema):
    caption: str


_MADE: dict[Any, Any] = {datetime: str}  # by a type that the client reads: what it is in JSON


def _schema(name: str, kind: type, /, **changed: Any) -> Any:
    """The fields of the client's ``kind``. All are there, but for those that are left out where empty.

    changed: fields of another type in JSON; None for one that is not there.
    """
    hints, described = get_type_hints(kind), get_type_hints(kind, include_extras=True)
    shown: dict[str, Any] = {}
    for field in fields(kind):
        hint = _in_json(changed.get(field.name, field.metadata.get(wire.ALWAYS, hints[field.name])))
        text = next(iter(getattr(described[field.name], "__metadata__", ())), None)
        if field.metadata.get(wire.LEFT_OUT):
            shown[field.name] = (hint | None, Field(default=None, description=text))
        elif hint is not None:
            shown[wire.json_name(field)] = (hint, Field(description=text))
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

KeptPicture = _schema("KeptPicture", duplicate_answers.DuplicatePicture, distance=None)
_schema("DuplicatePicture", duplicate_answers.DuplicatePicture, distance=int)
_schema("DuplicateGroup", duplicate_answers.DuplicateGroup, keep=KeptPicture)
DuplicateGroups = _schema("DuplicateGroups", duplicate_answers.DuplicatePage)

_schema("SearchHit", answers.SearchResult)
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

JobRow = _schema("JobRow", job_answers.Job)
JobList = _list_of("JobList", "jobs", tuple[job_answers.Job, ...])
_schema("FailedFile", job_answers.JobFailure)
JobFailures = _schema("JobFailures", job_answers.JobFailures)

_schema("Tag", Tag)
Tags = _list_of("Tags", "tags", tuple[Tag, ...])
