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


def _listed(value: Any) -> Any:
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
Sentences = Annotated[list[Sentence], Field(max_length=16), BeforeValidator(_listed)]
Ids = Annotated[
    list[str],
    Field(min_length=1),
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
FilterField = Annotated[str | dict[str, Any], BeforeValidator(_text_or_object)]
FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
FILTER_DESCRIPTION = (
    'which pictures may come, as text (folder = "2019" and width >= 1920) or as JSON; '
    "all that are not missing unless said"
)


TO_CALIBRATE = 3000  # strangers of which none is called a match: then at most one in a thousand is, with 95 % certainty
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


class IndexFields(Fields):
    """A batch job that takes in files."""

    kind: Literal["index"] = Field(description="index: take in files and folders that the service can read")
    paths: list[FilePath] = Field(min_length=1, description="files and folders", examples=[["/photos"]])
    id_from: Literal["path", "stem", "sha256", "int"] = Field(
        default="path", description="where an image's id comes from"
    )
    on_conflict: Literal["skip", "replace"] = Field(
        default="skip", description="what to do with an id that is taken by another picture"
    )
    watch: bool = Field(default=False, description="stay, and follow what changes")
    exclude: Annotated[list[str], BeforeValidator(_listed)] = Field(
        default_factory=list, max_length=100, description="what to leave out: patterns as in a .gitignore file"
    )
    prune: bool = Field(default=False, description="remove the images whose files are gone; not with watch")


class BackfillFields(Fields):
    """A batch job that computes features that stored pictures lack."""

    kind: Literal["backfill"] = Field(description="backfill: compute what is missing of pictures that are stored")
    feature: str | None = Field(
        default=None, min_length=1, description="the extractor or annotator, such as global; all unless said"
    )
    allow_missing: bool = Field(
        default=False, description="move over to another model even where pictures of the old index are left behind"
    )


class ImportFields(Fields):
    """A batch job that takes in the data folders of an original installation."""

    kind: Literal["import"] = Field(description="import: take in the data folders of the original services")
    paths: list[FilePath] = Field(
        min_length=1, description="folders that hold their LMDBs, however deep", examples=[["/ambience/data"]]
    )
    photos: FilePath | None = Field(
        default=None, description="folder of the photos, which give thumbnails, sizes and what the folders lack"
    )
    dry_run: bool = Field(default=False, description="read and check everything, report the same, and write nothing")
    keypoint_ranges: FilePath | None = Field(
        default=None,
        description="the table img_points: a CSV file, or a connection string that begins with postgresql://",
    )
    features: dict[FilePath, str] = Field(
        default_factory=dict,
        max_length=100,
        description="by folder, the feature that its vectors are, where neither name nor length tells",
    )


class EvalFields(Fields):
    """A batch job that measures how well the service finds the user's own photos."""

    kind: Literal["eval"] = Field(description="eval: ask for edits of photos, and for photos with themselves left out")
    path: FilePath | None = Field(
        default=None, description="folder of the photos; those of the collection unless said", examples=["/photos"]
    )
    n: WholeNumber = Field(default=50, ge=1, le=1000, description="photos that are asked for by every edit of them")
    strangers: WholeNumber | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="photos that are asked with themselves left out; 10 n unless said, 3000 to calibrate",
    )
    seed: WholeNumber = Field(default=0, ge=0, lt=2**31, description="another one draws other photos")
    calibrate: bool = Field(
        default=False, description="store what a match has to be sure of, so that few strangers are called one"
    )

    @property
    def photos(self) -> int:
        if self.strangers is not None:
            return self.strangers
        return TO_CALIBRATE if self.calibrate else 10 * self.n


JobFields = IndexFields | BackfillFields | ImportFields | EvalFields
JOB_KINDS: Mapping[str, type[JobFields]] = {
    "index": IndexFields,
    "backfill": BackfillFields,
    "import": ImportFields,
    "eval": EvalFields,
}


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


def job_fields_of(values: Mapping[str, Any]) -> JobFields:
    """Raises InvalidField for a kind that does not exist, or a field that its kind lacks."""
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in JOB_KINDS:
        what = f"no kind of job is {kind!r}" if "kind" in values else "Field required"
        raise InvalidField(f"kind: {what}", did_you_mean(kind, JOB_KINDS))
    return checked(JOB_KINDS[kind], values)


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
