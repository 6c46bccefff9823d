"""An original installation's data through the whole service: imported, searched, given its photos, deleted from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graph.client import Client
from storage.errors import ImageNotFound
from tests.e2e.running_service import RunningService, wait_for
from tests.unit.graph.ambience_data.installation import key, write_installation, write_store
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

IDS = range(700_000, 700_300)
SEEN = IDS[:4]  # with the values of `photo`


def imported(running: RunningService, *arguments: str) -> list[str]:
    """What the command writes."""
    done = running.run("import-ambience", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_an_original_installation_becomes_a_collection(
    shared_service: RunningService, client: Client, tmp_path: Path
) -> None:
    original = write_installation(tmp_path / "original", IDS, photos=SEEN)
    write_store(original / "phash_web" / "phashes.lmdb", {key(IDS[9]): b"short"})
    before = client.stats().images
    dry = imported(shared_service, str(original), "--dry-run")
    assert dry[0] == "would import 300 new, 0 added to, 0 unchanged; 1 thing does not fit"
    assert client.stats().images == before

    lines = imported(shared_service, str(original))
    assert lines[0] == "imported 300 new, 0 added to, 0 unchanged; 1 thing does not fit"
    assert f"phash\t300\t299\t0\t1\t{original}/phash_web/phashes.lmdb" in lines
    assert lines[1:-1] == dry[1:-1]
    [best] = client.search(image=photo(SEEN[1]), features=["phash", "color"], k=1).results
    assert (best.id, best.matches["phash"]["distance"]) == (str(SEEN[1]), 0)
    assert client.search(id=str(IDS[200]), features=["phash"], k=1).results[0].id == str(IDS[200])
    row = client.get(str(IDS[9]))
    assert (row.width, row.sha256, dict(row.metadata)) == (0, "", {"file_name": f"{IDS[9]}.jpg"})
    assert (row.features["phash"], row.features["color"], row.features["fake"]) == ("absent", "ok", "absent")
    assert client.verify().ok

    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in SEEN:
        (photos / f"{seed}.jpg").write_bytes(photo(seed))
    lines = imported(shared_service, str(original), "--photos", str(photos))
    assert lines[0] == "imported 0 new, 4 added to, 296 unchanged; 297 things do not fit"
    assert f"photos in {photos}: 4 attached, 0 there already, 296 missing" in lines
    wait_for(lambda: client.get(str(SEEN[0])).features["fake"] == "ok", "what the data lacked is computed")
    assert client.original(str(SEEN[0])) == photo(SEEN[0])
    assert client.get(str(SEEN[0])).width == 160

    client.delete(str(SEEN[1]))
    assert client.search(image=photo(SEEN[1]), features=["phash"], k=1).results[0].id != str(SEEN[1])
    again = json.loads("\n".join(imported(shared_service, str(original), "--json")))
    assert (again["state"], again["added"], again["unchanged"], again["failed"]) == ("succeeded", 1, 299, 1)
    [failure] = client.job_failures(again["id"]).failures
    assert failure.code == "wrong_length"
    for image_id in map(str, IDS):
        client.delete(image_id)
    with pytest.raises(ImageNotFound):
        client.get(str(IDS[0]))
