from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.suites.client_suite import ADDED, ANNOTATIONS, ROW, Service, failure, reply
from tests.unit.graph.cli.conftest import Run


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"the picture")
    return str(path)


def test_add_writes_the_id_alone_into_a_pipe(run: Run, photo: str) -> None:
    service = Service(reply(ADDED, 201))
    result = run(service, "add", photo, "--id", "a/b.jpg", "--metadata", '{"year": 1998}', "--on-conflict", "replace")
    assert result.stdout == "a/b.jpg\n"
    assert 'name="metadata"\r\n\r\n{"year": 1998}' in service.form
    assert 'name="on_conflict"\r\n\r\nreplace' in service.form


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("outcome", "verb"), [("created", "added"), ("replaced", "replaced"), ("skipped", "kept what was there:")]
)
def test_add_tells_a_person_what_it_did(run: Run, photo: str, outcome: str, verb: str) -> None:
    result = run(Service(reply(ADDED | {"outcome": outcome})), "add", photo)
    assert result.stdout == f"{verb} a/b.jpg (640x480; phash ok)\n"


def test_add_writes_json_when_asked(run: Run, photo: str) -> None:
    assert json.loads(run(Service(reply(ADDED, 201)), "add", photo, "--json").stdout)["sha256"] == "ab"


def test_rm_removes_all_that_are_there_and_names_the_others(run: Run) -> None:
    service = Service(httpx.Response(204), failure("image_not_found", 404), httpx.Response(204))
    result = run(service, "rm", "a", "b", "c")
    assert [request.url.path for request in service.requests] == ["/v1/images/a", "/v1/images/b", "/v1/images/c"]
    assert result.exit_code == 1
    assert result.stdout == "removed a\nremoved c\n"
    assert result.stderr == "lookalike: what: image_not_found; what to do\n"


@pytest.mark.usefixtures("terminal")
def test_a_picture_without_a_label_says_so(run: Run, photo: str) -> None:
    assert run(Service(reply({"tags": []})), "tags", photo).stdout == "no label fits\n"


def test_show_names_every_part_of_a_row(run: Run) -> None:
    row = ROW | {"path": "/photos/b.jpg", "taken_at": "2019-06-01T10:11:12+02:00", "camera": "Canon EOS 5D"}
    row |= {"gps": [48.8581944, -2.2945], "missing": True}
    pairs = dict(line.split("\t") for line in run(Service(reply(row)), "show", "a/b.jpg").stdout.splitlines())
    assert pairs == {
        "id": "a/b.jpg",
        "size": "640x480",
        "format": "jpeg",
        "bytes": "1500",
        "sha256": "ab",
        "features": "phash ok",
        "added": "2024-05-01T12:00:00.000Z",
        "file": "/photos/b.jpg (gone)",
        "taken": "2019-06-01T10:11:12+02:00",
        "camera": "Canon EOS 5D",
        "place": "48.85819, -2.29450",
        "metadata": '{"year": 1998}',
    }


@pytest.mark.usefixtures("terminal")
def test_show_on_a_terminal_keeps_markup_as_text(run: Run) -> None:
    result = run(Service(reply(ROW | {"metadata": {"note": "[red]\x1b[31m"}})), "show", "a/b.jpg")
    assert '{"note": "[red]\\u001b[31m"}' in result.stdout


def test_show_says_what_the_picture_shows(run: Run) -> None:
    lines = run(Service(reply(ROW | {"annotations": ANNOTATIONS})), "show", "a/b.jpg").stdout.splitlines()
    assert "tags\tairliner 0.93, wing 0.41" in lines
    assert "caption\tan airliner over the sea" in lines


def test_show_writes_json_when_asked(run: Run) -> None:
    shown = json.loads(run(Service(reply(ROW)), "show", "a/b.jpg", "--json").stdout)
    assert shown["bytes"] == shown["byte_size"] == 1500
    assert (shown["id"], shown["added_at"]) == ("a/b.jpg", "2024-05-01T12:00:00.000Z")
