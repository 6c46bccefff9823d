"""One search, from the request to the ranked and judged answer.

Three steps, each concurrent over its parts: every asked feature turns the query into rows; every shard is asked once
for all of them; what came back is merged. Whatever fails on the way is reported under its feature or its shard, and a
search that nothing answered is an error, not an empty answer.

Lists are as deep whatever is wanted of them, since how several rank together depends on that: the order is one, and a
page a part of it. Where that part lies beyond these lists the shards are asked again, for all that there can be.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from graph.judging.evidence import OF_HASHES, OF_KEYPOINTS
from graph.judging.strangers import strangers_of
from graph.ports.contract import ExtractorPort
from graph.requests.messages import PartReport, SearchAnswer
from graph.search.judged import Judging, thumbnails_of
from graph.search.query_rows import asked_ports, ms_since, no_text_model, searched_by_text, status_of
from graph.search.ranking import DEPTH, AskedFeature, Candidate, in_query_pixels, merge, result_of
from graph.search.relevance import of_relevance, verdict
from graph.search.sentences import SentenceFits
from graph.search.shard_search import ShardSearch
from lookalike_client.matches import Verdict
from storage.encoding.summaries import Summaries
from storage.errors import InvalidField, InvalidRequest, LookalikeError
from storage.types.searches import FeatureQuery, ShardAnswer


@dataclass(slots=True, kw_only=True)
class SearchRun(ShardSearch):
    """One search under way.

    max_results: how deep a list can be. least_confidence: of strong relations. fitting: by feature, the ids of pictures
    that a sentence alone fits. order: the pictures in the order of the answer, as far as it is known. is_whole: whether
    nothing lies beyond. summaries: of every picture that was hit.
    """

    max_results: int
    least_confidence: float
    off_loop: Callable[[Callable[[], None]], Awaitable[None]]
    sentence_fits: SentenceFits
    default_weights: Mapping[str, float] = field(default_factory=dict)
    fitting: dict[str, frozenset[str]] = field(default_factory=dict)
    order: list[Candidate] = field(default_factory=list)
    is_whole: bool = False
    verdict: Verdict = "none"
    summaries: Summaries = field(default_factory=lambda: Summaries({}))
    _started: float = 0.0
    _asked: Sequence[str] = ()
    _queries: Sequence[FeatureQuery] = ()
    _lists: Mapping[str, AskedFeature] = field(default_factory=dict)

    async def begin(self) -> None:
        """Asks for the list of each feature, as deep as always, and ranks them together."""
        self._started = time.perf_counter()
        self.deadline = self._started + (self.request.timeout_s or self.timeouts.search_s)
        self._asked = asked = self._asked_features()
        with ExitStack() as callers:
            for name in asked:
                callers.enter_context(self.extractors[name].caller())
            queries = await self.feature_queries(asked)
        if not queries:
            raise self.nothing_answered(asked)
        self._queries, answers = await self.with_expansion(queries, await self.ask_shards(queries))
        self.rank(self._queries, answers, DEPTH)
        if self.request.is_judged:
            await self._judge()
        for name in asked:
            self.metrics.searched(name, self.reports[name].status)

    async def _judge(self) -> None:
        """Puts the candidates in the order of what they are to the query, and leaves out what is not wanted of them."""
        if not self.pictures:
            await self._fit_sentence()
        looked_at = self._judging().looked_at(self.order)
        if not looked_at:
            self.judge({})
            return
        timeout_s = self._time_left(self.timeouts.shard_s)
        thumbnails, missing = await thumbnails_of(looked_at, self.shards, timeout_s=timeout_s)
        self.missing.update(missing)
        await self.off_loop(lambda: self.judge(thumbnails))

    async def _fit_sentence(self) -> None:
        """By each feature that made a vector of the sentence, which of the pictures it fits."""
        for name, sentence in self.sentences.items():
            feature = self._lists.get(name)
            if feature is None or feature.strangers is None:
                continue
            ids = [hit.id for hits in feature.shard_hits for hit in hits]
            timeout_s = self._time_left(self.timeouts.extractor_s)
            try:
                self.fitting[name] = await self.sentence_fits.fitting(
                    self.extractors[name], sentence, ids, feature.strangers.pictures, timeout_s=timeout_s
                )
            except LookalikeError as failure:
                self.fitting[name] = frozenset()
                self.reports[name] = replace(self.reports[name], status=status_of(failure), reason=str(failure))

    def judge(self, thumbnails: Mapping[str, bytes]) -> None:
        """thumbnails: of the candidates that are compared with the query pixel by pixel."""
        judged = self._judging().judged(self.order, self.summaries, thumbnails)
        self.verdict = verdict(judged)
        self.order = of_relevance(judged, self.request.relevance)
        self.is_whole = self.is_whole or self.request.relevance != "all"

    def _judging(self) -> Judging:
        answered = [feature for name, feature in self._lists.items() if self.reports[name].status == "ok"]
        has_keypoints = any(feature.metric == "inliers" for feature in answered)
        same_bytes = frozenset(self._same_bytes())
        explain, least = self.request.explain, self.least_confidence
        return Judging(self.pictures, same_bytes, has_keypoints, explain, self._silent(), least, self.fitting)

    def _silent(self) -> set[str]:
        """The names of what a part of the service might have said of a candidate that did not answer."""
        kinds = {self.extractors[name].kind: self._is_a_gap(name, report) for name, report in self.reports.items()}
        silent = set(OF_KEYPOINTS) if kinds.get("local") else set()
        if kinds.get("binary") or ("binary" in kinds and self.missing):  # then it is not known how far strangers are
            silent |= OF_HASHES
        return silent

    def _same_bytes(self) -> set[str]:
        same = {image_id for sha256 in self.sha256s for image_id in self.summaries.with_bytes(sha256)}
        return same | set(self.request.ids)

    async def go_deeper(self) -> None:
        """Appends to the order what lies beyond, in lists as deep as there can be."""
        going_on = [query for query in self._queries if self._lists[query.feature].goes_on(DEPTH)]
        answers = await self.ask_shards([replace(query, k=self.max_results) for query in going_on])
        self.rank(going_on, answers, self.max_results)

    def rank(
        self,
        queries: Sequence[FeatureQuery],
        answers: Sequence[ShardAnswer],
        depth: int,
        sampled: Sequence[ShardAnswer] | None = None,
    ) -> None:
        """Appends to the order what the answers add. sampled: answers that tell how far the collection is; None: the
        same.
        """
        for query in queries:
            self._report(query.feature, answers)
        for answer in answers:
            self.summaries.packed.update(Summaries.of(answer.summaries).packed)
        telling = answers if sampled is None else sampled
        found = {query.feature: self._asked_feature(query, answers, telling) for query in queries}
        self._lists = {**self._lists, **found}
        features = list(self._lists.values())
        exact = self._same_bytes()
        known = {candidate.id for candidate in self.order}
        ranked = merge(features, depth=depth, exact=exact)
        self.order += [candidate for candidate in ranked if candidate.id not in known]
        self.is_whole = depth >= self.max_results or not any(feature.goes_on(depth) for feature in features)

    def answer(self, shown: Sequence[Candidate], next_cursor: str | None) -> SearchAnswer:
        return SearchAnswer(
            results=tuple(
                result_of(candidate, self.summaries[candidate.id], explain=self.request.explain) for candidate in shown
            ),
            features={name: self.reports[name] for name in self._asked},
            partial=bool(self.missing) or any(self._is_a_gap(name, report) for name, report in self.reports.items()),
            missing_shards=tuple(sorted(self.missing)),
            took_ms=ms_since(self._started),
            next_cursor=next_cursor,
            verdict=self.verdict,
        )

    def _asked_features(self) -> list[str]:
        request = self.request
        has_pictures = bool(request.images or request.ids)
        if not has_pictures and request.text is None:
            raise InvalidRequest("nothing to search for", "send an image, an id or a text")
        said = request.text is not None or request.text_not
        asked_ports(
            self.extractors, [*(request.features or ()), *request.weights, *request.max_distance, *request.params]
        )
        for name in request.max_distance:
            spec = self.extractors[name].served.spec
            if spec is not None and spec.metric == "inliers":
                raise InvalidField(
                    f"max_distance has no meaning for {name!r}, which counts keypoints: more are nearer",
                    f"say the fewest with params.{name}.min_inliers",
                )
        asked = list(dict.fromkeys(request.features)) if request.features is not None else list(self.extractors)
        if said and not any(self.extractors[name].embeds_text for name in asked):
            if request.features is None:
                raise no_text_model()
            raise InvalidField(
                f"{', '.join(asked)}: cannot be searched by text", "ask a feature that understands text as well"
            )
        if not has_pictures:
            return searched_by_text(self.extractors, asked, are_named=request.features is not None)
        return asked

    def _report(self, name: str, answers: Sequence[ShardAnswer]) -> None:
        failures = [answer.errors[name] for answer in answers if name in answer.errors]
        report = self.reports[name]
        slowest = max((answer.took_ms.get(name, 0.0) for answer in answers), default=0.0)
        self.reports[name] = (
            replace(report, status="error", reason=failures[0])
            if failures
            else replace(report, took_ms=round(report.took_ms + slowest, 2))
        )

    def _asked_feature(
        self, query: FeatureQuery, answers: Sequence[ShardAnswer], sampled: Sequence[ShardAnswer]
    ) -> AskedFeature:
        name = query.feature
        port = self.extractors[name]
        sizes = [one.size for one in self.pictures]
        metric = "cosine" if port.served.spec is None else port.served.spec.metric
        return AskedFeature(
            name,
            metric,
            [in_query_pixels(answer.hits[name], sizes) for answer in answers if name in answer.hits],
            weight=self.request.weights.get(name, self.default_weights.get(name, 1.0)),
            view_name=self._view_names(port, query),
            strangers=strangers_of(name, metric, sampled, len(self.shards.ports)),
        )

    def _view_names(self, port: ExtractorPort, query: FeatureQuery) -> Callable[[int], str] | None:
        names, views = port.view_names(query.params), self.views.get(port.name)
        return names if names is None or views is None else lambda row: names(views[row])

    def _is_a_gap(self, name: str, report: PartReport) -> bool:
        """A feature that is not set up here is no gap, unless the caller asked for it by name, or with a sentence."""
        if report.status == "no_match":
            return self.request.features is not None
        if report.status == "unavailable":
            said = self.request.text is not None or bool(self.request.text_not)
            return self.request.features is not None or (said and self.extractors[name].embeds_text)
        return report.status not in {"ok", "not_needed"}
