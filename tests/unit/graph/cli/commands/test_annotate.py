from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.suites.client_suite import ANNOTATIONS, Service, failure, reply
from tests.unit.graph.cli.conftest import Run

TAGS = {"tags": ANNOTATIONS["tags"]}
CAPTION = {"caption": ANNOTATIONS["caption"]}


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"the picture")
    return str(path)


def test_tags_are_labels_with_scores(run: Run, photo: str) -> None:
    service = Service(reply(TAGS))
    result = run(service, "tags", photo)
    assert result.stdout.splitlines() == ["label\tscore", "airliner\t0.93", "wing\t0.41"]
    assert service.request.url.path == "/v1/tags"
    assert "the picture" in service.form
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_caption_is_a_line(run: Run, photo: str) -> None:
    service = Service(reply(CAPTION))
    assert run(service, "caption", photo).stdout == "an airliner over the sea\n"
    assert service.request.url.path == "/v1/caption"


@pytest.mark.parametrize(("command", "answer"), [("tags", TAGS), ("caption", CAPTION)])
def test_json_is_the_answer_itself(run: Run, photo: str, command: str, answer: dict[str, object]) -> None:
    assert json.loads(run(Service(reply(answer)), command, photo, "--json").stdout) == answer


@pytest.mark.parametrize(("code", "status"), [("not_found", 404), ("extractor_unavailable", 503)])
def test_an_annotator_that_cannot_answer_is_a_failure(run: Run, photo: str, code: str, status: int) -> None:
    result = run(Service(failure(code, status, retry_after="0")), "tags", photo)
    assert (result.exit_code, result.stderr) == (1, f"lookalike: what: {code}; what to do\n")


def test_a_caption_cannot_steer_a_terminal(run: Run, photo: str) -> None:
    assert run(Service(reply({"caption": "a\x1b[31m\nb"})), "caption", photo).stdout == "a\\x1b[31m\\nb\n"
