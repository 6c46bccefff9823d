from __future__ import annotations

import json

import httpx
import pytest

from tests.suites.client_suite import Service, failure, reply
from tests.unit.graph.cli.conftest import Run

TRAINED = {"shard": 0, "rows": 31000, "lists": 352, "took_s": 0.93}
EMPTY = {"shard": 1, "rows": 0, "lists": 0, "took_s": 0.0, "reason": "'local' has no rows to train on"}
ANSWER = {"feature": "local", "shards": [TRAINED, EMPTY]}


def test_trains_the_feature_and_shows_every_shard(run: Run) -> None:
    service = Service(reply(ANSWER))
    result = run(service, "train", "local")
    assert service.body == {"feature": "local"}
    assert result.stdout.splitlines() == [
        "shard\trows\tlists\tseconds\tnot trained because",
        "0\t31000\t352\t0.9\t",
        "1\t0\t0\t0.0\t'local' has no rows to train on",
    ]
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.usefixtures("terminal")
def test_shows_a_table_on_a_terminal(run: Run) -> None:
    result = run(Service(reply(ANSWER)), "train", "local")
    assert "352" in result.stdout
    assert "'local' has no rows to train on" in result.stdout
    assert result.exit_code == 0


def test_writes_json_when_asked(run: Run) -> None:
    result = run(Service(reply(ANSWER)), "train", "local", "--json")
    assert json.loads(result.stdout) == {"feature": "local", "shards": [{**TRAINED, "reason": ""}, EMPTY]}
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("answer", "exit_code"),
    [
        (failure("unknown_feature", 422), 2),
        (failure("invalid_request", 400), 2),
        (failure("shard_unavailable", 503), 1),
        (failure("deadline_exceeded", 504), 1),
        (httpx.ConnectError("Connection refused"), 3),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(
    run: Run, answer: httpx.Response | httpx.HTTPError, exit_code: int
) -> None:
    result = run(Service(answer), "train", "local")
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (exit_code, "", 1)


def test_without_a_feature_it_is_wrong_usage(run: Run) -> None:
    result = run(None, "train")
    assert result.exit_code == 2
    assert "FEATURE" in result.stderr
