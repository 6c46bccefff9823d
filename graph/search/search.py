"""Searches: one by one, several side by side that share their pictures, and two pictures compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from deployments.extractor import ImageInput
from deployments.pictures.prepared import PreparedPicture
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
from graph.search.compare import compared, other_picture, prepare_named
from graph.search.paging import one_page
from graph.search.query_pictures import GRAY
from graph.search.search_run import SearchRun
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
        self._run = partial(
            SearchRun,
            extractors=extractors,
            shards=shards,
            timeouts=timeouts,
            metrics=metrics,
            max_results=max_results,
            default_weights=default_weights,
            off_loop=decoding.off_loop,
        )

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """Raises InvalidField, UnknownFeature, UnreadableImage, ImageNotFound; DeadlineExceeded when nothing answered
        in time.
        """
        return await one_page(self._search_run(request, self._decoding.prepare), self._shards)

    async def search_each(self, requests: Sequence[SearchRequest]) -> list[SearchAnswer | LookalikeError]:
        """Searches side by side, in the order of the requests; a picture that several have is decoded once.

        A search that fails has its failure for an answer. Raises InvalidRequest and its kinds, as `search` does.
        """
        names = {name for request in requests for name in request.features or self._extractors}
        inputs = {port.served.image_input for name, port in self._extractors.items() if name in names}
        if any(request.is_judged for request in requests):
            inputs.add(GRAY)
        pictures = {image for request in requests for image in request.images}
        prepared = {image: await self._decoding.prepare(image, inputs) for image in pictures}

        async def prepare(data: bytes, _inputs: Iterable[ImageInput | None]) -> PreparedPicture:
            return prepared[data]

        async def one(request: SearchRequest) -> SearchAnswer | LookalikeError:
            return await outcome_of(
                one_page(self._search_run(request, prepare), self._shards), raising=(InvalidRequest,)
            )

        return await all_of([one(request) for request in requests])

    async def compare(self, request: CompareRequest) -> SearchResult:
        """What ``a`` is to ``b``, as a search with ``a`` says it. Raises as `search` does."""
        query = SearchRequest(
            images=() if request.a is None else (request.a,),
            ids=() if request.a_id is None else (request.a_id,),
            explain=request.explain,
        )
        run = self._search_run(query, prepare_named("a", self._decoding))
        return await compared(run, await other_picture(request, run, self._decoding), self._decoding)

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
        return self._run(request=request, prepare=prepare)
