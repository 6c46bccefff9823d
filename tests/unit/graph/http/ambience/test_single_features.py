"""Adding and deleting single features: empty answers, taken ids, names of files."""

from __future__ import annotations

import httpx
import pytest

from tests.unit.graph.http.ambience.original_client import OriginalClient
from tests.unit.graph.http.ambience.scripted_catalog import ScriptedCatalog
from tests.unit.graph.http.fake_catalog import JPEG
from tests.unit.graph.local_catalog import LocalService, photo

FEATURES = ["phash", "color", "global", "image_text", "local"]
TAKEN = "Image with the same id is already in the db"


@pytest.mark.parametrize("feature", FEATURES)
async def test_one_feature_is_added_and_the_answer_is_empty(
    scripted_original: OriginalClient, scripted: ScriptedCatalog, feature: str
) -> None:
    answer = await scripted_original.calculate(feature, JPEG, 12)
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")
    [request] = scripted.added_features
    assert (request.image, request.id, request.features) == (JPEG, "12", (feature,))


@pytest.mark.parametrize("feature", FEATURES)
async def test_a_taken_id_is_the_originals_500_in_their_words(scripted_original: OriginalClient, feature: str) -> None:
    await scripted_original.calculate(feature, JPEG, 12)
    answer = await scripted_original.calculate(feature, JPEG, 12)
    assert (answer.status_code, answer.text) == (500, TAKEN)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_features_come_and_go_one_by_one(original: OriginalClient, service: LocalService) -> None:
    for feature in ("phash", "color", "local"):
        assert (await original.calculate(feature, photo(1), 12)).status_code == 200
    assert (await original.calculate("color", photo(1), 12)).text == TAKEN
    answer = await original.delete("color", image_id=12)
    assert (answer.status_code, answer.content) == (200, b"")
    assert dict((await service.catalog.pictures.get("12")).features) == {
        "phash": "ok",
        "color": "absent",
        "local": "ok",
    }
    assert await original.by_image("color", photo(1), k=5) == []
    assert await original.by_image("phash", photo(1), k=5) == [{"image_id": 12, "distance": 0}]
    assert (await original.calculate("color", photo(1), 12)).status_code == 200
    assert await original.by_id("color", 12, k=5) == [{"image_id": 12, "distance": 0.0}]


async def test_with_the_last_feature_goes_the_picture(original: OriginalClient, http: httpx.AsyncClient) -> None:
    for feature in ("phash", "color"):
        await original.calculate(feature, photo(1), 12)
    for feature in ("phash", "color"):
        await original.delete(feature, image_id="12")
    assert (await http.get("/v1/images/12")).status_code == 404


async def test_deleting_what_is_not_there_is_fine_as_it_was(original: OriginalClient) -> None:
    for feature in ("phash", "color", "local"):
        answer = await original.delete(feature, image_id=99)
        assert (answer.status_code, answer.content) == (200, b"")


async def test_an_unknown_file_name_deletes_nothing_and_says_so(
    original: OriginalClient, service: LocalService
) -> None:
    await original.calculate("phash", photo(1), 0)
    for name in ("unknown.jpg", "1.online", "00.online", "x"):
        answer = await original.delete("phash", file_name=name)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert (await service.catalog.pictures.get("0")).features["phash"] == "ok"


async def test_a_picture_is_deleted_by_the_name_that_it_came_with(
    original: OriginalClient, http: httpx.AsyncClient
) -> None:
    await original.calculate("phash", photo(1), 0)
    assert (await original.delete("phash", file_name="0.online")).status_code == 200
    assert (await http.get("/v1/images/0")).status_code == 404
    form = {"id": "holiday/5", "metadata": '{"file_name": "bridge.jpg"}'}
    await http.post("/v1/images", files={"image": photo(2)}, data=form)
    assert (await original.delete("color", file_name="bridge.jpg", image_id=77)).status_code == 200
    assert (await http.get("/v1/images/holiday%2F5")).json()["features"]["color"] == "absent"


@pytest.mark.parametrize("blank", ["", " "])
async def test_an_id_that_is_left_blank_beside_a_name_counts_as_absent(
    original: OriginalClient, http: httpx.AsyncClient, blank: str
) -> None:
    await original.calculate("phash", photo(1), 1)
    form = {"image_id": blank, "file_name": "1.online"}
    assert (await http.post("/delete_phash_features", data=form)).status_code == 200
    assert (await http.get("/v1/images/1")).status_code == 404
    assert (await http.post("/delete_phash_features", data={"image_id": blank})).status_code == 422


async def test_the_name_of_a_number_is_not_that_of_a_picture_with_another_name(
    original: OriginalClient, http: httpx.AsyncClient
) -> None:
    await http.post("/v1/images", files={"image": photo(2)}, data={"id": "5", "metadata": '{"file_name": "b.jpg"}'})
    assert (await original.delete("phash", file_name="5.online")).status_code == 404
    assert (await http.get("/v1/images/5")).json()["features"]["phash"] == "ok"


async def test_a_file_name_that_several_have_deletes_none_of_them(
    original: OriginalClient, http: httpx.AsyncClient
) -> None:
    for image_id, seed in (("5", 1), ("6", 2)):
        form = {"id": image_id, "metadata": '{"file_name": "b.jpg"}'}
        await http.post("/v1/images", files={"image": photo(seed)}, data=form)
    answer = await original.delete("phash", file_name="b.jpg")
    assert answer.status_code == 422
    assert "2 pictures are called 'b.jpg'" in answer.json()["error"]["message"]
    assert (await http.get("/v1/images/5")).json()["features"]["phash"] == "ok"
