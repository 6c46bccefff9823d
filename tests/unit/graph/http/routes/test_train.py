"""``/v1/train``: the index of a local feature, trained now."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from graph.http.replies.openapi import Trained
from storage.errors import InvalidRequest
from tests.unit.graph.http.conftest import MakeClient
from tests.unit.graph.http.fake_catalog import FakeCatalog
from tests.unit.graph.http.replies.test_errors import raising


async def test_training_says_what_came_of_it_in_each_shard(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    answer = await client.post("/v1/train", json={"feature": "local"})
    reason = "'local' has no rows to train on"
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "feature": "local",
            "shards": [
                {"shard": 0, "rows": 31000, "lists": 352, "took_s": 0.9},
                {"shard": 1, "rows": 0, "lists": 0, "took_s": 0.0, "reason": reason},
            ],
        },
    )
    assert Trained.model_validate(answer.json()).shards[1].reason == reason
    assert catalog.trained == ["local"]


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        ({"feature": "locla"}, 422, "unknown_feature", "no feature is called 'locla'"),
        ({"feature": ""}, 422, "invalid_field", "feature: String should have at least 1 character"),
        ({"feature": ["local"]}, 422, "invalid_field", "feature: Input should be a valid string"),
        ({"feature": None}, 422, "invalid_field", "feature: Input should be a valid string"),
        ({}, 422, "invalid_field", "feature: Field required"),
        ({"feature": "local", "rows": 3}, 422, "invalid_field", "unknown field 'rows'"),
        (["local"], 400, "invalid_request", "the body is not a JSON object"),
    ],
)
async def test_a_bad_request_is_refused_and_nothing_is_trained(
    client: httpx.AsyncClient, catalog: FakeCatalog, body: Any, status: int, code: str, message: str
) -> None:
    answer = await client.post("/v1/train", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["message"]) == (status, code, message)
    assert error["hint"]
    assert not catalog.trained


async def test_a_misspelt_feature_is_answered_with_the_nearest_one(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/train", json={"feature": "locla"})
    assert answer.json()["error"]["hint"] == "did you mean 'local'?"


async def test_training_takes_json_only_so_that_no_plain_form_can_start_it(
    client: httpx.AsyncClient, catalog: FakeCatalog
) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", ""):
        answer = await client.post("/v1/train", content=b'{"feature":"local"}', headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert not catalog.trained


async def test_a_feature_with_nothing_to_train_is_400_with_the_reason(
    client: httpx.AsyncClient, catalog: FakeCatalog
) -> None:
    catalog.before = raising(InvalidRequest("'local' has no rows to train on", "index pictures first"))
    answer = await client.post("/v1/train", json={"feature": "local"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "invalid_request")
    assert (error["message"], error["hint"]) == ("'local' has no rows to train on", "index pictures first")


async def test_training_has_its_own_longer_time(make_client: MakeClient, catalog: FakeCatalog) -> None:
    catalog.gate = asyncio.Event()
    client = make_client({"limits": {"request_timeout_s": 0.05, "train_timeout_s": 60}})
    training = asyncio.create_task(client.post("/v1/train", json={"feature": "local"}))
    assert (await client.get("/v1/images/a")).status_code == 504
    assert not training.done()
    catalog.gate.set()
    assert (await training).status_code == 200


async def test_training_that_takes_too_long_is_504(make_client: MakeClient, catalog: FakeCatalog) -> None:
    catalog.gate = asyncio.Event()
    client = make_client({"limits": {"train_timeout_s": 0.05}})
    answer = await client.post("/v1/train", json={"feature": "local"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")


async def test_openapi_names_the_feature_of_a_training(client: httpx.AsyncClient) -> None:
    operation = (await client.get("/openapi.json")).json()["paths"]["/v1/train"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert (set(schema["properties"]), schema["required"]) == ({"feature"}, ["feature"])
    assert {"200", "400", "422"} <= set(operation["responses"])
