"""Keys, and what a browser may be made to send by another site."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.unit.graph.http.conftest import MakeClient
from tests.unit.graph.http.fake_catalog import JPEG, FakeCatalog

PICTURE = {"image": ("a.jpg", JPEG, "image/jpeg")}
KEYS = {"api_keys": ["first-secret", "second-secret"]}


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer first-secret"},
        {"Authorization": "bearer second-secret"},
        {"X-API-Key": "second-secret"},
        {"Authorization": "Basic eDp5", "X-API-Key": "first-secret"},
    ],
)
async def test_either_header_carries_a_key(make_client: MakeClient, headers: dict[str, str]) -> None:
    assert (await make_client(KEYS).get("/v1/images", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"X-API-Key": "first-secre"},
        {"X-API-Key": "first-secret2"},
        {"Authorization": "first-secret"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong", "X-API-Key": "first-secret"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/images", "/v1/images/a/thumbnail", "/nothing", "/page/", "/healthz/"])
async def test_without_a_right_key_everything_else_is_401(
    make_client: MakeClient, headers: dict[str, str], path: str
) -> None:
    answer = await make_client(KEYS).get(path, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_wrong_key_is_refused_before_the_body_is_read(make_client: MakeClient, catalog: FakeCatalog) -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    answer = await make_client(KEYS).post("/v1/images", content=body())
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/docs", "/openapi.json", "/page/app.js", "/docs/docs.js"]
)
async def test_the_page_health_and_documentation_need_no_key(make_client: MakeClient, path: str) -> None:
    assert (await make_client(KEYS).get(path)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://localhost:8000"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000.evil.example"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_another_site_cannot_write_search_or_start_jobs(
    client: httpx.AsyncClient, catalog: FakeCatalog, headers: dict[str, str]
) -> None:
    job = {"kind": "index", "paths": ["/photos"]}
    for answer in (
        await client.post("/v1/images", files=PICTURE, headers=headers),
        await client.put("/v1/images/a", files=PICTURE, headers=headers),
        await client.delete("/v1/images/a", headers=headers),
        await client.post("/v1/jobs", json=job, headers=headers),
        await client.post("/v1/search", files=PICTURE, headers=headers),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert not catalog.added
    assert not catalog.jobs.submitted


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost", "http://localhost:80"),
        ("http://LOCALHOST:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
async def test_the_services_own_page_can_write(make_client: MakeClient, base_url: str, origin: str) -> None:
    answer = await make_client(base_url=base_url).post("/v1/images", files=PICTURE, headers={"Origin": origin})
    assert answer.status_code == 201


async def test_a_name_that_a_proxy_shows_can_be_allowed(make_client: MakeClient) -> None:
    client = make_client({**KEYS, "allowed_hosts": ["photos.example"]}, headers={"X-API-Key": "first-secret"})
    allowed = await client.post("/v1/images", files=PICTURE, headers={"Origin": "https://photos.example"})
    assert allowed.status_code == 201
    refused = await client.post("/v1/images", files=PICTURE, headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[", "10.0.0.5"])
async def test_a_name_that_was_rebound_to_this_machine_is_not_answered(client: httpx.AsyncClient, host: str) -> None:
    answer = await client.get("/v1/images", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert (await client.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1", "127.0.0.2:80", "[::1]:8000", "::1"])
async def test_this_machines_names_are_answered(client: httpx.AsyncClient, host: str) -> None:
    expected = 200 if host != "::1" else 403  # an IPv6 address in a Host header has brackets
    assert (await client.get("/v1/images", headers={"Host": host})).status_code == expected


async def test_with_keys_any_name_is_answered(make_client: MakeClient) -> None:
    client = make_client(KEYS, headers={"X-API-Key": "first-secret"}, base_url="http://photos.example")
    assert (await client.get("/v1/images")).status_code == 200
