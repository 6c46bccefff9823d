"""The gateway's own routes: every service at once, duplicates, adding and deleting everything."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from deployments.pictures.prepared import PreparedPicture, prepare_picture
from graph.requests.messages import PartReport
from storage.errors import (
    Busy,
    CorruptData,
    DeadlineExceeded,
    ExtractorFailed,
    ExtractorUnavailable,
    LookalikeError,
    ShardUnavailable,
    UnsupportedImage,
)
from tests.unit.graph.http.ambience.original_client import OriginalClient
from tests.unit.graph.http.ambience.scripted_catalog import ScriptedCatalog
from tests.unit.graph.http.conftest import MakeClient
from tests.unit.graph.http.fake_catalog import JPEG
from tests.unit.graph.local_catalog import LocalService, photo

INCOMPLETE = "x-lookalike-incomplete"
PICTURE = {"image": ("document", JPEG)}
TAKEN = "Image with the same id is already in the db"


async def test_every_service_is_searched_with_the_gateways_parameters(
    scripted_original: OriginalClient, scripted: ScriptedCatalog
) -> None:
    assert await scripted_original.reverse_search(JPEG) == {}
    asked = {request.features: request for request in scripted.searched}
    assert [*asked] == [("phash",), ("global",), ("local",), ("color",), ("image_text",)]
    assert all(request.images == (JPEG,) for request in asked.values())
    assert asked[("phash",)].max_distance == pytest.approx({"phash": 64})
    assert {request.k for features, request in asked.items() if features != ("phash",)} == {200}
    assert asked[("local",)].params == {"local": {"candidates": 100, "min_inliers": 4}}


async def test_lists_hold_twenty_at_most_and_are_absent_when_empty(
    scripted_original: OriginalClient, scripted: ScriptedCatalog
) -> None:
    scripted.hits["color"] = [(str(number), number / 1000) for number in range(30)]
    scripted.hits["local"] = [("100", 12)]
    found = await scripted_original.reverse_search(JPEG)
    assert [*found] == ["local_features_res", "color_res"]
    assert found["local_features_res"] == [{"image_id": 100, "file_name": "100.online", "matches": 12}]
    assert [row["image_id"] for row in found["color_res"]] == [*range(20)]
    assert found["color_res"][3] == {"image_id": 3, "distance": 30_000.0}


async def test_what_two_services_found_is_unified_by_its_places(
    scripted_original: OriginalClient, scripted: ScriptedCatalog
) -> None:
    far = [(str(number), 0.5) for number in range(1000, 1150)]
    scripted.hits = {
        "phash": [("1", 0), ("2", 0)],
        "global": [("2", 0.1), ("3", 0.2), ("a.jpg", 0.3)],
        "local": [("1", 80), ("2", 40), ("4", 9)],
        "color": [*far, ("5", 0.6)],
        "image_text": [("a.jpg", 0.1), ("5", 0.2)],
    }
    found = await scripted_original.reverse_search(JPEG)
    assert found["unified_res"] == [
        {"image_id": 1, "score": 1 + 1},
        {"image_id": 2, "score": 1 / 2 + 1 + 1 / 2},
        {"image_id": "a.jpg", "score": pytest.approx(1 / 3 + 1)},
        {"image_id": 5, "score": pytest.approx(1 / 151 + 1 / 2)},
    ]
    assert len(found["color_res"]) == 20
    assert all(isinstance(rows, list) for rows in found.values())


async def test_a_service_that_fails_is_named_in_a_header_and_the_body_keeps_its_shape(
    scripted_http: httpx.AsyncClient, scripted: ScriptedCatalog
) -> None:
    scripted.hits["phash"] = [("1", 0)]
    scripted.failures["global"] = ExtractorUnavailable("no weights at “ü”\r\nX: y", "fetch them")
    scripted.failures["local"] = ExtractorFailed("restarting")
    scripted.reports["color"] = PartReport("timeout", 1.0, "late")
    answer = await scripted_http.post("/reverse_search", files=PICTURE)
    assert (answer.status_code, answer.json()) == (200, {"phash_res": [{"image_id": 1, "distance": 0}]})
    said = answer.headers[INCOMPLETE]
    assert "global: no weights at \\u201c\\xfc\\u201d X: y (fetch them)" in said
    assert "local: restarting" in said
    assert "color: " in said
    assert "image_text" not in said
    assert "x" not in answer.headers


async def test_the_picture_is_decoded_once_for_every_service(
    original: OriginalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await original.calculate_all(photo(1), 12)
    decoded: list[bytes] = []

    def counted(data: bytes, *args: Any, **options: Any) -> PreparedPicture:
        decoded.append(data)
        return prepare_picture(data, *args, **options)

    monkeypatch.setattr("graph.requests.decoding.prepare_picture", counted)
    found = await original.reverse_search(photo(1))
    assert [*found] == ["phash_res", "local_features_res", "color_res", "unified_res"]
    assert decoded == [photo(1)]


async def test_where_every_service_fails_the_search_does(
    scripted_http: httpx.AsyncClient, scripted: ScriptedCatalog
) -> None:
    scripted.failures = {name: ShardUnavailable("no shard answered") for name in ("phash", "color", "local")}
    scripted.failures |= {name: ExtractorUnavailable("no weights") for name in ("global", "image_text")}
    answer = await scripted_http.post("/reverse_search", files=PICTURE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "shard_unavailable")
    scripted.failures["color"] = CorruptData("secret")
    answer = await scripted_http.post("/reverse_search", files=PICTURE)
    assert answer.status_code == 500
    assert "secret" not in answer.text


@pytest.mark.parametrize("duplicate", [{}, {"find_duplicate": "1"}])
async def test_a_picture_that_cannot_be_read_is_an_error(
    scripted_http: httpx.AsyncClient, scripted: ScriptedCatalog, duplicate: dict[str, str]
) -> None:
    scripted.failures = {name: UnsupportedImage("not a picture") for name in ("phash", "color")}
    answer = await scripted_http.post("/reverse_search", files=PICTURE, data=duplicate)
    assert (answer.status_code, answer.json()["detail"]) == (415, "not a picture")


async def test_only_what_is_configured_is_searched_and_nothing_is_missing(make_client: MakeClient) -> None:
    applied = make_client({"ambience": {"enabled": True}, "extractors": {"fake": {}}})
    for path, request in (
        ("/reverse_search", {"files": PICTURE}),
        ("/calculate_all_image_features", {"files": PICTURE, "data": {"image_id": "1"}}),
        ("/delete_all_image_features", {"json": {"image_id": 1}}),
    ):
        answer = await applied.post(path, **request)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "extractor_unavailable")


async def test_a_duplicate_is_a_picture_with_nearly_the_same_hash(
    scripted_original: OriginalClient, scripted: ScriptedCatalog
) -> None:
    scripted.hits = {"phash": [("12", 0), ("b.jpg", 64)], "color": [("3", 0)]}
    found = await scripted_original.reverse_search(JPEG, find_duplicate=True)
    assert found == {"duplicate": [{"image_id": 12, "distance": 0}, {"image_id": "b.jpg", "distance": 64}]}
    assert [request.features for request in scripted.searched] == [("phash",)]
    scripted.hits = {}
    assert await scripted_original.reverse_search(JPEG, find_duplicate=True) == {}


async def test_zero_asks_for_no_duplicates(scripted_http: httpx.AsyncClient, scripted: ScriptedCatalog) -> None:
    scripted.hits = {"color": [("3", 0)]}
    answer = await scripted_http.post("/reverse_search", files=PICTURE, data={"find_duplicate": "0"})
    assert answer.json() == {"color_res": [{"image_id": 3, "distance": 0.0}]}


async def test_no_duplicate_is_never_said_of_what_was_not_looked_at(
    scripted_http: httpx.AsyncClient, scripted: ScriptedCatalog
) -> None:
    scripted.missing_shards = (1,)
    answer = await scripted_http.post("/reverse_search", files=PICTURE, data={"find_duplicate": "1"})
    assert answer.status_code == 503
    assert "shard 1 did not answer" in answer.json()["detail"]
    scripted.hits["phash"] = [("1", 2)]
    answer = await scripted_http.post("/reverse_search", files=PICTURE, data={"find_duplicate": "1"})
    assert answer.json() == {"duplicate": [{"image_id": 1, "distance": 2}]}
    assert answer.headers[INCOMPLETE] == "shard 1 did not answer"


async def test_every_feature_is_added_at_once_in_the_originals_order(
    scripted_original: OriginalClient, scripted: ScriptedCatalog
) -> None:
    outcomes = await scripted_original.calculate_all(JPEG, 12)
    assert outcomes == [
        {"status": "fulfilled", "value": "", "url": f"/calculate_{name}_features"}
        for name in ("global", "local", "color", "phash", "image_text")
    ]
    [request] = scripted.added_features
    assert (request.id, request.features) == ("12", ("global", "local", "color", "phash", "image_text"))


async def test_what_can_be_added_is_added_and_the_rest_says_why_not(
    original: OriginalClient, service: LocalService
) -> None:
    await original.calculate("phash", photo(1), 12)
    service.extractors["color"].failure = ExtractorFailed("restarting")
    local, color, phash = await original.calculate_all(photo(1), 12)
    assert local == {"status": "fulfilled", "value": "", "url": "/calculate_local_features"}
    assert color["status"] == "rejected"
    assert color["reason"] == {"message": "restarting", "code": "extractor_failed", "status": 503}
    assert phash["reason"] == {"message": TAKEN, "code": "image_exists", "status": 500}
    states = dict((await service.catalog.pictures.get("12")).features)
    assert (states["phash"], states["local"], states["color"] == "ok") == ("ok", "ok", False)


@pytest.mark.parametrize("failure", [Busy("full"), DeadlineExceeded("late"), ShardUnavailable("restarting")])
async def test_a_service_that_is_busy_late_or_down_is_asked_once(
    scripted_original: OriginalClient, scripted: ScriptedCatalog, failure: LookalikeError
) -> None:
    scripted.failures["phash"] = failure
    outcomes = await scripted_original.calculate_all(JPEG, 12)
    assert [one["reason"]["code"] for one in outcomes] == [failure.code] * 5
    assert len(scripted.added_features) == 1


async def test_no_feature_of_what_is_no_picture_is_added(original: OriginalClient) -> None:
    outcomes = await original.calculate_all(b"no picture", 12)
    assert [one["status"] for one in outcomes] == ["rejected"] * 3
    assert {one["reason"]["code"] for one in outcomes} == {"unsupported_image"}


async def test_everything_of_a_picture_is_deleted(original: OriginalClient, http: httpx.AsyncClient) -> None:
    await original.calculate_all(photo(1), 12)
    wanted: list[dict[str, Any]] = [
        {"status": "fulfilled", "value": "", "url": f"/delete_{name}_features"} for name in ("local", "color", "phash")
    ]
    assert await original.delete_all(12) == wanted
    assert (await http.get("/v1/images/12")).status_code == 404
    assert await original.delete_all(12) == wanted


async def test_what_cannot_be_deleted_says_why_not(original: OriginalClient, service: LocalService) -> None:
    service.catalog.pictures._shards._write_timeout_s = 0.2
    await original.calculate_all(photo(1), 12)
    for shard in service.shards:
        shard.failure = ShardUnavailable("restarting")
    outcomes = await original.delete_all(12)
    assert [one["status"] for one in outcomes] == ["rejected"] * 3
    assert outcomes[0]["reason"] == {"message": "restarting", "code": "shard_unavailable", "status": 503}
