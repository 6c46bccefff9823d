"""The fields of a batch job, by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from graph.http.fields import Fields, checked
from graph.settings import did_you_mean
from storage.errors import InvalidField


class IndexFields(Fields):
    """A batch job that takes in files."""

    kind: Literal["index"] = Field(description="index: take in files and folders that the service can read")
    paths: list[Annotated[str, Field(min_length=1, max_length=4096)]] = Field(
        min_length=1, description="files and folders"
    )
    id_from: Literal["path", "stem", "sha256", "int"] = Field(
        default="path", description="where an image's id comes from"
    )
    on_conflict: Literal["skip", "replace"] = Field(
        default="skip", description="what to do with an id that is taken by another picture"
    )
    watch: bool = Field(default=False, description="stay, and take in files as they appear")


class BackfillFields(Fields):
    """A batch job that computes features that stored pictures lack."""

    kind: Literal["backfill"] = Field(description="backfill: compute what is missing of pictures that are stored")
    feature: str | None = Field(
        default=None, min_length=1, description="the extractor or annotator, such as global; all unless said"
    )
    allow_missing: bool = Field(
        default=False, description="move over to another model even where pictures of the old index are left behind"
    )


JobFields = IndexFields | BackfillFields
JOB_KINDS: Mapping[str, type[JobFields]] = {"index": IndexFields, "backfill": BackfillFields}


def job_fields_of(values: Mapping[str, Any]) -> JobFields:
    """Raises InvalidField for a kind that does not exist, or a field that its kind lacks."""
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in JOB_KINDS:
        what = f"no kind of job is {kind!r}" if "kind" in values else "Field required"
        raise InvalidField(f"kind: {what}", did_you_mean(kind, JOB_KINDS))
    return checked(JOB_KINDS[kind], values)
