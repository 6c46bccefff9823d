"""Searches and comparisons while a part of the service is down: what could not be known is not guessed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from graph.requests.messages import CompareRequest, SearchAnswer, SearchResult
from lookalike_client.matches import STRONG
from storage.errors import DeadlineExceeded, ExtractorFailed, LookalikeError, ShardUnavailable
from tests.unit.graph.local_catalog import LocalService, local_service
from tests.unit.graph.search.test_judged import STORED, asked, edited, filled, photo

COPIES = ("jpeg 15", "gray", "mirror", "overlay text")


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[LocalService]:
    extractors: dict[str, dict[str, object]] = {"phash": {}, "color": {}, "local": {}}
    with local_service(tmp_path, extractors) as running:
        yield await filled(running)


def of(answer: SearchAnswer, name: str) -> SearchResult:
    return next(result for result in answer.results if result.id == name)


@pytest.mark.parametrize("failure", [ExtractorFailed("broken"), DeadlineExceeded("slow")], ids=["error", "timeout"])
async def test_without_keypoints_a_relation_stays_and_nobody_knows_how_sure_it_is(
    service: LocalService, failure: LookalikeError
) -> None:
    for edit in COPIES:
        query = edited("coffee", edit)
        whole = await asked(service, images=(query,))
        service.extractors["local"].failure = failure
        answer = await asked(service, images=(query,))
        service.extractors["local"].failure = None
        assert (whole.verdict, whole.partial) == ("match", False)
        assert (answer.verdict == "match", answer.partial) == (False, True)
        best = of(answer, "coffee")
        assert best.relation in STRONG
        assert best.confidence is None
        assert best == answer.results[0]
        assert best.transform is not None
        assert best.transform.mirrored == (edit == "mirror")
        for relevance in ("strong", "likely"):
            service.extractors["local"].failure = failure
            narrower = await asked(service, images=(query,), relevance=relevance)
            service.extractors["local"].failure = None
            assert narrower.results == answer.results[: len(narrower.results)]
            assert narrower.results[0] == best


async def test_equal_bytes_are_certain_whatever_is_down(service: LocalService) -> None:
    service.extractors["local"].failure = service.extractors["phash"].failure = ExtractorFailed("broken")
    for request in ({"images": (photo("coffee").read_bytes(),)}, {"ids": ("coffee",)}):
        answer = await asked(service, **request)
        assert (answer.verdict, answer.results[0].confidence) == ("match", 1.0)


async def test_what_speaks_for_a_picture_anyhow_needs_no_hash(service: LocalService) -> None:
    for edit in (*COPIES, "crop 50 %"):
        query = edited("chelsea", edit)
        whole = of(await asked(service, images=(query,)), "chelsea")
        service.extractors["phash"].failure = ExtractorFailed("broken")
        answer = await asked(service, images=(query,))
        service.extractors["phash"].failure = None
        best = of(answer, "chelsea")
        assert (answer.verdict, answer.partial, best.relation) == ("match", True, whole.relation)
        assert best.confidence is not None
        assert whole.confidence is not None
        assert 0.9 < best.confidence <= whole.confidence


async def test_colours_are_no_evidence_of_a_photograph(service: LocalService) -> None:
    query = edited("china", "jpeg 15")
    whole = of(await asked(service, images=(query,)), "china")
    service.extractors["color"].failure = ExtractorFailed("broken")
    answer = await asked(service, images=(query,))
    assert (answer.verdict, answer.partial) == ("match", True)
    assert of(answer, "china").confidence == whole.confidence


async def test_who_asks_for_other_features_is_told_by_these(service: LocalService) -> None:
    query = edited("china", "jpeg 15")
    whole = of(await asked(service, images=(query,), features=("phash",)), "china")
    service.extractors["local"].failure = ExtractorFailed("broken")
    answer = await asked(service, images=(query,), features=("phash",))
    assert (answer.partial, of(answer, "china").confidence) == (False, whole.confidence)
    assert whole.confidence is not None


async def test_with_a_shard_down_no_confidence_is_higher_and_none_is_made_up(service: LocalService) -> None:
    found = []
    for down in service.shards:
        for name in STORED[:3]:
            query = edited(name, "jpeg 15")
            whole = await asked(service, images=(query,), relevance="strong")
            down.failure = ShardUnavailable("down")
            answer = await asked(service, images=(query,), relevance="strong")
            down.failure = None
            assert (answer.partial, answer.missing_shards) == (True, (down.index,))
            sure = {result.id: result.confidence for result in whole.results}
            for result in answer.results:
                assert result.confidence is None or result.confidence <= (sure[result.id] or 0.0)
            found.append(any(result.id == name and result.is_strong for result in answer.results))
            assert (answer.verdict == "match") == found[-1]
    assert sum(found) == 6  # each of three is there while either of the other two shards is down


async def test_two_pictures_compared_are_told_in_the_same_way(service: LocalService) -> None:
    compare = service.catalog.searches.compare
    copy = edited("coffee", "jpeg 15")
    for request in (CompareRequest(copy, b_id="coffee"), CompareRequest(copy, b=photo("coffee").read_bytes())):
        whole = await compare(request)
        assert whole.is_strong
        service.extractors["local"].failure = ExtractorFailed("broken")
        result = await compare(request)
        assert (result.relation, result.confidence, result.is_strong) == (whole.relation, None, False)
        service.extractors["local"].failure = None
        for shard in service.shards:
            shard.failure = ShardUnavailable("down")
        unsampled = await compare(request)
        assert unsampled.confidence is not None
        assert whole.confidence is not None
        assert unsampled.confidence <= whole.confidence
        for shard in service.shards:
            shard.failure = None
