"""Services that are not as they should be: behind keys, with an extractor that is too slow or does not load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.client import Client
from tests.e2e.raw_http import form, outcome, raw_client
from tests.e2e.running_service import RunningService, service, wait_for
from tests.e2e.service_config import write_config
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

KEYS = ("first-test-key", "second-test-key")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that wants a key, whose fake extractor is slower than its limits allow."""
    folder = tmp_path_factory.mktemp("guarded")
    args = {"extractors": {"fake": {"delay_s": 3.0}}, "limits": {"extractor_timeout_s": 1.0, "search_timeout_s": 2.0}}
    config = write_config(folder / "config.yaml", args=args)
    environment = {"LOOKALIKE_API_KEYS": ",".join(KEYS)}
    with service(folder / "data", config=config, environment=environment) as running:
        yield running


def test_without_the_right_key_nothing_but_the_page_is_answered(guarded: RunningService) -> None:
    routes = [
        ("GET", "/v1/stats"), ("GET", "/v1/images"), ("GET", "/v1/images/a"), ("DELETE", "/v1/images/a"),
        ("POST", "/v1/images"), ("PUT", "/v1/images/a"), ("POST", "/v1/search"), ("GET", "/v1/features"),
        ("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("POST", "/v1/verify"),
        ("POST", "/v1/train"),
    ]  # fmt: skip
    wrong = [{}, {"Authorization": "Bearer wrong"}, {"X-API-Key": KEYS[0][:-1]}, {"Authorization": f"Basic {KEYS[0]}"}]
    with raw_client(guarded.url) as http:
        for method, path in routes:
            for headers in wrong:
                answer = http.request(method, path, headers=headers)
                assert outcome(answer) == (401, "unauthorized")
                assert answer.headers["WWW-Authenticate"] == "Bearer"
        for path in ("/", "/healthz", "/readyz", "/openapi.json", "/docs"):
            assert http.get(path).status_code == 200
        for key in KEYS:
            assert http.get("/v1/stats", headers={"Authorization": f"Bearer {key}"}).json()["images"] == 0
            assert http.get("/v1/stats", headers={"X-API-Key": key}).status_code == 200
    refused = guarded.run("status")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert guarded.run("status", "--api-key", KEYS[1]).returncode == 0


def test_a_late_extractor_is_named_in_a_partial_answer_or_is_a_504_alone(guarded: RunningService) -> None:
    with Client(guarded.url, KEYS[0], retries=0) as client:
        assert client.add(photo(1), id="one").features == {"phash": "ok", "color": "ok", "fake": "pending"}
        answer = client.search(image=photo(1))
        assert answer.partial
        assert answer.features["fake"].status == "timeout"
        assert answer.features["fake"].reason
        assert [answer.features[name].status for name in ("phash", "color")] == ["ok", "ok"]
        assert answer.results[0].id == "one"
        assert "fake" not in answer.results[0].matches
    with raw_client(guarded.url, headers={"X-API-Key": KEYS[0]}) as http:
        late = http.post("/v1/search", files=form(photo(1)), data={"features": "fake"})
        assert outcome(late) == (504, "deadline_exceeded")
        assert http.get("/readyz").status_code == 200


def test_an_extractor_that_cannot_load_leaves_its_feature_pending_until_it_can(tmp_path: Path) -> None:
    broken = write_config(tmp_path / "broken.yaml", args={"extractors": {"fake": {"fails": "load"}}})
    with service(tmp_path / "data", config=broken) as running, Client(running.url) as client:
        assert client.ready().ready
        features = {feature.name: feature for feature in client.features()}
        assert features["fake"].state == "unavailable"
        assert "told not to load" in features["fake"].reason
        assert features["phash"].state == "ready"
        assert client.add(photo(1), id="one").features == {"phash": "ok", "color": "ok", "fake": "pending"}
        assert client.stats().pending["fake"] == 1
        answer = client.search(image=photo(1))
        assert (answer.results[0].id, answer.partial) == ("one", False)  # nobody asked for what is not set up here
        assert answer.features["fake"].status == "unavailable"
        with raw_client(running.url) as http:
            alone = http.post("/v1/search", files=form(photo(1)), data={"features": "fake"})
            assert outcome(alone) == (503, "extractor_unavailable")
            assert alone.headers["Retry-After"]
    with service(tmp_path / "data") as running, Client(running.url) as client:
        wait_for(lambda: client.stats().pending["fake"] == 0, "the pending feature is filled in")
        assert client.search(image=photo(1), features=["fake"]).results[0].id == "one"
