"""What a job's models say of pictures, a batch of them at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from deployments.extractor import Annotation, ImageInput, Pixels
from graph.jobs.indexing.worker_parts import WorkerParts
from storage.types.features import FeatureRows


class HasForms(Protocol):
    """A picture whose features are computed. path: for the log."""

    @property
    def path(self) -> str: ...

    @property
    def forms(self) -> Mapping[ImageInput, Pixels]: ...

    @property
    def features(self) -> dict[str, FeatureRows]: ...

    @property
    def annotations(self) -> dict[str, Annotation]: ...


def add_computed(parts: WorkerParts, pictures: Sequence[HasForms]) -> None:
    """Features and annotations of every form that the pictures still hold; what fails is left out."""
    for name, extractor in parts.extractors.items():
        asked = [one for one in pictures if extractor.image_input in one.forms and name not in one.features]
        forms, paths = _asked(asked, extractor.image_input)
        for one, rows in zip(asked, parts.extracted(name, forms, paths), strict=True):
            if rows is not None:
                one.features[name] = rows
    for name, annotator in parts.annotators.items():
        asked = [one for one in pictures if annotator.image_input in one.forms]
        forms, paths = _asked(asked, annotator.image_input)
        for one, said in zip(asked, parts.annotated(name, forms, paths), strict=True):
            if said is not None:
                one.annotations[name] = said
    for one in pictures:
        one.annotations.update(parts.tagged(one.features))


def _asked(pictures: Sequence[HasForms], want: ImageInput) -> tuple[list[Pixels], list[str]]:
    return [one.forms[want] for one in pictures], [one.path for one in pictures]
