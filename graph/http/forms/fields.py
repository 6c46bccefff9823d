"""The fields of requests, from JSON, forms and query strings alike.

Numbers may be strings, objects may be JSON text, and nothing unknown passes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import Request

from graph.config.settings import did_you_mean
from storage.errors import InvalidField, InvalidRequest, UnknownFeature

Model = TypeVar("Model", bound=BaseModel)


def parse_json(text: bytes | str) -> Any:
    """Raises ValueError for anything that is not strict JSON: NaN and Infinity are not."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _json_if_text(value: Any) -> Any:
    return parse_json(value) if isinstance(value, str) else value


def not_boolean(value: Any) -> Any:
    """``True`` is no 1."""
    if isinstance(value, bool):
        raise ValueError("a number is wanted")
    return value


def _names(value: Any) -> Any:
    """``"a,b"``, ``["a", "b"]`` and ``["a,b", "c"]`` are all lists of names."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise ValueError("a list of names, or names with commas between them, is wanted")
    return list(dict.fromkeys(name.strip() for one in given for name in one.split(",") if name.strip()))


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


WholeNumber = Annotated[int, BeforeValidator(not_boolean)]
Positive = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(not_boolean)]
Numbers = Annotated[dict[str, Positive], BeforeValidator(_json_if_text)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(_json_if_text)]
Names = Annotated[list[str], Field(min_length=1), BeforeValidator(_names)]
Sentence = Annotated[str, Field(min_length=1)]
Sentences = Annotated[list[Sentence], Field(max_length=16), BeforeValidator(_listed)]


class Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SearchFields(Fields):
    """What to search with, beside the picture itself."""

    id: str | None = Field(default=None, description="search with the stored features of this image")
    text: Sentence | None = Field(default=None, description="search with a sentence")
    text_not: Sentences | None = Field(
        default=None, description="sentences to keep away from: one, or a list of at most 16"
    )
    features: Names | None = Field(
        default=None, description="features to ask: a list or comma-separated; all that can answer unless said"
    )
    k: WholeNumber = Field(default=20, ge=1, description="results wanted, at most limits.max_results")
    weights: Numbers = Field(
        default_factory=dict, description='weight of a feature in the ranking, 1 unless said: {"phash": 2}'
    )
    max_distance: Numbers = Field(default_factory=dict, description='leave out what is farther away: {"phash": 64}')
    params: Annotated[dict[str, dict[str, Any]], BeforeValidator(_json_if_text)] = Field(
        default_factory=dict, description="search parameters by feature"
    )


class SimilarFields(Fields):
    features: Names | None = Field(default=None, description="features to ask, comma-separated; all unless said")
    k: WholeNumber = Field(default=20, ge=1, description="results wanted, at most limits.max_results")


class AddFields(Fields):
    """What goes with a new picture."""

    id: str | None = Field(default=None, description="1 to 256 characters; the SHA-256 of the bytes unless said")
    metadata: JsonObject = Field(default_factory=dict, description="a JSON object, kept and given back with results")
    on_conflict: Literal["error", "skip", "replace"] = Field(
        default="error", description="what to do when the id is taken"
    )


class ReplaceFields(Fields):
    metadata: JsonObject = Field(default_factory=dict, description="a JSON object, kept and given back with results")


class PageFields(Fields):
    limit: WholeNumber = Field(default=100, ge=1, description="rows on a page, at most limits.max_page_size")
    cursor: str | None = Field(default=None, description="next_cursor of the page before")


class SliceFields(Fields):
    offset: WholeNumber = Field(default=0, ge=0, le=2**53, description="rows to pass over")
    limit: WholeNumber = Field(default=100, ge=1, description="rows wanted, at most limits.max_page_size")


class TrainFields(Fields):
    """Which index to train."""

    feature: str = Field(min_length=1, description="the feature, such as local")


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


def json_fields(body: bytes, model: type[Model]) -> Model:
    """A JSON body as fields. Raises InvalidRequest for one that is not a JSON object, InvalidField for a bad field."""
    return checked(model, json_object(body))


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


def check_features(known: Mapping[str, Any], *groups: Any) -> None:
    """Raises UnknownFeature for a name in any group that no extractor has."""
    for group in groups:
        for name in group or ():
            if name not in known:
                raise UnknownFeature(f"no feature is called {name!r}", did_you_mean(name, known))
