"""The extractors and annotators of a job's worker: its own, so that a job never takes the searching replicas' time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from deployments.annotators.label_files import read_labels
from deployments.annotators.registry import create_annotator, validate_annotator_config
from deployments.annotators.zero_shot import ZeroShotTagger, embed_labels
from deployments.extractor import Annotation, Annotator, EmbedsText, Extractor, ImageInput, Pixels
from deployments.extractors.registry import create_extractor, describe_extractor
from graph.config.zero_shot_options import TEXT_EXTRACTOR, is_zero_shot
from storage.errors import ExtractorUnavailable, FingerprintMismatch
from storage.types.features import FeatureRows, FeatureSpec

logger = logging.getLogger(__name__)
P = TypeVar("P")

Options = Mapping[str, Mapping[str, Any]]
Tagger = tuple[ZeroShotTagger, NDArray[np.float64]]


class Adopts(Protocol):
    """Tells the shards of a model. Raises `FingerprintMismatch` where one has rows of another."""

    def adopt(self, spec: FeatureSpec, origin: Mapping[str, Any]) -> None: ...


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

    def extracted(self, name: str, forms: Sequence[Pixels], paths: Sequence[str]) -> list[FeatureRows | None]:
        """None where it failed: that feature stays pending for that picture. paths: for the log."""
        extractor = self.extractors[name]
        fingerprint = extractor.spec.fingerprint
        rows = _one_by_one_where_needed(name, extractor.extract, forms, paths)
        return [None if one is None else replace(one, fingerprint=fingerprint) for one in rows]

    def annotated(self, name: str, forms: Sequence[Pixels], paths: Sequence[str]) -> list[Annotation | None]:
        """As `extracted`."""
        return _one_by_one_where_needed(name, self.annotators[name].annotate, forms, paths)

    def tagged(self, features: Mapping[str, FeatureRows]) -> dict[str, Annotation]:
        """What the labels say of a picture with these features."""
        rows = features.get(TEXT_EXTRACTOR)
        if rows is None:
            return {}
        return {name: tagger.tags_of(rows.rows, logits) for name, (tagger, logits) in self.taggers.items()}


def load_parts(extractors: Options, annotators: Options, shards: Adopts) -> WorkerParts:
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
        found |= built(name, partial(_extractor, name, options, shards))
    for name, options in annotators.items():
        if is_zero_shot(options):
            taggers |= built(name, partial(_tagger, name, options, found.get(TEXT_EXTRACTOR)))
        else:
            said |= built(name, partial(create_annotator, name, options))
    return WorkerParts(found, said, taggers, missing)


def _extractor(name: str, options: Mapping[str, Any], shards: Adopts) -> Extractor:
    extractor = create_extractor(name, options)
    if describe_extractor(name, options).spec is None:
        shards.adopt(extractor.spec, options)
    return extractor


def _tagger(name: str, options: Mapping[str, Any], text: Extractor | None) -> Tagger:
    if not isinstance(text, EmbedsText):
        raise ExtractorUnavailable(f"the labels of {name!r} need {TEXT_EXTRACTOR!r}, which is not there")
    config: Any = validate_annotator_config(name, options)
    labels = read_labels(config.labels)
    matrix, logits = embed_labels(labels, text.embed_texts, (config.prompt,))
    return ZeroShotTagger(labels, matrix, threshold=config.threshold, top_k=config.top_k), logits


def _one_by_one_where_needed(
    name: str, compute: Callable[[Sequence[Pixels]], Iterable[Any]], forms: Sequence[Pixels], paths: Sequence[str]
) -> list[Any]:
    try:
        return list(compute(forms)) if forms else []
    except Exception:
        logger.warning("%d pictures failed in %s; one by one", len(forms), name, exc_info=True)
    results: list[Any] = []
    for form, path in zip(forms, paths, strict=True):
        try:
            results += compute([form])
        except Exception as failure:
            logger.warning("%s failed for %s and stays pending: %s", name, path, failure)
            results.append(None)
    return results
