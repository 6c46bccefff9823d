"""The error table is whole, and every error is answered in one shape."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable

import httpx
import pytest

from graph.http.replies.errors import STATUS, status_of
from graph.http.replies.openapi import ErrorAnswer
from graph.requests.shards import image_not_found
from lookalike_client.failures import from_answer
from storage import errors
from tests.unit.graph.http.conftest import MakeClient
from tests.unit.graph.http.fake_catalog import JPEG, FakeCatalog

PICTURE = {"image": ("a.jpg", JPEG, "image/jpeg")}
CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.LookalikeError)]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_of_the_tree_has_a_status(cls: type[errors.LookalikeError]) -> None:
    assert cls in STATUS


@pytest.mark.parametrize("cls", CLASSES)
async def test_every_error_is_answered_in_one_shape(
    client: httpx.AsyncClient, catalog: FakeCatalog, cls: type[errors.LookalikeError]
) -> None:
    catalog.before = raising(cls("what went wrong", "what to do"))
    client.event_hooks = {}  # OpenAPI does not say that this route could give each of them
    answer = await client.get("/v1/images/a")
    error = ErrorAnswer.model_validate(answer.json()).error
    assert answer.status_code == STATUS[cls]
    assert error.request_id == answer.headers["x-request-id"]
    if answer.status_code != 500:
        assert (error.code, error.message, error.hint) == (cls.code, "what went wrong", "what to do")
    assert ("retry-after" in answer.headers) == (answer.status_code in (429, 503))


async def test_a_hint_in_words_of_the_shell_goes_beside_the_one_for_http(
    client: httpx.AsyncClient, catalog: FakeCatalog
) -> None:
    catalog.before = raising(image_not_found("bridge"))
    answer = await client.get("/v1/images/bridge")
    error = ErrorAnswer.model_validate(answer.json()).error
    assert (error.hint, error.shell_hint) == ("GET /v1/images lists the ids", "see `lookalike list`")
    assert from_answer(answer).shell_hint == error.shell_hint
    catalog.before = raising(errors.InvalidField("k: too large", "ask for less"))
    answer = await client.get("/v1/images/bridge")
    assert "shell_hint" not in answer.json()["error"]
    assert from_answer(answer).shell_hint == "ask for less"


@pytest.mark.parametrize("failure", [RuntimeError("secret"), errors.CorruptData("secret"), TypeError("secret")])
async def test_a_500_shows_the_request_id_alone_and_the_log_has_the_rest(
    client: httpx.AsyncClient, catalog: FakeCatalog, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    catalog.before = raising(failure)
    with caplog.at_level(logging.ERROR):
        answer = await client.post("/v1/search", files=PICTURE)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    request_id = answer.json()["error"]["request_id"]
    assert request_id in answer.json()["error"]["hint"], "which is what shells and pages print"
    [record] = [record for record in caplog.records if request_id in record.getMessage()]
    assert record.exc_info is not None
    assert record.exc_info[1] is failure


def test_an_error_from_outside_the_table_counts_as_its_nearest_base() -> None:
    class Stranger(errors.ImageNotFound):
        pass

    assert status_of(Stranger("x")) == 404
    assert status_of(KeyError("x")) == 500


async def test_a_route_that_does_not_exist_is_404_in_our_shape(client: httpx.AsyncClient) -> None:
    for path in ("/nothing", "/v1/duplicatez", "/v1/search/", "/page/../../etc/passwd", "/page/%2e%2e/app.py"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/v1/search", "POST"), ("/v1/images", "GET, POST"), ("/v1/images/a", "DELETE, GET, PUT"), ("/docs", "GET")],
)
async def test_a_method_that_a_path_lacks_is_405_and_names_those_it_has(
    client: httpx.AsyncClient, path: str, methods: str
) -> None:
    answer = await client.patch(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == methods
    assert answer.json()["error"]["hint"] == f"it has {methods}"


async def test_a_request_id_is_kept_when_it_is_usable(make_client: MakeClient) -> None:
    client = make_client()
    kept = await client.get("/healthz", headers={"X-Request-ID": "trace-7"})
    assert kept.headers.get_list("x-request-id") == ["trace-7"]
    made = await client.get("/healthz", headers={"X-Request-ID": "not a usable id"})
    assert len(made.headers["x-request-id"]) == 32
    outside = await make_client(sends_request_id=False).get("/healthz", headers={"X-Request-ID": "trace-7"})
    assert "x-request-id" not in outside.headers


def raising(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail
