"""A service that is stopped goes completely, and finds everything when it comes back; what it could not do before
is done.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.client import Client
from tests.e2e.restarted.conftest import Restart
from tests.e2e.restarted.pictures import PART, astronaut, feature, jpeg
from tests.e2e.running_service import wait_for
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_ctrl_c_stops_everything_and_a_start_finds_everything_again(restart: Restart, client: Client) -> None:
    assert restart.exit_status == 0
    assert restart.last_line == "stopping"
    assert not restart.stale_note
    assert client.stats().images == restart.images
    for seed in restart.seeds:
        assert client.search(image=photo(seed), features=["phash"], k=1).results[0].id == str(seed)
    assert client.verify().ok


def test_a_watched_folder_is_watched_again(restart: Restart, client: Client, watched_folder: Path) -> None:
    (watched_folder / "second.jpg").write_bytes(photo(5901))
    shown = f'folder = "{watched_folder}"'
    wait_for(lambda: len(list(client.images(filter=shown))) == 2, "the new file is taken in", 120)
    client.unwatch_folder(str(watched_folder))
    client.forget_folder(str(watched_folder))
    for row in client.images(filter=shown):
        client.delete(row.id)


def test_an_index_that_was_trained_by_itself_still_finds_after_a_restart(restart: Restart, client: Client) -> None:
    assert feature(client, "local").index_kind == "inverted_file"
    found = client.search(jpeg(astronaut().crop(PART)), features=["local"]).results
    assert found[0].id == "astronaut.png"


def test_what_an_extractor_could_not_take_is_filled_in_when_it_can(restart: Restart, client: Client) -> None:
    wait_for(lambda: client.stats().pending["fake"] == 0, "the pending feature is filled in")
    assert client.search(image=photo(1), features=["fake"]).results[0].id == "one"
