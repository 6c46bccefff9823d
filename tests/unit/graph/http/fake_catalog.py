"""The catalogue's twin in memory: enough of it to see what HTTP asks and how it shows the answers."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np

from graph.catalog.catalog import Catalog
from graph.duplicates.pages import DuplicateGroup, DuplicatePage
from graph.requests.cursors import cursor_of, place_of
from graph.requests.messages import (
    AddAnswer,
    AddFeaturesRequest,
    AddRequest,
    CompareRequest,
    FeatureReport,
    ImagePage,
    LibraryRoot,
    ListRequest,
    PartReport,
    Readiness,
    SearchAnswer,
    SearchRequest,
    SearchResult,
    ServiceStats,
    ShardTraining,
    TrainingAnswer,
)
from lookalike_client import answers
from lookalike_client.job_answers import Thresholds
from lookalike_client.matches import Changed, Evidence, Explanation, Overlap, Relation, Transform
from storage.duplicates.messages import NearPicture
from storage.errors import (
    ImageExists,
    ImageNotFound,
    InvalidRequest,
    JobNotFound,
    LookalikeError,
    NotFound,
    UnsupportedImage,
)
from storage.types.decisions import Choice, Decision
from storage.types.jobs import JobFailure, JobRecord
from storage.types.listings import SortKey
from storage.types.pictures import ImageRecord, SourceFile
from storage.types.reports import VerifyReport

JPEG = b"\xff\xd8picture"
THUMBNAIL = b"\xff\xd8small"
ADDED_AT = 1_700_000_000.0
ANNOTATIONS: dict[str, Any] = {
    "tags": [{"label": "airliner", "score": 0.93}, {"label": "wing", "score": 0.41}],
    "caption": "an airliner over the sea",
}
JUDGED: dict[str, Any] = {
    "relation": "edited",
    "confidence": 0.98,
    "transform": Transform(True, 0.0, 0.5),
    "overlap": Overlap(1.0, 0.9),
    "explain": Explanation(
        (Evidence("inliers", 83.0, "83 keypoints agree"),),
        ((1.0, 2.0, 3.0, 4.0),),
        Changed((640, 480), ((1, 2, 30, 40),)),
    ),
}


class FakeJobs:
    """Jobs that never run."""

    def __init__(self) -> None:
        self.submitted: list[tuple[Sequence[str], str, str, bool]] = []
        self.told: list[tuple[list[str], bool]] = []
        self.backfills: list[str | None] = []
        self.records: dict[str, JobRecord] = {}
        self.failed = [JobFailure(f"/photos/{number}.jpg", "unsupported_image", "not a picture") for number in range(5)]

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
        self.told.append((list(exclude), prune))
        self.submitted.append((paths, id_from, on_conflict, watch))
        job_id = f"job-{len(self.submitted)}"
        moment = ADDED_AT + len(self.submitted)
        self.records[job_id] = JobRecord(job_id, "index", "running", moment, moment, {"paths": list(paths)}, total=10)
        return job_id

    async def submit_backfill(self, feature: str | None, *, allow_missing: bool = False) -> str:
        self.backfills.append(feature)
        job_id = f"backfill-{len(self.backfills)}"
        arguments = {"feature": feature, "allow_missing": allow_missing}
        self.records[job_id] = JobRecord(job_id, "backfill", "running", ADDED_AT, ADDED_AT, arguments, total=10)
        return job_id

    async def submit_import(self, paths: Sequence[str], **arguments: Any) -> str:
        job_id = f"import-{len(self.records) + 1}"
        told = {"paths": list(paths), **arguments}
        self.records[job_id] = JobRecord(job_id, "import", "running", ADDED_AT, ADDED_AT, told, report={"tables": []})
        return job_id

    async def submit_eval(self, **arguments: Any) -> str:
        job_id = f"eval-{len(self.records) + 1}"
        report = {"edits": {"jpeg15": {"recall_at_1": 1.0}}}
        self.records[job_id] = JobRecord(job_id, "eval", "running", ADDED_AT, ADDED_AT, arguments, report=report)
        return job_id

    async def stop(self, job_id: str) -> None:
        job = await self.job(job_id)
        self.records[job_id] = JobRecord(job.id, job.kind, "stopped", job.submitted_at, job.updated_at, job.arguments)

    async def jobs(self) -> list[JobRecord]:
        return list(self.records.values())

    async def job(self, job_id: str) -> JobRecord:
        if job_id not in self.records:
            raise JobNotFound(f"no job has the id {job_id!r}")
        return self.records[job_id]

    async def failures(self, job_id: str, offset: int, limit: int) -> list[JobFailure]:
        await self.job(job_id)
        return self.failed[offset : offset + limit]


class FakeLibrary:
    """One folder."""

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.root = LibraryRoot("/photos", True, 3, 1, 2, {".mp4": 8}, False, datetime.fromtimestamp(ADDED_AT, UTC))
        self.asked: list[tuple[str, str]] = []

    async def roots(self) -> list[LibraryRoot]:
        return [self.root]

    async def forget(self, path: str) -> None:
        self._check("forget", path)

    async def watch(self, path: str) -> str:
        self._check("watch", path)
        return "job-1"

    async def unwatch(self, path: str) -> None:
        self._check("unwatch", path)

    async def stop(self, job_id: str) -> None:
        await self._jobs.stop(job_id)

    def _check(self, what: str, path: str) -> None:
        if path != self.root.path:
            raise NotFound(f"{path!r} is no folder that was indexed")
        self.asked.append((what, path))


class FakeDecisions:
    """By id."""

    def __init__(self) -> None:
        self.made: dict[str, Decision] = {}

    async def all(self) -> list[Decision]:
        return list(self.made.values())

    async def decide(self, a: str, b: str, choice: Choice, note: str | None) -> Decision:
        decision = Decision(f"{a}-{b}", a, b, choice, note, 1_700_000_000.0, "ab", "cd")
        self.made[decision.id] = decision
        return decision

    async def take_back(self, decision_id: str) -> None:
        if self.made.pop(decision_id, None) is None:
            raise NotFound(f"no decision has the id {decision_id!r}")


class FakeCatalog:
    """Takes bytes that begin as a JPEG does. ``before`` runs at the start of every call: it may wait or raise."""

    def __init__(self) -> None:
        self.jobs = FakeJobs()
        self.images: dict[str, ImageRecord] = {}
        self.added: list[AddRequest] = []
        self.searched: list[SearchRequest] = []
        self.compared: list[CompareRequest] = []
        self.trained: list[str] = []
        self.thresholds: Thresholds | None = Thresholds(0.9, 0.001, 0.95, 3000, 0, "eval-1")
        self.kept_out: list[str] = []
        self.deletions: list[str | None] = []  # their operation ids
        self.decisions = FakeDecisions()
        self.library = FakeLibrary(self.jobs)
        self.listed: list[ListRequest] = []
        self.walked: list[tuple[str | None, int, int]] = []
        self.related: list[tuple[str | None, int, set[str]]] = []
        self.annotated: list[tuple[str, bytes]] = []
        self.originals: dict[str, tuple[bytes, str]] = {}
        self.ready = Readiness(True, ())
        self.problems: tuple[str, ...] = ()
        self.before: Callable[[], object] | None = None
        self.gate: asyncio.Event | None = None

    def parts(self) -> Catalog:
        """Itself in the place of every part."""
        itself: Any = self
        duplicates: Any = SimpleNamespace(page=self.duplicate_page, related=self.related_page, decisions=self.decisions)
        library: Any = self.library
        return Catalog(
            pictures=itself, searches=itself, duplicates=duplicates, service=itself, library=library, jobs=self.jobs
        )

    async def _enter(self) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.before is not None:
            self.before()

    async def add(self, request: AddRequest) -> AddAnswer:
        await self._enter()
        self.added.append(request)
        if not request.image.startswith(b"\xff\xd8"):
            raise UnsupportedImage("not a picture", "send a JPEG")
        sha256 = hashlib.sha256(request.image).hexdigest()
        image_id = request.id if request.id is not None else sha256
        taken = self.images.get(image_id)
        if taken is not None and request.on_conflict == "error":
            raise ImageExists(f"an image with the id {image_id!r} exists already", "replace it")
        if taken is not None and request.on_conflict == "skip":
            return AddAnswer("skipped", taken)
        source = SourceFile(f"/photos/{image_id}", len(request.image), 1)
        record = ImageRecord(
            id=image_id,
            width=640,
            height=480,
            sha256=sha256,
            format="jpeg",
            byte_size=len(request.image),
            added_at=ADDED_AT,
            features={"phash": "ok", "color": "pending"},
            metadata=request.metadata,
            source=source,
            annotations=ANNOTATIONS,
        )
        self.images[image_id] = record
        self.originals[image_id] = (request.image, "jpeg")
        return AddAnswer("created" if taken is None else "replaced", record)

    async def add_features(self, request: AddFeaturesRequest) -> AddAnswer:
        return await self.add(AddRequest(request.image, request.id))

    async def remove_features(self, image_id: str, features: Sequence[str]) -> None:
        await self.delete(image_id)

    async def ids_of_file_name(self, name: str) -> list[str]:
        await self._enter()
        return [image_id for image_id, record in self.images.items() if record.metadata.get("file_name") == name]

    async def get(self, image_id: str) -> ImageRecord:
        await self._enter()
        if image_id not in self.images:
            raise ImageNotFound(f"no image has the id {image_id!r}", "GET /v1/images lists the ids")
        return self.images[image_id]

    async def delete(self, image_id: str, *, stays_out: bool = True, operation_id: str | None = None) -> None:
        await self.get(image_id)
        self.deletions.append(operation_id)
        self.kept_out += [image_id] if stays_out else []
        del self.images[image_id]

    async def page(self, request: ListRequest) -> ImagePage:
        """In the order of ids, whatever is asked."""
        await self._enter()
        self.listed.append(request)
        after = place_of(request)
        later = [image_id for image_id in sorted(self.images) if after is None or image_id > after.id]
        rows = tuple(self.images[image_id] for image_id in later[: request.limit])
        more = len(later) > request.limit
        return ImagePage(rows, cursor_of(request, SortKey(rows[-1].id, rows[-1].id)) if more else None)

    async def duplicate_page(self, cursor: str | None, limit: int, *, max_distance: int) -> DuplicatePage:
        await self._enter()
        self.walked.append((cursor, limit, max_distance))
        keep, other = (
            NearPicture(number, name, 640, 480, 1000, "ab", path, np.zeros((1, 72), np.uint8), 3 * number)
            for number, (name, path) in enumerate([("a/b.jpg", None), ("c.jpg", "/photos/c.jpg")])
        )
        return DuplicatePage((DuplicateGroup(keep, (other,), 7),), "64.2.0.9", 5, 1)

    async def related_page(
        self, cursor: str | None, limit: int, *, relations: Collection[Relation]
    ) -> answers.DuplicatePage:
        await self._enter()
        self.related.append((cursor, limit, set(relations)))
        keep = answers.DuplicatePicture("a.jpg", 640, 480, 1000, "ab", None, bytes=1000, format="png")
        said: Any = {"relation": "same", "confidence": 0.98, "kept_because": ("pixels", "bytes")}
        other = answers.DuplicatePicture("b.jpg", 64, 48, 100, "cd", "/b.jpg", 3, bytes=100, format="jpeg", **said)
        return answers.DuplicatePage((answers.DuplicateGroup(keep, (other,), 0, "same", 0.98),), "same.2.1.0.9", 5)

    async def thumbnail(self, image_id: str) -> bytes:
        await self.get(image_id)
        return THUMBNAIL + image_id.encode()

    async def original(self, image_id: str) -> tuple[bytes, str]:
        await self.get(image_id)
        if image_id not in self.originals:
            raise ImageNotFound(f"the original of {image_id!r} cannot be read")
        return self.originals[image_id]

    async def search(self, request: SearchRequest) -> SearchAnswer:
        await self._enter()
        self.searched.append(request)
        for image_id in request.ids:
            await self.get(image_id)
        matches: Any = {"phash": {"distance": 4, "rank": 1}}
        result = SearchResult("a/b.jpg", 0.93, matches, 640, 480, {"title": "ü"}, ANNOTATIONS, **JUDGED)
        bare = SearchResult("c.jpg", 0.5, matches, 640, 480)
        parts = {
            "phash": PartReport("ok", 2.1),
            "color": PartReport("unavailable", 0.0, "no weights"),
            "image_text": PartReport("ok", 3.0, "the text was cut: 12 tokens were left out"),
        }
        return SearchAnswer((result, bare), parts, True, (1,), 18.4, verdict="match")

    async def compare(self, request: CompareRequest) -> SearchResult:
        await self._enter()
        self.compared.append(request)
        return SearchResult("a/b.jpg", 0.93, {}, 640, 480, **JUDGED)

    async def search_each(self, requests: Sequence[SearchRequest]) -> list[SearchAnswer | LookalikeError]:
        return [await self._answer_or_failure(request) for request in requests]

    async def _answer_or_failure(self, request: SearchRequest) -> SearchAnswer | LookalikeError:
        try:
            return await self.search(request)
        except InvalidRequest:
            raise
        except LookalikeError as failure:
            return failure

    async def annotate(self, annotator: str, image: bytes) -> Any:
        await self._enter()
        self.annotated.append((annotator, image))
        if not image.startswith(b"\xff\xd8"):
            raise UnsupportedImage("not a picture", "send a JPEG")
        return ANNOTATIONS[annotator]

    async def features(self) -> list[FeatureReport]:
        phash = FeatureReport("phash", "ready", "", None, "1", "binary", 576, "hamming", "exact", 1)
        tags = FeatureReport(
            "tags", "ready", model="a/model", version="1", replicas=1, role="annotator", next_version="2"
        )
        return [phash, tags]

    async def stats(self) -> ServiceStats:
        await self._enter()
        shard = {"shard": 0, "images": 1, "disk_bytes": 4096, "features": {"color": {"memory_bytes": 1024}}}
        return ServiceStats(len(self.images), 4096, 1024, {"color": 3}, (shard,), (), self.thresholds)

    async def forget_thresholds(self) -> None:
        await self._enter()
        self.thresholds = None

    async def verify(self) -> list[VerifyReport]:
        await self._enter()
        return [VerifyReport(0, len(self.images), 7, self.problems)]

    async def train(self, feature: str) -> TrainingAnswer:
        await self._enter()
        self.trained.append(feature)
        empty = ShardTraining(1, reason=f"{feature!r} has no rows to train on")
        return TrainingAnswer(feature, (ShardTraining(0, 31000, 352, 0.9), empty))

    async def readiness(self) -> Readiness:
        if self.before is not None:
            self.before()
        return self.ready
