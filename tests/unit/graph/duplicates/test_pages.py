"""Groups of the same picture over several shards, against choosing them one by one from every pair."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from graph.duplicates import neighbourhoods
from graph.duplicates import owners as duplicate_owners
from graph.duplicates import pages as duplicates
from graph.requests.messages import AddRequest
from storage.errors import UnknownFeature
from tests.unit.graph.duplicates.groups import MOST, chain, chosen_one_by_one, groups_of, pages, shards_of
from tests.unit.graph.local_catalog import as_jpeg, local_service
from tests.unit.storage.duplicates.near_collection import Made, distance, made_up, neighbours


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    count=st.integers(0, 60),
    originals=st.integers(1, 12),
    shard_count=st.integers(1, 3),
    limit=st.integers(1, 5),
)
def test_pages_together_give_the_groups_that_are_chosen_one_by_one(
    seed: int, count: int, originals: int, shard_count: int, limit: int
) -> None:
    pictures = made_up(seed, count, originals=originals, spread=45)
    with shards_of(pictures, shard_count) as shards:
        found = asyncio.run(pages(shards, limit))
    assert groups_of(found) == chosen_one_by_one(pictures)
    assert all(len(page.groups) <= limit for page in found)
    assert (sum(page.looked_at for page in found), sum(page.undecided for page in found)) == (count, 0)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**20), most=st.sampled_from([0, 10, 40, 100]))
def test_no_picture_is_in_two_groups_and_each_is_near_to_the_one_that_is_kept(seed: int, most: int) -> None:
    pictures = made_up(seed, 50, originals=4, spread=50)
    by_id = {one.id: one for one in pictures}
    with shards_of(pictures) as shards:
        groups = groups_of(asyncio.run(pages(shards, 7, most)))
    duplicates_of = [image_id for near in groups.values() for image_id in near]
    assert len(set(duplicates_of)) == len(duplicates_of)
    assert not set(duplicates_of) & groups.keys()
    for keep, near in groups.items():
        for image_id, bits in near.items():
            assert bits == distance(by_id[keep], by_id[image_id]) <= most
            assert by_id[keep].rank < by_id[image_id].rank


async def test_a_chain_is_not_one_group() -> None:
    pictures = chain(14)
    with shards_of(pictures) as shards:
        groups = groups_of(await pages(shards))
    assert groups == {f"{number:04}": {f"{number + 1:04}": 40} for number in range(0, 14, 2)}


async def test_the_largest_is_kept_then_the_one_of_more_bytes_then_the_smaller_id() -> None:
    views = made_up(1, 1)[0].views
    sizes = {"small": (10, 99), "b": (20, 50), "a": (20, 50), "heavy": (20, 40), "unknown": (0, 999)}
    pictures = [Made(name, width, 10, size, views) for name, (width, size) in sizes.items()]
    with shards_of(pictures) as shards:
        [page] = await pages(shards)
    [group] = page.groups
    assert group.keep.id == "a"
    assert [one.id for one in group.duplicates] == ["b", "heavy", "small", "unknown"]
    assert group.left_out == 0


@pytest.mark.parametrize("crowd", [200, 2])
async def test_of_a_crowd_the_nearest_are_given_and_the_rest_is_counted(
    monkeypatch: pytest.MonkeyPatch, crowd: int
) -> None:
    monkeypatch.setattr(duplicate_owners, "CROWD", crowd)
    monkeypatch.setattr(duplicates, "MOST_DUPLICATES", 30)
    pictures = made_up(3, 150, originals=1, spread=10)
    pictures = [one for one in pictures if len(one.views) > 1]
    best = min(pictures, key=lambda one: one.rank)
    near = neighbours(best, pictures, MOST)
    assert len(near) == len(pictures) - 1
    with shards_of(pictures) as shards:
        found = await pages(shards)
    [group] = [group for page in found for group in page.groups]
    assert group.keep.id == best.id
    assert [one.distance for one in group.duplicates] == sorted(near.values())[:30]
    assert group.left_out == len(near) - 30
    assert sum(page.undecided for page in found) == 0


async def test_a_crowd_with_strangers_is_grouped_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicate_owners, "CROWD", 3)
    monkeypatch.setattr(duplicate_owners, "LARGER", (2, 2000))
    monkeypatch.setattr(duplicate_owners, "NEAREST", 4)
    monkeypatch.setattr(duplicates, "NEAREST", 4)
    monkeypatch.setattr(neighbourhoods, "FIRST_AT_ONCE", 3)
    pictures = made_up(9, 130, originals=3, spread=45)
    with shards_of(pictures) as shards:
        assert groups_of(await pages(shards, 4)) == chosen_one_by_one(pictures)


async def test_the_catalogue_groups_uploads_with_their_mirrored_and_smaller_copies(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    picture = Image.fromarray(noise).resize((256, 192), Image.Resampling.BICUBIC)
    small = picture.resize((160, 120))
    with local_service(tmp_path) as service:
        for name, one in {"whole": picture, "small": small, "mirrored": ImageOps.mirror(small)}.items():
            await service.catalog.pictures.add(AddRequest(as_jpeg(one), name))
        [group] = (await service.catalog.duplicates.page(None, 10, max_distance=64)).groups
    assert group.keep.id == "whole"
    assert {one.id for one in group.duplicates} == {"small", "mirrored"}


async def test_without_hashes_there_are_no_duplicates_to_find(tmp_path: Path) -> None:
    with local_service(tmp_path, {"color": {}}) as service, pytest.raises(UnknownFeature, match="phash"):
        await service.catalog.duplicates.page(None, 10, max_distance=64)
