"""``lookalike eval`` against the running service: photos of the collection, a folder of strangers, thresholds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graph.client import Client
from tests.e2e.running_service import RunningService, wait_for
from tests.e2e.shared.test_index_folders import forget, write_photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

NAMES = ("eval-1.jpg", "eval-2.jpg")


def test_photos_are_asked_for_and_nothing_is_changed_but_thresholds(
    shared_service: RunningService, client: Client, tmp_path: Path
) -> None:
    known, apart, page = tmp_path / "known", tmp_path / "apart", tmp_path / "eval.html"
    for seed, name in enumerate(NAMES, start=7000):
        write_photo(known / name, seed)
    write_photo(apart / "stranger.jpg", 7100)
    assert shared_service.run("index", str(known)).returncode == 0
    before = client.stats().images

    done = shared_service.run("eval", str(known), "-n", "1", "--strangers", "2", "--json", "--html", str(page))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["edits"]["jpeg15"]["recall_at_1"] == 1.0
    assert report["edits"]["jpeg15"]["n"] == 1
    assert report["strangers"]["n"] == 2
    assert {"all", "phash", "color"} <= report["latency_ms"].keys()
    assert "src='data:image/jpeg;base64," in page.read_text("utf-8") or not report["failures"]

    drawn = json.loads(shared_service.run("eval", "-n", "1", "--strangers", "3", "--json").stdout)
    assert drawn["edited_photos"]["asked"] <= 1

    strangers = shared_service.run("eval", str(apart), "-n", "1", "--calibrate", "--strangers", "1")
    assert strangers.returncode == 0
    assert "1 photo left out: " in strangers.stdout
    assert "no photo was asked for by edits" in strangers.stdout
    assert "nothing stored: fewer than 59 photos" in strangers.stdout

    empty = tmp_path / "empty"
    empty.mkdir()
    refused = shared_service.run("eval", str(empty))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no picture file was found" in refused.stderr

    assert client.stats().images == before
    assert shared_service.run("eval", "--uncalibrate").returncode == 0
    wait_for(lambda: client.stats().thresholds is None, "nothing is calibrated")
    forget(client, NAMES)
