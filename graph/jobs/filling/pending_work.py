"""What a picture waits for, computed by a job's own models."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import prepare_picture
from graph.config.settings import TEXT_EXTRACTOR
from graph.jobs.indexing.worker_parts import ComputedPicture, WorkerParts
from graph.requests.decoding import read_original
from storage.errors import LookalikeError
from storage.types.jobs import JobFailure
from storage.types.mutations import FillFeatures
from storage.types.pictures import PendingImage

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class WaitingPicture(ComputedPicture):
    """One on its way. wanted: what it waits for that can be computed here. needed: that, and what it is made of.
    failure: why nothing was computed.
    """

    image: PendingImage
    wanted: frozenset[str]
    needed: frozenset[str]
    failure: JobFailure | None = None

    def needs(self, name: str) -> bool:
        return name in self.needed

    def fill(self) -> FillFeatures | None:
        """What goes to the shard; None where there is nothing."""
        features = {name: rows for name, rows in self.features.items() if name in self.wanted}
        annotations = {name: said for name, said in self.annotations.items() if name in self.wanted}
        if not features and not annotations:
            return None
        return FillFeatures(uuid.uuid4().hex, self.image.id, self.image.sha256, features, annotations)


class PendingWork:
    """Pictures in, what they waited for out. ``read`` may be called from several threads."""

    def __init__(self, parts: WorkerParts, limits: DecodeLimits, kept_original: Callable[[str], bytes | None]) -> None:
        """kept_original: bytes of an upload by the picture's id, where the shard has them."""
        self._parts = parts
        self._limits = limits
        self._kept_original = kept_original

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """Of the features that are computed here."""
        return {name: extractor.spec.fingerprint for name, extractor in self._parts.extractors.items()}

    @property
    def annotations(self) -> tuple[str, ...]:
        return (*self._parts.annotators, *self._parts.taggers)

    @property
    def asked(self) -> Mapping[str, str]:
        """All that is computed here: features with their fingerprints, annotations with an empty one."""
        return {**self.fingerprints, **dict.fromkeys(self.annotations, "")}

    def wanted(self, image: PendingImage) -> frozenset[str]:
        """What the picture waits for that this job computes: of a feature, the rows of the very model."""
        wanted = {name for name in self.annotations if name in image.features}
        for name, fingerprint in self.fingerprints.items():
            models = image.fingerprints.get(name, ())
            if name in image.features and (not models or fingerprint in models):
                wanted.add(name)
        return frozenset(wanted)

    def read(self, image: PendingImage) -> WaitingPicture:
        """The picture, decoded, or why it cannot be."""
        wanted = self.wanted(image)
        # Tags by labels are made of the vector of sentences.
        needed = wanted if wanted.isdisjoint(self._parts.taggers) else wanted | {TEXT_EXTRACTOR}
        picture = WaitingPicture(image.id, {}, {}, {}, image, wanted, needed)
        try:
            picture.forms = prepare_picture(self._bytes_of(image), self._parts.inputs, self._limits).forms
        except LookalikeError as failure:
            picture.failure = JobFailure(image.id, failure.code, failure.message)
        except OSError as failure:
            picture.failure = JobFailure(image.id, "unreadable_file", failure.strerror or str(failure))
        except Exception as failure:
            logger.exception("%s cannot be prepared", image.id)
            picture.failure = JobFailure(image.id, "internal", f"{type(failure).__name__}: {failure}")
        return picture

    def compute(self, pictures: Sequence[WaitingPicture]) -> None:
        """Features and annotations of those that were read, a batch for each model."""
        self._parts.compute(pictures)
        for one in pictures:
            if one.failure is None and one.fill() is None:
                one.failure = JobFailure(one.image.id, "failed", "the model failed on it; the log of the job says how")

    def _bytes_of(self, image: PendingImage) -> bytes:
        """Raises `OSError` where the file is gone or another one lies there."""
        if image.source is not None:
            return read_original(image.source.path, image.sha256)
        original = self._kept_original(image.id)
        if original is None:
            raise FileNotFoundError(2, "its file was filled in or removed meanwhile")
        return original


def parts_of(fill: FillFeatures) -> list[FillFeatures]:
    """One fill for each feature and annotation in it."""
    empty = replace(fill, features={}, annotations={})
    features = [replace(empty, features={name: rows}) for name, rows in fill.features.items()]
    annotations = [replace(empty, annotations={name: said}) for name, said in fill.annotations.items()]
    return [replace(part, operation_id=uuid.uuid4().hex) for part in (*features, *annotations)]
