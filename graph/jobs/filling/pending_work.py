"""What a picture waits for, computed by a job's own models."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from deployments.extractor import Annotation, ImageInput, Pixels
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import PreparedPicture, prepare_picture
from graph.config.zero_shot_options import TEXT_EXTRACTOR
from graph.jobs.indexing.worker_parts import WorkerParts
from graph.requests.original_file import read_original
from storage.errors import LookalikeError
from storage.types.features import FeatureRows
from storage.types.jobs import JobFailure
from storage.types.mutations import FillFeatures
from storage.types.pictures import PendingImage

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class WaitingPicture:
    """One on its way. wanted: what it waits for that can be computed here. failure: why nothing was."""

    image: PendingImage
    wanted: frozenset[str]
    prepared: PreparedPicture | None = None
    features: dict[str, FeatureRows] = field(default_factory=dict)
    annotations: dict[str, Annotation] = field(default_factory=dict)
    failure: JobFailure | None = None

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
        picture = WaitingPicture(image, self.wanted(image))
        try:
            picture.prepared = prepare_picture(self._bytes_of(image), self._parts.inputs, self._limits)
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
        for name, extractor in self._parts.extractors.items():
            asked = [one for one in pictures if self._needs(one, name)]
            forms = _forms(asked, extractor.image_input)
            for one, rows in zip(asked, self._parts.extracted(name, forms, _ids(asked)), strict=True):
                if rows is not None:
                    one.features[name] = rows
        for name, annotator in self._parts.annotators.items():
            asked = [one for one in pictures if one.prepared is not None and name in one.wanted]
            forms = _forms(asked, annotator.image_input)
            for one, said in zip(asked, self._parts.annotated(name, forms, _ids(asked)), strict=True):
                if said is not None:
                    one.annotations[name] = said
        for one in pictures:
            one.annotations.update(self._parts.tagged(one.features))
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

    def _needs(self, picture: WaitingPicture, name: str) -> bool:
        """Tags by labels are made of the vector of sentences."""
        tagged = name == TEXT_EXTRACTOR and any(tagger in picture.wanted for tagger in self._parts.taggers)
        return picture.prepared is not None and (tagged or name in picture.wanted)


def parts_of(fill: FillFeatures) -> list[FillFeatures]:
    """One fill for each feature and annotation in it."""
    empty = replace(fill, features={}, annotations={})
    features = [replace(empty, features={name: rows}) for name, rows in fill.features.items()]
    annotations = [replace(empty, annotations={name: said}) for name, said in fill.annotations.items()]
    return [replace(part, operation_id=uuid.uuid4().hex) for part in (*features, *annotations)]


def _forms(pictures: Sequence[WaitingPicture], want: ImageInput) -> list[Pixels]:
    return [one.prepared.forms[want] for one in pictures if one.prepared is not None]


def _ids(pictures: Sequence[WaitingPicture]) -> list[str]:
    return [one.image.id for one in pictures]
