"""What the pages show of the Python client runs as it stands there, and as often as one likes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lookalike_client import Client
from tests.e2e.running_service import RunningService
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[3]
ADDRESS = "http://127.0.0.1:8000"


def snippets(page: str, url: str) -> str:
    """The page's Python, in one piece, with the address of the service; its lines are those of the page."""
    text, lines = (ROOT / page).read_text("utf-8"), list[str]()
    for block in re.finditer(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        lines += [""] * (text[: block.start(1)].count("\n") - len(lines)) + block[1].splitlines()
    assert lines
    return "\n".join(lines).replace(ADDRESS, url)


@pytest.fixture
def images_before(client: Client) -> Iterator[int]:
    """How many pictures there are; the README leaves one behind."""
    before = client.stats().images
    yield before
    if client.stats().images > before:
        client.delete("bridge")


@pytest.mark.parametrize("page", ["docs/client.md", "README.md"])
def test_the_python_of_a_page_runs_twice_in_a_row(
    page: str,
    shared_service: RunningService,
    images_before: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bridge.jpg").write_bytes(photo(7700, (640, 480)))
    with Image.open(tmp_path / "bridge.jpg") as bridge:
        bridge.crop((20, 10, 630, 470)).save(tmp_path / "crop.jpg")
    monkeypatch.chdir(tmp_path)
    code = compile(snippets(page, shared_service.url), page, "exec")
    for _ in range(2):
        names: dict[str, Any] = {"__name__": page}
        exec(code, names)
        assert "bridge" in capsys.readouterr().out
