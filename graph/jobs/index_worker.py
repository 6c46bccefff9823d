"""The worker of an indexing job: files in, rows in the shards out, one outcome a file.

It has extractors of its own, so that a job never takes the searching replicas' time, and it writes to the shards
itself: nothing but small outcome rows travels through the job. A file that cannot be taken is an outcome like any
other. Writes carry operation ids made of the job, the picture, its contents and its time, so one that is repeated
after a fault is done once.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from deployments.extractor import Extractor, ImageInput, Pixels
from deployments.extractors.registry import create_extractor
from deployments.images import DecodeLimits
from deployments.prepared import PictureFacts, PreparedPicture, prepare_picture, warm_up
from graph.image_writes import put_image
from storage.errors import ExtractorUnavailable, LookalikeError, ShardUnavailable
from storage.placement import shard_of
from storage.types import FeatureRows, Mutation, MutationResult, OnConflict, PutImage, SourceFile

logger = logging.getLogger(__name__)

WRITE_PATIENCE_S = 120.0
RETRY_PAUSE_S = 0.5
FILES_PER_TASK = 4  # enough for the work to outweigh the hand-over between threads
BATCHES_AHEAD = 3
NICENESS = 5

ImageFile = tuple[str | None, SourceFile]  # the id, or None for the SHA-256 of the contents; the file


class ShardWriter(Protocol):
    """Where a worker writes. Raises ShardUnavailable while the shard restarts."""

    def apply(self, shard: int, mutations: Sequence[Mutation]) -> Sequence[MutationResult | LookalikeError]: ...

    def holds(self, shard: int, image_id: str, sha256: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """outcome: created, replaced, skipped, unchanged or failed; code and reason only for the last."""

    path: str
    outcome: str
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What a worker is told."""

    job_id: str
    shard_count: int
    extractors: Mapping[str, Mapping[str, Any]]
    max_pixels: int
    on_conflict: OnConflict


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """forms: only small ones, for extractors that are asked a batch at a time."""

    image_id: str
    source: SourceFile
    facts: PictureFacts
    forms: Mapping[ImageInput, Pixels]
    features: dict[str, FeatureRows]


class IndexWorker:
    """Indexes files batch by batch: ``threads`` threads read and prepare the next ones while one is written."""

    def __init__(
        self, plan: IndexPlan, writer: ShardWriter, *, threads: int = 1, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        warm_up()
        self._plan = plan
        self._writer = writer
        self._sleep = sleep
        self._extractors = _load_extractors(plan.extractors)
        self._inputs: set[ImageInput] = {extractor.image_input for extractor in self._extractors.values()}
        self._limits = DecodeLimits(max_pixels=plan.max_pixels)
        self._under_way: set[str] = set()
        self._under_way_lock = threading.Lock()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="prepare")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def index(self, files: Sequence[ImageFile]) -> list[FileOutcome]:
        """One outcome a file, in no particular order."""
        return self._write(self._start(files))

    def index_each(self, batches: Iterable[Sequence[ImageFile]]) -> Iterator[list[FileOutcome]]:
        """The outcomes of each batch in turn. A caller that stops early has written what it was given, and no more."""
        started: deque[list[Future[list[_Picture | FileOutcome]]]] = deque()
        for batch in batches:
            started.append(self._start(batch))
            if len(started) > BATCHES_AHEAD:
                yield self._write(started.popleft())
        while started:
            yield self._write(started.popleft())

    def _start(self, files: Sequence[ImageFile]) -> list[Future[list[_Picture | FileOutcome]]]:
        parts = (files[first : first + FILES_PER_TASK] for first in range(0, len(files), FILES_PER_TASK))
        return [self._threads.submit(self._read_each, part) for part in parts]

    def _read_each(self, files: Sequence[ImageFile]) -> list[_Picture | FileOutcome]:
        return [self._read(*file) for file in files]

    def _read(self, image_id: str | None, source: SourceFile) -> _Picture | FileOutcome:
        try:
            data = Path(source.path).read_bytes()
            prepared = prepare_picture(data, self._inputs, self._limits, with_thumbnail=True)
            facts = prepared.facts
            own_id = facts.sha256 if image_id is None else image_id
            if image_id is None and self._writer.holds(self._shard_of(own_id), own_id, facts.sha256):
                return FileOutcome(source.path, "unchanged")
            small = {want: form for want, form in prepared.forms.items() if want.size is not None}
            picture = _Picture(own_id, source, facts, small, self._features_of_whole_picture(source, prepared))
            return picture if self._takes(own_id) else FileOutcome(source.path, "unchanged")
        except LookalikeError as failure:
            return FileOutcome(source.path, "failed", failure.code, failure.message)
        except OSError as failure:
            return FileOutcome(source.path, "failed", "unreadable_file", failure.strerror or str(failure))
        except Exception as failure:
            logger.exception("%s cannot be prepared", source.path)
            return FileOutcome(source.path, "failed", "internal", f"{type(failure).__name__}: {failure}")

    def _takes(self, image_id: str) -> bool:
        """False while a picture with this id is on its way to the shard: a copy, where ids are made of the contents."""
        with self._under_way_lock:
            if image_id in self._under_way:
                return False
            self._under_way.add(image_id)
            return True

    def _features_of_whole_picture(self, source: SourceFile, prepared: PreparedPicture) -> dict[str, FeatureRows]:
        """Of the extractors that look at the working image itself: now, while it is in the processor's cache, so that
        a batch does not hold the pixels of all its pictures.
        """
        features = {}
        for name, extractor in self._extractors.items():
            if extractor.image_input.size is None:
                [rows] = self._extract(extractor, [prepared.forms[extractor.image_input]], [source.path])
                if rows is not None:
                    features[name] = rows
        return features

    def _write(self, started: Sequence[Future[list[_Picture | FileOutcome]]]) -> list[FileOutcome]:
        read = [each for part in started for each in part.result()]
        pictures = [each for each in read if isinstance(each, _Picture)]
        self._add_small_features(pictures)
        outcomes = [each for each in read if isinstance(each, FileOutcome)]
        batches: dict[int, list[tuple[_Picture, PutImage]]] = defaultdict(list)
        for picture in pictures:
            batches[self._shard_of(picture.image_id)].append((picture, self._put(picture)))
        for shard, batch in batches.items():
            results = self._apply(shard, [put for _, put in batch])
            outcomes += [_written(picture, result) for (picture, _), result in zip(batch, results, strict=True)]
        with self._under_way_lock:
            self._under_way.difference_update(picture.image_id for picture in pictures)
        return outcomes

    def _add_small_features(self, pictures: Sequence[_Picture]) -> None:
        """Those of the extractors that look at a small form of the picture: of the whole batch at a time."""
        for name, extractor in self._extractors.items():
            want = extractor.image_input
            if want.size is None:
                continue
            forms, paths = [picture.forms[want] for picture in pictures], [picture.source.path for picture in pictures]
            for picture, rows in zip(pictures, self._extract(extractor, forms, paths), strict=True):
                if rows is not None:
                    picture.features[name] = rows

    def _put(self, picture: _Picture) -> PutImage:
        return put_image(
            picture.facts,
            picture.features,
            image_id=picture.image_id,
            operation_id=f"{self._plan.job_id}/{picture.facts.sha256}/{picture.source.mtime_ns}/{picture.image_id}",
            asked=self._plan.extractors,
            on_conflict=self._plan.on_conflict,
            source=picture.source,
        )

    def _extract(self, extractor: Extractor, forms: Sequence[Pixels], paths: Sequence[str]) -> list[FeatureRows | None]:
        """None where it failed: that feature stays pending for that picture."""
        try:
            return list(extractor.extract(forms)) if forms else []
        except Exception:
            logger.warning("%d pictures failed in %s; one by one", len(forms), extractor.spec.name, exc_info=True)
        rows: list[FeatureRows | None] = []
        for form, path in zip(forms, paths, strict=True):
            try:
                rows += extractor.extract([form])
            except Exception as failure:
                logger.warning("%s failed for %s and stays pending: %s", extractor.spec.name, path, failure)
                rows.append(None)
        return rows

    def _apply(self, shard: int, puts: Sequence[PutImage]) -> Sequence[MutationResult | LookalikeError]:
        """Waits for a restarting shard rather than fail good files."""
        deadline = time.monotonic() + WRITE_PATIENCE_S
        while True:
            try:
                return self._writer.apply(shard, puts)
            except ShardUnavailable:
                if time.monotonic() > deadline:
                    raise
            self._sleep(RETRY_PAUSE_S)

    def _shard_of(self, image_id: str) -> int:
        return shard_of(image_id, self._plan.shard_count)


def settle() -> None:
    """For a process of a job, when it is ready to work: searches go first, and the garbage collector need not look
    again and again at what stays.
    """
    os.nice(max(0, NICENESS - os.nice(0)))
    gc.collect()
    gc.freeze()


def _written(picture: _Picture, result: MutationResult | LookalikeError) -> FileOutcome:
    if isinstance(result, LookalikeError):
        return FileOutcome(picture.source.path, "failed", result.code, result.message)
    return FileOutcome(picture.source.path, result.outcome)


def _load_extractors(configured: Mapping[str, Mapping[str, Any]]) -> dict[str, Extractor]:
    """Those that can work here; the features of the others stay pending."""
    loaded: dict[str, Extractor] = {}
    for name, options in configured.items():
        try:
            loaded[name] = create_extractor(name, options)
        except ExtractorUnavailable as failure:
            logger.warning("%s stays pending: %s", name, failure)
    return loaded
