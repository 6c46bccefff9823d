"""From a search request to what each feature asks the shards: pictures and sentences turned into rows.

Whatever cannot make its rows is reported under its feature, and the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from deployments.extractor import TOKENS_CUT
from deployments.pictures.prepared import PreparedPicture
from graph.ports.batching import all_of
from graph.ports.contract import ExtractorPort
from graph.ports.status import explained
from graph.requests.decoding import Prepare
from graph.requests.messages import PartReport, PartStatus, SearchRequest
from graph.requests.shards import Shards, image_not_found
from graph.requests.timing import CatalogMetrics, Timeouts
from graph.search.ranking import DEPTH, PictureSize
from graph.search.vector_query import VectorParams, weighted_query
from storage.errors import (
    DeadlineExceeded,
    ExtractorUnavailable,
    InvalidField,
    InvalidRequest,
    LookalikeError,
    UnknownFeature,
)
from storage.operations.features import Features
from storage.operations.pictures import Records
from storage.types.features import FeatureRows
from storage.types.searches import FeatureQuery
from storage.words.word_search import WordParams

GET_TEXT_MODEL = "get one: `lookalike models pull configs/semantic.yaml`, then `lookalike serve configs/semantic.yaml`"


@dataclass(slots=True, kw_only=True)
class QueryRows:
    """What a search asks with. deadline: of `time.perf_counter`. reports: how each feature fared so far.

    sha256, pictures: of the request's pictures, once they are known. absent: what the stored picture is not to have.
    """

    request: SearchRequest
    extractors: Mapping[str, ExtractorPort]
    shards: Shards
    prepare: Prepare
    timeouts: Timeouts
    metrics: CatalogMetrics
    deadline: float = 0.0
    reports: dict[str, PartReport] = field(default_factory=dict)
    sha256: str | None = None
    pictures: list[PictureSize] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)

    async def feature_queries(self, asked: Sequence[str]) -> list[FeatureQuery]:
        """Those of the asked features that could make their rows; the others are in ``reports``."""
        prepared = None
        if self.request.image is not None:
            inputs = [self.extractors[name].served.image_input for name in asked]
            prepared = await self.prepare(self.request.image, inputs)
            self.sha256 = prepared.facts.sha256
            self.pictures.append((prepared.facts.width, prepared.facts.height))
        stored = await self._stored_features(asked)
        found = await all_of([self._feature_query(name, prepared, stored) for name in asked])
        return [query for query in found if query is not None]

    async def _stored_features(self, asked: Sequence[str]) -> Mapping[str, FeatureRows]:
        image_id = self.request.id
        if image_id is None:
            return {}
        home, timeout_s = self.shards.of(image_id), self._time_left(self.timeouts.shard_s)
        stored = await home.ask(Features(image_id, tuple(asked)), timeout_s=timeout_s)
        if stored is None:
            raise image_not_found(image_id)
        in_pixels = any(self.extractors[name].kind == "local" for name in stored)
        if in_pixels or len(stored) < len(asked):
            [record] = await home.ask(Records((image_id,)), timeout_s=timeout_s)
            if record is None:
                raise image_not_found(image_id)
            self.absent = {name for name in asked if record.features.get(name) == "absent"}
            if in_pixels:  # that a homography maps
                self.pictures.append((record.width, record.height))
        return stored

    async def _feature_query(
        self, name: str, prepared: PreparedPicture | None, stored: Mapping[str, FeatureRows]
    ) -> FeatureQuery | None:
        started = time.perf_counter()
        try:
            asked = await self._query_rows(name, prepared, stored)
        except InvalidRequest:
            raise
        except LookalikeError as failure:
            self.reports[name] = PartReport(_status_of(failure), ms_since(started), str(failure))
            return None
        finally:
            self.metrics.extractor_seconds(name, time.perf_counter() - started)
        if asked is None:
            self.reports[name] = (
                PartReport("no_match", 0.0, "this image was stored without it")
                if name in self.absent
                else PartReport("pending", 0.0, "not computed yet for this image; it will be filled in")
            )
            return None
        left_out = self.reports[name].reason if name in self.reports else ""
        self.reports[name] = PartReport("ok", ms_since(started), left_out)
        request = self.request
        params, most = request.params.get(name, {}), request.max_distance.get(name)
        return FeatureQuery(name, asked.rows, DEPTH, most, params, asked.extras, asked.fingerprint)

    async def _query_rows(
        self, name: str, prepared: PreparedPicture | None, stored: Mapping[str, FeatureRows]
    ) -> FeatureRows | None:
        port, params = self.extractors[name], self.request.params.get(name, {})
        if port.kind == "words":
            WordParams.of(params)
            if self.request.text is not None:  # what is looked for is said, whatever words a picture has
                return await self._words(port, self.request.text)
        is_vector = is_vector_feature(port)
        vector_params = VectorParams.of(name, params) if is_vector else VectorParams()
        pictures: list[FeatureRows] = []
        if prepared is not None:
            pictures.append(await self._extracted(port, prepared))
        if name in stored:
            pictures.append(port.select_views(stored[name], params))
        if self.request.id is not None and name not in stored:
            return None  # not half of what was asked for
        texts, not_texts = await self._embedded(port)
        if is_vector:
            return weighted_query(pictures, texts, not_texts, vector_params)
        return _together(pictures) if len(pictures) > 1 else pictures[0]

    async def _extracted(self, port: ExtractorPort, prepared: PreparedPicture) -> FeatureRows:
        want = port.served.image_input
        if want is None or want not in prepared.forms:
            raise await explained(port)
        params = self.request.params.get(port.name, {})
        return await port.query_views(
            prepared.forms[want], params, timeout_s=self._time_left(self.timeouts.extractor_s)
        )

    def _time_left(self, at_most: float) -> float:
        return max(0.001, min(at_most, self.deadline - time.perf_counter()))

    async def _words(self, port: ExtractorPort, text: str) -> FeatureRows:
        if port.is_late and port.served.image_input is None:
            raise await explained(port)
        if self.request.text_not:
            self.reports[port.name] = PartReport("ok", 0.0, "text_not does not count for words")
        return await port.embed_text(text, timeout_s=self._time_left(self.timeouts.extractor_s))

    async def _embedded(self, port: ExtractorPort) -> tuple[list[FeatureRows], list[FeatureRows]]:
        """Of the sentence, and of those to keep away from."""
        request = self.request
        if not is_vector_feature(port) or not port.embeds_text or (request.text is None and not request.text_not):
            return [], []
        if port.is_late and port.served.image_input is None:
            raise await explained(port)
        timeout_s = self._time_left(self.timeouts.extractor_s)
        wanted = [] if request.text is None else [request.text]
        sentences = [*wanted, *request.text_not]
        rows = await all_of([port.embed_text(sentence, timeout_s=timeout_s) for sentence in sentences])
        cut = sum(int(one.extras[TOKENS_CUT][0]) for one in rows if TOKENS_CUT in one.extras)
        if cut:
            self.reports[port.name] = PartReport(
                "ok", 0.0, f"the text is too long for the model: {cut} tokens at its end were left out"
            )
        return rows[: len(wanted)], rows[len(wanted) :]


def asked_ports(extractors: Mapping[str, ExtractorPort], names: Sequence[str]) -> list[ExtractorPort]:
    """Raises `UnknownFeature`."""
    for name in names:
        if name not in extractors:
            raise UnknownFeature(f"no feature is called {name!r}", f"the features here are {', '.join(extractors)}")
    return [extractors[name] for name in names]


def no_text_model() -> InvalidField:
    return InvalidField("text: no model for sentences is configured in this service", GET_TEXT_MODEL)


def searched_by_text(extractors: Mapping[str, ExtractorPort], asked: Sequence[str], *, are_named: bool) -> list[str]:
    """Which of the asked features a sentence alone is searched by. are_named: in the request; then all have to be.
    Raises `InvalidField`.
    """
    able = [name for name in asked if extractors[name].embeds_text]
    if not able and not are_named:
        raise no_text_model()
    if are_named and len(able) < len(asked):
        unable = ", ".join(name for name in asked if name not in able)
        raise InvalidField(
            f"{unable}: cannot be searched by text", "send an image or an id, or ask a feature that understands text"
        )
    return able


def is_vector_feature(port: ExtractorPort) -> bool:
    """Whether the feature is one vector of a model."""
    is_cosine = port.served.spec is not None and port.served.spec.metric == "cosine"
    return port.kind == "dense" and (port.is_late or is_cosine)


def ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1e3, 2)


def _together(parts: Sequence[FeatureRows]) -> FeatureRows:
    """The rows of all, one after the other, with what belongs to them."""
    shared = set.intersection(*(set(part.extras) for part in parts))
    extras = {name: np.concatenate([part.extras[name] for part in parts]) for name in sorted(shared)}
    return FeatureRows(np.concatenate([part.rows for part in parts]), extras=extras, fingerprint=parts[0].fingerprint)


def _status_of(failure: LookalikeError) -> PartStatus:
    if isinstance(failure, DeadlineExceeded):
        return "timeout"
    return "unavailable" if isinstance(failure, ExtractorUnavailable) else "error"
