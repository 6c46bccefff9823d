"""One catalogue behind both: what was added through one surface is found through the other."""

from __future__ import annotations

import httpx

from graph.http.replies.openapi import AddedImage, ImageRow
from tests.unit.graph.http.ambience.original_client import OriginalClient
from tests.unit.graph.local_catalog import photo


async def add(http: httpx.AsyncClient, seed: int, image_id: str, metadata: str = "{}") -> None:
    form = {"id": image_id, "metadata": metadata}
    answer = await http.post("/v1/images", files={"image": photo(seed)}, data=form)
    assert answer.status_code == 201, answer.text


async def test_version_1_finds_what_the_originals_clients_added(
    original: OriginalClient, http: httpx.AsyncClient
) -> None:
    await original.calculate_all(photo(1), 12)
    answer = (await http.post("/v1/search", files={"image": photo(1)})).json()
    assert answer["results"][0]["id"] == "12"
    assert set(answer["results"][0]["matches"]) == {"phash", "color", "local"}
    row = (await http.get("/v1/images/12")).json()
    assert (row["width"], row["height"], row["metadata"]) == (160, 120, {})
    assert (await http.get("/v1/images/12/thumbnail")).status_code == 200


async def test_the_originals_clients_find_what_version_1_added(
    original: OriginalClient, http: httpx.AsyncClient
) -> None:
    await add(http, 1, "12")
    await add(http, 2, "a/b.jpg")
    for stem in ("phash", "color", "local_features"):
        assert (await original.by_image(stem, photo(1), k=1))[0]["image_id"] == 12
        assert (await original.by_image(stem, photo(2), k=1))[0]["image_id"] == "a/b.jpg"
        assert (await original.by_id(stem, 12, k=1))[0]["image_id"] == 12


async def test_the_row_of_a_picture_with_single_features_is_as_documented(
    original: OriginalClient, http: httpx.AsyncClient
) -> None:
    await original.calculate("phash", photo(1), 12)
    row = ImageRow.model_validate((await http.get("/v1/images/12")).json())
    assert row.features == {"phash": "ok", "color": "absent", "local": "absent"}
    form = {"id": "12", "on_conflict": "skip"}
    skipped = await http.post("/v1/images", files={"image": photo(1)}, data=form)
    assert AddedImage.model_validate(skipped.json()).features == row.features


async def test_an_id_that_is_no_number_stays_what_it_is(original: OriginalClient, http: httpx.AsyncClient) -> None:
    ids = {"012", "+1", "1 ", "-1", "1.0", "\u0663", str(2**63), "1e3", "a/1"}
    for image_id in ids:
        await add(http, 1, image_id)
    found = await original.by_image("phash", photo(1), k=50)
    assert {row["image_id"] for row in found} == ids


async def test_an_id_that_is_a_number_is_one(original: OriginalClient, http: httpx.AsyncClient) -> None:
    for number in (0, 7, 2**32, 2**63 - 1):
        await add(http, 1, str(number))
        assert {"image_id": number, "distance": 0} in await original.by_id("phash", number, k=50)


async def test_a_picture_of_version_1_is_taken_for_each_feature_that_it_has(
    original: OriginalClient, http: httpx.AsyncClient
) -> None:
    await add(http, 1, "12", '{"title": "a bridge"}')
    assert (await original.calculate("phash", photo(1), 12)).status_code == 500
    await original.delete("phash", image_id=12)
    assert (await original.calculate("phash", photo(1), 12)).status_code == 200
    assert (await http.get("/v1/images/12")).json()["metadata"] == {"title": "a bridge"}


async def test_a_picture_that_version_1_deletes_is_gone_everywhere(
    original: OriginalClient, http: httpx.AsyncClient
) -> None:
    await original.calculate_all(photo(1), 12)
    assert (await http.delete("/v1/images/12")).status_code == 204
    assert await original.reverse_search(photo(1)) == {}


async def test_file_names_are_given_where_they_are_switched_on(named: OriginalClient) -> None:
    await add(named.http, 1, "5", '{"file_name": "bridge.jpg"}')
    await add(named.http, 2, "holiday/bus.jpg")
    await named.calculate_all(photo(3), 12)
    names = {5: "bridge.jpg", "holiday/bus.jpg": "bus.jpg", 12: "12.online"}
    for stem in ("phash", "color"):
        found = await named.by_image(stem, photo(1), k=5)
        assert {row["image_id"]: row["file_name"] for row in found} == names
        assert all([*row] == ["image_id", "distance", "file_name"] for row in found)
    for seed, image_id in ((1, 5), (2, "holiday/bus.jpg"), (3, 12)):
        [found, *_] = await named.by_image("local_features", photo(seed), k=5)
        assert (found["image_id"], found["file_name"]) == (image_id, names[image_id])
