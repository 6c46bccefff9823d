"""Sizes, queues and time: what is too much is refused, and nobody holds a place for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from graph.config.settings import Limits, app_settings
from graph.http.app import create_http_app
from graph.http.guards.limits import Admission
from storage.errors import DeadlineExceeded
from tests.unit.graph.http.conftest import MakeClient
from tests.unit.graph.http.fake_catalog import JPEG, FakeCatalog
from tests.unit.graph.http.replies.test_errors import raising

PICTURE = {"image": ("a.jpg", JPEG, "image/jpeg")}
SMALL = {"limits": {"max_body_bytes": 2048, "max_json_bytes": 1024}}


async def test_a_content_length_over_the_limit_is_413_and_nothing_is_read(make_client: MakeClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {"Content-Length": "2049", "Content-Type": "multipart/form-data; boundary=b"}
    answer = await make_client(SMALL).post("/v1/images", content=body(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


async def test_a_body_of_unknown_length_is_counted_and_no_more_than_the_limit_is_read(make_client: MakeClient) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1000
            yield b"x" * 1000

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await make_client(SMALL).post("/v1/images", content=body(), headers=headers)
    assert answer.status_code == 413
    assert sent == 3000


async def test_a_body_of_just_the_limit_is_read(make_client: MakeClient) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n%s\r\n--b--\r\n'
    picture = JPEG + b"x" * (2048 - len(form) + 2 - len(JPEG))
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await make_client(SMALL).post("/v1/images", content=form % picture, headers=headers)
    assert answer.status_code == 201
    answer = await make_client(SMALL).post("/v1/images", content=form % (picture + b"x"), headers=headers)
    assert answer.status_code == 413


async def test_json_has_a_limit_of_its_own(make_client: MakeClient) -> None:
    answer = await make_client(SMALL).post("/v1/search", json={"text": "x" * 1100})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("length", ["x", "-1", "1.5", ""])
async def test_a_content_length_that_is_no_number_is_400(client: httpx.AsyncClient, length: str) -> None:
    answer = await client.post("/v1/search", content=b"x", headers={"Content-Length": length})
    assert answer.status_code == 400


async def test_more_requests_than_places_and_queue_are_503_and_the_others_are_answered(
    make_client: MakeClient, catalog: FakeCatalog
) -> None:
    catalog.gate = asyncio.Event()
    client = make_client({"limits": {"max_concurrent_requests": 2, "max_queued_requests": 3}})
    calls = [asyncio.create_task(client.post("/v1/search", files=PICTURE)) for _ in range(9)]
    refused, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    while len(refused) < 4:
        more, _ = await asyncio.wait(set(calls) - refused, return_when=asyncio.FIRST_COMPLETED)
        refused |= more
    assert {call.result().status_code for call in refused} == {503}
    assert all(call.result().headers["retry-after"] == "1" for call in refused)
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200
    catalog.gate.set()
    statuses = [(await call).status_code for call in calls]
    assert (statuses.count(200), statuses.count(503)) == (5, 4)
    assert (await client.post("/v1/search", files=PICTURE)).status_code == 200


async def test_waiting_too_long_for_a_place_is_503(make_client: MakeClient, catalog: FakeCatalog) -> None:
    catalog.gate = asyncio.Event()
    client = make_client({"limits": {"max_concurrent_requests": 1, "queue_timeout_s": 0.05}})
    asking = asyncio.create_task(client.post("/v1/search", files=PICTURE))
    await asyncio.sleep(0.02)
    late = await client.post("/v1/search", files=PICTURE)
    assert (late.status_code, late.json()["error"]["code"]) == (503, "busy")
    assert late.headers["retry-after"] == "1"
    catalog.gate.set()
    assert (await asking).status_code == 200


async def test_requests_of_one_kind_take_no_place_of_others(make_client: MakeClient, catalog: FakeCatalog) -> None:
    catalog.gate = asyncio.Event()
    client = make_client({"limits": {"max_concurrent_requests": 1, "max_queued_requests": 0}})
    asking = asyncio.create_task(client.post("/v1/search", files=PICTURE))
    await asyncio.sleep(0.02)
    assert (await client.get("/v1/images/a/similar")).status_code == 503
    writing = asyncio.create_task(client.post("/v1/images", files=PICTURE))
    reading = asyncio.create_task(client.get("/v1/images"))
    await asyncio.sleep(0.02)
    assert (await client.delete("/v1/images/a")).status_code == 503
    catalog.gate.set()
    assert [(await task).status_code for task in (asking, writing, reading)] == [200, 201, 200]


async def test_verification_takes_no_place_of_others(make_client: MakeClient, catalog: FakeCatalog) -> None:
    catalog.gate = asyncio.Event()
    client = make_client({"limits": {"max_concurrent_requests": 1, "max_queued_requests": 0}})
    verifying = asyncio.create_task(client.post("/v1/verify"))
    await asyncio.sleep(0.02)
    writing = asyncio.create_task(client.post("/v1/images", files=PICTURE))
    await asyncio.sleep(0.02)
    catalog.gate.set()
    assert [(await task).status_code for task in (verifying, writing)] == [200, 201]


async def test_an_answer_that_takes_too_long_is_504_and_gives_its_place_back(
    make_client: MakeClient, catalog: FakeCatalog
) -> None:
    catalog.gate = asyncio.Event()
    client = make_client({"limits": {"max_concurrent_requests": 1, "request_timeout_s": 0.05}})
    late = await client.post("/v1/search", files=PICTURE)
    assert (late.status_code, late.json()["error"]["code"]) == (504, "deadline_exceeded")
    catalog.gate.set()
    assert (await client.post("/v1/search", files=PICTURE)).status_code == 200


async def test_verification_has_its_own_longer_time(make_client: MakeClient, catalog: FakeCatalog) -> None:
    catalog.gate = asyncio.Event()
    client = make_client({"limits": {"request_timeout_s": 0.05, "verify_timeout_s": 60}})
    verifying = asyncio.create_task(client.post("/v1/verify"))
    assert (await client.get("/v1/images/a")).status_code == 504
    assert not verifying.done()
    catalog.gate.set()
    assert (await verifying).status_code == 200


@pytest.mark.parametrize("failure", [DeadlineExceeded("slow", "wait"), TimeoutError()])
async def test_a_timeout_inside_the_service_is_504(
    client: httpx.AsyncClient, catalog: FakeCatalog, failure: Exception
) -> None:
    catalog.before = raising(failure)
    assert (await client.get("/v1/images/a")).status_code == 504


class Connection:
    """A connection whose client sends the given messages and then nothing more, for ever."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = list(messages)
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        if self.messages:
            return self.messages.pop(0)
        return await asyncio.get_running_loop().create_future()

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None


def upload_scope() -> dict[str, Any]:
    headers = [
        (b"host", b"127.0.0.1"),
        (b"content-length", b"1000"),
        (b"content-type", b"multipart/form-data; boundary=b"),
    ]
    return {
        "type": "http",
        "method": "POST",
        "path": "/v1/search",
        "raw_path": b"/v1/search",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
    }


@pytest.mark.parametrize("limits", [{"body_idle_timeout_s": 0.05}, {"body_timeout_s": 0.05}])
async def test_a_body_that_stops_coming_gives_its_place_back(catalog: FakeCatalog, limits: dict[str, Any]) -> None:
    admission = Admission(Limits())
    settings = app_settings({"limits": limits}, {})
    app = create_http_app(catalog.parts, settings, admission=admission)
    slow = Connection({"type": "http.request", "body": b"--b", "more_body": True})
    await app(upload_scope(), slow.receive, slow.send)
    assert slow.status == 400
    assert (admission.active, admission.queued) == (0, 0)


async def test_half_sent_bodies_hold_no_place(catalog: FakeCatalog) -> None:
    settings = app_settings({"limits": {"max_concurrent_requests": 1, "max_queued_requests": 0}}, {})
    admission = Admission(settings.limits)
    app = create_http_app(catalog.parts, settings, admission=admission)
    half_sent = [Connection({"type": "http.request", "body": b"--b", "more_body": True}) for _ in range(200)]
    tasks = [asyncio.create_task(app(upload_scope(), one.receive, one.send)) for one in half_sent]
    await asyncio.sleep(0)
    assert (admission.uploads, admission.active, admission.queued) == (200, 0, 0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        assert (await client.post("/v1/search", files=PICTURE)).status_code == 200
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert admission.uploads == 0


async def test_bodies_have_one_room_and_who_stands_still_leaves_it(
    catalog: FakeCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.http.guards.limits.STANDS_STILL_S", 0.05)
    settings = app_settings({"limits": {"max_body_bytes": 1024, "max_upload_bytes_in_flight": 2048}}, {})
    app = create_http_app(catalog.parts, settings, admission=Admission(settings.limits))
    part = {"type": "http.request", "body": b"--b\r\n" + b"x" * 795, "more_body": True}
    slow = [Connection(part) for _ in range(3)]
    tasks = [asyncio.create_task(app(upload_scope(), one.receive, one.send)) for one in slow]
    await asyncio.sleep(0.02)
    assert [one.status for one in slow] == [None, None, 503]
    await asyncio.sleep(0.05)
    third = Connection(part)
    tasks.append(asyncio.create_task(app(upload_scope(), third.receive, third.send)))
    await asyncio.sleep(0.02)
    assert [slow[0].status, slow[1].status, third.status] == [503, None, None]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_client_that_goes_away_is_no_error(catalog: FakeCatalog, caplog: pytest.LogCaptureFixture) -> None:
    admission = Admission(Limits())
    observed = Observed()
    app = create_http_app(catalog.parts, app_settings({}, {}), admission=admission, metrics=observed)
    gone = Connection({"type": "http.request", "body": b"--b", "more_body": True}, {"type": "http.disconnect"})
    with caplog.at_level("INFO"):
        await app(upload_scope(), gone.receive, gone.send)
    assert not gone.sent
    assert not caplog.records
    assert admission.active == 0
    assert observed.seen[0][:2] == ("POST /v1/search", 499)


class Observed:
    def __init__(self) -> None:
        self.seen: list[tuple[str, int, float, int]] = []

    def observe(self, route: str, status: int, seconds: float, body_bytes: int) -> None:
        self.seen.append((route, status, seconds, body_bytes))


async def test_metrics_see_route_templates_statuses_and_bytes(make_client: MakeClient) -> None:
    observed = Observed()
    client = make_client(metrics=observed)
    sent = await client.put("/v1/images/a%2Fb", files=PICTURE)
    await client.get("/v1/images/missing/thumbnail")
    await client.get("/nothing")
    assert [(route, status) for route, status, _, _ in observed.seen] == [
        ("PUT /v1/images/{id}", 201),
        ("GET /v1/images/{id}/thumbnail", 404),
        ("unmatched", 404),
    ]
    assert observed.seen[0][3] == int(sent.request.headers["content-length"])
