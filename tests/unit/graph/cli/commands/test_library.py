"""``lookalike library``: the folders that were indexed."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.suites.client_suite import Service, reply
from tests.unit.graph.cli.conftest import Run

ROOT = {
    "path": "/photos",
    "reachable": True,
    "pictures": 1204,
    "missing": 2,
    "kept_out": 1,
    "passed_over": {".mp4": 8, ".psd": 4, ".txt": 2, ".md": 1},
    "watched": True,
    "last_scan_at": "2026-01-31T12:00:00.000Z",
}


class LibraryService(Service):
    roots: tuple[object, ...] = (ROOT, ROOT | {"path": "/usb", "reachable": False, "last_scan_at": None})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.method == "GET":
            return reply({"roots": self.roots})
        return reply({"id": "job-1"}, 202) if request.url.path.endswith("/watch") else httpx.Response(204)


def test_folders_are_listed_with_what_is_in_them(run: Run) -> None:
    lines = run(LibraryService(), "library").stdout.splitlines()
    assert lines[1].split("\t") == [
        "/photos", "1204", "2", "1", "watched", "8 .mp4, 4 .psd, 2 .txt", "2026-01-31T12:00:00.000Z"
    ]  # fmt: skip
    assert lines[2].split("\t")[4::2] == ["away or empty", "never"]


def test_json_is_what_the_service_says(run: Run) -> None:
    told = json.loads(run(LibraryService(), "library", "--json").stdout)
    assert [root["path"] for root in told["roots"]] == ["/photos", "/usb"]


def test_an_empty_library_says_what_to_do(run: Run) -> None:
    service = LibraryService()
    service.roots = ()
    assert "lookalike index" in run(service, "library").stdout


@pytest.mark.parametrize(
    ("word", "method", "path"),
    [
        ("forget", "DELETE", "/v1/library"),
        ("watch", "POST", "/v1/library/watch"),
        ("unwatch", "POST", "/v1/library/unwatch"),
    ],
)
def test_a_folder_is_told_by_its_whole_path(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, method: str, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    service = LibraryService()
    result = run(service, "library", word, "photos")
    [request] = service.requests
    told = request.url.params["path"] if method == "DELETE" else json.loads(request.content)["path"]
    assert (request.method, request.url.path, told) == (method, path, str(tmp_path / "photos"))
    assert (result.exit_code, result.stdout.split()[0]) == (0, "photos")


def test_anything_else_is_wrong_usage(run: Run) -> None:
    for words in (["drop", "x"], ["forget"], ["forget", "a", "b"]):
        assert run(LibraryService(), "library", *words).exit_code == 2
