"""``/v1/search``: what may be asked, in which forms, and the shape of the answer."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import httpx
import numpy as np
import pytest

from graph.http.replies.openapi import SearchResults
from graph.requests.messages import SearchRequest
from tests.unit.graph.http.fake_catalog import ANNOTATIONS, JPEG, FakeCatalog

PICTURE = {"image": ("a.jpg", JPEG, "image/jpeg")}


async def asked(client: httpx.AsyncClient, catalog: FakeCatalog, **request: Any) -> SearchRequest:
    answer = await client.post("/v1/search", **request)
    assert answer.status_code == 200, answer.text
    return catalog.searched[-1]


async def test_a_picture_alone_asks_every_feature_for_twenty(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    assert await asked(client, catalog, files=PICTURE) == SearchRequest(images=(JPEG,))


async def test_the_answer_has_the_documented_shape(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/v1/search", files=PICTURE)).json()
    SearchResults.model_validate(answer)
    assert answer["results"][0]["matches"] == {"phash": {"distance": 4, "rank": 1}}
    assert answer["results"][0]["metadata"] == {"title": "ü"}
    judgement = {"relation": "edited", "confidence": 0.98, "because": [], "overlap": {"of_query": 1, "of_stored": 0.9}}
    assert answer["results"][0].items() >= judgement.items()
    assert answer["results"][0]["transform"] == {"mirrored": True, "rotation_deg": 0, "scale": 0.5}
    assert answer["results"][0]["explain"]["changed"] == {"size": [640, 480], "boxes": [[1, 2, 30, 40]]}
    assert "explain" not in answer["results"][1]
    assert answer["results"][1].items() >= dict.fromkeys(["relation", "confidence", "transform", "overlap"]).items()
    assert answer["verdict"] == "match"
    assert [result["annotations"] for result in answer["results"]] == [ANNOTATIONS, {}]
    assert answer["features"]["phash"] == {"status": "ok", "took_ms": 2.1}
    assert answer["features"]["color"]["reason"] == "no weights"
    assert answer["features"]["image_text"] == {
        "status": "ok",
        "took_ms": 3.0,
        "reason": "the text was cut: 12 tokens were left out",
    }
    assert (answer["partial"], answer["missing_shards"]) == (True, [1])


async def test_every_field_of_a_form_arrives(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    data = {
        "features": "phash, color",
        "k": "7",
        "weights": '{"phash": 2}',
        "max_distance": '{"phash": "64"}',
        "params": '{"phash": {"views": "all"}}',
        "relevance": "likely",
        "explain": "true",
    }
    assert await asked(client, catalog, files=PICTURE, data=data) == SearchRequest(
        images=(JPEG,),
        features=("phash", "color"),
        k=7,
        weights={"phash": 2.0},
        max_distance={"phash": 64.0},
        params={"phash": {"views": "all"}},
        relevance="likely",
        explain=True,
    )


async def test_features_may_be_repeated_in_a_form(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    request = await asked(client, catalog, files=PICTURE, data={"features": ["phash", "color", "phash"]})
    assert request.features == ("phash", "color")


async def test_a_json_search_by_id_and_text(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    await client.post("/v1/images", files=PICTURE, data={"id": "a"})
    body = {
        "id": "a",
        "text": "a dog",
        "features": ["phash"],
        "k": 3,
        "weights": {"phash": 0},
        "relevance": "strong",
        "explain": True,
    }
    request = await asked(client, catalog, json=body)
    assert request == SearchRequest(
        ids=("a",),
        text="a dog",
        features=("phash",),
        k=3,
        weights={"phash": 0.0},
        relevance="strong",
        explain=True,
    )


async def test_a_json_search_takes_features_with_commas_too(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    request = await asked(client, catalog, json={"text": "x", "features": "phash,color"})
    assert request.features == ("phash", "color")


NIGHT, RAIN = "at night", "rain"


@pytest.mark.parametrize(
    ("given", "sentences"), [(NIGHT, (NIGHT,)), ([NIGHT, RAIN], (NIGHT, RAIN)), ([], ()), (None, ())]
)
async def test_sentences_to_keep_away_from_are_one_or_a_list_in_json(
    client: httpx.AsyncClient, catalog: FakeCatalog, given: Any, sentences: tuple[str, ...]
) -> None:
    request = await asked(client, catalog, json={"text": "a bridge", "text_not": given})
    assert request == SearchRequest(text="a bridge", text_not=sentences)


@pytest.mark.parametrize(
    ("given", "sentences"), [(NIGHT, (NIGHT,)), ([NIGHT, RAIN], (NIGHT, RAIN)), ("a, b", ("a, b",))]
)
async def test_sentences_to_keep_away_from_may_be_repeated_in_a_form(
    client: httpx.AsyncClient, catalog: FakeCatalog, given: Any, sentences: tuple[str, ...]
) -> None:
    request = await asked(client, catalog, files=PICTURE, data={"text_not": given})
    assert request == SearchRequest(images=(JPEG,), text_not=sentences)


async def test_pictures_and_ids_may_be_repeated(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    for image_id in ("a", "b,c"):
        await client.post("/v1/images", files=PICTURE, data={"id": image_id})
    form = [("image", ("1.jpg", JPEG)), ("image", ("2.jpg", JPEG + b"2")), ("id", (None, "a")), ("id", (None, "b,c"))]
    request = await asked(client, catalog, files=[*form, ("combine", (None, "all"))])
    assert request == SearchRequest(images=(JPEG, JPEG + b"2"), ids=("a", "b,c"), combine="all")
    request = await asked(client, catalog, json={"id": ["a", "b,c"], "combine": "mean"})
    assert request == SearchRequest(ids=("a", "b,c"))
    assert await asked(client, catalog, json={"id": "b,c"}) == SearchRequest(ids=("b,c",))


async def test_a_search_for_nothing_but_what_to_keep_away_from_is_422(
    client: httpx.AsyncClient, catalog: FakeCatalog
) -> None:
    form = [("text_not", (None, NIGHT))]
    for answer in (
        await client.post("/v1/search", json={"text_not": [NIGHT]}),
        await client.post("/v1/search", files=form),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (422, "invalid_field")
        assert error["message"] == "text_not: there is nothing to search for"
        assert error["hint"] == "say what to look for: image, id or text"
    assert not catalog.searched


async def test_similar_searches_by_the_stored_image(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    await client.post("/v1/images", files=PICTURE, data={"id": "a"})
    answer = await client.get("/v1/images/a/similar", params={"features": "phash", "k": 5, "relevance": "likely"})
    assert answer.status_code == 200
    assert catalog.searched == [SearchRequest(ids=("a",), features=("phash",), k=5, relevance="likely")]
    assert (await client.get("/v1/images/b/similar")).status_code == 404


@pytest.mark.parametrize("k", ["0", "-1", "1000000000", "x", "1.5", "", "NaN", "9" * 5000])
async def test_a_k_out_of_range_is_422_in_a_form_and_in_a_query(client: httpx.AsyncClient, k: str) -> None:
    for answer in (
        await client.post("/v1/search", files=PICTURE, data={"k": k}),
        await client.get("/v1/images/a/similar", params={"k": k}),
    ):
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "invalid_field"
        assert answer.json()["error"]["message"].startswith("k: ")


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"id": []}, "invalid_field", "id: "),
    ({"id": ["a", 7]}, "invalid_field", "id"),
    ({"id": "a", "combine": "each"}, "invalid_field", "combine: "),
    ({"k": True}, "invalid_field", "k: a number is wanted"),
    ({"k": None}, "invalid_field", "k: "),
    ({"features": []}, "invalid_field", "features: "),
    ({"features": ""}, "invalid_field", "features: "),
    ({"features": [1]}, "invalid_field", "features: "),
    ({"features": ["phsh"]}, "unknown_feature", "no feature is called 'phsh'"),
    ({"weights": {"phsh": 1}}, "unknown_feature", "no feature is called 'phsh'"),
    ({"weights": {"phash": -1}}, "invalid_field", "weights.phash: "),
    ({"weights": {"phash": "NaN"}}, "invalid_field", "weights.phash: "),
    ({"weights": {"phash": True}}, "invalid_field", "weights.phash: "),
    ({"weights": [1]}, "invalid_field", "weights: "),
    ({"weights": "{"}, "invalid_field", "weights: "),
    ({"weights": '{"phash": NaN}'}, "invalid_field", "weights: NaN is not JSON"),
    ({"max_distance": {"phash": -1}}, "invalid_field", "max_distance.phash: "),
    ({"max_distance": {"phash": 1e400}}, "invalid_field", "max_distance.phash: "),
    ({"params": {"phash": 1}}, "invalid_field", "params.phash: "),
    ({"features": ["image_text"]}, "unknown_feature", "'image_text' is not configured in this service"),
    ({"params": {"global": {}}}, "unknown_feature", "'global' is not configured in this service"),
    ({"features": ["tags"]}, "unknown_feature", "'tags' is an annotator, which has no index"),
    ({"params": {"phsh": {}}}, "unknown_feature", "no feature is called 'phsh'"),
    ({"id": ""}, "invalid_field", "an image id of 0 characters"),
    ({"id": "a" * 257}, "invalid_field", "an image id of 257 characters"),
    ({"id": "a\u0000"}, "invalid_field", "image id"),
    ({"id": "\ud800"}, "invalid_field", "image id"),
    ({"id": 7}, "invalid_field", "id: "),
    ({"text": ""}, "invalid_field", "text: "),
    ({"text": "x" * 2001}, "invalid_field", "text: 2001 characters"),
    ({"text": "\ud800"}, "invalid_field", "text: "),
    ({"text_not": ""}, "invalid_field", "text_not.0: "),
    ({"text_not": ["x", ""]}, "invalid_field", "text_not.1: "),
    ({"text_not": ["x"] * 17}, "invalid_field", "text_not: "),
    ({"text_not": ["x", "y" * 2001]}, "invalid_field", "text_not: 2001 characters"),
    ({"text_not": [1]}, "invalid_field", "text_not.0: "),
    ({"text_not": {"x": 1}}, "invalid_field", "text_not: "),
    ({"text_not": "\ud800"}, "invalid_field", "text_not.0: "),
    ({"relevance": "some"}, "invalid_field", "relevance: "),
    ({"relevance": None}, "invalid_field", "relevance: "),
    ({"explain": "perhaps"}, "invalid_field", "explain: "),
    ({"featurs": ["phash"]}, "invalid_field", "unknown field 'featurs'"),
]


@pytest.mark.parametrize(("field", "code", "message"), FAULTS, ids=[str(field)[:40] for field, _, _ in FAULTS])
async def test_a_bad_field_is_422_and_named(
    client: httpx.AsyncClient, catalog: FakeCatalog, field: dict[str, Any], code: str, message: str
) -> None:
    body = json_text({"text": "x", **field})
    answer = await client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, code)
    assert error["message"].startswith(message)
    assert not catalog.searched


async def test_a_feature_that_is_not_configured_says_how_to_have_it_and_offers_no_other(
    client: httpx.AsyncClient,
) -> None:
    error = (await client.post("/v1/search", json={"id": "a", "features": ["text"]})).json()["error"]
    assert error["hint"].startswith("list it under args.extractors in the configuration and start the service again")
    assert "`lookalike backfill text`" in error["shell_hint"]
    error = (await client.post("/v1/search", json={"id": "a", "features": ["image_txt"]})).json()["error"]
    assert error["hint"] == "did you mean 'image_text'?"


def json_text(value: Any) -> str:
    return json.dumps(value).replace("Infinity", "1e400")


async def test_a_misspelt_field_is_answered_with_the_nearest_one(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/search", files=PICTURE, data={"featurs": "phash"})
    assert answer.status_code == 422
    assert answer.json()["error"]["hint"] == "did you mean 'features'?"


async def test_a_field_given_twice_is_422(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/search", files=PICTURE, data={"k": ["1", "2"]})
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, "k: given more than once")
    query = await client.get("/v1/images/a/similar?k=1&k=2")
    assert (query.status_code, query.json()["error"]["message"]) == (422, "k: given more than once")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"", "application/json"),
        (b"\xff\xfe\x00", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"k": NaN}', "application/json"),
        (b"{}", "application/json"),
        (b"text=x", "application/x-www-form-urlencoded"),
        (b"x", ""),
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=b"),
        (b"--b--\r\n", "multipart/form-data; boundary=b"),
        (b"--b\r\nContent-Disposition: form-data; name=image\r\n\r\nab", "multipart/form-data; boundary=b"),
        (b"--b\r\nContent-Type: image/jpeg\r\n\r\nab\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"--b\r\nno header\r\n\r\nab\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"--" + b"b" * 300, f"multipart/form-data; boundary={'b' * 300}"),
    ],
)
async def test_a_malformed_body_is_400(client: httpx.AsyncClient, catalog: FakeCatalog, body: bytes, kind: str) -> None:
    answer = await client.post("/v1/search", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert not catalog.searched


async def test_numbers_of_numpy_in_the_evidence_are_plain_numbers(
    client: httpx.AsyncClient, catalog: FakeCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = catalog.search

    async def search(request: SearchRequest) -> Any:
        answer = await original(request)
        evidence: Any = {"local": {"inliers": np.int64(83), "rank": 1, "homography": np.eye(3, dtype=np.float32)}}
        return dataclasses.replace(answer, results=(dataclasses.replace(answer.results[0], matches=evidence),))

    monkeypatch.setattr(catalog, "search", search)
    matches = (await client.post("/v1/search", files=PICTURE)).json()["results"][0]["matches"]
    assert matches["local"] == {"inliers": 83, "rank": 1, "homography": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
