"""Errors: ``detail`` as FastAPI writes it, beside our own ``error``, also where a middleware refuses."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from graph.http.ambience.openapi import AmbienceError
from storage.errors import Busy, CorruptData, DeadlineExceeded, ImageNotFound
from tests.unit.graph.http.ambience.conftest import EVERYTHING
from tests.unit.graph.http.ambience.original_client import OriginalClient
from tests.unit.graph.http.ambience.scripted_catalog import ScriptedCatalog
from tests.unit.graph.http.conftest import MakeClient
from tests.unit.graph.http.fake_catalog import JPEG
from tests.unit.graph.http.replies.test_errors import raising
from tests.unit.graph.local_catalog import photo

PICTURE = {"image": ("document", JPEG)}
BY_ID = "/phash_get_similar_images_by_id"
BY_IMAGE = "/phash_get_similar_images_by_image_buffer"


def problem(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code, once the shape is checked."""
    error = AmbienceError.model_validate(answer.json())
    assert error.error.request_id == answer.headers["x-request-id"]
    assert error.error.message in str(error.detail) or answer.status_code == 422
    return answer.status_code, error.error.code


@pytest.mark.parametrize("numbers", [{}, {"k": "1", "distance_threshold": "1"}, {"k": "", "distance_threshold": " "}])
@pytest.mark.parametrize("stem", ["phash", "color", "global_features", "image_text_features"])
async def test_exactly_one_of_k_and_distance_threshold_is_wanted(
    scripted_http: httpx.AsyncClient, stem: str, numbers: dict[str, str]
) -> None:
    for answer in (
        await scripted_http.post(f"/{stem}_get_similar_images_by_image_buffer", files=PICTURE, data=numbers),
        await scripted_http.post(f"/{stem}_get_similar_images_by_id", json={"image_id": 1, **numbers}),
    ):
        assert problem(answer) == (422, "invalid_field")
        [said] = answer.json()["detail"]
        assert (said["loc"], said["type"]) == (["body"], "value_error")
        assert "exactly one of k and distance_threshold" in said["msg"]


@pytest.mark.parametrize("image_id", [-1, "-1", 1.5, "x", "", None, True, 2**63, [1]])
async def test_ids_are_whole_numbers_from_zero_as_fastapi_would_say(
    scripted_http: httpx.AsyncClient, image_id: Any
) -> None:
    for path, values in ((BY_ID, {"k": 1}), ("/delete_all_image_features", {})):
        answer = await scripted_http.post(path, json={"image_id": image_id, **values})
        assert problem(answer) == (422, "invalid_field")
        assert answer.json()["detail"][0]["loc"] == ["body", "image_id"]
    answer = await scripted_http.post("/calculate_color_features", files=PICTURE, data={"image_id": str(image_id)})
    assert problem(answer) == (422, "invalid_field")


@pytest.mark.parametrize(("given", "stored"), [(0, "0"), ("012", "12"), ("12", "12"), (12.0, "12"), (2**63 - 1, None)])
async def test_ids_are_the_decimal_strings_of_version_1(
    scripted_http: httpx.AsyncClient, scripted: ScriptedCatalog, given: Any, stored: str | None
) -> None:
    await scripted_http.post(BY_ID, json={"image_id": given, "k": 1})
    assert scripted.searched[-1].ids == (stored or str(given),)


@pytest.mark.parametrize(
    "field",
    [
        {"k": "0"}, {"k": "-1"}, {"k": "many"}, {"k": "1.5"}, {"k": "1001"}, {"distance_threshold": "-1"},
        {"distance_threshold": "nan"}, {"distance_threshold": "inf"},
    ],
)  # fmt: skip
async def test_numbers_out_of_their_range_are_refused(scripted_http: httpx.AsyncClient, field: dict[str, str]) -> None:
    answer = await scripted_http.post(BY_IMAGE, files=PICTURE, data=field)
    assert problem(answer) == (422, "invalid_field")
    assert next(iter(field)) in str(answer.json()["detail"])


@pytest.mark.parametrize(
    "field",
    ["k", "k_clusters", "knn_min_matches", "matching_threshold", "use_smnn_matching", "smnn_match_threshold",
     "use_ransac"],
)  # fmt: skip
async def test_parameters_of_keypoints_without_effect_are_checked_all_the_same(
    scripted_http: httpx.AsyncClient, field: str
) -> None:
    path = "/local_features_get_similar_images_by_image_buffer"
    assert problem(await scripted_http.post(path, files=PICTURE, data={field: "x"})) == (422, "invalid_field")
    assert (await scripted_http.post(path, files=PICTURE, data={field: ""})).status_code == 200


@pytest.mark.parametrize(
    ("path", "form", "missing"),
    [
        (BY_IMAGE, {"k": "1"}, "image"),
        (BY_ID, {"k": "1"}, "image_id"),
        ("/calculate_phash_features", {"image_id": "1"}, "image"),
        ("/image_text_features_get_similar_images_by_text", {"k": "1"}, "text"),
        ("/delete_all_image_features", {}, "image_id"),
        ("/reverse_search", {}, "image"),
        ("/get_image_tags", {}, "image"),
    ],
)
async def test_a_field_that_is_missing_is_named_as_fastapi_does(
    scripted_http: httpx.AsyncClient, path: str, form: dict[str, str], missing: str
) -> None:
    answer = await scripted_http.post(path, data=form)
    assert problem(answer) == (422, "invalid_field")
    assert answer.json()["detail"] == [{"type": "missing", "loc": ["body", missing], "msg": "Field required"}]


async def test_unknown_fields_are_passed_over_as_they_were(
    scripted_http: httpx.AsyncClient, scripted: ScriptedCatalog
) -> None:
    form = {"k": "3", "min_matches": "4", "distance": "x"}
    assert (await scripted_http.post(BY_IMAGE, files={**PICTURE, "more": b"\xff"}, data=form)).status_code == 200
    assert scripted.searched[-1].k == 3


@pytest.mark.parametrize("body", [b"{", b'{"image_id": NaN}', b"[1]", b"\xff"])
async def test_a_body_that_is_no_json_object_is_422_as_it_was(scripted_http: httpx.AsyncClient, body: bytes) -> None:
    answer = await scripted_http.post(BY_ID, content=body, headers={"content-type": "application/json"})
    assert problem(answer) == (422, "invalid_field")


async def test_deleting_wants_an_id_or_a_file_name(scripted_http: httpx.AsyncClient) -> None:
    for values in ({}, {"image_id": None, "file_name": ""}, {"image_id": -1}):
        assert problem(await scripted_http.post("/delete_phash_features", json=values)) == (422, "invalid_field")


async def test_an_unknown_id_is_404(original: OriginalClient) -> None:
    for stem in ("phash", "color", "local_features"):
        answer = await original.http.post(f"/{stem}_get_similar_images_by_id", json={"image_id": 99, "k": 1})
        assert problem(answer) == (404, "image_not_found")
        assert "'99'" in answer.json()["detail"]


async def test_a_stored_picture_without_the_feature_is_404(original: OriginalClient) -> None:
    await original.calculate("phash", photo(1), 12)
    answer = await original.http.post("/color_get_similar_images_by_id", json={"image_id": 12, "k": 1})
    assert problem(answer) == (404, "image_not_found")


async def test_what_is_no_picture_is_415(original: OriginalClient) -> None:
    for path in (BY_IMAGE, "/local_features_get_similar_images_by_image_buffer", "/reverse_search"):
        for data in (b"no picture", b""):
            answer = await original.http.post(path, files={"image": ("document", data)}, data={"k": "1"})
            assert problem(answer) == (415, "unsupported_image")


@pytest.mark.parametrize(
    "path",
    [
        "/global_features_get_similar_images_by_image_buffer",
        "/image_text_features_get_similar_images_by_id",
        "/image_text_features_get_similar_images_by_text",
        "/calculate_global_features",
        "/delete_image_text_features",
        "/get_image_tags",
        "/get_image_caption",
    ],
)
async def test_what_is_not_configured_is_503_and_never_no_matches(make_client: MakeClient, path: str) -> None:
    http = make_client({"ambience": {"enabled": True}})
    answer = await http.post(path, files=PICTURE, data={"k": "1", "image_id": "1", "text": "a bridge"})
    assert problem(answer) == (503, "extractor_unavailable")
    assert "is configured" in answer.json()["detail"]


async def test_nothing_found_while_a_shard_is_down_is_503_and_something_found_says_so(
    scripted_http: httpx.AsyncClient, scripted: ScriptedCatalog
) -> None:
    scripted.missing_shards = (0, 2)
    answer = await scripted_http.post(BY_ID, json={"image_id": 1, "k": 1})
    assert problem(answer) == (503, "shard_unavailable")
    assert answer.headers["retry-after"] == "1"
    scripted.hits["phash"] = [("3", 4)]
    answer = await scripted_http.post(BY_ID, json={"image_id": 1, "k": 1})
    assert answer.json() == [{"image_id": 3, "distance": 4}]
    assert answer.headers["x-lookalike-incomplete"] == "shard 0 did not answer; shard 2 did not answer"


async def test_results_beyond_the_limit_are_not_passed_over_in_silence(
    make_client: MakeClient, scripted: ScriptedCatalog
) -> None:
    client = make_client({**EVERYTHING, "limits": {"max_results": 2}})
    scripted.hits["phash"] = [("1", 0), ("2", 3), ("3", 5)]
    answer = await client.post(BY_ID, json={"image_id": 1, "distance_threshold": 64})
    assert [row["image_id"] for row in answer.json()] == [1, 2]
    assert "only the first 2 results" in answer.headers["x-lookalike-incomplete"]
    answer = await client.post(BY_ID, json={"image_id": 1, "k": 2})
    assert "x-lookalike-incomplete" not in answer.headers


@pytest.mark.parametrize(
    ("failure", "status"), [(Busy("full"), 503), (DeadlineExceeded("late"), 504), (ImageNotFound("gone"), 404)]
)
async def test_errors_have_the_statuses_of_version_1(
    scripted_http: httpx.AsyncClient, scripted: ScriptedCatalog, failure: Exception, status: int
) -> None:
    scripted.before = raising(failure)
    answer = await scripted_http.post(BY_ID, json={"image_id": 1, "k": 1})
    assert problem(answer)[0] == status
    assert answer.json()["detail"] == str(failure)


@pytest.mark.parametrize("failure", [CorruptData("secret"), RuntimeError("secret")])
async def test_a_500_shows_the_request_id_alone(
    scripted_http: httpx.AsyncClient, scripted: ScriptedCatalog, failure: Exception
) -> None:
    scripted.before = raising(failure)
    answer = await scripted_http.post(BY_ID, json={"image_id": 1, "k": 1})
    assert problem(answer) == (500, "internal")
    assert "secret" not in answer.text


async def test_middlewares_refuse_in_the_same_shape(make_client: MakeClient, scripted: ScriptedCatalog) -> None:
    small = make_client({**EVERYTHING, "limits": {"max_body_bytes": 2048, "max_json_bytes": 1024}})
    large = {"image": ("document", JPEG + b"x" * 4000)}
    assert problem(await small.post(BY_IMAGE, files=large, data={"k": "1"})) == (413, "body_too_large")
    assert problem(await small.post(BY_ID, json={"image_id": 1, "k": 1, "x": "x" * 1100})) == (413, "body_too_large")
    guarded = make_client({**EVERYTHING, "api_keys": ["first-secret"]})
    answer = await guarded.post(BY_ID, json={"image_id": 1, "k": 1})
    assert problem(answer) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    key = {"X-API-Key": "first-secret"}
    assert (await guarded.post(BY_ID, json={"image_id": 1, "k": 1}, headers=key)).status_code == 200
    site = await make_client(EVERYTHING).post(BY_ID, json={}, headers={"Origin": "https://evil.example"})
    assert problem(site) == (403, "forbidden")
    assert "access-control-allow-origin" not in site.headers


async def test_another_method_is_405_in_the_same_shape(scripted_http: httpx.AsyncClient) -> None:
    answer = await scripted_http.get(BY_ID)
    assert problem(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    assert "detail" not in (await scripted_http.get("/v1/nothing")).json()
