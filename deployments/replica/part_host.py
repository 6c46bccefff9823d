"""Hosts an extractor or an annotator, and answers batches with it. Plain Python:
`deployments.replica.extractor_service` puts it into a replica.

While a feature moves from one model to another, both are at work: the one that is configured, and the one whose index
is in use, which is loaded by the options that it was made with.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, cast

from deployments.annotators.registry import ANNOTATORS
from deployments.extractor import Annotator, EmbedsText, Extractor, ImageInput, NeedsWeights, Pixels, QueryViews
from deployments.extractors.registry import EXTRACTORS
from deployments.replica.extractor_wire import Annotated, ExtractorAnswer, ExtractorCall
from deployments.replica.loading_part import LoadingPart, PartState
from storage.errors import ExtractorFailed, InvalidField, LookalikeError
from storage.types.features import FeatureRows, FeatureSpec

logger = logging.getLogger(__name__)

Part = Extractor | Annotator
PartKind = Literal["extractor", "annotator"]
Options = Mapping[str, Any]
BATCHED = ("extract", "embed_text", "annotate")
UNASKED_S = 60.0  # after which a model that is not configured is let go


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """What a replica says of a part. spec, image_input: None until it is built; an annotator has no spec but a
    fingerprint. autoscaled_requests: how many requests it works on at once, where its deployment autoscales; else 0.
    """

    state: PartState
    reason: str = ""
    spec: FeatureSpec | None = None
    image_input: ImageInput | None = None
    fingerprint: str | None = None
    model: str | None = None
    autoscaled_requests: int = 0


class PartHost:
    """Builds a part and answers batches with it. Thread-safe."""

    def __init__(self, kind: PartKind, name: str, options: Options) -> None:
        self._registry: Any = EXTRACTORS if kind == "extractor" else ANNOTATORS
        self._name = name
        self._lock = threading.Lock()
        self._parts: dict[str, LoadingPart[Part]] = {}
        self._asked: dict[str, float] = {}
        self._configured = _identity(options)
        self._part(options).wait()  # a replica that cannot answer yet would take the calls of those that can

    def report(self, origin: Options | None = None) -> ReplicaReport:
        """Of the configured part, or of the one with the options ``origin``, which is loaded if need be, and again
        where its files have changed: whoever asks by options misses a model that is not the one in memory.
        """
        loading = self._part(origin)
        if origin is not None:
            loading.refresh()
        part = loading.part
        if part is None:
            return ReplicaReport(loading.state, "" if loading.state == "ready" else str(loading.failure))
        spec = getattr(part, "spec", None)
        return ReplicaReport(
            "ready",
            spec=spec,
            image_input=part.image_input,
            fingerprint=getattr(part, "fingerprint", None) if spec is None else spec.fingerprint,
            model=getattr(part, "model", None),
        )

    def answer(self, calls: Sequence[ExtractorCall]) -> list[ExtractorAnswer]:
        """One answer a call, in order. Calls of a kind are computed as one batch; if that fails, one by one."""
        answers: dict[int, ExtractorAnswer] = {}
        groups: dict[tuple[str, str], list[int]] = {}
        for place, call in enumerate(calls):
            groups.setdefault((call.ability, _identity(call.origin)), []).append(place)
        for places in groups.values():
            answers.update(zip(places, self._answer_alike([calls[place] for place in places]), strict=True))
        return [answers[place] for place in range(len(calls))]

    def close(self) -> None:
        """Stops looking for files of models that are missing."""
        with self._lock:
            for part in self._parts.values():
                part.close()

    def _part(self, origin: Options | None) -> LoadingPart[Part]:
        """Loads it where it is not there yet. One that is not configured is let go when nobody asks for it."""
        identity = self._configured if origin is None else _identity(origin)
        now = time.monotonic()
        with self._lock:
            self._asked[identity] = now
            for other in [key for key in self._parts if key != self._configured and now - self._asked[key] > UNASKED_S]:
                self._parts.pop(other).close()
            if identity not in self._parts:
                self._parts[identity] = self._loading(json.loads(identity))
            return self._parts[identity]

    def _loading(self, options: Options) -> LoadingPart[Part]:
        part_class = self._registry.part_class(self._name)
        mark: Callable[[], str] | None = None
        if isinstance(part_class, NeedsWeights):
            mark = partial(part_class.weights_mark, self._registry.validate(self._name, options))
        return LoadingPart(self._name, partial(self._registry.create, self._name, options), mark)

    def _answer_alike(self, calls: Sequence[ExtractorCall]) -> Sequence[ExtractorAnswer]:
        """Of calls with one ability and one origin."""
        loading = self._part(calls[0].origin)
        part = loading.part
        if part is None:
            return [loading.failure for _ in calls]
        ability = calls[0].ability
        if len(calls) > 1 and ability in BATCHED:
            try:
                return _computed(part, ability, [call.subject for call in calls])
            except Exception:  # one of them is at fault: find out which, below
                logger.warning("a batch of %d failed in %s; one by one", len(calls), self._name, exc_info=True)
        return [self._answer_one(part, call) for call in calls]

    def _answer_one(self, part: Part, call: ExtractorCall) -> ExtractorAnswer:
        try:
            if call.ability == "query_views":
                extractor = cast(Extractor, part)
                rows = query_views(extractor, _pixels(call.subject), call.params)
                return replace(rows, fingerprint=extractor.spec.fingerprint)
            return _computed(part, call.ability, [call.subject])[0]
        except LookalikeError as failure:
            return failure
        except Exception as failure:
            logger.exception("%s failed in %s", call.ability, self._name)
            return ExtractorFailed(f"{self._name!r} failed: {type(failure).__name__}", "see the log of its replica")


def _computed(part: Part, ability: str, subjects: Sequence[Pixels | str]) -> list[ExtractorAnswer]:
    """One answer a subject. Raises whatever the part raises, `InvalidField` for what it cannot do."""
    if ability == "annotate":
        return [Annotated(said) for said in cast(Annotator, part).annotate([_pixels(one) for one in subjects])]
    extractor = cast(Extractor, part)
    if ability == "extract":
        rows = extractor.extract([_pixels(one) for one in subjects])
    elif isinstance(part, EmbedsText):
        rows = part.embed_texts([str(one) for one in subjects])
    else:
        raise InvalidField("it does not understand texts", "ask a feature that does, or send an image")
    fingerprint = extractor.spec.fingerprint
    return [replace(one, fingerprint=fingerprint) for one in rows]


def query_views(extractor: Extractor, image: Pixels, params: Mapping[str, Any]) -> FeatureRows:
    """What to search with: the extractor's own views of a query, or just the picture's features. Raises
    InvalidField.
    """
    if isinstance(extractor, QueryViews):
        return extractor.query_views([image], params)[0]
    return extractor.extract([image])[0]


def _identity(options: Options | None) -> str:
    return "" if options is None else json.dumps(options, sort_keys=True)


def _pixels(subject: Pixels | str) -> Pixels:
    if isinstance(subject, str):
        raise InvalidField("a text was sent where a picture is needed", "send an image")
    return subject
