"""The fields of a batch job, by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from graph.config.settings import did_you_mean
from graph.http.forms.fields import Fields, checked
from storage.errors import InvalidField

FilePath = Annotated[str, Field(min_length=1, max_length=4096)]


class IndexFields(Fields):
    """A batch job that takes in files."""

    kind: Literal["index"] = Field(description="index: take in files and folders that the service can read")
    paths: list[FilePath] = Field(min_length=1, description="files and folders")
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


class ImportFields(Fields):
    """A batch job that takes in the data folders of an original installation."""

    kind: Literal["import"] = Field(description="import: take in the data folders of the original services")
    paths: list[FilePath] = Field(min_length=1, description="folders that hold their LMDBs, however deep")
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


JobFields = IndexFields | BackfillFields | ImportFields
JOB_KINDS: Mapping[str, type[JobFields]] = {
    "index": IndexFields,
    "backfill": BackfillFields,
    "import": ImportFields,
}


def job_fields_of(values: Mapping[str, Any]) -> JobFields:
    """Raises InvalidField for a kind that does not exist, or a field that its kind lacks."""
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in JOB_KINDS:
        what = f"no kind of job is {kind!r}" if "kind" in values else "Field required"
        raise InvalidField(f"kind: {what}", did_you_mean(kind, JOB_KINDS))
    return checked(JOB_KINDS[kind], values)
