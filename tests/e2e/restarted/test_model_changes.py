"""The service with another model than that of its index, and with a damaged one; behind keys; under a load."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from graph.client import Client
from storage.errors import Busy
from tests.e2e.raw_http import form, outcome, raw_client
from tests.e2e.restarted.conftest import KEYS
from tests.e2e.restarted.pictures import feature
from tests.e2e.running_service import RunningService, wait_for
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

CLIENTS = 32


def test_another_model_is_refused_then_moved_to_while_searches_go_on(
    with_another_model: RunningService, models: Path
) -> None:
    path = models / "photos" / "purple-circle-4.png"
    with Client(with_another_model.url) as client:
        wait_for(lambda: "a backfill of 'global'" in feature(client, "global").reason, "the model is refused")
        old = feature(client, "global").version
        problems: list[str] = []
        ended = threading.Event()
        searcher = threading.Thread(target=search_on, args=(with_another_model.url, path, ended, problems))
        searcher.start()
        try:
            done = with_another_model.run("backfill", "global", timeout_s=300)
            assert done.returncode == 0, done.stderr + done.stdout
            wait_for(lambda: feature(client, "global").version not in (None, old), "the new model is at work")
            time.sleep(1)  # searches go on beyond that
        finally:
            ended.set()
            searcher.join()
        assert not problems, problems[:3]
        told = feature(client, "global")
        assert (told.state, told.reason, told.next_version) == ("ready", "", None)
        [result, *_] = client.search(path, features=["global"]).results
        assert result.id == "purple-circle-4.png"
        assert result.matches["global"]["distance"] == pytest.approx(0, abs=1e-5)
        assert client.verify().ok


def search_on(url: str, path: Path, ended: threading.Event, problems: list[str]) -> None:
    """The old model, then the new one, finds the picture itself, every time."""
    with Client(url) as client:
        while not ended.is_set():
            try:
                answer = client.search(path, features=["global", "phash"], k=1)
            except Exception as failure:
                problems.append(repr(failure))
                continue
            if answer.partial or answer.results[0].id != path.name or "global" not in answer.results[0].matches:
                problems.append(f"{answer.features} {answer.results}")


@contextlib.contextmanager
def load(running: RunningService) -> Iterator[Counter[str]]:
    """Searches by ``CLIENTS`` clients at once; counts how they went."""
    stop = threading.Event()
    outcomes: Counter[str] = Counter()
    picture = photo(1)

    def ask() -> None:
        with Client(running.url, retries=0) as client:
            while not stop.is_set():
                try:
                    answer = client.search(image=picture, features=["phash"], k=1)
                    outcomes["partial" if answer.partial else "complete"] += 1
                except Busy:
                    outcomes["busy"] += 1

    with ThreadPoolExecutor(CLIENTS) as threads:
        asking = [threads.submit(ask) for _ in range(CLIENTS)]
        try:
            yield outcomes
        finally:
            stop.set()
        for one in asking:
            one.result()


def test_a_load_raises_the_replicas_of_phash_alone_and_its_end_lowers_them(with_another_model: RunningService) -> None:
    with Client(with_another_model.url) as client:

        def replicas() -> dict[str, int]:
            return {one.name: one.replicas for one in client.features() if one.name in ("phash", "color", "fake")}

        wait_for(lambda: replicas() == {"phash": 1, "color": 1, "fake": 1}, "one replica each")
        with load(with_another_model) as outcomes:
            wait_for(lambda: replicas()["phash"] > 1, "the load raises the replicas", 90)
            raised = replicas()
            assert raised["color"] == raised["fake"] == 1
            assert re.search(r"phash\s.*exact\s+[23]\s", with_another_model.run("status").stdout)
        assert outcomes["complete"] > 100
        assert outcomes["partial"] == 0
        wait_for(lambda: replicas()["phash"] == 1, "its end lowers them again", 90)
        assert replicas() == {"phash": 1, "color": 1, "fake": 1}


@pytest.fixture
def guarded(with_a_damaged_model: RunningService) -> RunningService:
    return with_a_damaged_model


def test_a_damaged_model_is_one_clear_error_and_everything_else_works(guarded: RunningService, models: Path) -> None:
    weights = models / "broken" / "model.safetensors"
    path = models / "photos" / "purple-circle-4.png"
    with Client(guarded.url, KEYS[0]) as client:
        wait_for(lambda: str(weights) in feature(client, "global").reason, "the reason names the file")
        assert "cut short" in feature(client, "global").reason
        # By the model of the index; its limit is short here, and a first call takes longer.
        wait_for(lambda: bool(client.search(path, features=["global"]).results), "the model of the index answers")
        assert client.search(path, features=["global"]).results[0].id == path.name
        assert client.search(text="a red circle").results
    assert "Traceback" not in guarded.log


def test_without_the_right_key_nothing_but_the_page_is_answered(guarded: RunningService) -> None:
    routes = [
        ("GET", "/v1/stats"), ("GET", "/v1/images"), ("GET", "/v1/images/a"), ("DELETE", "/v1/images/a"),
        ("POST", "/v1/images"), ("PUT", "/v1/images/a"), ("POST", "/v1/search"), ("GET", "/v1/features"),
        ("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("POST", "/v1/verify"),
        ("POST", "/v1/train"),
    ]  # fmt: skip
    wrong = [{}, {"Authorization": "Bearer wrong"}, {"X-API-Key": KEYS[0][:-1]}, {"Authorization": f"Basic {KEYS[0]}"}]
    with Client(guarded.url, KEYS[0]) as client:
        images = client.stats().images
    with raw_client(guarded.url) as http:
        for method, path in routes:
            for headers in wrong:
                answer = http.request(method, path, headers=headers)
                assert outcome(answer) == (401, "unauthorized")
                assert answer.headers["WWW-Authenticate"] == "Bearer"
        for path in ("/", "/healthz", "/readyz", "/openapi.json", "/docs"):
            assert http.get(path).status_code == 200
        for key in KEYS:
            assert http.get("/v1/stats", headers={"Authorization": f"Bearer {key}"}).json()["images"] == images
            assert http.get("/v1/stats", headers={"X-API-Key": key}).status_code == 200
    refused = guarded.run("status")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert guarded.run("status", "--api-key", KEYS[1]).returncode == 0


def test_a_late_extractor_is_named_in_a_partial_answer_or_is_a_504_alone(guarded: RunningService) -> None:
    with Client(guarded.url, KEYS[0], retries=0) as client:
        added = client.add(photo(1), id="one").features
        assert {name: added[name] for name in ("phash", "color", "fake")} == {
            "phash": "ok",
            "color": "ok",
            "fake": "pending",
        }
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
