"""What every client does, blocking or async, over a transport that stands in for the network."""

from __future__ import annotations

import inspect
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from lookalike_client import JobFailure, PartReport, ShardTraining, ShardUsage, Tag
from lookalike_client.errors import (
    Busy,
    DeadlineExceeded,
    ExtractorUnavailable,
    ImageExists,
    ImageNotFound,
    LookalikeError,
    ServiceUnreachable,
    Unauthorized,
    Unavailable,
)

Handler = Callable[[httpx.Request], httpx.Response]
Replies = list[httpx.Response | httpx.HTTPError]

URL = "http://127.0.0.1:8000"
ADDED = {
    "id": "a/b.jpg",
    "width": 640,
    "height": 480,
    "sha256": "ab",
    "features": {"phash": "ok"},
    "outcome": "created",
}
ROW = ADDED | {
    "added_at": "2024-05-01T12:00:00Z",
    "metadata": {"year": 1998},
    "annotations": {},
    "format": "jpeg",
    "bytes": 1500,
    "path": None,
}
ANSWER = {
    "results": [
        {
            "id": "a/b.jpg",
            "score": 0.93,
            "matches": {"phash": {"distance": 4, "rank": 1}},
            "metadata": {},
            "annotations": {},
            "width": 640,
            "height": 480,
        }
    ],
    "features": {
        "phash": {"status": "ok", "took_ms": 2.1},
        "image_text": {"status": "unavailable", "reason": "no weights"},
    },
    "partial": True,
    "missing_shards": [1],
    "took_ms": 18.4,
}
ANNOTATIONS: dict[str, Any] = {
    "tags": [{"label": "airliner", "score": 0.93}, {"label": "wing", "score": 0.41}],
    "caption": "an airliner over the sea",
}
JOB = {
    "id": "job-1",
    "kind": "index",
    "state": "running",
    "submitted_at": "2024-05-01T12:00:00+00:00",
    "updated_at": "2024-05-01T12:00:01+00:00",
    "arguments": {"paths": ["/photos"]},
    "total": 10,
    "done": 4,
    "added": 3,
    "replaced": 0,
    "unchanged": 0,
    "skipped": 0,
    "failed": 1,
    "message": "",
}


STATS = {"images": 2, "disk_bytes": 3, "memory_bytes": 4, "pending": {}, "shards": []}
AWAY = [kind("away") for kind in (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectTimeout)]


def reply(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def failure(code: str, status: int, **headers: str) -> httpx.Response:
    error = {"code": code, "message": f"what: {code}", "hint": "what to do", "request_id": "r-7"}
    return reply({"error": error}, status, **headers)


class Service:
    """Gives its replies in turn, the last one for ever, and keeps what it was asked."""

    def __init__(self, *replies: httpx.Response | httpx.HTTPError) -> None:
        self.replies: Replies = list(replies)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return answer

    @property
    def request(self) -> httpx.Request:
        return self.requests[-1]

    @property
    def body(self) -> Any:
        return json.loads(self.request.content)

    @property
    def form(self) -> str:
        return self.request.content.decode("latin-1")


class ClientSuite:
    """Subclasses say which client; `ask` calls one of its methods and gives the answer."""

    def client(self, service: Service, **options: Any) -> Any:
        raise NotImplementedError

    async def ask(self, service: Service, method: str, *arguments: Any, **options: Any) -> Any:
        return await self.call(self.client(service), method, *arguments, **options)

    async def call(self, client: Any, method: str, *arguments: Any, **options: Any) -> Any:
        answer = getattr(client, method)(*arguments, **options)
        return await answer if inspect.isawaitable(answer) else answer

    @pytest.fixture(autouse=True)
    def pauses(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Seconds that the client would have waited."""
        seconds: list[float] = []

        async def sleep(pause_s: float) -> None:
            seconds.append(pause_s)

        monkeypatch.setattr("time.sleep", seconds.append)
        monkeypatch.setattr("anyio.sleep", sleep)
        return seconds

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """The time, which passes only while the client waits."""
        passed = [0.0]

        def wait(pause_s: float) -> None:
            passed[0] += pause_s

        async def sleep(pause_s: float) -> None:
            wait(pause_s)

        monkeypatch.setattr("time.sleep", wait)
        monkeypatch.setattr("anyio.sleep", sleep)
        monkeypatch.setattr("lookalike_client.session.monotonic", lambda: passed[0])
        return passed

    @pytest.mark.parametrize("form", ["bytes", "path", "file"])
    async def test_adds_an_image_given_as_bytes_path_or_file(self, form: str, tmp_path: Path) -> None:
        path = tmp_path / "photo.jpg"
        path.write_bytes(b"the picture")
        image: Any = {"bytes": b"the picture", "path": path, "file": io.BytesIO(b"the picture")}[form]
        service = Service(reply(ADDED, 201))
        added = await self.ask(service, "add", image, id="a/b.jpg", metadata={"é": 1}, on_conflict="skip")
        assert (added.id, added.width, added.features, added.created) == ("a/b.jpg", 640, {"phash": "ok"}, True)
        assert (service.request.method, service.request.url.path) == ("POST", "/v1/images")
        assert "the picture" in service.form
        assert 'name="id"\r\n\r\na/b.jpg' in service.form
        assert 'name="metadata"\r\n\r\n{"\\u00e9": 1}' in service.form
        assert 'name="on_conflict"\r\n\r\nskip' in service.form

    async def test_refuses_a_plain_str_as_an_image(self) -> None:
        with pytest.raises(TypeError, match="not str"):
            await self.ask(Service(reply(ADDED)), "add", "photo.jpg")

    async def test_tells_a_replaced_image_from_a_created_one(self) -> None:
        service = Service(reply(ADDED | {"outcome": "replaced"}, 200))
        assert not (await self.ask(service, "replace", "a/b.jpg", b"x")).created
        assert service.request.method == "PUT"
        assert service.request.url.raw_path == b"/v1/images/a%2Fb.jpg"

    @pytest.mark.parametrize(
        ("image_id", "path"),
        [("..", b"%2E%2E"), (".", b"%2E"), ("a b/é?#%", b"a%20b%2F%C3%A9%3F%23%25"), ("a/../b", b"a%2F..%2Fb")],
    )
    async def test_sends_every_character_of_an_id(self, image_id: str, path: bytes) -> None:
        service = Service(reply(ROW))
        await self.ask(service, "get", image_id)
        assert service.request.url.raw_path == b"/v1/images/" + path

    async def test_reads_a_row_and_passes_over_what_it_does_not_know(self) -> None:
        row = await self.ask(Service(reply(ROW | {"novelty": 1})), "get", "a/b.jpg")
        assert row.bytes == row.byte_size == 1500
        assert row.added_at == datetime(2024, 5, 1, 12, tzinfo=UTC)
        assert row.metadata == {"year": 1998}

    async def test_reads_the_annotations_of_a_row_and_of_a_result(self) -> None:
        row = await self.ask(Service(reply(ROW | {"annotations": ANNOTATIONS})), "get", "a/b.jpg")
        answer = ANSWER | {"results": [ANSWER["results"][0] | {"annotations": ANNOTATIONS}]}  # type: ignore[index]
        [result] = (await self.ask(Service(reply(answer)), "search", id="x")).results
        for found in (row, result):
            assert found.annotations == ANNOTATIONS
            assert found.tags == (Tag("airliner", 0.93), Tag("wing", 0.41))
            assert found.caption == "an airliner over the sea"

    @pytest.mark.parametrize("body", [ROW, {name: value for name, value in ROW.items() if name != "annotations"}])
    async def test_a_row_without_annotations_has_none(self, body: dict[str, Any]) -> None:
        row = await self.ask(Service(reply(body)), "get", "a/b.jpg")
        assert (row.annotations, row.tags, row.caption) == ({}, (), None)

    async def test_deletes(self) -> None:
        service = Service(httpx.Response(204))
        assert await self.ask(service, "delete", "x") is None
        assert service.request.method == "DELETE"

    async def test_pages_through_all_images(self) -> None:
        service = Service(
            reply({"images": [ROW], "next_cursor": "c 1"}), reply({"images": [ROW, ROW], "next_cursor": None})
        )
        images = self.client(service).images(page_size=2)
        rows = [row async for row in images] if inspect.isasyncgen(images) else list(images)
        assert len(rows) == 3
        assert [dict(request.url.params) for request in service.requests] == [
            {"limit": "2"},
            {"limit": "2", "cursor": "c 1"},
        ]

    async def test_filters_and_orders_are_sent_with_every_page(self) -> None:
        service = Service(*(reply({"images": [], "next_cursor": cursor}) for cursor in ("c", None)))
        images = self.client(service).images(filter={"field": "gps", "op": "exists"}, sort="width", order="desc")
        assert ([row async for row in images] if inspect.isasyncgen(images) else list(images)) == []
        asked = {"limit": "100", "filter": '{"field": "gps", "op": "exists"}', "sort": "width", "order": "desc"}
        assert [dict(request.url.params) for request in service.requests] == [asked, asked | {"cursor": "c"}]

    async def test_a_search_has_its_filter(self) -> None:
        service = Service(reply(ANSWER), reply(ANSWER))
        await self.ask(service, "search", id="x", filter={"field": "gps", "op": "exists"})
        assert service.body["filter"] == {"field": "gps", "op": "exists"}
        await self.ask(service, "similar", "x", filter="width > 1")
        assert service.request.url.params["filter"] == "width > 1"

    async def test_pages_through_all_groups_of_duplicates(self) -> None:
        picture = {"id": "a", "width": 9, "height": 8, "byte_size": 7, "sha256": "ab", "path": None}
        group = {"keep": picture, "duplicates": [picture | {"id": "b", "path": "/b", "distance": 3}], "left_out": 2}
        empty = {"groups": [], "next_cursor": "64.1.0.5", "looked_at": 5, "undecided": 1}
        service = Service(reply(empty), reply(empty | {"groups": [group], "next_cursor": None}))
        found = self.client(service).duplicates(threshold=10, page_size=7)
        groups = [one async for one in found] if hasattr(found, "__aiter__") else list(found)
        assert [(one.keep.id, one.keep.distance, one.left_out) for one in groups] == [("a", None, 2)]
        [[duplicate]] = [one.duplicates for one in groups]
        assert (duplicate.id, duplicate.path, duplicate.distance, duplicate.byte_size) == ("b", "/b", 3, 7)
        asked = [dict(request.url.params) for request in service.requests]
        assert asked == [{"threshold": "10", "limit": "7"}, {"threshold": "10", "limit": "7", "cursor": "64.1.0.5"}]
        related = Service(reply(empty))
        page = await self.ask(related, "duplicate_page", relation=["edited", "crop"])
        assert dict(related.request.url.params) == {"relation": "edited,crop", "limit": "100"}
        assert (page.groups, page.next_cursor, page.looked_at, page.undecided) == ((), "64.1.0.5", 5, 1)

    async def test_decides_of_duplicates_and_takes_it_back(self) -> None:
        made = {"id": "d", "a": "x", "b": "y", "decision": "keep", "note": None, "decided_at": "2026-01-31T12:00:00Z"}
        service = Service(reply(made, 201), reply({"decisions": [made]}), httpx.Response(204))
        decided = await self.ask(service, "decide", "x", "y", "keep")
        assert service.body == {"a": "x", "b": "y", "decision": "keep"}
        assert await self.ask(service, "decisions") == (decided,)
        assert await self.ask(service, "take_back", "d") is None
        assert [request.method for request in service.requests] == ["POST", "GET", "DELETE"]

    async def test_gives_the_bytes_of_thumbnails_and_originals(self) -> None:
        service = Service(httpx.Response(200, content=b"jpeg"))
        assert await self.ask(service, "thumbnail", "x") == b"jpeg"
        assert await self.ask(service, "original", "x") == b"jpeg"
        assert [request.url.path for request in service.requests] == ["/v1/images/x/thumbnail", "/v1/images/x/file"]

    async def test_searches_by_image_in_one_form(self) -> None:
        service = Service(reply(ANSWER))
        answer = await self.ask(
            service,
            "search",
            b"img",
            features=["phash", "local"],
            k=3,
            weights={"phash": 2},
            max_distance={"phash": 64},
        )
        assert answer.results[0].matches["phash"].distance == 4
        assert answer.features["image_text"] == PartReport("unavailable", reason="no weights")
        assert (answer.partial, answer.missing_shards) == (True, (1,))
        assert 'name="features"\r\n\r\nphash,local' in service.form
        assert 'name="weights"\r\n\r\n{"phash": 2}' in service.form
        assert 'name="k"\r\n\r\n3' in service.form

    async def test_searches_by_several_pictures(self) -> None:
        service = Service(reply(ANSWER))
        await self.ask(service, "search", [b"one", b"two"], id=["a", "b"], combine="all")
        assert service.form.count('; name="image"') == 2
        assert service.form.count('name="id"') == 2
        assert 'name="combine"\r\n\r\nall\r\n' in service.form
        await self.ask(service, "search", id=("a", "b"))
        assert service.body == {"id": ["a", "b"], "k": 20}

    async def test_searches_by_id_and_text_in_json(self) -> None:
        service = Service(reply(ANSWER))
        await self.ask(service, "search", id="x", text="a bridge", params={"phash": {"orientations": "all"}})
        assert service.body == {"id": "x", "text": "a bridge", "k": 20, "params": {"phash": {"orientations": "all"}}}

    @pytest.mark.parametrize(
        ("given", "sent"), [("at night", ["at night"]), (["rain", "at night"], ["rain", "at night"]), ((), None)]
    )
    async def test_sends_sentences_to_keep_away_from_in_json_and_in_a_form(
        self, given: Any, sent: list[str] | None
    ) -> None:
        service = Service(reply(ANSWER))
        await self.ask(service, "search", text="a bridge", text_not=given)
        assert service.body.get("text_not") == sent
        await self.ask(service, "search", b"img", text_not=given)
        assert re.findall('name="text_not"\r\n\r\n([^\r]*)\r\n', service.form) == (sent or [])

    async def test_says_which_relations_may_come_and_whether_to_explain_them(self) -> None:
        service = Service(reply(ANSWER))
        await self.ask(service, "search", id="x", relevance="likely", explain=True)
        assert service.body == {"id": "x", "k": 20, "relevance": "likely", "explain": True}
        await self.ask(service, "search", b"img", relevance="strong", explain=True)
        for name, value in {"relevance": "strong", "explain": "true"}.items():
            assert f'name="{name}"\r\n\r\n{value}\r\n' in service.form
        await self.ask(service, "similar", "x", relevance="likely")
        assert service.request.url.params["relevance"] == "likely"

    async def test_refuses_a_search_for_nothing_but_what_to_keep_away_from(self) -> None:
        with pytest.raises(ValueError, match="an image, an id or a text"):
            await self.ask(Service(reply(ANSWER)), "search", text_not="at night")

    async def test_refuses_a_search_for_nothing(self) -> None:
        with pytest.raises(ValueError, match="an image, an id or a text"):
            await self.ask(Service(reply(ANSWER)), "search")

    async def test_finds_pictures_similar_to_a_stored_one(self) -> None:
        service = Service(reply(ANSWER))
        await self.ask(service, "similar", "x", features=["phash"], k=5)
        assert str(service.request.url) == f"{URL}/v1/images/x/similar?features=phash&k=5"

    async def test_compares_two_pictures_each_a_file_or_an_id(self) -> None:
        service = Service(reply(ANSWER["results"][0] | {"relation": "crop", "confidence": 0.5}))  # type: ignore[index]
        result = await self.ask(service, "compare", a=b"img", b_id="x/y", explain=True)
        assert (result.id, result.relation, result.is_strong) == ("a/b.jpg", "crop", True)
        assert service.request.url.path == "/v1/compare"
        for part in ('name="a"; filename="a"', 'name="b_id"\r\n\r\nx/y\r\n', 'name="explain"\r\n\r\ntrue\r\n'):
            assert part in service.form
        await self.ask(service, "compare", a_id="x", b_id="y")
        assert service.request.headers["Content-Type"].startswith("multipart/form-data")
        assert 'name="a_id"\r\n\r\nx\r\n' in service.form

    @pytest.mark.parametrize(
        "given", [{}, {"a": b"x"}, {"a": b"x", "a_id": "x"}, {"a": b"x", "a_id": "x", "b_id": "y"}]
    )
    async def test_refuses_to_compare_other_than_two_pictures(self, given: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="two pictures are compared"):
            await self.ask(Service(reply(ANSWER)), "compare", **given)

    async def test_labels_and_describes(self) -> None:
        tags = await self.ask(Service(reply({"tags": [{"label": "bridge", "score": 0.5}]})), "tags", b"img")
        assert [(tag.label, tag.score) for tag in tags] == [("bridge", 0.5)]
        service = Service(reply({"caption": "a bridge"}))
        assert await self.ask(service, "caption", b"img") == "a bridge"
        assert (service.request.method, service.request.url.path) == ("POST", "/v1/caption")
        assert "img" in service.form

    async def test_says_why_an_annotator_cannot_answer(self) -> None:
        with pytest.raises(ExtractorUnavailable, match="what to do"):
            await self.ask(Service(failure("extractor_unavailable", 503)), "tags", b"img")

    async def test_reads_features_and_stats(self) -> None:
        report = {"name": "phash", "state": "ready", "reason": "", "model": None, "dim": 576, "replicas": 1}
        tags = {"name": "tags", "role": "annotator", "state": "ready", "next_version": "2"}
        first, second = await self.ask(Service(reply({"features": [report, tags]})), "features")
        assert (first.dim, first.role, first.next_version) == (576, "extractor", None)
        assert (second.role, second.next_version) == ("annotator", "2")
        shard = {"shard": 0, "images": 2, "disk_bytes": 3, "features": {"phash": {"memory_bytes": 4}}}
        body = {
            "images": 2,
            "disk_bytes": 3,
            "memory_bytes": 4,
            "pending": {},
            "shards": [shard],
            "missing_shards": [1],
        }
        stats = await self.ask(Service(reply(body)), "stats")
        assert (stats.shards, stats.missing_shards) == ((ShardUsage(0, 2, 3, 4),), (1,))

    async def test_says_what_is_missing_before_the_service_is_ready(self, pauses: list[float]) -> None:
        readiness = await self.ask(Service(reply({"ready": False, "missing": ["shard 1"]}, 503)), "ready")
        assert (readiness.ready, readiness.missing, pauses) == (False, ("shard 1",), [])
        assert (await self.ask(Service(reply({"ready": True, "missing": []})), "ready")).ready

    async def test_submits_and_watches_a_job(self) -> None:
        service = Service(reply({"id": "job-1"}, 202))
        assert await self.ask(service, "submit_index", ["/photos"], watch=True) == "job-1"
        assert service.body == {
            "kind": "index",
            "paths": ["/photos"],
            "id_from": "path",
            "on_conflict": "replace",
            "watch": True,
        }
        job = await self.ask(Service(reply(JOB)), "job", "job-1")
        assert (job.done, job.total, job.finished) == (4, 10, False)
        assert [job.id for job in await self.ask(Service(reply({"jobs": [JOB]})), "jobs")] == ["job-1"]

    @pytest.mark.parametrize(("feature", "named"), [("global", {"feature": "global"}), (None, {})])
    async def test_submits_a_backfill_of_one_feature_or_of_all(
        self, feature: str | None, named: dict[str, str]
    ) -> None:
        service = Service(reply({"id": "job-2"}, 202))
        assert await self.ask(service, "submit_backfill", feature) == "job-2"
        assert (service.request.method, service.request.url.path) == ("POST", "/v1/jobs")
        assert service.body == {"kind": "backfill", **named}

    async def test_submits_a_backfill_that_may_leave_pictures_behind(self) -> None:
        service = Service(reply({"id": "job-2"}, 202))
        await self.ask(service, "submit_backfill", "global", allow_missing=True)
        assert service.body == {"kind": "backfill", "feature": "global", "allow_missing": True}

    async def test_submits_an_import_with_what_was_given(self) -> None:
        service = Service(reply({"id": "import-1"}, 202))
        assert await self.ask(service, "submit_import", ["/srv/ambience"]) == "import-1"
        assert service.body == {"kind": "import", "paths": ["/srv/ambience"], "dry_run": False}
        given = {"photos": "/srv/photos", "keypoint_ranges": "/srv/points.csv", "features": {"/srv/old": "global"}}
        await self.ask(service, "submit_import", ["/srv/ambience"], dry_run=True, **given)
        assert service.body == {"kind": "import", "paths": ["/srv/ambience"], "dry_run": True, **given}

    async def test_submits_an_evaluation(self) -> None:
        service = Service(reply({"id": "eval-1"}, 202))
        assert await self.ask(service, "submit_eval") == "eval-1"
        assert service.body == {"kind": "eval", "n": 50, "seed": 0}
        await self.ask(service, "submit_eval", "/photos", n=5, strangers=9, seed=3, calibrate=True)
        told = {"path": "/photos", "n": 5, "strangers": 9, "seed": 3, "calibrate": True}
        assert service.body == {"kind": "eval", **told}

    async def test_takes_thresholds_back(self) -> None:
        service = Service(httpx.Response(204))
        await self.ask(service, "forget_thresholds")
        assert (service.request.method, service.request.url.path) == ("DELETE", "/v1/thresholds")

    async def test_stops_a_job_and_lists_its_failures(self) -> None:
        service = Service(reply(JOB | {"state": "stopped"}))
        assert (await self.ask(service, "stop_job", "job-1")).finished
        assert service.request.url.path == "/v1/jobs/job-1/stop"
        listed = {"failures": [{"path": "x", "code": "unsupported_image", "reason": "not a picture"}], "next_offset": 1}
        failures = await self.ask(Service(reply(listed)), "job_failures", "job-1")
        assert failures.failures == (JobFailure("x", "unsupported_image", "not a picture"),)
        assert failures.next_offset == 1

    async def test_verifies_every_shard(self) -> None:
        shard = {"shard": 0, "images": 1, "checked_rows": 2, "problems": ["row 3"]}
        verification = await self.ask(Service(reply({"ok": False, "shards": [shard]})), "verify")
        assert (verification.ok, verification.shards[0].problems) == (False, ("row 3",))

    async def test_trains_an_index_in_every_shard(self) -> None:
        trained = {"shard": 0, "rows": 31000, "lists": 352, "took_s": 0.9}
        empty = {"shard": 1, "rows": 0, "lists": 0, "took_s": 0.0, "reason": "no rows"}
        service = Service(reply({"feature": "local", "shards": [trained, empty]}))
        training = await self.ask(service, "train", "local")
        assert (service.request.method, service.request.url.path) == ("POST", "/v1/train")
        assert service.body == {"feature": "local"}
        assert service.request.extensions["timeout"]["read"] == pytest.approx(3600, abs=60)
        assert training.feature == "local"
        assert training.shards == (ShardTraining(0, 31000, 352, 0.9), ShardTraining(1, reason="no rows"))

    @pytest.mark.parametrize("broken", [True, False])
    async def test_never_trains_twice(self, broken: bool) -> None:
        service = Service(httpx.ReadError("reset") if broken else failure("shard_unavailable", 503))
        with pytest.raises(LookalikeError):
            await self.ask(service, "train", "local")
        assert len(service.requests) == 1

    async def test_health_passes_when_the_service_lives(self) -> None:
        assert await self.ask(Service(reply({})), "health") is None

    async def test_raises_the_error_that_the_service_raised(self) -> None:
        with pytest.raises(ImageNotFound) as caught:
            await self.ask(Service(failure("image_not_found", 404)), "get", "x")
        error = caught.value
        assert (error.message, error.hint) == ("what: image_not_found", "what to do")
        assert (error.status, error.request_id) == (404, "r-7")

    async def test_names_the_request_of_an_internal_error(self) -> None:
        body = {"error": {"code": "internal", "message": "internal error", "request_id": "r-9"}}
        with pytest.raises(LookalikeError, match="r-9"):
            await self.ask(Service(reply(body, 500)), "get", "x")

    async def test_says_so_when_another_program_answers(self) -> None:
        with pytest.raises(LookalikeError, match="check that a Lookalike service"):
            await self.ask(Service(httpx.Response(200, text="<html>")), "stats")

    async def test_tries_again_when_busy_for_as_long_as_it_is_told(self, pauses: list[float]) -> None:
        service = Service(failure("busy", 429, retry_after="3"), failure("busy", 503), reply(ROW))
        assert (await self.ask(service, "get", "x")).id == "a/b.jpg"
        assert 3 < pauses[0] < 3.3
        assert 0 < pauses[1] < 1

    @pytest.mark.parametrize("passing", [429, 502, 503, 504, 404, *AWAY])
    @pytest.mark.parametrize(("method", "arguments"), [("search", [b"img"]), ("replace", ["x", b"img"]), ("stats", [])])
    async def test_tries_again_what_may_pass(self, method: str, arguments: list[Any], passing: Any) -> None:
        failed = failure("busy", passing) if isinstance(passing, int) else passing
        if passing == 404:  # of a proxy whose service is not there yet, in no form of ours
            failed = reply("Path '/v1/stats' not found.", passing)
        service = Service(failed, failed, reply(ADDED | ANSWER | STATS))
        await self.ask(service, method, *arguments)
        assert len({(request.method, request.url) for request in service.requests}) == 1
        assert len(service.requests) == 3

    async def test_gives_up_after_its_retries(self, pauses: list[float]) -> None:
        service = Service(failure("busy", 429))
        with pytest.raises(Busy):
            await self.ask(service, "get", "x")
        assert len(service.requests) == 5
        assert all(0.5 <= pause / (0.25 * 2**number) <= 1 for number, pause in enumerate(pauses))

    async def test_gives_up_at_its_deadline_and_lets_no_attempt_go_beyond(self, clock: list[float]) -> None:
        service = Service(failure("busy", 503, retry_after="4"))
        with pytest.raises(Busy):
            await self.call(self.client(service, timeout_s=8, retries=99, deadline_s=10), "get", "x")
        waits = [request.extensions["timeout"]["read"] for request in service.requests]
        assert len(waits) == 3
        assert waits[0] == 8
        assert 5 < waits[1] < 6
        assert 0 < waits[2] < 2

    async def test_a_call_may_have_a_deadline_of_its_own(self, clock: list[float]) -> None:
        service = Service(failure("busy", 503, retry_after="4"))
        client = self.client(service, retries=99)
        with pytest.raises(Busy):
            await self.call(client.within(3), "get", "x")
        assert (len(service.requests), service.request.extensions["timeout"]["read"]) == (1, 3)
        with pytest.raises(Busy):
            await self.call(client.within(0), "get", "x")
        assert service.request.extensions["timeout"]["read"] < 0.01
        with pytest.raises(Busy):
            await self.call(client, "get", "x")
        assert len(service.requests) > 5

    async def test_sends_what_an_open_file_held_with_every_attempt(self) -> None:
        service = Service(httpx.ReadError("reset"), reply(ADDED, 201))
        await self.ask(service, "add", io.BytesIO(b"the picture"))
        assert ["the picture" in request.content.decode("latin-1") for request in service.requests] == [True, True]

    async def test_does_not_wait_for_a_model_that_is_missing(self) -> None:
        service = Service(failure("extractor_unavailable", 503, retry_after="1"))
        with pytest.raises(ExtractorUnavailable):
            await self.ask(service, "tags", b"img")
        assert len(service.requests) == 1

    async def test_gives_up_at_once_when_told_to_wait_long(self, pauses: list[float]) -> None:
        with pytest.raises(Unavailable):
            await self.ask(Service(failure("unavailable", 503, retry_after="3600")), "get", "x")
        assert pauses == []

    async def test_repeats_an_add_under_the_same_key(self) -> None:
        service = Service(httpx.ReadError("reset"), reply(ADDED, 201))
        await self.ask(service, "add", b"img")
        first, second = (request.headers["Idempotency-Key"] for request in service.requests)
        assert first == second
        await self.ask(service, "add", b"img")
        assert service.request.headers["Idempotency-Key"] != first

    @pytest.mark.parametrize(
        ("method", "arguments"),
        [("submit_index", [["/photos"]]), ("submit_import", [["/srv"]]), ("submit_backfill", []), ("submit_eval", [])],
    )
    async def test_never_submits_a_job_twice(self, method: str, arguments: list[Any]) -> None:
        service = Service(failure("unavailable", 503))
        with pytest.raises(Unavailable):
            await self.ask(service, method, *arguments)
        assert len(service.requests) == 1

    async def test_submits_a_job_again_where_nothing_was_sent(self) -> None:
        service = Service(httpx.ConnectError("Connection refused"), reply({"id": "job-1"}, 202))
        assert await self.ask(service, "submit_index", ["/photos"]) == "job-1"

    async def test_does_not_repeat_what_was_refused(self) -> None:
        service = Service(failure("image_exists", 409))
        with pytest.raises(ImageExists):
            await self.ask(service, "add", b"img")
        assert len(service.requests) == 1

    async def test_says_how_to_start_a_service_that_does_not_answer(self) -> None:
        service = Service(httpx.ConnectError("Connection refused"))
        with pytest.raises(ServiceUnreachable, match=rf"{URL} .*Connection refused.*lookalike serve"):
            await self.ask(service, "get", "x")

    async def test_calls_a_slow_answer_a_deadline(self) -> None:
        with pytest.raises(DeadlineExceeded, match="within 30 s"):
            await self.ask(Service(httpx.ReadTimeout("slow")), "get", "x")

    async def test_sends_its_key_and_never_shows_it(self) -> None:
        service = Service(failure("unauthorized", 401))
        client = self.client(service, api_key="s3cret")
        with pytest.raises(Unauthorized):
            await self.call(client, "stats")
        assert service.request.headers["Authorization"] == "Bearer s3cret"
        assert "s3cret" not in repr(client)
        assert URL in repr(client)
