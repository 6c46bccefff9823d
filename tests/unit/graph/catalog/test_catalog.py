"""The catalogue over real extractors and shards in one process: what is added is found, and what fails is said."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from graph.requests.messages import AddRequest, ListRequest, SearchAnswer, SearchRequest
from storage.errors import (
    DeadlineExceeded,
    ExtractorFailed,
    ExtractorUnavailable,
    ImageExists,
    ImageNotFound,
    InvalidField,
    InvalidRequest,
    ShardUnavailable,
    UnknownFeature,
    UnreadableImage,
)
from tests.unit.graph.local_catalog import LocalService, as_jpeg, local_service, photo


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    with local_service(tmp_path) as running:
        yield running


async def fill(service: LocalService, count: int = 8) -> None:
    for seed in range(count):
        await service.catalog.pictures.add(AddRequest(photo(seed), id=f"photo-{seed}", metadata={"seed": seed}))


async def test_an_added_picture_is_found_first_with_its_evidence(service: LocalService) -> None:
    await fill(service)
    answer = await service.catalog.searches.search(SearchRequest(images=(photo(3),), k=5))
    best = answer.results[0]
    assert best.id == "photo-3"
    assert best.score == 1.0
    assert best.matches["phash"] == {"distance": 0, "rank": 1, "farther": 0.875, "view": "as_given"}
    assert best.matches["color"]["distance"] == 0
    assert best.metadata == {"seed": 3}
    assert (best.width, best.height) == (160, 120)
    assert not answer.partial
    assert answer.missing_shards == ()
    assert len(answer.results) == 5


async def test_searches_side_by_side_have_each_its_answer_or_its_failure(service: LocalService) -> None:
    await fill(service)
    names = ("phash", "color")
    requests = [SearchRequest(images=(photo(seed),), features=(name,)) for seed in (3, 4) for name in names]
    alone = [(await service.catalog.searches.search(request)).results for request in requests]
    together = await service.catalog.searches.search_each(requests)
    assert [answer.results for answer in together if isinstance(answer, SearchAnswer)] == alone
    service.extractors["color"].failure = ExtractorFailed("broken")
    outcomes = [type(answer) for answer in await service.catalog.searches.search_each(requests)]
    assert outcomes == [SearchAnswer, ExtractorFailed] * 2
    with pytest.raises(InvalidField):
        await service.catalog.searches.search_each([*requests, SearchRequest(images=(photo(3),), k=10_000)])


async def test_a_search_by_id_answers_as_one_by_the_picture(service: LocalService) -> None:
    await fill(service)
    by_id = await service.catalog.searches.search(SearchRequest(ids=("photo-2",)))
    by_picture = await service.catalog.searches.search(SearchRequest(images=(photo(2),)))
    assert [(result.id, dict(result.matches)) for result in by_id.results] == [
        (result.id, dict(result.matches)) for result in by_picture.results
    ]


async def test_a_mirrored_picture_finds_its_original_and_says_that_it_is_mirrored(service: LocalService) -> None:
    await fill(service)
    mirrored = as_jpeg(ImageOps.mirror(Image.open(io.BytesIO(photo(4)))))
    answer = await service.catalog.searches.search(
        SearchRequest(images=(mirrored,), features=("phash",), max_distance={"phash": 64})
    )
    assert [result.id for result in answer.results] == ["photo-4"]
    assert answer.results[0].matches["phash"]["view"] == "mirrored"


async def test_only_the_asked_features_answer(service: LocalService) -> None:
    await fill(service, 2)
    answer = await service.catalog.searches.search(SearchRequest(images=(photo(0),), features=("color",)))
    assert set(answer.features) == {"color"}
    assert all(set(result.matches) == {"color"} for result in answer.results)


async def test_a_taken_id_is_refused_skipped_or_replaced_as_asked(service: LocalService) -> None:
    await service.catalog.pictures.add(AddRequest(photo(1), id="a"))
    with pytest.raises(ImageExists, match="'a'"):
        await service.catalog.pictures.add(AddRequest(photo(2), id="a"))
    skipped = await service.catalog.pictures.add(AddRequest(photo(2), id="a", on_conflict="skip"))
    assert skipped.outcome == "skipped"
    replaced = await service.catalog.pictures.add(AddRequest(photo(2), id="a", on_conflict="replace"))
    assert replaced.outcome == "replaced"
    answer = await service.catalog.searches.search(SearchRequest(images=(photo(2),)))
    assert [result.matches["phash"]["distance"] for result in answer.results] == [0]


async def test_without_an_id_the_checksum_of_the_bytes_is_the_id(service: LocalService) -> None:
    added = await service.catalog.pictures.add(AddRequest(photo(1)))
    assert added.record.id == added.record.sha256
    with pytest.raises(ImageExists):
        await service.catalog.pictures.add(AddRequest(photo(1)))


async def test_a_deletion_that_is_sent_again_has_the_same_answer(service: LocalService) -> None:
    await fill(service, 2)
    for _ in range(2):
        await service.catalog.pictures.delete("photo-1", operation_id="once")
    with pytest.raises(ImageNotFound):
        await service.catalog.pictures.delete("photo-1", operation_id="anew")


async def test_a_deleted_picture_is_gone_everywhere(service: LocalService) -> None:
    await fill(service, 3)
    await service.catalog.pictures.delete("photo-1")
    pictures = service.catalog.pictures
    for lookup in (pictures.get, pictures.thumbnail, pictures.delete):
        with pytest.raises(ImageNotFound):
            await lookup("photo-1")
    answer = await service.catalog.searches.search(SearchRequest(images=(photo(1),)))
    assert "photo-1" not in [result.id for result in answer.results]


async def test_pages_hold_every_picture_once_in_the_order_of_ids(service: LocalService) -> None:
    await fill(service, 7)
    seen, cursor = [], None
    while True:
        page = await service.catalog.pictures.page(ListRequest(cursor=cursor, limit=3))
        seen += [row.id for row in page.images]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(f"photo-{seed}" for seed in range(7))


async def test_a_feature_that_fails_is_named_and_the_others_answer(service: LocalService) -> None:
    await fill(service, 3)
    service.extractors["phash"].failure = ExtractorFailed("it crashed")
    answer = await service.catalog.searches.search(SearchRequest(images=(photo(1),)))
    assert answer.partial
    assert answer.features["phash"].status == "error"
    assert answer.features["color"].status == "ok"
    assert answer.results[0].id == "photo-1"


async def test_a_late_feature_is_a_timeout(service: LocalService) -> None:
    await fill(service, 1)
    service.extractors["phash"].failure = DeadlineExceeded("late")
    answer = await service.catalog.searches.search(SearchRequest(images=(photo(0),)))
    assert answer.features["phash"].status == "timeout"
    assert answer.partial


async def test_a_feature_that_is_not_set_up_is_no_gap_unless_it_was_asked_for(service: LocalService) -> None:
    await fill(service, 1)
    service.extractors["phash"].failure = ExtractorUnavailable("no model", "lookalike models pull")
    assert not (await service.catalog.searches.search(SearchRequest(images=(photo(0),)))).partial
    asked = await service.catalog.searches.search(SearchRequest(images=(photo(0),), features=("phash", "color")))
    assert asked.partial
    assert asked.features["phash"].status == "unavailable"


async def test_a_search_that_nothing_answered_is_an_error_and_not_an_empty_answer(service: LocalService) -> None:
    await fill(service, 1)
    service.extractors["phash"].failure = DeadlineExceeded("late")
    with pytest.raises(DeadlineExceeded):
        await service.catalog.searches.search(SearchRequest(images=(photo(0),), features=("phash",)))
    service.extractors["phash"].failure = ExtractorFailed("it crashed")
    with pytest.raises(ExtractorFailed):
        await service.catalog.searches.search(SearchRequest(images=(photo(0),), features=("phash",)))


async def test_a_missing_shard_is_named(service: LocalService) -> None:
    await fill(service)
    service.shards[1].failure = ShardUnavailable("down")
    answer = await service.catalog.searches.search(SearchRequest(images=(photo(0),)))
    assert answer.missing_shards == (1,)
    assert answer.partial
    assert (await service.catalog.service.stats()).missing_shards == (1,)
    assert not (await service.catalog.service.readiness()).ready


async def test_without_any_shard_a_search_is_an_error(service: LocalService) -> None:
    for shard in service.shards:
        shard.failure = ShardUnavailable("down")
    with pytest.raises(ShardUnavailable):
        await service.catalog.searches.search(SearchRequest(images=(photo(0),)))


async def test_a_write_whose_answer_was_lost_is_repeated_and_done_once(service: LocalService) -> None:
    for shard in service.shards:
        shard.failure, shard.lost_answers = ShardUnavailable("restarting"), 1
    added = await service.catalog.pictures.add(AddRequest(photo(1), id="a"))
    assert added.outcome == "created"
    assert (await service.catalog.service.stats()).images == 1


async def test_a_write_to_a_shard_that_stays_away_is_an_error(service: LocalService) -> None:
    service.catalog.pictures._shards._write_timeout_s = 0.2
    for shard in service.shards:
        shard.failure = ShardUnavailable("down")
    with pytest.raises(ShardUnavailable):
        await service.catalog.pictures.add(AddRequest(photo(1), id="a"))


async def test_a_feature_that_was_down_is_pending_and_filled_in_later(service: LocalService) -> None:
    service.extractors["color"].failure = ExtractorFailed("it crashed")
    added = await service.catalog.pictures.add(AddRequest(photo(1), id="a"))
    assert added.record.features == {"phash": "ok", "color": "pending"}
    assert (await service.catalog.service.stats()).pending["color"] == 1
    by_id = await service.catalog.searches.search(SearchRequest(ids=("a",)))
    assert by_id.features["color"].status == "pending"
    assert await service.pending.fill() == 0

    service.extractors["color"].failure = None
    assert await service.pending.fill() == 1
    assert (await service.catalog.pictures.get("a")).features == {"phash": "ok", "color": "ok"}
    answer = await service.catalog.searches.search(SearchRequest(images=(photo(1),), features=("color",)))
    assert answer.results[0].id == "a"
    assert (await service.catalog.service.stats()).pending["color"] == 0


async def test_bytes_that_are_no_picture_are_refused_and_nothing_is_stored(service: LocalService) -> None:
    for data in (b"", b"not a picture", photo(1)[:200]):
        with pytest.raises(UnreadableImage):
            await service.catalog.pictures.add(AddRequest(data, id="a"))
    assert (await service.catalog.service.stats()).images == 0


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (SearchRequest(), InvalidRequest),
        (SearchRequest(ids=("nobody",)), ImageNotFound),
        (SearchRequest(images=(b"x",), features=("phahs",)), UnknownFeature),
        (SearchRequest(images=(b"x",), weights={"phahs": 1.0}), UnknownFeature),
        (SearchRequest(text="a red circle"), InvalidField),
        (SearchRequest(images=(b"x",), k=100_000), InvalidField),
        (SearchRequest(ids=("x" * 300,)), InvalidField),
    ],
)
async def test_a_search_that_cannot_be_answered_says_why(
    service: LocalService, request_: SearchRequest, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await service.catalog.searches.search(request_)


async def test_a_sentence_without_a_model_for_sentences_says_how_to_get_one(service: LocalService) -> None:
    with pytest.raises(InvalidField, match="no model for sentences is configured") as refused:
        await service.catalog.searches.search(SearchRequest(text="a red bridge"))
    with pytest.raises(InvalidField, match="no model for sentences is configured"):  # it would be left out in silence
        await service.catalog.searches.search(SearchRequest(images=(photo(1),), text="a red bridge"))
    for hint in (refused.value.hint, refused.value.shell_hint):
        assert "lookalike models pull configs/semantic.yaml" in hint
        assert "lookalike serve configs/semantic.yaml" in hint


async def test_a_bad_parameter_of_a_feature_is_the_callers_fault(service: LocalService) -> None:
    await fill(service, 1)
    for request in (
        SearchRequest(images=(photo(0),), params={"phash": {"orientations": "upside"}}),
        SearchRequest(ids=("photo-0",), params={"phash": {"orientations": "upside"}}),
    ):
        with pytest.raises(InvalidField):
            await service.catalog.searches.search(request)


async def test_store_and_indexes_agree(service: LocalService) -> None:
    await fill(service)
    await service.catalog.pictures.delete("photo-2")
    assert [report.problems for report in await service.catalog.service.verify()] == [(), (), ()]


async def test_features_are_described(service: LocalService) -> None:
    reports = {report.name: report for report in await service.catalog.service.features()}
    assert reports["phash"].state == "ready"
    assert reports["phash"].dim == 576
    assert reports["phash"].index_kind == "exact"
    assert reports["color"].metric == "l1"
