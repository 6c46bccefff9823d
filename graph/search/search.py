"""Searches: one by one, several side by side that share their pictures, and two pictures compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from deployments.extractor import ImageInput
from deployments.pictures.prepared import PreparedPicture
from graph.judging.probability import calibration_mark
from graph.ports.batching import all_of
from graph.ports.contract import ExtractorPort
from graph.requests.decoding import Decoding, Prepare
from graph.requests.messages import (
    CompareRequest,
    SearchAnswer,
    SearchRequest,
    SearchResult,
    check_image_id,
)
from graph.requests.shards import Shards, outcome_of
from graph.requests.timing import CatalogMetrics, Timeouts
from graph.search.compare import compared, compared_each, other_picture, prepare_named, stored_pictures
from graph.search.paging import one_page
from graph.search.query_pictures import COMPARED
from graph.search.search_run import SearchRun
from graph.search.sentences import SentenceFits
from lookalike_client.matches import PROVEN
from storage.errors import (
    InvalidField,
    InvalidRequest,
    LookalikeError,
)

MOST_PICTURES = 8  # to search with at once


class Searches:
    """max_results: the largest ``k``. default_weights: of features, where a request names none."""

    def __init__(
        self,
        *,
        extractors: Mapping[str, ExtractorPort],
        shards: Shards,
        decoding: Decoding,
        timeouts: Timeouts,
        metrics: CatalogMetrics,
        max_results: int,
        default_weights: Mapping[str, float],
    ) -> None:
        self._extractors = extractors
        self._shards = shards
        self._decoding = decoding
        self._max_results = max_results
        self._least_confidence = PROVEN
        self._sentence_fits = SentenceFits(shards)
        self._run = partial(
            SearchRun,
            extractors=extractors,
            shards=shards,
            timeouts=timeouts,
            metrics=metrics,
            max_results=max_results,
            default_weights=default_weights,
            off_loop=decoding.off_loop,
            sentence_fits=self._sentence_fits,
        )

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """Raises InvalidField, UnknownFeature, UnreadableImage, ImageNotFound; DeadlineExceeded when nothing answered
        in time.
        """
        return await one_page(self._search_run(request, self._decoding.prepare), self._shards, self._are_same)

    async def search_each(self, requests: Sequence[SearchRequest]) -> list[SearchAnswer | LookalikeError]:
        """Searches side by side, in the order of the requests; a picture that several have is decoded once.

        A search that fails has its failure for an answer. Raises InvalidRequest and its kinds, as `search` does.
        """
        names = {name for request in requests for name in request.features or self._extractors}
        inputs = {port.served.image_input for name, port in self._extractors.items() if name in names}
        if any(request.is_judged for request in requests):
            inputs.update(COMPARED)
        pictures = {image for request in requests for image in request.images}
        prepared = {image: await self._decoding.prepare(image, inputs) for image in pictures}

        async def prepare(data: bytes, _inputs: Iterable[ImageInput | None]) -> PreparedPicture:
            return prepared[data]

        async def one(request: SearchRequest) -> SearchAnswer | LookalikeError:
            return await outcome_of(
                one_page(self._search_run(request, prepare), self._shards, self._are_same), raising=(InvalidRequest,)
            )

        return await all_of([one(request) for request in requests])

    async def keep_up(self) -> None:
        """Has what sentences are held against embedded by a model that has come, and takes up what an evaluation has
        stored for the collection. Raises ShardUnavailable.
        """
        self._sentence_fits.prepare(self._extractors.values())
        stored = await self._shards.thresholds()
        self._least_confidence = PROVEN if stored is None else max(PROVEN, stored.least_confidence)

    async def compare(self, request: CompareRequest) -> SearchResult:
        """What ``a`` is to ``b``, as a search with ``a`` says it. Raises as `search` does."""
        query = SearchRequest(
            images=() if request.a is None else (request.a,),
            ids=() if request.a_id is None else (request.a_id,),
            explain=request.explain,
            least_confidence=PROVEN,
        )
        run = self._search_run(query, prepare_named("a", self._decoding))
        return await compared(run, await other_picture(request, run, self._decoding), self._decoding)

    async def compare_stored(self, a_id: str, b_ids: Sequence[str]) -> list[SearchResult | None]:
        """What the stored picture ``a`` is to each of the others, as `compare` says it, by what a judgement goes by.
        None of one that is not there. Raises ImageNotFound for ``a``.
        """
        names = self._judged_by()
        request = SearchRequest(ids=(a_id,), features=names)
        run = self._search_run(request, self._decoding.prepare)
        run.extractors = {name: self._extractors[name] for name in names}
        found = await stored_pictures(b_ids, names, self._shards)
        there = [one for one in found if one is not None]
        results = {one.id: one for one in await compared_each(run, there, self._decoding)} if there else {}
        return [results.get(image_id) for image_id in b_ids]

    async def strong_matches(self, image_id: str, k: int) -> list[SearchResult]:
        """Stored pictures that a search with this one finds to be one photograph with it, whatever the collection asks
        of a match. Raises as `search`.
        """
        features = self._judged_by() or None
        request = SearchRequest(ids=(image_id,), features=features, k=k, relevance="strong", least_confidence=PROVEN)
        return [one for one in (await self.search(request)).results if one.id != image_id]

    def judgement_marks(self) -> tuple[str, tuple[str, ...]]:
        """What a judgement of two pictures depends on beside them: a mark of how it is made, and the features that it
        goes by.
        """
        names = self._judged_by()
        specs = [self._extractors[name].served.spec for name in names]
        made_by = [
            calibration_mark(),
            str(self._least_confidence),
            *(spec.fingerprint for spec in specs if spec is not None),
        ]
        return "/".join(made_by), names

    async def _are_same(self, image_id: str, others: Sequence[str]) -> bool:
        """Whether a stored picture is the same as one of others. One that was deleted meanwhile is not."""
        found = await outcome_of(self.compare_stored(image_id, others))
        if isinstance(found, LookalikeError):
            return False
        return any(one is not None and one.is_strong and one.relation == "same" for one in found)

    def _judged_by(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, port in self._extractors.items()
            if port.served.spec is not None and port.served.spec.metric in ("hamming", "inliers")
        )

    def _search_run(self, request: SearchRequest, prepare: Prepare) -> SearchRun:
        for image_id in request.ids:
            check_image_id(image_id)
        pictures = len(request.images) + len(request.ids)
        if pictures > MOST_PICTURES:
            raise InvalidField(
                f"{pictures} pictures to search with, the limit is {MOST_PICTURES}", "send fewer of image and id"
            )
        if request.k > self._max_results:
            raise InvalidField(
                f"k is {request.k}, the limit is {self._max_results}", f"ask for 1 to {self._max_results} results"
            )
        least = self._least_confidence if request.least_confidence is None else request.least_confidence
        return self._run(request=request, prepare=prepare, least_confidence=least)
