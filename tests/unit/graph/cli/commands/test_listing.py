"""``lookalike list``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.suites.client_suite import ROW, Service, reply
from tests.unit.graph.cli.conftest import Run


def page(count: int, cursor: str | None = None) -> Any:
    rows = [ROW | {"id": f"a/{number}.jpg", "path": f"/photos/a/{number}.jpg"} for number in range(count)]
    return reply({"images": rows, "next_cursor": cursor})


def test_pictures_are_lines_with_their_paths(run: Run) -> None:
    service = Service(page(2))
    result = run(service, "list", "--filter", 'folder = "2019"', "--sort", "taken_at", "--order", "desc", "-n", "5")
    assert dict(service.request.url.params) == {
        "limit": "6",
        "filter": 'folder = "2019"',
        "sort": "taken_at",
        "order": "desc",
    }
    lines = result.stdout.splitlines()
    assert lines[0] == "id\ttaken at\tsize\tformat\tbytes\tpath"
    assert [line.split("\t")[-1] for line in lines[1:]] == ["/photos/a/0.jpg", "/photos/a/1.jpg"]
    assert result.exit_code == 0


def test_json_holds_the_rows(run: Run) -> None:
    result = run(Service(page(3)), "list", "-n", "2", "--json")
    assert [row["id"] for row in json.loads(result.stdout)["images"]] == ["a/0.jpg", "a/1.jpg"]


@pytest.mark.usefixtures("terminal")
def test_people_are_told_that_there_is_nothing_or_more(run: Run) -> None:
    assert "nothing found" in run(Service(page(0)), "list").stdout
    assert "-n 10" in run(Service(page(2)), "list", "-n", "1").stdout
