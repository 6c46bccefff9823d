"""The order of a search is one, whatever part of it is asked for: the first n of a larger k are the answer for n."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from graph.requests.messages import AddRequest, SearchAnswer, SearchRequest, SearchResult
from graph.search.ranking import DEPTH
from storage.filters.text_form import parse_filter
from storage.shard.placement import shard_of
from storage.types.features import FeatureRows
from storage.types.mutations import PutImage
from storage.types.pictures import ImageRecord
from tests.unit.graph.local_catalog import LocalService, local_service, photo

FEATURES = ("phash", "color", "fake")
PICTURES = 3 * DEPTH + 30
MOST = 1000  # results


def picture(number: int) -> PutImage:
    """One of many that are equally far. Each has the bytes of six others, or the very hash of another one."""
    dice = np.random.default_rng(number // 2)
    code = np.repeat(dice.integers(0, 4, (1, 9), np.uint8) * np.uint8(85), 8, axis=1)
    histogram, vector = np.zeros((1, 512), np.float32), np.full((1, 16), 2, np.float32)
    np.add.at(histogram[0], np.random.default_rng(number).integers(0, 6, 4), np.float32(0.25))
    vector[0, 1:] = np.random.default_rng(PICTURES + number).integers(-1, 2, 15)
    vector /= np.linalg.norm(vector)
    rows = {"phash": FeatureRows(code, code), "color": FeatureRows(histogram), "fake": FeatureRows(vector)}
    digest = hashlib.sha256(str(number % (PICTURES // 7)).encode()).hexdigest()
    states, metadata = dict.fromkeys(FEATURES, "ok"), {"odd": number % 2}
    record = ImageRecord(f"{number:04d}", 64, 48, digest, "jpeg", 9, 1.5, states, metadata)  # type: ignore[arg-type]
    return PutImage(f"put {number}", record, rows, b"thumbnail")


async def fill(service: LocalService) -> None:
    for number in range(PICTURES):
        made = picture(number)
        await service.shards[shard_of(made.record.id, len(service.shards))].apply(made, timeout_s=60)


@pytest.fixture(scope="module", params=[1, 3], ids=["one shard", "three shards"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    extractors: dict[str, dict[str, Any]] = {name: {} for name in FEATURES}
    with local_service(tmp_path_factory.mktemp("data"), extractors, shard_count=request.param) as running:
        asyncio.run(fill(running))
        yield running


def search(service: LocalService, request: SearchRequest) -> SearchAnswer:
    return asyncio.run(service.catalog.searches.search(request))


def by_pages(service: LocalService, request: SearchRequest) -> list[SearchResult]:
    results: list[SearchResult] = []
    while True:
        answer = search(service, request)
        results += answer.results
        if answer.next_cursor is None:
            return results
        request = replace(request, cursor=answer.next_cursor)


SUBJECTS: dict[str, dict[str, Any]] = {
    "picture": {"images": (photo(3),)},
    "stored": {"ids": ("0007",)},
    "several": {"images": (photo(3), photo(4)), "ids": ("0007",)},
    "each": {"images": (photo(3),), "ids": ("0007", "0031"), "combine": "all"},
    "sentence": {"text": "a bridge", "features": ("fake",)},
    "picture and sentences": {"images": (photo(3),), "text": "a bridge", "text_not": ("a dog",)},
}
requests = st.fixed_dictionaries(
    {
        "features": st.sampled_from([None, FEATURES, ("color", "fake")]),
        "weights": st.dictionaries(st.sampled_from(FEATURES), st.sampled_from([0.0, 0.5, 3.0])),
        "max_distance": st.dictionaries(st.just("color"), st.sampled_from([0.5, 1.0, 2.0])),
        "filter": st.sampled_from([None, parse_filter("metadata.odd = 1"), parse_filter("not id in ['0007', '0008']")]),
        "distinct": st.booleans(),
    }
)
expansions = st.sampled_from([{}, {"fake": {"aqe_n": 3}}, {"fake": {"aqe_n": 100, "aqe_alpha": 1}}])


def request_of(subject: str, rest: dict[str, Any], expansion: dict[str, Any]) -> SearchRequest:
    params = {} if subject == "each" else expansion
    return SearchRequest(**{**rest, "params": params, **SUBJECTS[subject]})


@given(st.sampled_from([*SUBJECTS]), requests, expansions, st.integers(1, MOST), st.integers(1, 2 * DEPTH))
@settings(max_examples=40, phases=[Phase.generate])
@pytest.mark.slow
def test_the_first_of_a_larger_k_are_the_answer_for_a_smaller(
    service: LocalService, subject: str, rest: dict[str, Any], expansion: dict[str, Any], larger: int, smaller: int
) -> None:
    request = request_of(subject, rest, expansion)
    whole = search(service, replace(request, k=MOST)).results
    assert search(service, replace(request, k=larger)).results == whole[:larger]
    assert search(service, replace(request, k=smaller)).results == whole[:smaller]


@given(st.sampled_from([*SUBJECTS]), requests, expansions, st.sampled_from([17, DEPTH, 130]))
@settings(max_examples=15, phases=[Phase.generate])
@pytest.mark.slow
def test_pages_are_parts_of_that_order(
    service: LocalService, subject: str, rest: dict[str, Any], expansion: dict[str, Any], k: int
) -> None:
    request = request_of(subject, rest, expansion)
    whole = search(service, replace(request, k=MOST))
    assert whole.next_cursor is None
    assert tuple(by_pages(service, replace(request, k=k))) == whole.results


def test_pictures_beyond_every_list_follow_and_none_is_left_out(service: LocalService) -> None:
    request = SearchRequest(images=(photo(3),))
    found = [result.id for result in search(service, replace(request, k=MOST)).results]
    assert sorted(found) == [f"{number:04d}" for number in range(PICTURES)]
    alone = [search(service, replace(request, features=(name,), k=DEPTH)) for name in FEATURES]
    listed = {result.id for answer in alone for result in answer.results}
    assert set(found[: len(listed)]) == listed


def test_a_page_within_the_lists_asks_the_shards_once(service: LocalService, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    for shard in service.shards:
        plain = shard.search

        async def counted(query: Any, *, timeout_s: float, plain: Any = plain) -> Any:
            asked.extend(part.k for part in query.features)
            return await plain(query, timeout_s=timeout_s)

        monkeypatch.setattr(shard, "search", counted)
    search(service, SearchRequest(images=(photo(3),), features=("phash",), k=DEPTH))
    assert asked == [DEPTH] * len(service.shards)
    search(service, SearchRequest(images=(photo(3),), features=("phash",), k=DEPTH + 1))
    assert sorted(asked) == [DEPTH] * (2 * len(service.shards)) + [MOST] * len(service.shards)


@pytest.mark.slow
async def test_a_search_by_keypoints_finds_the_same_whatever_k_is(tmp_path: Path) -> None:
    with local_service(tmp_path, {"color": {}, "local": {}}) as service:
        for number in range(30):
            await service.catalog.pictures.add(AddRequest(photo(1, (200, 150)), id=f"copy-{number}"))
            await service.catalog.pictures.add(AddRequest(photo(number, (40, 30)), id=f"other-{number}"))
        request = SearchRequest(images=(photo(1, (200, 150)),))
        whole = (await service.catalog.searches.search(replace(request, k=100))).results
        assert sum("local" in result.matches for result in whole) >= 24
        for k in (1, 4, 20, 25, 50):
            assert (await service.catalog.searches.search(replace(request, k=k))).results == whole[:k]
