from __future__ import annotations

import httpx
import pytest

from lookalike_client.errors import LookalikeError, Unavailable, errors_by_code
from lookalike_client.failures import ERRORS_BY_STATUS, from_answer
from storage import errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LookalikeError)]


def answer(status: int, **content: object) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "http://host/v1/stats"), **content)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_comes_back_by_its_code(kind: type[LookalikeError]) -> None:
    error = from_answer(answer(400, json={"error": {"code": kind.code, "message": "m", "hint": "h"}}))
    assert type(error) is kind
    assert (error.message, error.hint) == ("m", "h")


def test_no_two_errors_share_a_code() -> None:
    assert len(errors_by_code()) == len(KINDS)


@pytest.mark.parametrize("status", sorted(ERRORS_BY_STATUS.keys() - {404}))
@pytest.mark.parametrize("content", [{"text": "<html>"}, {"json": {"error": "x"}}, {"json": []}, {"json": {}}])
def test_an_answer_without_a_code_of_ours_goes_by_its_status(status: int, content: dict[str, object]) -> None:
    error = from_answer(answer(status, **content))
    assert type(error) is ERRORS_BY_STATUS[status]
    assert str(status) in error.message
    assert error.status == status


def test_a_code_from_a_newer_service_goes_by_its_status() -> None:
    error = from_answer(answer(404, json={"error": {"code": "album_not_found", "message": "no album"}}))
    assert type(error) is errors.NotFound
    assert error.message == "no album"


def test_a_404_that_is_not_of_the_service_does_not_say_that_a_picture_is_not_there() -> None:
    error = from_answer(answer(404, text="Path '/v1/images/a' not found."))
    assert isinstance(error, Unavailable)
    assert error.status == 404
