"""From a search request to what each feature asks the shards: pictures and sentences turned into rows.

Whatever cannot make its rows is reported under its feature, and the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from deployments.extractor import TOKENS_CUT
from graph.judging.hypotheses import Picture
from graph.ports.batching import all_of
from graph.ports.contract import ExtractorPort
from graph.ports.status import explained
from graph.requests.decoding import Prepare
from graph.requests.messages import PartReport, PartStatus, SearchRequest
from graph.requests.shards import Shards
from graph.requests.timing import CatalogMetrics, Timeouts
from graph.search.query_pictures import COMPARED, QueryPicture, decoded, stored, stored_with_bytes
from graph.search.ranking import DEPTH
from graph.search.vector_query import VectorParams, mean_row, weighted_query
from storage.errors import (
    DeadlineExceeded,
    ExtractorFailed,
    ExtractorUnavailable,
    ImageNotFound,
    InvalidField,
    InvalidRequest,
    LookalikeError,
    UnknownFeature,
)
from storage.types.features import FeatureRows, Metric
from storage.types.searches import FeatureQuery
from storage.words.word_search import WordParams

GET_TEXT_MODEL = "get one: `lookalike models pull configs/semantic.yaml`, then `lookalike serve configs/semantic.yaml`"

SLOW: tuple[Metric, ...] = ("inliers", "cosine")  # to extract: keypoints, and what a model computes


@dataclass(slots=True, kw_only=True)
class QueryRows:
    """What a search asks with. deadline: of `time.perf_counter`. reports: how each feature fared so far.

    sha256s, pictures: of the request's pictures, once they are known. absent: what a stored one is not to have.
    views: by feature whose rows are views of several pictures, which view of its picture each row is. sentences: by
    feature that makes a vector of it, the row of the sentence.
    """

    request: SearchRequest
    extractors: Mapping[str, ExtractorPort]
    shards: Shards
    prepare: Prepare
    timeouts: Timeouts
    metrics: CatalogMetrics
    deadline: float = 0.0
    reports: dict[str, PartReport] = field(default_factory=dict)
    sha256s: set[str] = field(default_factory=set)
    pictures: list[Picture] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)
    views: dict[str, list[int]] = field(default_factory=dict)
    sentences: dict[str, FeatureRows] = field(default_factory=dict)

    async def feature_queries(self, asked: Sequence[str]) -> list[FeatureQuery]:
        """Those of the asked features that could make their rows; the others are in ``reports``."""
        timeout_s = self._time_left(self.timeouts.shard_s)
        pictures = [await self._picture(image, asked) for image in self.request.images]
        pictures += [await stored(image_id, asked, self.shards, timeout_s=timeout_s) for image_id in self.request.ids]
        self.sha256s = {one.sha256 for one in pictures if one.sha256}
        self.pictures = [one.picture for one in pictures]
        self.absent = {name for one in pictures for name in one.absent}
        found = await all_of([self._feature_query(name, pictures) for name in asked])
        return [query for query in found if query is not None]

    async def _picture(self, image: bytes, asked: Sequence[str]) -> QueryPicture:
        if self._pays_to_know(asked):
            timeout_s = self._time_left(self.timeouts.shard_s)
            known = await stored_with_bytes(image, asked, self.shards, timeout_s=timeout_s)
            if known is not None:
                return known
        inputs = [self.extractors[name].served.image_input for name in asked]
        return decoded(await self.prepare(image, [*inputs, *COMPARED] if self.request.is_judged else inputs))

    def _pays_to_know(self, asked: Sequence[str]) -> bool:
        """Whether extraction takes longer than to ask whether the picture is stored; that of a hash does not."""
        specs = [self.extractors[name].served.spec for name in asked]
        return self.request.is_judged and any(spec is not None and spec.metric in SLOW for spec in specs)

    def nothing_answered(self, asked: Sequence[str]) -> LookalikeError:
        """Why none of the asked features made its rows."""
        reasons = "; ".join(f"{name}: {self.reports[name].reason}" for name in asked)
        statuses = {self.reports[name].status for name in asked}
        if statuses == {"timeout"}:
            return DeadlineExceeded("no extractor answered in time", "try again, or allow more time")
        if statuses == {"no_match"}:
            return ImageNotFound(
                f"{' or '.join(map(repr, self.request.ids))} was stored without {', '.join(asked)}",
                "search by another feature",
            )
        if statuses == {"unavailable"}:
            return ExtractorUnavailable(
                f"nothing can answer this search: {reasons}",
                "GET /v1/features says what is missing",
                "see `lookalike status`",
            )
        return ExtractorFailed(f"nothing answered this search: {reasons}", "try again in a few seconds")

    async def _feature_query(self, name: str, pictures: Sequence[QueryPicture]) -> FeatureQuery | None:
        started = time.perf_counter()
        try:
            asked = await self._query_rows(name, pictures)
        except InvalidRequest:
            raise
        except LookalikeError as failure:
            self.reports[name] = PartReport(status_of(failure), ms_since(started), str(failure))
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
        first, *others = asked
        told = params, first.extras, first.fingerprint, tuple(others)
        return FeatureQuery(name, first.rows, DEPTH, most, *told, with_pairs=request.explain)

    async def _query_rows(self, name: str, asked: Sequence[QueryPicture]) -> list[FeatureRows] | None:
        """One for each picture that others are to be near to. None where a stored one has none."""
        port, params = self.extractors[name], self.request.params.get(name, {})
        if port.kind == "words":
            WordParams.of(params)
            if self.request.text is not None:  # what is looked for is said, whatever words a picture has
                return [await self._words(port, self.request.text)]
        is_vector = is_vector_feature(port)
        vector_params = VectorParams.of(name, params) if is_vector else VectorParams()
        if any(one.stored is not None and name not in one.stored for one in asked):
            return None  # not a part of what was asked for
        pictures = await all_of([self._rows(port, one) for one in asked])
        texts, not_texts = await self._embedded(port)
        near_to_each = self.request.combine == "all" and len(pictures) > 1
        groups = [[picture] for picture in pictures] if near_to_each else [pictures]
        if not is_vector:
            return [self._together(port, group) for group in groups]
        if near_to_each and vector_params.aqe_n:
            raise InvalidField(f"aqe_n of {name} does not go with combine=all", "expand queries that combine by mean")
        return [weighted_query(group, texts, not_texts, vector_params) for group in groups]

    def _together(self, port: ExtractorPort, pictures: Sequence[FeatureRows]) -> FeatureRows:
        if len(pictures) == 1:
            return pictures[0]
        if port.kind == "dense":
            return mean_row(pictures)
        if port.kind == "binary":
            self.views[port.name] = [view for picture in pictures for view in range(len(picture.rows))]
        return _all_rows(pictures)

    async def _rows(self, port: ExtractorPort, picture: QueryPicture) -> FeatureRows:
        want, params = port.served.image_input, self.request.params.get(port.name, {})
        if picture.stored is not None:
            return port.select_views(picture.stored[port.name], params)
        forms = {} if picture.prepared is None else picture.prepared.forms
        if want is None or want not in forms:
            raise await explained(port)
        return await port.query_views(forms[want], params, timeout_s=self._time_left(self.timeouts.extractor_s))

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
        if wanted:
            self.sentences[port.name] = rows[0]
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


def _all_rows(parts: Sequence[FeatureRows]) -> FeatureRows:
    """The rows of all, one after the other, with what belongs to them."""
    shared = set.intersection(*(set(part.extras) for part in parts))
    extras = {name: np.concatenate([part.extras[name] for part in parts]) for name in sorted(shared)}
    return FeatureRows(np.concatenate([part.rows for part in parts]), extras=extras, fingerprint=parts[0].fingerprint)


def status_of(failure: LookalikeError) -> PartStatus:
    if isinstance(failure, DeadlineExceeded):
        return "timeout"
    return "unavailable" if isinstance(failure, ExtractorUnavailable) else "error"
