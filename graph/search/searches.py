"""Searches: one, or several side by side that share their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployments.extractor import ImageInput
from deployments.pictures.prepared import PreparedPicture
from graph.ports.batching import all_of
from graph.ports.contract import ExtractorPort
from graph.requests.decoding import Decoding, Prepare
from graph.requests.image_ids import check_image_id
from graph.requests.messages import SearchAnswer, SearchRequest
from graph.requests.shards import Shards
from graph.requests.timing import CatalogMetrics, Timeouts
from graph.search.search import SearchRun
from storage.errors import InvalidField, InvalidRequest, LookalikeError


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
        self._timeouts = timeouts
        self._metrics = metrics
        self._max_results = max_results
        self._default_weights = default_weights

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """Raises InvalidField, UnknownFeature, UnreadableImage, ImageNotFound; DeadlineExceeded when nothing answered
        in time.
        """
        return await self._search_run(request, self._decoding.prepare).answer()

    async def search_each(self, requests: Sequence[SearchRequest]) -> list[SearchAnswer | LookalikeError]:
        """Searches side by side, in the order of the requests; a picture that several have is decoded once.

        A search that fails has its failure for an answer. Raises InvalidRequest and its kinds, as `search` does.
        """
        names = {name for request in requests for name in request.features or self._extractors}
        wanted = {port.served.image_input for name, port in self._extractors.items() if name in names}
        inputs = {one for one in wanted if one is not None}
        pictures = {request.image for request in requests if request.image is not None}
        prepared = {image: await self._decoding.prepare(image, inputs) for image in pictures}

        async def prepare(data: bytes, _inputs: set[ImageInput], /) -> PreparedPicture:
            return prepared[data]

        async def one(request: SearchRequest) -> SearchAnswer | LookalikeError:
            try:
                return await self._search_run(request, prepare).answer()
            except InvalidRequest:
                raise
            except LookalikeError as failure:
                return failure

        return await all_of([one(request) for request in requests])

    def _search_run(self, request: SearchRequest, prepare: Prepare) -> SearchRun:
        if request.id is not None:
            check_image_id(request.id)
        if request.k > self._max_results:
            raise InvalidField(
                f"k is {request.k}, the limit is {self._max_results}", f"ask for 1 to {self._max_results} results"
            )
        return SearchRun(
            request=request,
            extractors=self._extractors,
            shards=self._shards,
            prepare=prepare,
            timeouts=self._timeouts,
            metrics=self._metrics,
            default_weights=self._default_weights,
        )
