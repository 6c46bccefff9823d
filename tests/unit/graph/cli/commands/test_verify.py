from __future__ import annotations

import json

from tests.suites.client_suite import Service, reply
from tests.unit.graph.cli.conftest import Run

SOUND = {"shard": 0, "images": 3, "checked_rows": 6, "problems": []}
BROKEN = {"shard": 1, "images": 3, "checked_rows": 5, "problems": ["phash: 'x' is not in the index", "color: 2 rows"]}


def test_sound_data_passes(run: Run) -> None:
    result = run(Service(reply({"ok": True, "shards": [SOUND]})), "verify")
    assert result.stdout.splitlines()[1] == "0\t3\t6\tnone"
    assert (result.exit_code, result.stderr) == (0, "")


def test_data_that_disagrees_is_a_failure(run: Run) -> None:
    result = run(Service(reply({"ok": False, "shards": [SOUND, BROKEN]})), "verify")
    assert result.exit_code == 1
    assert "phash: 'x' is not in the index; color: 2 rows" in result.stdout
    assert "do not agree" in result.stderr


def test_writes_json_when_asked(run: Run) -> None:
    result = run(Service(reply({"ok": False, "shards": [BROKEN]})), "verify", "--json")
    assert json.loads(result.stdout)["shards"][0]["problems"] == BROKEN["problems"]
    assert result.exit_code == 1
