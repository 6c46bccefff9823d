"""Words in pictures through the whole service: read by replicas and jobs, found over HTTP and from the shell."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from graph.client import Client
from tests.e2e.running_service import RunningService, service, wait_for
from tests.e2e.service_config import write_config
from tests.unit.graph.local_catalog import photo
from tests.unit.graph.signs import sign

pytest.importorskip("rapidocr")
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SIGNS = {"smyth": "Please receive\nGOODS at Smyth", "menu": "Café menu", "poster": "red circle"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that reads words, with a folder of signs indexed."""
    folder = tmp_path_factory.mktemp("words")
    config = write_config(folder / "words.yaml", args={"extractors": {"text": {}}})
    pictures = folder / "pictures"
    pictures.mkdir()
    for name, text in SIGNS.items():
        (pictures / f"{name}.jpg").write_bytes(sign(text))
    with service(folder / "data", config=config) as started, Client(started.url) as client:
        wait_for(lambda: {one.name: one.state for one in client.features()}["text"] == "ready", "text is ready", 120)
        done = started.run("index", str(pictures), "--id-from", "stem", timeout_s=300)
        assert done.returncode == 0, done.stderr
        wait_for(lambda: client.stats().pending.get("text", 0) == 0, "all pictures are read", 120)
        yield started


@pytest.mark.parametrize(
    ("text", "found"), [("receive", "smyth"), ("recieve", "smyth"), ("Smith", "smyth"), ("CAFE", "menu")]
)
def test_the_shell_finds_words_as_they_are_typed(running: RunningService, text: str, found: str) -> None:
    answer = running.run("search", "--text", text, "--features", "text", "--json")
    assert answer.returncode == 0, answer.stderr
    results = json.loads(answer.stdout)["results"]
    assert [result["id"] for result in results] == [found]
    [word] = results[0]["matches"]["text"]["words"]
    assert word["query"] == text
    assert len(word["box"]) == 4


def test_an_upload_is_found_by_its_words_at_once(running: RunningService) -> None:
    with Client(running.url) as client:
        client.add(sign("zeppelin landing"), id="upload")
        assert client.get("upload").features["text"] == "ok"
        assert [result.id for result in client.search(text="Zepelin", features=["text"]).results] == ["upload"]
        found = client.search(image=sign("Zeppelin"), features=["text"]).results
        assert [result.id for result in found] == ["upload"]
        client.delete("upload")
        assert client.search(text="zeppelin", features=["text"]).results == ()


def test_a_picture_without_words_is_read_and_matches_nothing(running: RunningService) -> None:
    with Client(running.url) as client:
        client.add(photo(7), id="plain")
        answer = client.search(image=photo(7), features=["text"])
        assert (answer.results, answer.partial) == ((), False)
