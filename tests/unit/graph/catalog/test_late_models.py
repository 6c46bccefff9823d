"""Features that a model decides: it comes late, it changes, it is asked by words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.replica import loading_part
from graph.requests.messages import AddRequest, FeatureReport, SearchAnswer, SearchRequest
from storage.errors import ExtractorUnavailable, InvalidField
from tests.unit.graph.local_catalog import LocalService, local_service, photo
from tests.unit.waiting import wait_for


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the fake model looks for its file, often."""
    monkeypatch.setattr(loading_part, "LOOK_INTERVAL_S", 0.02)
    return tmp_path / "weights"


@pytest.fixture
def service(tmp_path: Path, weights: Path) -> Iterator[LocalService]:
    with serving(tmp_path, weights) as running:
        yield running


def serving(tmp_path: Path, weights: Path):  # type: ignore[no-untyped-def]
    return local_service(tmp_path / "data", {"phash": {}, "fake_model": {"weights": str(weights)}})


async def add(service: LocalService, *seeds: int) -> dict[str, str]:
    for seed in seeds:
        added = await service.catalog.pictures.add(AddRequest(photo(seed), id=f"photo-{seed}"))
    return dict(added.record.features)


async def report(service: LocalService) -> FeatureReport:
    return next(one for one in await service.catalog.service.features() if one.name == "fake_model")


async def arrive(service: LocalService, weights: Path, content: str) -> None:
    """Another file of weights, noticed by the replica and by the keeper."""
    unfinished = weights.with_suffix(".unfinished")
    unfinished.write_text(content)
    unfinished.replace(weights)
    await loaded(service)


async def loaded(service: LocalService) -> None:
    """Loaded by the replica first: until then the keeper has nothing to refuse or to take over."""
    port = service.extractors["fake_model"]
    wait_for(lambda: port._host.report().state == "ready", "the model is loaded")
    await service.models.look()


async def found(service: LocalService, seed: int, **asked: object) -> SearchAnswer:
    request = SearchRequest(images=(photo(seed),), features=("fake_model",), **asked)  # type: ignore[arg-type]
    return await service.catalog.searches.search(request)


async def test_without_its_model_a_feature_says_why_and_everything_else_works(
    service: LocalService, weights: Path
) -> None:
    await service.models.look()
    assert await add(service, 1) == {"phash": "ok", "fake_model": "pending"}
    told = await report(service)
    assert (told.state, told.version) == ("unavailable", None)
    assert f"no weights at {weights}" in told.reason
    assert "write the file" in told.reason
    answer = await service.catalog.searches.search(SearchRequest(images=(photo(1),)))
    assert answer.results[0].id == "photo-1"
    assert answer.features["fake_model"].status == "unavailable"
    assert str(weights) in answer.features["fake_model"].reason
    assert not answer.partial
    with pytest.raises(ExtractorUnavailable, match="no weights"):
        await service.catalog.searches.search(SearchRequest(text="a red bridge"))


async def test_a_model_that_comes_later_is_picked_up_and_what_was_pending_filled_in(
    service: LocalService, weights: Path
) -> None:
    await add(service, 1, 2, 3)
    await arrive(service, weights, "one")
    assert await service.pending.fill() == 3
    assert (await found(service, 2)).results[0].id == "photo-2"
    assert await add(service, 4) == {"phash": "ok", "fake_model": "ok"}
    told = await report(service)
    assert (told.state, told.dim, told.metric, told.index_kind) == ("ready", 16, "cosine", "exact")
    assert told.version is not None


async def test_what_a_model_made_is_searched_by_id_even_when_the_model_is_gone(
    tmp_path: Path, service: LocalService, weights: Path
) -> None:
    await arrive(service, weights, "one")
    await add(service, 1, 2)
    weights.unlink()
    for shard in service.shards:
        shard._shard.close()
    with serving(tmp_path, weights) as again:
        await again.models.look()
        assert (await report(again)).state == "unavailable"
        by_id = await again.catalog.searches.search(SearchRequest(ids=("photo-2",), features=("fake_model",)))
        assert by_id.results[0].id == "photo-2"
        answer = await again.catalog.searches.search(SearchRequest(images=(photo(2),)))
        assert answer.features["fake_model"].status == "unavailable"


async def test_another_model_is_refused_with_the_command_that_moves_over(
    tmp_path: Path, service: LocalService, weights: Path
) -> None:
    await arrive(service, weights, "one")
    await add(service, 1, 2)
    for shard in service.shards:
        shard._shard.close()
    weights.write_text("two")
    with serving(tmp_path, weights) as again:
        await loaded(again)
        told = await report(again)
        assert told.state == "unavailable"
        assert "a backfill of 'fake_model'" in told.reason
        with pytest.raises(ExtractorUnavailable, match="was written with") as refusal:
            await found(again, 2)
        assert "a backfill of 'fake_model'" in str(refusal.value)
        assert await add(again, 3) == {"phash": "ok", "fake_model": "pending"}
        assert (await again.catalog.searches.search(SearchRequest(images=(photo(3),)))).results[0].id == "photo-3"


async def test_the_older_model_goes_on_answering_where_it_can_still_be_loaded(
    tmp_path: Path, service: LocalService, weights: Path
) -> None:
    await arrive(service, weights, "one")
    await add(service, 1, 2)
    for shard in service.shards:
        shard._shard.close()
    other = tmp_path / "other"
    other.write_text("two")
    with serving(tmp_path, other) as again:
        await loaded(again)
        while (told := await report(again)).state == "loading":
            await again.models.look()
        assert told.state == "ready"
        assert "a backfill of 'fake_model'" in told.reason
        assert (await found(again, 2)).results[0].id == "photo-2"
        assert await add(again, 3) == {"phash": "ok", "fake_model": "ok"}
        assert (await found(again, 3)).results[0].matches["fake_model"]["distance"] == pytest.approx(0, abs=1e-6)


async def test_another_model_is_simply_taken_while_nothing_is_stored(
    tmp_path: Path, service: LocalService, weights: Path
) -> None:
    await arrive(service, weights, "one")
    for shard in service.shards:
        shard._shard.close()
    weights.write_text("two")
    with serving(tmp_path, weights) as again:
        await loaded(again)
        assert (await report(again)).state == "ready"
        await add(again, 1)
        assert (await found(again, 1)).results[0].id == "photo-1"


async def test_a_text_that_is_too_long_is_cut_and_that_is_said(service: LocalService, weights: Path) -> None:
    await arrive(service, weights, "one")
    await add(service, 1)
    answer = await service.catalog.searches.search(
        SearchRequest(text="one two three four five six seven eight nine ten")
    )
    assert answer.features["fake_model"].status == "ok"
    assert "2 tokens at its end were left out" in answer.features["fake_model"].reason
    assert not answer.partial
    short = await service.catalog.searches.search(SearchRequest(text="one two"))
    assert short.features["fake_model"].reason == ""


async def test_a_picture_and_a_text_ask_with_their_weighted_sum(service: LocalService, weights: Path) -> None:
    await arrive(service, weights, "one")
    await add(service, *range(8))
    picture = (await found(service, 3)).results
    both = (await found(service, 3, text="a bridge")).results
    assert both[0].matches["fake_model"]["distance"] > picture[0].matches["fake_model"]["distance"]
    mostly = {"fake_model": {"text_weight": 1e-6}}
    almost = (await found(service, 3, text="a bridge", params=mostly)).results
    assert [one.id for one in almost] == [one.id for one in picture]
    text_alone = await service.catalog.searches.search(SearchRequest(text="a bridge"))
    no_picture = {"fake_model": {"image_weight": 0}}
    by_text = (await found(service, 3, text="a bridge", params=no_picture)).results
    assert {one.id: one.score for one in by_text} == {one.id: one.score for one in text_alone.results}


async def test_a_sentence_to_keep_away_from_moves_what_lies_near_it_down(service: LocalService, weights: Path) -> None:
    await arrive(service, weights, "one")
    await add(service, *range(8))
    plain = await service.catalog.searches.search(SearchRequest(text="a bridge"))
    near = await service.catalog.searches.search(SearchRequest(text="a dog"))
    wanted = {"fake_model": {"not_weight": 5}}
    away = await service.catalog.searches.search(SearchRequest(text="a bridge", text_not=("a dog",), params=wanted))
    unwanted = near.results[0].id
    ranks = [[one.id for one in answer.results].index(unwanted) for answer in (plain, away)]
    assert ranks[1] == len(away.results) - 1 > ranks[0]


async def test_query_expansion_asks_again_with_what_was_found_first(service: LocalService, weights: Path) -> None:
    await arrive(service, weights, "one")
    await add(service, *range(12))
    plain = (await found(service, 5)).results
    expanded = (await found(service, 5, params={"fake_model": {"aqe_n": "3", "aqe_alpha": 1}})).results
    assert plain[0].matches["fake_model"]["distance"] == pytest.approx(0, abs=1e-6)
    assert expanded[0].matches["fake_model"]["distance"] > 1e-3
    assert {one.id for one in expanded} == {one.id for one in plain}
    shares = [one.matches["fake_model"]["farther"] for one in expanded]
    assert shares == pytest.approx([n / 12 for n in range(11, -1, -1)], abs=1e-6)
    single = (await found(service, 5, params={"fake_model": {"aqe_n": 1}})).results  # itself: nothing changes
    assert [one.id for one in single] == [one.id for one in plain]


@pytest.mark.parametrize(
    "params", [{"no_such": 1}, {"aqe_n": -1}, {"aqe_n": 1.5}, {"aqe_alpha": "much"}, {"text_weight": True}]
)
async def test_a_bad_parameter_is_the_callers_fault(
    service: LocalService, weights: Path, params: dict[str, object]
) -> None:
    await arrive(service, weights, "one")
    await add(service, 1)
    with pytest.raises(InvalidField, match=r"fake_model"):
        await found(service, 1, params={"fake_model": params})


async def test_a_feature_that_understands_no_text_refuses_one(service: LocalService, weights: Path) -> None:
    await arrive(service, weights, "one")
    request = SearchRequest(images=(photo(1),), text="a bridge", features=("phash",))
    with pytest.raises(InvalidField, match="cannot be searched by text"):
        await service.catalog.searches.search(request)


async def test_whitening_is_learnt_from_all_shards_and_searches_go_by_it(service: LocalService, weights: Path) -> None:
    await arrive(service, weights, "one")
    await add(service, *range(40))
    trained = await service.catalog.service.train("fake_model")
    assert sum(shard.rows for shard in trained.shards) == 40
    assert (await report(service)).index_kind == "exact, whitened"
    assert (await found(service, 7)).results[0].id == "photo-7"
    assert all(not one.problems for one in await service.catalog.service.verify())
    expanded = await found(service, 7, params={"fake_model": {"aqe_n": 3}})
    assert expanded.features["fake_model"].status == "ok"


async def test_the_file_of_an_upload_is_kept_for_models_that_come_later(service: LocalService, weights: Path) -> None:
    await arrive(service, weights, "one")
    assert await add(service, 1) == {"phash": "ok", "fake_model": "ok"}
    assert await service.catalog.pictures.original("photo-1") == (photo(1), "jpeg")
