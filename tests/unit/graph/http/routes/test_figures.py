"""``GET /metrics``: Prometheus' text, by its conventions, with everything in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from storage.errors import ShardUnavailable
from tests.unit.graph.http.conftest import MakeClient
from tests.unit.graph.http.fake_catalog import JPEG, FakeCatalog
from tests.unit.graph.http.replies.test_errors import raising

PAGE = Path(__file__).resolve().parents[5] / "docs" / "operations.md"
UNITS = ("_seconds", "_bytes")


async def scraped(client: httpx.AsyncClient) -> Mapping[str, Metric]:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(families: Mapping[str, Metric], family: str, name: str, **labels: str) -> float:
    [found] = [one.value for one in families[family].samples if one.name == name and one.labels == labels]
    return found


async def test_requests_are_counted_by_method_route_and_status(make_client: MakeClient) -> None:
    client = make_client({"weights": {"phash": 1.0}})  # an application of its own, which has counted nothing
    await client.get("/v1/images/a%2Fb")
    await client.get("/v1/images/another")
    await client.put("/v1/images/c", files={"image": ("c.jpg", JPEG, "image/jpeg")})
    families = await scraped(client)
    name, rows = "lookalike_requests_total", {"method": "GET", "route": "/v1/images/{id}", "status": "404"}
    assert value(families, "lookalike_requests", name, **rows) == 2
    rows = {"method": "PUT", "route": "/v1/images/{id}"}
    assert value(families, "lookalike_received_bytes", "lookalike_received_bytes_total", **rows) > len(JPEG)


async def test_latencies_are_true_histograms(make_client: MakeClient) -> None:
    client = make_client({"weights": {"phash": 2.0}})
    for _ in range(3):
        await client.get("/v1/stats")
    family = (await scraped(client))["lookalike_request_duration_seconds"]
    assert family.type == "histogram"
    ours = [sample for sample in family.samples if sample.labels["route"] == "/v1/stats"]
    buckets = [(float(one.labels["le"]), one.value) for one in ours if one.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert [count for _, count in buckets] == sorted(count for _, count in buckets), "each bucket holds those below"
    assert buckets[-1] == (float("inf"), 3)
    assert [one.value for one in ours if one.name.endswith("_count")] == [3]


async def test_names_and_kinds_keep_to_the_conventions(client: httpx.AsyncClient) -> None:
    await client.get("/v1/stats")
    text = (await client.get("/metrics")).text
    for family in (await scraped(client)).values():
        assert re.fullmatch(r"lookalike_[a-z_]+", family.name)
        assert family.documentation
        assert f"# HELP {family.name}" in text
        assert f"# TYPE {family.name}" in text
        assert {sample.name for sample in family.samples} <= named(family)
        if family.type == "histogram":
            assert family.name.endswith(UNITS)


def named(family: Metric) -> set[str]:
    """The names that samples of it may have."""
    if family.type == "histogram":
        return {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    return {f"{family.name}_total" if family.type == "counter" else family.name}


async def test_what_clients_make_up_becomes_no_label(make_client: MakeClient) -> None:
    client = make_client({"weights": {"phash": 3.0}})
    for made_up in ("/one", "/two", "/v1/images/three"):
        await client.get(made_up)
        await client.request("BREW", made_up)
    samples = (await scraped(client))["lookalike_requests"].samples
    assert {sample.labels["method"] for sample in samples} <= {"GET", "other", ""}
    assert {sample.labels["route"] for sample in samples} <= {"unmatched", "/v1/images/{id}", "/metrics"}


async def test_what_is_stored_and_the_jobs_are_there(client: httpx.AsyncClient) -> None:
    families = await scraped(client)
    assert value(families, "lookalike_missing_shards", "lookalike_missing_shards") == 0
    assert {sample.labels["state"] for sample in families["lookalike_jobs"].samples} >= {"running", "failed"}
    [build] = families["lookalike_build_info"].samples
    assert build.value == 1
    assert set(build.labels) == {"version", "ray", "python"}


async def test_a_scrape_goes_on_while_the_shards_are_down(catalog: FakeCatalog, client: httpx.AsyncClient) -> None:
    catalog.stats = raising(ShardUnavailable("no shard answers"))  # type: ignore[assignment]
    families = await scraped(client)
    assert "lookalike_images" not in families
    assert "lookalike_requests" in families


async def test_it_needs_a_key_where_keys_are_set(make_client: MakeClient) -> None:
    client = make_client({"api_keys": ["secret-key"]})
    assert (await client.get("/metrics")).status_code == 401
    assert (await client.get("/metrics", headers={"authorization": "Bearer secret-key"})).status_code == 200


async def test_it_answers_to_names_of_this_machine_alone(make_client: MakeClient) -> None:
    assert (await make_client(base_url="http://elsewhere.example").get("/metrics")).status_code == 403


async def test_openapi_says_what_kind_of_text_it_is(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    answers = document["paths"]["/metrics"]["get"]["responses"]
    assert list(answers["200"]["content"]) == ["text/plain"]


async def test_every_figure_is_documented(client: httpx.AsyncClient) -> None:
    await client.get("/v1/stats")
    families = await scraped(client)
    page = PAGE.read_text("utf-8")
    names = {f"{family.name}_total" if family.type == "counter" else family.name for family in families.values()}
    assert not {name for name in names if f"| `{name}`" not in page}
