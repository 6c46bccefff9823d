"""All that an added picture is computed of: what is late or down is left out, and will be pending."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from deployments.extractor import Annotation, ImageInput
from deployments.pictures.prepared import PreparedPicture
from graph.ports.batching import all_of
from graph.ports.contract import AnnotatorPort, ExtractorPort
from graph.ports.status import explained
from graph.requests.timing import CatalogMetrics, Timeouts
from storage.errors import Busy, DeadlineExceeded, Unavailable
from storage.types.features import FeatureRows


class Computing:
    """annotators: those whose words are kept with the pictures."""

    def __init__(
        self,
        *,
        extractors: Mapping[str, ExtractorPort],
        annotators: Sequence[AnnotatorPort],
        timeouts: Timeouts,
        metrics: CatalogMetrics,
    ) -> None:
        self.extractors = extractors
        self._annotators = annotators
        self._timeouts = timeouts
        self._metrics = metrics

    @property
    def names(self) -> list[str]:
        """Of everything that is kept of a picture."""
        return [*self.extractors, *(port.name for port in self._annotators)]

    @property
    def inputs(self) -> list[ImageInput | None]:
        """The forms that an added picture is needed in; None of models that are not there."""
        return [port.served.image_input for port in self.extractors.values()] + [
            port.image_input for port in self._annotators
        ]

    async def computed(self, prepared: PreparedPicture) -> tuple[dict[str, FeatureRows], dict[str, Annotation]]:
        """What could be computed within the time for it: annotators with a model of their own beside the extractors,
        those that go by features after them.
        """
        deadline = time.monotonic() + self._timeouts.add_s
        own = [port for port in self._annotators if not port.needs_features]
        features, said = await asyncio.gather(
            self._extract_all(prepared), self._annotate_all(own, prepared, {}, deadline)
        )
        rest = [port for port in self._annotators if port.needs_features]
        return features, {**said, **await self._annotate_all(rest, prepared, features, deadline)}

    async def extracted(self, ports: Sequence[ExtractorPort], prepared: PreparedPicture) -> dict[str, FeatureRows]:
        """Every one of these features. Raises what the first failure was, `ExtractorUnavailable` where a model is
        missing.
        """

        async def one(port: ExtractorPort) -> FeatureRows:
            want = port.served.image_input
            if want is None or want not in prepared.forms:
                raise await explained(port)
            with port.caller():
                return await port.extract(prepared.forms[want], timeout_s=self._timeouts.extractor_s)

        found = await all_of([one(port) for port in ports])
        return {port.name: rows for port, rows in zip(ports, found, strict=True)}

    async def _extract_all(self, prepared: PreparedPicture) -> dict[str, FeatureRows]:
        """By name; a feature whose extractor is down or late is left out: it will be pending."""

        async def one(name: str, port: ExtractorPort) -> tuple[str, FeatureRows | None]:
            started = time.perf_counter()
            want = port.served.image_input
            if want is None or want not in prepared.forms:  # no model, or one that has just come
                return name, None
            try:
                with port.caller():
                    rows = await port.extract(prepared.forms[want], timeout_s=self._timeouts.extractor_s)
            except (Unavailable, DeadlineExceeded, Busy):
                return name, None
            self._metrics.extractor_seconds(name, time.perf_counter() - started)
            return name, rows

        found = await asyncio.gather(*(one(name, port) for name, port in self.extractors.items()))
        return {name: rows for name, rows in found if rows is not None}

    async def _annotate_all(
        self,
        ports: Sequence[AnnotatorPort],
        prepared: PreparedPicture,
        features: Mapping[str, FeatureRows],
        deadline: float,
    ) -> dict[str, Annotation]:
        """By annotator; one that is down or late is left out: it will be pending."""

        async def one(port: AnnotatorPort) -> Annotation | None:
            timeout_s = max(0.1, min(self._timeouts.annotator_s, deadline - time.monotonic()))
            try:
                return await port.annotate(prepared, features, timeout_s=timeout_s)
            except (Unavailable, DeadlineExceeded, Busy):
                return None

        said = await asyncio.gather(*(one(port) for port in ports))
        return {port.name: words for port, words in zip(ports, said, strict=True) if words is not None}
