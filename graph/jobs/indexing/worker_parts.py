"""The extractors and annotators of a job's worker: its own, so that a job never takes the searching replicas' time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from deployments.annotators.label_files import read_labels
from deployments.annotators.registry import create_annotator, validate_annotator_config
from deployments.annotators.zero_shot import ZeroShotTagger, embed_labels
from deployments.extractor import Annotation, Annotator, EmbedsText, Extractor, ImageInput, Pixels
from deployments.extractors.profile import ExtractorProfile
from deployments.extractors.registry import create_extractor
from graph.config.settings import TEXT_EXTRACTOR, is_zero_shot
from storage.errors import ExtractorUnavailable, FingerprintMismatch
from storage.types.features import FeatureRows, FeatureSpec

logger = logging.getLogger(__name__)
P = TypeVar("P")

Options = Mapping[str, Mapping[str, Any]]
Tagger = tuple[ZeroShotTagger, NDArray[np.float64]]
# Tells the shards of a model. Raises `FingerprintMismatch` where one has rows of another.
Adopt = Callable[[FeatureSpec, Mapping[str, Any]], None]


@dataclass(slots=True, eq=False)
class ComputedPicture:
    """One whose features are computed. path: for the log. forms: those that it still holds."""

    path: str
    forms: Mapping[ImageInput, Pixels]
    features: dict[str, FeatureRows]
    annotations: dict[str, Annotation]

    def needs(self, name: str) -> bool:
        """Whether it lacks what the extractor or annotator of this name computes."""
        return name not in self.features


@dataclass(frozen=True, slots=True, eq=False)
class WorkerParts:
    """What could be loaded. taggers: annotators that need no picture but its `TEXT_EXTRACTOR` vector. missing: why the
    others could not.
    """

    extractors: Mapping[str, Extractor]
    annotators: Mapping[str, Annotator] = field(default_factory=dict)
    taggers: Mapping[str, Tagger] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> set[ImageInput]:
        parts: list[Extractor | Annotator] = [*self.extractors.values(), *self.annotators.values()]
        return {part.image_input for part in parts}

    def compute(self, pictures: Sequence[ComputedPicture]) -> None:
        """Adds the features and annotations that the pictures need and hold the forms for. What fails is left out: it
        stays pending for that picture.
        """
        for name in self.extractors:
            self.extract(name, pictures)
        for name, annotator in self.annotators.items():
            for one, said in _computed(name, annotator.annotate, annotator.image_input, pictures):
                one.annotations[name] = said
        for one in pictures:
            if TEXT_EXTRACTOR in one.features:
                rows = one.features[TEXT_EXTRACTOR].rows
                one.annotations |= {
                    name: tagger.tags_of(rows, logits) for name, (tagger, logits) in self.taggers.items()
                }

    def extract(self, name: str, pictures: Sequence[ComputedPicture]) -> None:
        """As `compute`, of one feature."""
        extractor = self.extractors[name]
        for one, rows in _computed(name, extractor.extract, extractor.image_input, pictures):
            one.features[name] = replace(rows, fingerprint=extractor.spec.fingerprint)


def load_parts(extractors: Options, annotators: Options, adopt: Adopt) -> WorkerParts:
    """Those that can work here, and whose rows have a place in the shards; all else stays pending."""
    missing: dict[str, str] = {}

    def built(name: str, build: Callable[[], P]) -> dict[str, P]:
        try:
            return {name: build()}
        except (ExtractorUnavailable, FingerprintMismatch) as failure:
            logger.warning("%s stays pending: %s", name, failure)
            missing[name] = str(failure)
            return {}

    found: dict[str, Extractor] = {}
    said: dict[str, Annotator] = {}
    taggers: dict[str, Tagger] = {}
    for name, options in extractors.items():
        found |= built(name, partial(_extractor, name, options, adopt))
    for name, options in annotators.items():
        if is_zero_shot(options):
            taggers |= built(name, partial(_tagger, name, options, found.get(TEXT_EXTRACTOR)))
        else:
            said |= built(name, partial(create_annotator, name, options))
    return WorkerParts(found, said, taggers, missing)


def _extractor(name: str, options: Mapping[str, Any], adopt: Adopt) -> Extractor:
    extractor = create_extractor(name, options)
    if ExtractorProfile(name, options).spec is None:
        adopt(extractor.spec, options)
    return extractor


def _tagger(name: str, options: Mapping[str, Any], text: Extractor | None) -> Tagger:
    if not isinstance(text, EmbedsText):
        raise ExtractorUnavailable(f"the labels of {name!r} need {TEXT_EXTRACTOR!r}, which is not there")
    config: Any = validate_annotator_config(name, options)
    labels = read_labels(config.labels)
    matrix, logits = embed_labels(labels, text.embed_texts, (config.prompt,))
    return ZeroShotTagger(labels, matrix, threshold=config.threshold, top_k=config.top_k), logits


def _computed(
    name: str,
    compute: Callable[[Sequence[Pixels]], Iterable[Any]],
    want: ImageInput,
    pictures: Sequence[ComputedPicture],
) -> Iterator[tuple[ComputedPicture, Any]]:
    """What is made of each picture that needs it: of all at once, and one by one where that fails."""
    asked = [one for one in pictures if want in one.forms and one.needs(name)]
    forms = [one.forms[want] for one in asked]
    try:
        results = list(compute(forms)) if forms else []
    except Exception:
        logger.warning("%d pictures failed in %s; one by one", len(forms), name, exc_info=True)
        results = []
        for one, form in zip(asked, forms, strict=True):
            try:
                results += compute([form])
            except Exception as failure:
                logger.warning("%s failed for %s and stays pending: %s", name, one.path, failure)
                results.append(None)
    return ((one, result) for one, result in zip(asked, results, strict=True) if result is not None)
