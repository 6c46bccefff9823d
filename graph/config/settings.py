"""The application's settings: the ``args:`` block of a Ray Serve configuration file, checked strictly.

Nothing else in the project reads the environment for settings. `graph.config.serve_file` reads whole files and gives
their lines to errors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from graph.config.api_keys import ApiKey, check_names, hashed
from graph.config.faults import Fault, first_fault
from graph.config.part_names import section_of
from lookalike_client.loopback import is_loopback
from storage.errors import Misconfigured, did_you_mean
from storage.files import EVERYWHERE
from storage.index.inverted_file import PROBES
from storage.upkeep.factory import TRAIN_AFTER_ROWS, KindChoice

API_KEYS_VARIABLE = "LOOKALIKE_API_KEYS"
TEXT_EXTRACTOR = "image_text"  # the extractor of sentences
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
DEFAULT_EXTRACTORS: Mapping[str, Mapping[str, Any]] = {"phash": {}, "color": {}, "local": {}}
DEFAULT_WEIGHTS: Mapping[str, float] = {"local": 3.0}  # keypoints that agree are proof, what lies near need not be

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
PartName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
PartOptions = Annotated[dict[str, Any], BeforeValidator(lambda options: {} if options is None else options)]


class Settings(BaseModel):
    """Base of every block of settings: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(Settings):
    """Every bound of the service."""

    max_body_bytes: int = Field(default=52_428_800, ge=1024, description="largest request body")
    max_json_bytes: int = Field(default=1_048_576, ge=1024, description="largest JSON request body")
    max_metadata_bytes: int = Field(default=65_536, ge=2, description="largest metadata of an image, as JSON")
    max_text_characters: int = Field(default=2_000, ge=1, description="longest sentence to search with")
    max_form_fields: int = Field(default=32, ge=1, le=1000, description="most parts of a multipart request")
    max_pixels: int = Field(default=100_000_000, ge=1, description="most pixels of an uploaded picture")
    max_results: int = Field(default=1_000, ge=1, le=100_000, description="largest k of a search")
    max_page_size: int = Field(default=1_000, ge=1, le=100_000, description="most rows on one page of a listing")
    max_job_paths: int = Field(default=10_000, ge=1, description="most paths of one job")
    max_concurrent_requests: int = Field(
        default=64, ge=1, description="most requests of a kind worked on at once, in one router replica"
    )
    max_queued_requests: int = Field(default=256, ge=0, description="most requests of a kind that wait for their turn")
    queue_timeout_s: Seconds = Field(
        default=2.0, description="longest wait for a turn; who would wait longer is refused at once"
    )
    max_upload_bytes_in_flight: int = Field(
        default=268_435_456,
        ge=1024,
        description="bytes of all request bodies that one router replica holds; max_body_bytes at least",
    )
    body_timeout_s: Seconds = Field(default=60.0, description="time for a whole request body to arrive")
    body_idle_timeout_s: Seconds = Field(default=10.0, description="longest pause within a request body")
    request_timeout_s: Seconds = Field(default=30.0, description="time to answer once the body is here")
    search_timeout_s: Seconds = Field(
        default=10.0, description="time for a search; what is late is reported, not waited for"
    )
    extractor_timeout_s: Seconds = Field(default=10.0, description="time for one extractor call")
    annotator_timeout_s: Seconds = Field(default=25.0, description="time for one call of an annotator")
    shard_timeout_s: Seconds = Field(default=10.0, description="time for one shard call")
    write_timeout_s: Seconds = Field(default=25.0, description="time for a write, retries included")
    verify_timeout_s: Seconds = Field(
        default=3_600.0, description="time for a comparison of the store with every index"
    )
    train_timeout_s: Seconds = Field(default=3_600.0, description="time for training the index of a feature")


class SnapshotSettings(Settings):
    """When a shard saves its indexes. They are caches: this bounds the time of a restart, not what survives it."""

    interval_s: Seconds = Field(default=300.0, description="save at most this often")
    min_changes: int = Field(default=1_000, ge=1, description="save after this many changes")


class BatchSettings(Settings):
    """How an indexing job uses the machines."""

    threads: int | None = Field(
        default=None, ge=1, le=1024, description="threads that a job starts with; one a core of its node unless said"
    )
    spread_after_s: Seconds = Field(
        default=30.0,
        description="a job whose rest would take longer than this goes on all over the cluster, where that has more "
        "cores",
    )
    gpus: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="the share of a GPU that each worker of the models takes in an indexing job, and that a backfill "
        "takes; 0: models run beside everything else, on the CPU",
    )

    @field_validator("gpus")
    @classmethod
    def _as_ray_counts(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError("Ray gives shares of one GPU, or whole ones: a number from 0 to 1, or a whole number")
        return gpus


class IndexSettings(Settings):
    """How the index of a feature is kept."""

    kind: KindChoice = Field(
        default="auto",
        description="exact compares every row; inverted_file (local features) only those of the nearest lists, once it "
        "is trained; auto goes over to it",
    )
    train_after_rows: int = Field(
        default=TRAIN_AFTER_ROWS, ge=100, description="rows of a shard at which auto trains; 200 a picture"
    )
    probes: int = Field(default=PROBES, ge=1, le=1024, description="lists looked into for each row of a query")
    whitening: bool = Field(default=True, description="vectors of a model are whitened once a training has learnt how")


class AmbienceSettings(Settings):
    """The routes of the original services and of their gateway, beside ``/v1``."""

    enabled: bool = Field(default=False, description="whether they are served")
    filenames: bool = Field(
        default=False, description="whether results of all of them have a file_name; those of local always do"
    )


class AppSettings(Settings):
    """What ``graph.app:build`` is given."""

    data_dir: Path = Field(default=Path("data"), description="where the shards live")
    shards: int = Field(default=1, ge=1, le=4096, description="number of shards; fixed once there is data")
    extractors: dict[PartName, PartOptions] = Field(
        default_factory=lambda: {name: dict(options) for name, options in DEFAULT_EXTRACTORS.items()},
        min_length=1,
        description="the extractors that run, each with its options",
    )
    annotators: dict[PartName, PartOptions] = Field(
        default_factory=dict, description="the annotators that run, each with its options"
    )
    keep_uploads: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="whether the files of uploads are kept, so that a model that comes later can see them; auto: where "
        "a configured part has a model; files that were indexed from a folder stay there",
    )
    limits: Limits = Field(default_factory=Limits)
    api_keys: Annotated[tuple[ApiKey, ...], BeforeValidator(hashed), AfterValidator(check_names)] = Field(
        default=(),
        description=f"keys that clients may use: objects, or plain ones with all rights; more come from "
        f"{API_KEYS_VARIABLE}",
    )
    api_keys_file: Path | None = Field(
        default=None, description="a YAML file with a list of further keys, which is read again when it changes"
    )
    allowed_roots: tuple[Path, ...] = Field(
        default=(),
        description="where keys are set: the folders, with all below them, that jobs may read; without keys any",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=LOOPBACK_HOSTS,
        description="the Host names that are answered while no API key is set, and the Origins that may write",
    )
    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=dict,
        description="weight of a feature in the ranking where a search gives none; 3 for local and 1 for the others "
        "unless said",
    )
    shard_labels: tuple[dict[str, str], ...] = Field(
        default=(),
        description="node labels that pin shards: shard i goes to nodes with the labels of entry i modulo their number",
    )
    indexes: dict[PartName, IndexSettings] = Field(
        default_factory=dict, description="how the indexes of features are kept, by feature"
    )
    ambience: AmbienceSettings = Field(default_factory=AmbienceSettings)
    backfill_interval_s: Seconds = Field(default=30.0, description="pause between looks for pending features")
    snapshot: SnapshotSettings = Field(default_factory=SnapshotSettings)
    batch: BatchSettings = Field(default_factory=BatchSettings)

    @field_validator("data_dir")
    @classmethod
    def _expand_home(cls, folder: Path) -> Path:
        return folder.expanduser()

    @field_validator("api_keys_file")
    @classmethod
    def _as_absolute(cls, file: Path | None) -> Path | None:
        return None if file is None else file.expanduser().absolute()  # other processes have other folders

    @field_validator("allowed_roots")
    @classmethod
    def _only_absolute(cls, roots: tuple[Path, ...]) -> tuple[Path, ...]:
        expanded = tuple(root.expanduser() for root in roots)
        for root in expanded:
            if not root.is_absolute():
                raise ValueError(f"{str(root)!r} is not an absolute path")
        return expanded

    @property
    def has_keys(self) -> bool:
        """Whether a request needs one, even where the file has none left."""
        return bool(self.api_keys) or self.api_keys_file is not None

    @property
    def readable_roots(self) -> tuple[Path, ...]:
        """The folders below which a job may read: all, where nobody needs a key."""
        return self.allowed_roots if self.has_keys else EVERYWHERE

    def label_selector(self, shard: int) -> dict[str, str]:
        """The node labels that a shard must find; empty where it may live anywhere."""
        return dict(self.shard_labels[shard % len(self.shard_labels)]) if self.shard_labels else {}


def is_zero_shot(options: Mapping[str, Any]) -> bool:
    """Whether an annotator with these options, such as tags by labels, needs no model of its own but the vectors of
    `TEXT_EXTRACTOR`.
    """
    return options.get("labels") is not None


def _fault_without_file(path: tuple[str | int, ...], message: str, hint: str) -> Misconfigured:
    return Misconfigured(message, hint)


def app_settings(
    args: Mapping[str, Any], environment: Mapping[str, str] | None = None, *, fault: Fault = _fault_without_file
) -> AppSettings:
    """Checks a raw ``args`` block and adds the comma-separated keys of LOOKALIKE_API_KEYS.

    fault: makes the error for a key path; a caller that knows the file adds its line. Raises Misconfigured.
    """
    raw = dict(args)
    keys = (os.environ if environment is None else environment).get(API_KEYS_VARIABLE, "").split(",")
    extra = [key.strip() for key in keys if key.strip()]
    _check_keys_of_environment(extra)
    listed = raw.get("api_keys") or ()
    if extra and isinstance(listed, (list, tuple)):
        raw["api_keys"] = [*listed, *(key for key in extra if key not in listed)]
    try:
        settings = AppSettings.model_validate(raw)
    except ValidationError as error:
        raise first_fault(error, AppSettings, fault) from error
    for key, names in (("weights", settings.weights), ("indexes", settings.indexes)):
        for name in names:
            if name not in settings.extractors:
                raise _fault_of_name(fault, key, name, settings.extractors)
    return settings


def _check_keys_of_environment(keys: Sequence[str]) -> None:
    """The file has no line for these."""
    try:
        hashed(keys)
    except ValueError as error:
        raise Misconfigured(f"{API_KEYS_VARIABLE}: {error}", "separate the keys by commas") from None


def _fault_of_name(fault: Fault, key: str, name: str, extractors: Mapping[str, PartOptions]) -> Misconfigured:
    if section_of(name) == "extractors":
        remedy = f"list it under args.extractors, or take it out of args.{key}"
        return fault((key, name), f"{key} names {name!r}, which args.extractors does not list", remedy)
    return fault((key, name), f"{key} names {name!r}, which no extractor here computes", did_you_mean(name, extractors))


def check_bind(host: str, *, has_keys: bool) -> None:
    """Raises Misconfigured for an address that others can reach while no API key is set."""
    if not is_loopback(host) and not has_keys:
        raise Misconfigured(
            f"refusing to listen on {host} without an API key",
            f"set {API_KEYS_VARIABLE}, or api_keys or api_keys_file in the configuration, or listen on 127.0.0.1",
        )
