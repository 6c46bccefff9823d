from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.suites.client_suite import ANSWER, Service, failure, reply
from tests.unit.graph.cli.conftest import Run

PLAIN: dict[str, Any] = ANSWER["results"][0]  # type: ignore[index]
MIRRORED = {"mirrored": True, "rotation_deg": 0.4, "scale": 2.0}
TURNED = {"mirrored": False, "rotation_deg": -90.2, "scale": 2.0}


@pytest.fixture
def photo(tmp_path: Path) -> str:
    (tmp_path / "photo.jpg").write_bytes(b"the picture")
    return str(tmp_path / "photo.jpg")


def judged(**said: Any) -> httpx.Response:
    return reply(PLAIN | said)


@pytest.mark.parametrize(
    ("said", "line", "status"),
    [
        ({"relation": "edited", "confidence": 0.98, "transform": MIRRORED}, "edited, confidence 0.98, mirrored", 0),
        ({"relation": "same", "confidence": 1.0}, "same, confidence 1", 0),
        ({"relation": "same", "confidence": 0.9996}, "same, confidence above 0.999", 0),
        ({"relation": "same", "confidence": 0.9984}, "same, confidence 0.998", 0),
        (
            {"relation": "crop", "confidence": 0.5, "transform": TURNED},
            "crop, confidence 0.5, turned 270°",
            0,
        ),
        ({"relation": "crop", "confidence": 0.49}, "crop, confidence 0.49", 1),
        ({"relation": "scene", "confidence": 0.9}, "scene, confidence 0.9", 1),
        ({"relation": "similar", "because": ["color", "global"]}, "similar, color, global", 1),
        ({}, "no relation found", 1),
    ],
)
def test_one_line_and_the_status_say_what_it_is(
    run: Run, photo: str, said: dict[str, Any], line: str, status: int
) -> None:
    result = run(Service(judged(**said)), "same", photo, "id:2019/bridge.jpg")
    assert (result.stdout, result.stderr, result.exit_code) == (f"{line}\n", "", status)


def test_files_and_ids_are_sent_as_what_they_are(run: Run, photo: str) -> None:
    service = Service(judged())
    run(service, "same", photo, "id:2019/bridge.jpg")
    assert service.request.url.path == "/v1/compare"
    assert 'name="a"; filename="a"' in service.form
    assert "the picture" in service.form
    assert 'name="b_id"\r\n\r\n2019/bridge.jpg\r\n' in service.form
    run(service, "same", "id:x", "id:y")
    assert 'name="a_id"\r\n\r\nx\r\n' in service.form
    assert 'name="b_id"\r\n\r\ny\r\n' in service.form


def test_json_is_the_result_itself(run: Run, photo: str) -> None:
    result = run(Service(judged(relation="same", confidence=1.0)), "same", photo, photo, "--json")
    assert json.loads(result.stdout).items() >= {"relation": "same", "confidence": 1.0, "id": "a/b.jpg"}.items()
    assert result.exit_code == 0


def test_where_a_part_did_not_answer_it_is_said_to_be_neither_the_same_nor_another(run: Run, photo: str) -> None:
    result = run(Service(judged(relation="edited", confidence=None, transform=MIRRORED)), "same", photo, photo)
    assert (result.stdout, result.exit_code) == ("edited, perhaps, mirrored\n", 3)
    assert result.stderr == (
        "lookalike: whether that is right hangs on a part of the service that did not answer; see `lookalike status`\n"
    )


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (failure("unsupported_image", 415), 4),
        (failure("image_not_found", 404), 4),
        (failure("body_too_large", 413), 4),
        (failure("not_found", 404), 3),
        (failure("invalid_field", 422), 2),
        (failure("unauthorized", 401), 3),
        (failure("extractor_unavailable", 503), 3),
        (httpx.ConnectError("Connection refused"), 3),
    ],
)
def test_whatever_fails_is_not_a_difference(run: Run, photo: str, outcome: Any, status: int) -> None:
    result = run(Service(outcome), "same", photo, photo)
    assert (result.stdout, result.exit_code) == ("", status)
    assert result.stderr.startswith("lookalike: ")
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_not_there_is_one_that_cannot_be_read(run: Run, photo: str, tmp_path: Path) -> None:
    for missing in (str(tmp_path / "gone.jpg"), str(tmp_path)):
        result = run(Service(judged()), "same", photo, missing)
        assert (result.stdout, result.exit_code) == ("", 4)
        assert missing in result.stderr


def test_one_picture_alone_is_wrong_usage(run: Run, photo: str) -> None:
    assert run(Service(judged()), "same", photo).exit_code == 2
