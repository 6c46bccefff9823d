"""The fields of requests, from JSON, forms and query strings alike.

Numbers may be strings, objects may be JSON text, and nothing unknown passes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from starlette.requests import Request

from graph.config.part_names import unknown_feature
from storage.errors import InvalidField, InvalidRequest, did_you_mean
from storage.types.decisions import Choice

Model = TypeVar("Model", bound=BaseModel)


def parse_json(text: bytes | str) -> Any:
    """Raises ValueError for anything that is not strict JSON: NaN and Infinity are not."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def json_if_text(value: Any) -> Any:
    return parse_json(value) if isinstance(value, str) else value


def not_boolean(value: Any) -> Any:
    """``True`` is no 1."""
    if isinstance(value, bool):
        raise ValueError("a number is wanted")
    return value


def names_of(value: Any) -> Any:
    """``"a,b"``, ``["a", "b"]`` and ``["a,b", "c"]`` are all lists of names."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise ValueError("a list of names, or names with commas between them, is wanted")
    return list(dict.fromkeys(name.strip() for one in given for name in one.split(",") if name.strip()))


def listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _text_or_object(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError("a text or an object is wanted")
    return value


WholeNumber = Annotated[int, BeforeValidator(not_boolean)]
Positive = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(not_boolean)]
Numbers = Annotated[dict[str, Positive], BeforeValidator(json_if_text)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(json_if_text)]
Names = Annotated[list[str], Field(min_length=1), BeforeValidator(names_of)]
Sentence = Annotated[str, Field(min_length=1)]
Sentences = Annotated[list[Sentence], Field(max_length=16), BeforeValidator(listed)]
Ids = Annotated[
    list[str],
    Field(min_length=1),
    BeforeValidator(listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
FilterField = Annotated[str | dict[str, Any], BeforeValidator(_text_or_object)]
FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
FILTER_DESCRIPTION = (
    'which pictures may come, as text (folder = "2019" and width >= 1920) or as JSON; '
    "all that are not missing unless said"
)


METADATA: Any = Field(
    default_factory=dict,
    description="a JSON object, kept and given back with results",
    examples=[{"title": "A bridge"}],
)


class Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AddFields(Fields):
    """What goes with a new picture."""

    id: str | None = Field(
        default=None, description="1 to 256 characters; the SHA-256 of the bytes unless said", examples=["bridge.jpg"]
    )
    metadata: JsonObject = METADATA
    on_conflict: Literal["error", "skip", "replace"] = Field(
        default="error", description="what to do when the id is taken"
    )


class ReplaceFields(Fields):
    metadata: JsonObject = METADATA


class PageFields(Fields):
    limit: WholeNumber = Field(default=100, ge=1, description="rows on a page, at most limits.max_page_size")
    cursor: str | None = Field(default=None, description="next_cursor of the page before")
    filter: FilterField | None = Field(default=None, description=FILTER_DESCRIPTION)
    sort: str = Field(default="id", description="the field that the rows are in the order of")
    order: Literal["asc", "desc"] = Field(default="asc", description="asc or desc")


class SliceFields(Fields):
    offset: WholeNumber = Field(default=0, ge=0, le=2**53, description="rows to pass over")
    limit: WholeNumber = Field(default=100, ge=1, description="rows wanted, at most limits.max_page_size")


class DeleteFields(Fields):
    stays_out: bool = Field(
        default=True, description="whether the file that it came from is to stay out of the index from now on"
    )


class FolderFields(Fields):
    """A folder on the service's machine."""

    path: FilePath = Field(description="of the folder", examples=["/photos"])


class DecisionFields(Fields):
    """What is decided of two pictures."""

    a: str = Field(description="id of a picture; of keep, the one that is kept", examples=["2019/a.jpg"])
    b: str = Field(description="id of the other one", examples=["mail/a.jpg"])
    decision: Choice = Field(
        description="different: they are no duplicates; keep_both: both stay; keep: of the two, a is kept",
        examples=["keep"],
    )
    note: str | None = Field(default=None, max_length=1000, description="why, for people")


class TrainFields(Fields):
    """Which index to train."""

    feature: str = Field(min_length=1, description="the feature, such as local", examples=["local"])


def checked(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Raises InvalidField, which names the field and the nearest known one."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name = ".".join(map(str, problem["loc"])) or "body"
        if problem["type"] == "extra_forbidden":
            raise InvalidField(f"unknown field {name!r}", did_you_mean(name, model.model_fields)) from error
        message = problem["msg"].removeprefix("Value error, ")
        hint = model.model_fields[str(problem["loc"][0])].description if problem["loc"] else None
        raise InvalidField(f"{name}: {message}", hint or "") from error


def query_fields(request: Request, model: type[Model], repeatable: frozenset[str] = frozenset()) -> Model:
    """The query string as fields. Raises InvalidField for one that is unknown, given twice or out of range."""
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in repeatable:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise InvalidField(f"{name}: given more than once", "send it once")
        else:
            values[name] = value
    return checked(model, values)


def json_object(body: bytes) -> dict[str, Any]:
    """Raises InvalidRequest for a body that is not a JSON object."""
    try:
        value = parse_json(body)
    except ValueError as error:
        raise InvalidRequest(f"the body is not JSON: {error}", "send a JSON object") from error
    if not isinstance(value, dict):
        raise InvalidRequest("the body is not a JSON object", "send {...}")
    return value


def check_at_most(name: str, value: int, limit: int) -> None:
    if value > limit:
        raise InvalidField(f"{name}: {value} is over the limit of {limit}", f"ask for 1 to {limit}")


def check_features(known: Mapping[str, Any], *groups: Any, annotators: bool = False) -> None:
    """Raises UnknownFeature for a name in any group that is not known. annotators: whether those are known, too."""
    for group in groups:
        for name in group or ():
            if name not in known:
                raise unknown_feature(name, known, annotators=annotators)
