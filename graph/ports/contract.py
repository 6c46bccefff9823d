"""The seams between the catalogue and the processes that do its work.

The parts of `graph.catalog.catalog.Catalog` are plain asyncio over these; `graph.ports.ray_extractor` and
`graph.ports.ray_shard` implement them with Serve handles and actor calls. Timeouts are seconds; a call that runs out of
time raises `storage.errors.DeadlineExceeded`, one whose other side does not answer `storage.errors.ExtractorFailed` or
`storage.errors.ShardUnavailable`, one whose extractor lacks its model `storage.errors.ExtractorUnavailable`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from deployments.extractor import Annotation, ImageInput, Pixels
from deployments.pictures.prepared import PreparedPicture
from deployments.replica.loading_part import PartState
from deployments.replica.part_host import ReplicaReport
from storage.errors import LookalikeError
from storage.shard.operation import Operation
from storage.types.features import FeatureKind, FeatureRows, FeatureSpec
from storage.types.jobs import JobFailure, JobRecord
from storage.types.mutations import Mutation, MutationResult
from storage.types.searches import ShardAnswer, ShardQuery

Role = Literal["extractor", "annotator"]

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class ExtractorStatus:
    """What ``/v1/features`` says of an extractor or an annotator. spec is None while its model is not loaded, and of an
    annotator. version: its fingerprint. reason: why it is not ready, or what stands before it.
    """

    name: str
    state: PartState
    reason: str = ""
    spec: FeatureSpec | None = None
    model: str | None = None
    replicas: int = 0
    role: Role = "extractor"
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The model that a feature is asked with now.

    spec: of the index in use. image_input: None where no replica has the model. origin: the options that it was made
    with; None for those that are configured. refusal: why it is not asked at all. note: what stands before it.
    """

    spec: FeatureSpec | None = None
    image_input: ImageInput | None = None
    origin: Mapping[str, Any] | None = None
    refusal: LookalikeError | None = None
    note: str = ""


class ExtractorPort(Protocol):
    """One extractor deployment, whatever the number of its replicas. served: changes where a model decides what the
    feature is (``is_late``), see `graph.upkeep.models`.
    """

    name: str
    served: ServedModel
    kind: FeatureKind
    is_late: bool
    embeds_text: bool

    def caller(self) -> AbstractContextManager[None]:
        """Counts a caller for the length of a block: what autoscaling goes by."""
        ...

    async def extract(self, image: Pixels, *, timeout_s: float) -> FeatureRows: ...

    async def query_views(self, image: Pixels, params: Mapping[str, Any], *, timeout_s: float) -> FeatureRows: ...

    def select_views(self, stored: FeatureRows, params: Mapping[str, Any]) -> FeatureRows:
        """What to search with for a stored picture. Raises InvalidField."""
        ...

    async def embed_text(self, text: str, *, timeout_s: float) -> FeatureRows: ...

    def view_names(self, params: Mapping[str, Any]) -> Callable[[int], str] | None:
        """Names the rows of a query, or None where the extractor looks at a query in one way only."""
        ...

    async def report(self, origin: Mapping[str, Any] | None = None) -> ReplicaReport:
        """What a replica says of the configured model, or of the one with the options ``origin``. Never raises."""
        ...

    async def status(self) -> ExtractorStatus: ...


class AnnotatorPort(Protocol):
    """One annotator. is_stored: its annotations are kept with the pictures. needs_features: it goes by what extractors
    made of the picture.
    """

    name: str
    is_stored: bool
    needs_features: bool

    @property
    def image_input(self) -> ImageInput | None:
        """The form of the picture that it needs; None while no model is loaded."""

    async def annotate(
        self, picture: PreparedPicture, features: Mapping[str, FeatureRows], *, timeout_s: float
    ) -> Annotation:
        """features: of the picture, as far as they are known already."""
        ...

    async def status(self) -> ExtractorStatus: ...


class ShardPort(Protocol):
    """One shard, wherever it lives. `storage.operations` has all that can be asked."""

    index: int

    async def apply(self, mutation: Mutation, *, timeout_s: float) -> MutationResult:
        """Raises the shard's refusal."""
        ...

    async def search(self, query: ShardQuery, *, timeout_s: float) -> ShardAnswer: ...

    async def ask(self, operation: Operation[Answer], *, timeout_s: float) -> Answer: ...

    async def lease(self, name: str, holder: str, seconds: float, *, timeout_s: float) -> bool:
        """Whether the holder alone has this lease now, for so long. See `storage.shard.leases`."""
        ...

    def close(self) -> None:
        """Lets connections go; the shard itself stays open."""
        ...


class JobPort(Protocol):
    """Batch jobs: where they are submitted, and their durable records."""

    async def submit_index(
        self,
        paths: Sequence[str],
        *,
        id_from: str,
        on_conflict: str,
        watch: bool = False,
        exclude: Sequence[str] = (),
        prune: bool = False,
    ) -> str:
        """exclude: patterns as in a ``.gitignore``. prune: removes the pictures whose files are gone."""
        ...

    async def submit_backfill(self, feature: str | None, *, allow_missing: bool = False) -> str:
        """Computes what is pending, of one feature or of all, and moves indexes over to models that have changed.

        allow_missing: also where pictures that the old index has could not be computed.
        """
        ...

    async def submit_import(
        self,
        paths: Sequence[str],
        *,
        photos: str | None,
        dry_run: bool,
        keypoint_ranges: str | None,
        features: Mapping[str, str],
    ) -> str:
        """Takes in the data folders of an original installation. features: what the vectors of a folder are, where
        their names do not tell.
        """
        ...

    async def submit_eval(self, *, path: str | None, n: int, seed: int, strangers: int, calibrate: bool) -> str:
        """Asks the service for edits of photos of the collection, or of the folder at ``path``, and for photos with
        themselves left out. n: photos that are edited; strangers: photos that are asked at all.
        calibrate: whether what a match has to be sure of is stored for the collection.
        """
        ...

    async def stop(self, job_id: str) -> None: ...

    async def jobs(self) -> list[JobRecord]: ...

    async def job(self, job_id: str) -> JobRecord: ...

    async def failures(self, job_id: str, offset: int, limit: int) -> list[JobFailure]: ...
