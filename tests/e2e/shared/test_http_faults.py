"""Bad input over real HTTP: each fault has its status and code, stores nothing, and leaves the service well."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from graph.client import Client
from storage.errors import ImageExists, ImageNotFound
from tests.e2e.raw_http import form, outcome, raw_client
from tests.e2e.running_service import RunningService
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

KNOWN = "faults/known.jpg"
BODY_LIMIT = 5_242_880  # of configs/test.yaml


def zeros_png(width: int, height: int) -> bytes:
    """A valid one-bit PNG of zeros: small, however many pixels it says."""
    row = bytes(1 + (width + 7) // 8)
    deflate = zlib.compressobj(9)
    data = b"".join([deflate.compress(row * 100) for _ in range(height // 100)]) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


@pytest.fixture(scope="module")
def known(shared_service: RunningService) -> Iterator[str]:
    """The id of the one picture of this module."""
    with Client(shared_service.url) as client:
        client.replace(KNOWN, photo(4000))
        yield KNOWN
        client.delete(KNOWN)


@pytest.fixture
def http(shared_service: RunningService, known: str) -> Iterator[httpx.Client]:
    """A plain HTTP client. Whatever a test sends by it, nothing may be stored and the service has to stay well."""
    with raw_client(shared_service.url) as http, Client(shared_service.url) as client:
        before = client.stats().images
        yield http
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 200
        assert client.stats().images == before
        answer = client.search(image=photo(4000), features=["phash", "color"], k=1)
        assert (answer.results[0].id, answer.partial) == (known, False)


# -- pictures ----------------------------------------------------------------------------------------------------------

BAD_PICTURES: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "empty": (lambda: b"", 415, "unsupported_image"),
    "a text named .jpg": (lambda: b"these are words\n" * 100, 415, "unsupported_image"),
    "a truncated JPEG": (lambda: photo(1)[: len(photo(1)) // 2], 415, "unreadable_image"),
    "a decompression bomb": (lambda: zeros_png(60_000, 60_000), 413, "image_too_large"),
    "over the limit of pixels": (lambda: zeros_png(5_000, 5_000), 413, "image_too_large"),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_a_bad_picture_is_refused_by_every_route_that_takes_one(http: httpx.Client, name: str) -> None:
    make, status, code = BAD_PICTURES[name]
    image = make()
    assert len(image) < BODY_LIMIT / 2
    assert outcome(http.post("/v1/images", files=form(image))) == (status, code)
    assert outcome(http.put("/v1/images/new", files=form(image))) == (status, code)
    assert outcome(http.put("/v1/images/faults%2Fknown.jpg", files=form(image))) == (status, code)
    assert outcome(http.post("/v1/search", files=form(image))) == (status, code)


@pytest.mark.parametrize("size", [BODY_LIMIT + 1, 10 * BODY_LIMIT])
@pytest.mark.parametrize("chunked", [False, True], ids=["with Content-Length", "chunked"])
def test_an_upload_over_the_limit_is_refused(http: httpx.Client, size: int, chunked: bool) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for path in ("/v1/images", "/v1/search"):
        body = (bytes(min(65536, size - start)) for start in range(0, size, 65536)) if chunked else bytes(size)
        answer = http.post(path, content=body, headers=headers)
        assert outcome(answer) == (413, "body_too_large")


# -- forms and fields --------------------------------------------------------------------------------------------------

PART = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\npixels\r\n'
BAD_BODIES = {
    "another boundary": ("multipart/form-data; boundary=other", PART + b"--x--\r\n"),
    "no boundary": ("multipart/form-data", PART + b"--x--\r\n"),
    "no end": ("multipart/form-data; boundary=x", PART),
    "no image": ("multipart/form-data; boundary=x", PART.replace(b"image", b"id") + b"--x--\r\n"),
    "a bare picture": ("image/jpeg", b"pixels"),
    "a form of the other kind": ("application/x-www-form-urlencoded", b"image=pixels"),
    "nothing": ("multipart/form-data; boundary=x", b""),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_wrong_multipart_is_refused(http: httpx.Client, name: str) -> None:
    content_type, body = BAD_BODIES[name]
    for method, path in (("POST", "/v1/images"), ("PUT", "/v1/images/new")):
        answer = http.request(method, path, content=body, headers={"Content-Type": content_type})
        expected = (422, "invalid_field") if (name, method) == ("no image", "PUT") else (400, "invalid_request")
        assert outcome(answer) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"k": NaN}', b"{}"])
def test_garbage_instead_of_json_is_refused(http: httpx.Client, body: bytes) -> None:
    for path in ("/v1/search", "/v1/jobs"):
        answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
        assert outcome(answer) in ((400, "invalid_request"), (422, "invalid_field"))


@pytest.mark.parametrize("k", [0, -1, 10**9, "x", "", 1.5, True])
def test_a_wrong_k_is_refused(http: httpx.Client, known: str, k: object) -> None:
    expected = (422, "invalid_field")
    assert outcome(http.post("/v1/search", json={"id": known, "k": k})) == expected
    assert outcome(http.post("/v1/search", files=form(photo(1)), data={"k": str(k)})) == expected
    assert outcome(http.get("/v1/images/faults%2Fknown.jpg/similar", params={"k": str(k)})) == expected


def test_an_unknown_feature_is_refused_and_the_nearest_one_named(http: httpx.Client, known: str) -> None:
    asked: list[dict[str, Any]] = [
        {"features": ["fash"]},
        {"features": "phash,fash"},
        {"weights": {"fash": 2}},
        {"max_distance": {"fash": 2}},
        {"params": {"fash": {}}},
    ]
    for fields in asked:
        answer = http.post("/v1/search", json={"id": known, **fields})
        assert outcome(answer) == (422, "unknown_feature")
        assert "did you mean 'phash'" in answer.json()["error"]["hint"]


def test_other_bad_fields_are_refused(http: httpx.Client, known: str) -> None:
    bad: list[dict[str, Any]] = [
        {"kk": 3},
        {"weights": {"phash": -1}},
        {"max_distance": {"phash": "near"}},
        {"params": {"phash": {"orientations": "some"}}},
        {"params": {"phash": {"orientation": "all"}}},
        {"features": []},
        {"text": ""},
        {"text": "w" * 3000},
        {"id": ""},
    ]
    for fields in bad:
        answer = http.post("/v1/search", json={"id": known, **fields})
        assert outcome(answer) == (422, "invalid_field"), fields
    for metadata in ("{", "[]", '"text"', json.dumps({"a": "b" * 70_000}), '{"a": "\\ud800"}'):
        answer = http.post("/v1/images", files=form(photo(1)), data={"metadata": metadata})
        assert outcome(answer) == (422, "invalid_field")
    assert outcome(http.post("/v1/images", files=form(photo(1)), data={"on_conflict": "x"})) == (422, "invalid_field")


# -- ids ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["i" * 300, "a\nb", "\x00", "\x7f", "\x85"])
def test_an_id_of_300_or_of_control_characters_is_refused(http: httpx.Client, wrong: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in wrong.encode())
    expected = (422, "invalid_field")
    assert outcome(http.post("/v1/images", files=form(photo(1)), data={"id": wrong})) == expected
    assert outcome(http.put(f"/v1/images/{encoded}", files=form(photo(1)))) == expected
    assert outcome(http.get(f"/v1/images/{encoded}")) == expected
    assert outcome(http.delete(f"/v1/images/{encoded}")) == expected
    assert outcome(http.post("/v1/search", json={"id": wrong})) == expected


@pytest.mark.parametrize(
    "odd",
    ["a/b.jpg", "/", "//a", "a/", "..", ".", "../../etc/passwd", "a/../b", "a/thumbnail", "%2F", "?k=1#f", " ", "+",
     "été/写真 😀.jpg", "<b>", "i" * 256, "é" * 256],
)  # fmt: skip
def test_odd_ids_round_trip(http: httpx.Client, client: Client, odd: str) -> None:
    picture = photo(4001)
    assert client.add(picture, id=odd).id == odd
    with pytest.raises(ImageExists):
        client.add(picture, id=odd)
    assert client.get(odd).id == odd
    assert client.thumbnail(odd)[:2] == b"\xff\xd8"
    assert client.similar(odd, features=["phash"], k=1).results[0].id == odd
    assert client.search(id=odd, features=["color"], k=1).results[0].id == odd
    assert client.replace(odd, picture).outcome == "replaced"
    client.delete(odd)
    with pytest.raises(ImageNotFound):
        client.get(odd)


def test_putting_a_picture_twice_is_putting_it_once(http: httpx.Client, client: Client) -> None:
    before = client.stats().images
    answers = [http.put("/v1/images/twice", files=form(photo(4002))) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert len({answer.json()["sha256"] for answer in answers}) == 1
    assert client.stats().images == before + 1
    taken = http.post("/v1/images", files=form(photo(4003)), data={"id": "twice"})
    assert outcome(taken) == (409, "image_exists")
    assert client.get("twice").sha256 == answers[0].json()["sha256"]
    assert http.delete("/v1/images/twice").status_code == 204
    assert outcome(http.delete("/v1/images/twice")) == (404, "image_not_found")


def test_what_is_not_there_is_not_found(http: httpx.Client) -> None:
    for path in ("", "/thumbnail", "/file", "/similar"):
        assert outcome(http.get(f"/v1/images/no-such{path}")) == (404, "image_not_found")
    assert outcome(http.delete("/v1/images/no-such")) == (404, "image_not_found")
    assert outcome(http.post("/v1/search", json={"id": "no-such"})) == (404, "image_not_found")
    assert outcome(http.get("/v1/jobs/no-such")) == (404, "job_not_found")
    assert outcome(http.get("/v1/nothing")) == (404, "not_found")
    assert outcome(http.patch("/v1/search")) == (405, "method_not_allowed")


# -- many at once ------------------------------------------------------------------------------------------------------


def test_two_hundred_clients_at_once_are_answered_or_told_to_come_back(http: httpx.Client, known: str) -> None:
    picture = photo(4000)

    def ask(_: int) -> int:
        with raw_client(str(http.base_url)) as one:
            answer = one.post("/v1/search", files=form(picture), data={"features": "phash", "k": 1})
            if answer.status_code == 200:
                assert answer.json()["results"][0]["id"] == known
            else:
                assert int(answer.headers["Retry-After"]) >= 1
            return answer.status_code

    with ThreadPoolExecutor(200) as threads:
        statuses = Counter(threads.map(ask, range(200)))
    assert set(statuses) <= {200, 429, 503}
    assert statuses[200] >= 16  # as many as are worked on at once
    assert http.get("/v1/stats").status_code == 200


def test_half_sent_uploads_keep_nobody_waiting(http: httpx.Client, shared_service: RunningService, known: str) -> None:
    """Far more of them than there are places."""
    head = (
        f"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1:{shared_service.port}\r\nContent-Length: 100000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
    ).encode()
    with contextlib.ExitStack() as sockets:
        for _ in range(400):
            half_sent = sockets.enter_context(socket.create_connection(("127.0.0.1", shared_service.port), 10))
            half_sent.sendall(head)
        time.sleep(0.5)  # until the routers have them
        began = time.monotonic()
        answer = http.post("/v1/search", files=form(photo(4000)), data={"k": "1"})
        assert answer.json()["results"][0]["id"] == known
        assert time.monotonic() - began < 2
