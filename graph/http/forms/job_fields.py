"""What a batch job may be told, by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from graph.ambience_data.point_ranges import is_connection
from graph.http.forms.fields import Fields, FilePath, WholeNumber, checked, listed
from storage.errors import InvalidField, did_you_mean

TO_CALIBRATE = 3000  # strangers of which none is called a match: then at most one in a thousand is, with 95 % certainty


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
    exclude: Annotated[list[str], BeforeValidator(listed)] = Field(
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


def job_fields_of(values: Mapping[str, Any]) -> JobFields:
    """Raises InvalidField for a kind that does not exist, or a field that its kind lacks."""
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in JOB_KINDS:
        what = f"no kind of job is {kind!r}" if "kind" in values else "Field required"
        raise InvalidField(f"kind: {what}", did_you_mean(kind, JOB_KINDS))
    return checked(JOB_KINDS[kind], values)


def paths_of(fields: JobFields) -> list[str]:
    """Of files and folders of the service's machine that a job is told."""
    match fields:
        case IndexFields():
            return fields.paths
        case ImportFields():
            tables = [table for table in (fields.keypoint_ranges,) if table and not is_connection(table)]
            return [*fields.paths, *fields.features, *tables, *([fields.photos] if fields.photos else [])]
        case EvalFields():
            return [fields.path] if fields.path else []
        case BackfillFields():
            return []
