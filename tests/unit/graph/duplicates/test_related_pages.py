"""Groups of pictures of one photograph, judged as two pictures that are compared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from graph.duplicates import kinship
from graph.requests.messages import AddRequest, CompareRequest
from graph.search.search import Searches
from lookalike_client.answers import DuplicateGroup, DuplicatePage
from lookalike_client.matches import Relation
from storage.errors import ImageNotFound, InvalidField, NotFound
from tests.unit.graph.duplicates.scenes import copies_of, encoded, scene
from tests.unit.graph.local_catalog import LocalService, local_service

ALL: Collection[Relation] = {"same", "edited", "crop"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    with local_service(tmp_path, {"phash": {}, "local": {}}) as running:
        yield running


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The pairs that are judged from now on."""
    pairs: list[tuple[str, str]] = []
    compare = Searches.compare_stored

    async def counted(self: Searches, a_id: str, b_ids: Sequence[str]) -> Any:
        pairs.extend((a_id, one) for one in b_ids)
        return await compare(self, a_id, b_ids)

    monkeypatch.setattr(Searches, "compare_stored", counted)
    return pairs


async def add(service: LocalService, pictures: dict[str, bytes]) -> None:
    for image_id, data in pictures.items():
        await service.catalog.pictures.add(AddRequest(data, id=image_id, on_conflict="replace"))


async def pages(
    service: LocalService, relations: Collection[Relation] = frozenset({"same"}), limit: int = 100
) -> list[DuplicatePage]:
    found: list[DuplicatePage] = []
    cursor = None
    while not found or cursor is not None:
        found.append(await service.catalog.duplicates.related(cursor, limit, relations=relations))
        cursor = found[-1].next_cursor
    return found


async def groups(service: LocalService, relations: Collection[Relation] = frozenset({"same"})) -> list[DuplicateGroup]:
    return [group for page in await pages(service, relations) for group in page.groups]


def ids(found: Sequence[DuplicateGroup]) -> dict[str, set[str]]:
    return {group.keep.id: {one.id for one in group.duplicates} for group in found}


async def test_copies_are_grouped_in_all_turns_and_others_are_not(service: LocalService) -> None:
    one = copies_of(scene(1))
    await add(service, {"original": encoded(scene(1)), **one, "another": encoded(scene(2)), "third": encoded(scene(3))})
    [group] = await groups(service)
    assert ids([group]) == {"original": set(one)}
    assert (group.relation, group.left_out) == ("same", 0)
    assert group.confidence == min(member.confidence or 0.0 for member in group.duplicates) > 0.5
    by_id = {member.id: member for member in group.duplicates}
    assert by_id["small"].kept_because[:2] == ("pixels", "bytes")
    assert by_id["recompressed"].kept_because[0] == "bytes"
    for member in group.duplicates:
        of_pair = await service.catalog.searches.compare(CompareRequest(a_id=member.id, b_id="original"))
        assert (member.relation, member.confidence) == (of_pair.relation, of_pair.confidence)


async def test_edited_pictures_and_parts_are_grouped_on_request(service: LocalService) -> None:
    whole = scene(1)
    written = whole.copy()
    ImageDraw.Draw(written).rectangle((100, 150, 300, 250), fill="black")
    part = whole.crop((100, 60, 560, 420))
    pictures = {
        "original": encoded(whole),
        "edited": encoded(written, 80),
        "part": encoded(part),
        "o": encoded(scene(2)),
    }
    await add(service, pictures)
    assert ids(await groups(service)) == {}
    assert ids(await groups(service, {"same", "edited"})) == {"original": {"edited"}}
    [group] = await groups(service, ALL)
    assert {one.id: one.relation for one in group.duplicates} == {"edited": "edited", "part": "crop"}
    assert group.relation == "crop"


async def test_a_second_walk_judges_only_what_has_come(service: LocalService, judged: list[tuple[str, str]]) -> None:
    await add(service, {"original": encoded(scene(1)), "small": copies_of(scene(1))["small"]})
    first = await groups(service)
    assert judged == [("small", "original")]
    assert await groups(service) == first
    assert len(judged) == 1
    await add(service, {"mirrored": copies_of(scene(1))["mirrored"]})
    assert ids(await groups(service)) == {"original": {"small", "mirrored"}}
    assert judged[1:] == [("mirrored", "original")]


async def test_a_picture_that_is_replaced_is_judged_again(service: LocalService, judged: list[tuple[str, str]]) -> None:
    await add(service, {"original": encoded(scene(1)), "small": copies_of(scene(1))["small"]})
    assert ids(await groups(service)) == {"original": {"small"}}
    await add(service, {"original": encoded(scene(2))})
    assert ids(await groups(service)) == {}
    await add(service, {"original": encoded(scene(1), 90)})
    assert ids(await groups(service)) == {"original": {"small"}}
    await service.catalog.pictures.delete("original")
    assert ids(await groups(service)) == {}


async def test_another_calibration_judges_all_again(
    service: LocalService, judged: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(service, {"original": encoded(scene(1)), "small": copies_of(scene(1))["small"]})
    await groups(service)
    monkeypatch.setattr(Searches, "judgement_marks", lambda self: ("another", ("phash", "local")))
    await groups(service)
    assert judged == [("small", "original")] * 2


async def test_pages_together_give_every_group_once(service: LocalService) -> None:
    for seed in range(4):
        await add(service, {f"{seed}": encoded(scene(seed)), f"{seed} small": copies_of(scene(seed))["small"]})
    found = await pages(service, limit=1)
    assert all(len(page.groups) <= 1 for page in found)
    listed = [group for page in found for group in page.groups]
    assert len(listed) == 4
    assert ids(listed) == {f"{seed}": {f"{seed} small"} for seed in range(4)}
    with pytest.raises(InvalidField, match="other relations"):
        await service.catalog.duplicates.related("same.9.0.0.1", 1, relations={"same"})
    with pytest.raises(InvalidField, match="no cursor"):
        await service.catalog.duplicates.related("64.1.0.5", 1, relations={"same"})


async def test_a_page_that_is_out_of_time_goes_on_where_it_was(
    service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.duplicates.related_pages.PAGE_S", 0.0)
    await add(service, {"original": encoded(scene(1)), **copies_of(scene(1))})
    found = await pages(service)
    assert len(found) > 7
    assert ids([group for page in found for group in page.groups]) == {"original": set(copies_of(scene(1)))}


async def test_blank_pages_cost_a_bounded_number_of_judgements_and_are_no_duplicates(
    service: LocalService, judged: list[tuple[str, str]]
) -> None:
    """But for those of the same bytes, whatever they show."""
    count = 40
    blank = {f"{number:03}": encoded(Image.new("RGB", (200, 200 + number), "white")) for number in range(count)}
    await add(service, {**blank, "again": blank["005"]})
    assert ids(await groups(service)) == {"005": {"again"}}
    assert len(judged) <= kinship.MOST_JUDGED * (count + 1)


async def test_without_hashes_a_search_with_each_picture_finds_its_copies(tmp_path: Path) -> None:
    with local_service(tmp_path, {"local": {}, "color": {}}) as service:
        await add(
            service, {"original": encoded(scene(1)), "small": copies_of(scene(1))["small"], "o": encoded(scene(2))}
        )
        assert ids(await groups(service)) == {"original": {"small"}}


async def test_pictures_that_are_different_or_both_to_be_kept_are_in_no_group_together(service: LocalService) -> None:
    decisions = service.catalog.duplicates.decisions
    one = copies_of(scene(1))
    await add(service, {"original": encoded(scene(1)), "small": one["small"], "mirrored": one["mirrored"]})
    assert ids(await groups(service)) == {"original": {"small", "mirrored"}}
    of_two = await decisions.decide("small", "original", "different", "two shots")
    assert ids(await groups(service)) == {"original": {"mirrored"}}
    again = await decisions.decide("original", "small", "keep_both", None)
    assert (again.id, await decisions.all()) == (of_two.id, [again])
    assert ids(await groups(service)) == {"original": {"mirrored"}}
    await decisions.take_back(again.id)
    await decisions.decide("small", "mirrored", "different", None)
    [group] = await groups(service)
    assert len(group.duplicates) == 1
    with pytest.raises(NotFound, match="no decision"):
        await decisions.take_back(again.id)


async def test_of_two_that_one_is_kept_that_was_chosen(service: LocalService) -> None:
    decisions = service.catalog.duplicates.decisions
    one = copies_of(scene(1))
    await add(service, {"original": encoded(scene(1)), "small": one["small"], "mirrored": one["mirrored"]})
    first = await decisions.decide("small", "original", "keep", None)
    [group] = await groups(service)
    assert ids([group]) == {"small": {"original", "mirrored"}}
    assert {member.relation for member in group.duplicates} == {"same"}
    assert all(member.kept_because[0] == "decision" for member in group.duplicates)
    await decisions.decide("mirrored", "small", "keep", None)
    assert ids(await groups(service)) == {"mirrored": {"original", "small"}}
    await decisions.decide("original", "mirrored", "keep", None)  # round and round: the largest, as without
    assert ids(await groups(service)) == {"original": {"mirrored", "small"}}
    await decisions.take_back(first.id)
    assert ids(await groups(service)) == {"original": {"mirrored", "small"}}


async def test_a_decision_is_of_the_pictures_and_not_of_what_comes_under_their_ids(service: LocalService) -> None:
    decisions = service.catalog.duplicates.decisions
    await add(service, {"original": encoded(scene(1)), "small": copies_of(scene(1))["small"]})
    await decisions.decide("original", "small", "different", None)
    assert ids(await groups(service)) == {}
    await add(service, {"small": copies_of(scene(1))["mirrored"]})
    assert ids(await groups(service)) == {"original": {"small"}}
    await add(service, {"small": copies_of(scene(1))["small"]})
    assert ids(await groups(service)) == {}
    for wrong, error in ((("original", "original"), InvalidField), (("original", "nobody"), ImageNotFound)):
        with pytest.raises(error):
            await decisions.decide(*wrong, "different", None)


async def test_decisions_survive_a_restart(tmp_path: Path) -> None:
    with local_service(tmp_path, {"phash": {}, "local": {}}) as service:
        await add(service, {"original": encoded(scene(1)), "small": copies_of(scene(1))["small"]})
        decided = await service.catalog.duplicates.decisions.decide("original", "small", "keep_both", "both are mine")
    with local_service(tmp_path, {"phash": {}, "local": {}}) as service:
        assert await service.catalog.duplicates.decisions.all() == [decided]
        assert ids(await groups(service)) == {}
