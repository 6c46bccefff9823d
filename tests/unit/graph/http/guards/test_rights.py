"""What each key may do: by route, by kind of job, by path, and how often; and what the log says of refusals."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from starlette.routing import Route

from graph.config.api_keys import RIGHTS, ApiKey, hash_of
from graph.http.forms.job_fields import JOB_KINDS
from graph.http.guards.rates import WINDOW_S, Rates
from graph.http.guards.rights import OPEN, ROUTES, GuardedRoute
from graph.http.page import static_files
from graph.http.routes.jobs import RIGHTS_OF_KINDS
from storage.errors import RateLimited
from tests.unit.graph.http.conftest import Applications, MakeClient
from tests.unit.graph.http.fake_catalog import FakeCatalog

EVERYTHING: dict[str, Any] = {
    "ambience": {"enabled": True},
    "extractors": {"phash": {}, "color": {}, "local": {}},
    "annotators": {"tags": {"model": "some/classifier"}, "caption": {"model": "some/captioner"}},
}
EVIL = "https://evil.example"


def key_named(name: str, *rights: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "hash": hash_of(f"{name}-secret"), "rights": list(rights), **more}


KEYS = [
    *(key_named(right, right) for right in RIGHTS),
    key_named("old", *RIGHTS, expires_at="2020-01-01"),
    key_named("seldom", "read", requests_per_minute=2),
]


def as_key(name: str) -> dict[str, str]:
    return {"X-API-Key": f"{name}-secret"}


@pytest.fixture
def keyed(make_client: MakeClient) -> httpx.AsyncClient:
    return make_client({**EVERYTHING, "api_keys": KEYS})


def routes_of(app: Any) -> set[str]:
    """All that the application answers, as ``GET /path``."""
    found: list[Route] = []
    for route in app.router.routes:
        contexts = getattr(route, "effective_route_contexts", None)
        found += [context.original_route for context in contexts()] if contexts else [route]
    return {f"{method} {route.path}" for route in found for method in route.methods or () if method != "HEAD"}


def address(route: str) -> tuple[str, str]:
    method, path = route.split()
    return method, path.replace("{id:path}", "nothing").replace("{id}", "nothing")


def test_every_route_has_a_right_and_every_right_a_route(applications: Applications) -> None:
    files = {f"GET {path}" for path in (*static_files(), "/openapi.json")}
    assert routes_of(applications.get(EVERYTHING)) == {*ROUTES, *OPEN, *files}


def test_a_route_without_a_right_cannot_be_made() -> None:
    with pytest.raises(LookupError, match="no right is declared for POST /v1/new"):
        APIRouter(route_class=GuardedRoute).add_api_route("/v1/new", lambda: None, methods=["POST"])


@pytest.mark.parametrize("name", RIGHTS)
async def test_a_key_opens_the_routes_of_its_right_and_no_other(keyed: httpx.AsyncClient, name: str) -> None:
    for route, wanted in ROUTES.items():
        answer = await keyed.request(*address(route), headers=as_key(name))
        if name in wanted:
            assert answer.status_code not in (401, 403), route
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), route
            assert "lacks the right" in answer.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{}, as_key("nobody"), as_key("old")])
async def test_without_a_key_that_is_right_and_young_each_is_401(
    keyed: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    for route in ROUTES:
        assert (await keyed.request(*address(route), headers=headers)).status_code == 401, route
    for route in (*OPEN, "GET /docs", "GET /openapi.json", "GET /page/api.js"):
        assert (await keyed.request(*address(route), headers=headers)).status_code < 400, route


async def test_reading_changes_nothing(keyed: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    for route in ROUTES:
        await keyed.request(*address(route), headers=as_key("read"))
    assert not catalog.added
    assert not catalog.jobs.submitted


@pytest.mark.parametrize(
    "headers", [{"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
@pytest.mark.parametrize("has_keys", [True, False])
async def test_another_site_changes_nothing_by_any_route(
    make_client: MakeClient, headers: dict[str, str], has_keys: bool
) -> None:
    client = make_client({**EVERYTHING, **({"api_keys": ["all-rights-secret"]} if has_keys else {})})
    for route in ROUTES:
        if not route.startswith("GET"):
            sent = {**headers, "X-API-Key": "all-rights-secret"}
            assert (await client.request(*address(route), headers=sent)).status_code == 403, route


async def test_without_keys_a_foreign_host_reaches_no_route(make_client: MakeClient) -> None:
    client = make_client(EVERYTHING)
    for route in ROUTES:
        answer = await client.request(*address(route), headers={"Host": "evil.example"})
        assert answer.status_code == 403, route


def test_each_kind_of_job_has_a_right() -> None:
    assert set(RIGHTS_OF_KINDS) == set(JOB_KINDS)


@pytest.mark.parametrize(
    ("body", "right"),
    [
        ({"kind": "index", "paths": ["{photos}"]}, "write"),
        ({"kind": "import", "paths": ["{photos}"]}, "write"),
        ({"kind": "import", "paths": ["{photos}"], "keypoint_ranges": "postgresql://db/x"}, "admin"),
        ({"kind": "eval", "path": "{photos}"}, "write"),
        ({"kind": "eval"}, "write"),
        ({"kind": "eval", "calibrate": True}, "admin"),
        ({"kind": "backfill"}, "admin"),
    ],
)
async def test_a_job_needs_the_right_of_its_kind_to_start_and_to_stop(
    make_client: MakeClient, tmp_path: Path, body: dict[str, Any], right: str
) -> None:
    client = make_client({**EVERYTHING, "api_keys": KEYS, "allowed_roots": [str(tmp_path)]})
    told = {
        name: [str(tmp_path)] if value == ["{photos}"] else str(tmp_path) if value == "{photos}" else value
        for name, value in body.items()
    }
    other = "admin" if right == "write" else "write"
    refused = await client.post("/v1/jobs", json=told, headers=as_key(other))
    assert refused.status_code == 403
    assert f"'{right}'" in refused.json()["error"]["message"]
    started = await client.post("/v1/jobs", json=told, headers=as_key(right))
    assert started.status_code == 202, started.text
    stop = f"/v1/jobs/{started.json()['id']}/stop"
    if body.get("calibrate") or "keypoint_ranges" in body:  # to stop those is as with others of their kind
        return
    assert (await client.post(stop, headers=as_key(other))).status_code == 403
    assert (await client.post(stop, headers=as_key(right))).status_code == 200


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Folders with an allowed one, ``photos``, and a link in it that leads out."""
    for name in ("photos/2019", "photos-too", "secret"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "entrance").symlink_to(tmp_path / "photos")
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "photos/../secret",
        "photos/link",
        "photos/link/",
        "photos-too",
        "secret",
        "",
        "photos/..",
        "photos/link/../secret",
    ],
)
async def test_a_job_is_refused_a_path_that_leads_out(make_client: MakeClient, tree: Path, path: str) -> None:
    client = make_client({**EVERYTHING, "api_keys": KEYS, "allowed_roots": [str(tree / "photos")]})
    asked, inside = f"{tree}/{path}", f"{tree}/photos"
    for body in (
        {"kind": "index", "paths": [inside, asked]},
        {"kind": "import", "paths": [asked]},
        {"kind": "import", "paths": [inside], "photos": asked},
        {"kind": "import", "paths": [inside], "keypoint_ranges": asked},
        {"kind": "import", "paths": [inside], "features": {asked: "phash"}},
        {"kind": "eval", "path": asked},
    ):
        answer = await client.post("/v1/jobs", json=body, headers=as_key("write"))
        assert answer.status_code == 403, body
        assert "allowed_roots" in answer.json()["error"]["hint"]
    watch = await client.post("/v1/library/watch", json={"path": asked}, headers=as_key("write"))
    assert watch.status_code == 403


async def test_paths_below_an_allowed_root_and_those_of_a_service_without_keys_are_taken(
    make_client: MakeClient, tree: Path
) -> None:
    client = make_client({**EVERYTHING, "api_keys": KEYS, "allowed_roots": [str(tree / "entrance")]})
    for path in ("photos", "photos/", "photos/2019", "entrance/2019/../2019", "photos/not-there", "entrance"):
        body = {"kind": "index", "paths": [f"{tree}/{path}"]}
        assert (await client.post("/v1/jobs", json=body, headers=as_key("write"))).status_code == 202, path
    relative = await client.post("/v1/jobs", json={"kind": "index", "paths": ["photos"]}, headers=as_key("write"))
    assert (relative.status_code, relative.json()["error"]["hint"]) == (403, "give its whole path")
    none = make_client({**EVERYTHING, "api_keys": KEYS})
    refused = await none.post("/v1/jobs", json={"kind": "index", "paths": [str(tree)]}, headers=as_key("write"))
    assert (refused.status_code, "allowed_roots" in refused.text) == (403, True)
    without = make_client({**EVERYTHING, "allowed_roots": [str(tree / "photos")]})
    assert (await without.post("/v1/jobs", json={"kind": "index", "paths": ["/etc"]})).status_code == 202


async def test_a_key_that_asks_too_often_is_told_when_it_may_again(keyed: httpx.AsyncClient) -> None:
    answers = [await keyed.get("/v1/images", headers=as_key("seldom")) for _ in range(4)]
    assert [answer.status_code for answer in answers][-2:] == [429, 429]
    assert answers[-1].json()["error"]["code"] == "rate_limited"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= WINDOW_S
    assert (await keyed.get("/v1/images", headers=as_key("read"))).status_code == 200
    assert (await keyed.get("/healthz", headers=as_key("seldom"))).status_code == 200


def test_no_minute_has_more_than_a_key_may_ask_and_refusals_do_not_count() -> None:
    now = [0.0]
    rates, key = Rates(lambda: now[0]), ApiKey.model_validate(key_named("seldom", "read", requests_per_minute=2))
    for now[0] in (0.0, 30.0):
        rates.take(key)
    for now[0], left in ((40.0, 20), (59.5, 1)):
        with pytest.raises(RateLimited) as refused:
            rates.take(key)
        assert refused.value.retry_after_s == left
    now[0] = 60.0
    rates.take(key)
    with pytest.raises(RateLimited):
        rates.take(key)


async def test_a_refusal_is_logged_with_who_and_what_and_without_the_key(
    keyed: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await keyed.delete("/v1/images/a%0Ab", headers={**as_key("read"), "X-Forwarded-For": "6.6.6.6, 10.0.0.7"})
        await keyed.get("/v1/stats?key=read-secret")
        await keyed.get("/v1/stats", headers=as_key("nobody"))
        await keyed.get("/v1/stats", headers=as_key("old"))
    said = [record.getMessage() for record in caplog.records]
    assert [one.partition(" refused: ")[2].partition(":")[0] for one in said] == [
        "403, read, DELETE '/v1/images/a%0Ab' from 10.0.0.7",
        "401, no key, GET '/v1/stats' from 127.0.0.1",
        "401, a wrong key, GET '/v1/stats' from 127.0.0.1",
        "401, old, GET '/v1/stats' from 127.0.0.1",
    ]
    assert "-secret" not in caplog.text
