"""Files read and decoded, once for all that looks at them: by an indexing job's worker, or by its first stage."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deployments.extractor import Annotation, ImageInput, Pixels
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import PictureFacts, PreparedPicture, prepare_picture, warm_up
from graph.jobs.indexing.plan import ImageFile, IndexPlan, ShardWriter
from graph.jobs.indexing.worker_parts import WorkerParts
from graph.jobs.running.progress import FileOutcome
from storage.errors import LookalikeError
from storage.shard.placement import shard_of
from storage.types.features import FeatureRows
from storage.types.pictures import SourceFile

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class ReadPicture:
    """One on its way to its shard. forms: those that are asked for a batch at a time."""

    image_id: str
    source: SourceFile
    facts: PictureFacts
    forms: Mapping[ImageInput, Pixels]
    features: dict[str, FeatureRows]
    annotations: dict[str, Annotation] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.source.path


class PictureReader:
    """``read_each`` may be called from several threads."""

    def __init__(
        self, plan: IndexPlan, parts: WorkerParts, writer: ShardWriter, keep: Iterable[ImageInput] = ()
    ) -> None:
        """keep: forms that somebody else wants, be they as large as the working image."""
        warm_up()
        self._plan = plan
        self._parts = parts
        self._writer = writer
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
            facts = prepared.facts
            own_id = facts.sha256 if image_id is None else image_id
            if not self._takes(own_id):
                return FileOutcome(source.path, "unchanged")
            try:
                if image_id is None and self._writer.holds(self._shard_of(own_id), own_id, facts.sha256):
                    self._let_go(own_id)
                    return FileOutcome(source.path, "unchanged")
                whole = self._features_of_whole_picture(source, prepared)
            except BaseException:
                self._let_go(own_id)
                raise
            kept = {want: form for want, form in prepared.forms.items() if want.size is not None or want in self._keep}
            return ReadPicture(own_id, source, facts, kept, whole)
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

    def _features_of_whole_picture(self, source: SourceFile, prepared: PreparedPicture) -> dict[str, FeatureRows]:
        """Of the extractors that look at the working image itself: now, while it is in the processor's cache, so that
        a batch does not hold the pixels of all its pictures.
        """
        features = {}
        for name, extractor in self._parts.extractors.items():
            if extractor.image_input.size is None:
                [rows] = self._parts.extracted(name, [prepared.forms[extractor.image_input]], [source.path])
                if rows is not None:
                    features[name] = rows
        return features

    def _shard_of(self, image_id: str) -> int:
        return shard_of(image_id, self._plan.shard_count)
