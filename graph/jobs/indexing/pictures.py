"""The pictures of an indexing job, by its worker or by its first and last stage: files read and decoded, once for all
that looks at them, and pictures with their features into the shards.

Writes carry operation ids made of the job, the picture, its contents and its time, so one that is repeated after a
fault is done once.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployments.extractor import ImageInput
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import PictureFacts, PreparedPicture, prepare_picture, warm_up
from graph.catalog.put_image import put_image
from graph.jobs.indexing.plan import ImageFile, IndexPlan
from graph.jobs.indexing.worker_parts import ComputedPicture, WorkerParts
from graph.jobs.running.fleet_shards import ShardCalls
from graph.jobs.running.progress import FileOutcome
from storage.errors import LookalikeError
from storage.shard.placement import shard_of
from storage.types.mutations import MutationResult, PutImage
from storage.types.pictures import SourceFile

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class ReadPicture(ComputedPicture):
    """One on its way to its shard. forms: those that are asked for a batch at a time."""

    image_id: str
    source: SourceFile
    facts: PictureFacts


class PictureReader:
    """``read_each`` may be called from several threads."""

    def __init__(
        self, plan: IndexPlan, parts: WorkerParts, shards: ShardCalls, keep: Iterable[ImageInput] = ()
    ) -> None:
        """keep: forms that somebody else wants, be they as large as the working image."""
        warm_up()
        self._plan = plan
        self._parts = parts
        self._shards = shards
        self._keep = frozenset(keep)
        self._inputs = parts.inputs | self._keep
        self._limits = DecodeLimits(max_pixels=plan.max_pixels)
        self._under_way: set[str] = set()
        self._under_way_lock = threading.Lock()

    def read_each(self, files: Sequence[ImageFile]) -> list[ReadPicture | FileOutcome]:
        """One a file, in order: the picture, or why there is nothing to do or to be had."""
        return [self._read(*file) for file in files]

    def release(self, pictures: Iterable[ReadPicture]) -> None:
        """They have left: a copy of one is a picture like any other."""
        self._let_go(*(picture.image_id for picture in pictures))

    def _read(self, image_id: str | None, source: SourceFile) -> ReadPicture | FileOutcome:
        try:
            data = Path(source.path).read_bytes()
            prepared = prepare_picture(data, self._inputs, self._limits, with_thumbnail=True)
            sha256 = prepared.facts.sha256
            own_id = sha256 if image_id is None else image_id
            if not self._takes(own_id):
                return FileOutcome(source.path, "unchanged")
            try:
                home = shard_of(own_id, self._plan.shard_count)
                if image_id is None and self._shards.holds(home, own_id, sha256):
                    self._let_go(own_id)
                    return FileOutcome(source.path, "unchanged")
                return self._picture(own_id, source, prepared)
            except BaseException:
                self._let_go(own_id)
                raise
        except LookalikeError as failure:
            return FileOutcome(source.path, "failed", failure.code, failure.message)
        except OSError as failure:
            return FileOutcome(source.path, "failed", "unreadable_file", failure.strerror or str(failure))
        except Exception as failure:
            logger.exception("%s cannot be prepared", source.path)
            return FileOutcome(source.path, "failed", "internal", f"{type(failure).__name__}: {failure}")

    def _takes(self, image_id: str) -> bool:
        """False while a picture with this id is on its way to the shard: a copy, where ids are made of the contents. To
        be asked before the shard is: in the other order a copy could come and go between the two.
        """
        with self._under_way_lock:
            if image_id in self._under_way:
                return False
            self._under_way.add(image_id)
            return True

    def _let_go(self, *image_ids: str) -> None:
        with self._under_way_lock:
            self._under_way.difference_update(image_ids)

    def _picture(self, image_id: str, source: SourceFile, prepared: PreparedPicture) -> ReadPicture:
        """With the features of the extractors that look at the working image itself: computed now, while it is in the
        processor's cache, so that a batch does not hold the pixels of all its pictures.
        """
        picture = ReadPicture(source.path, prepared.forms, {}, {}, image_id, source, prepared.facts)
        for name, extractor in self._parts.extractors.items():
            if extractor.image_input.size is None:
                self._parts.extract(name, [picture])
        picture.forms = {
            want: form for want, form in prepared.forms.items() if want.size is not None or want in self._keep
        }
        return picture


def write_pictures(plan: IndexPlan, shards: ShardCalls, pictures: Sequence[ReadPicture]) -> list[FileOutcome]:
    """A batch in one transaction of each shard; one outcome a picture, in no particular order. Waits for a restarting
    shard rather than fail good files. Raises `ShardUnavailable` for one that stays away.
    """
    outcomes: list[FileOutcome] = []
    batches: dict[int, list[ReadPicture]] = defaultdict(list)
    for picture in pictures:
        batches[shard_of(picture.image_id, plan.shard_count)].append(picture)
    for shard, batch in batches.items():
        results = shards.apply_patiently(shard, [put_of(plan, picture) for picture in batch])
        outcomes += [_written(picture, result) for picture, result in zip(batch, results, strict=True)]
    return outcomes


def put_of(plan: IndexPlan, picture: ReadPicture) -> PutImage:
    """The write of a picture as it is by now; what was not computed is pending."""
    return put_image(
        picture.facts,
        picture.features,
        image_id=picture.image_id,
        operation_id=f"{plan.job_id}/{picture.facts.sha256}/{picture.source.mtime_ns}/{picture.image_id}",
        asked=[*plan.extractors, *plan.annotators],
        annotations=picture.annotations,
        on_conflict=plan.on_conflict,
        source=picture.source,
    )


def _written(picture: ReadPicture, result: MutationResult | LookalikeError) -> FileOutcome:
    if isinstance(result, LookalikeError):
        return FileOutcome(picture.path, "failed", result.code, result.message)
    return FileOutcome(picture.path, result.outcome)
