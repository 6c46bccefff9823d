"""What a shard acknowledged survives the killing of its process at any moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.operations.pictures import Records
from storage.operations.reports import Verify
from tests.unit.storage.samples import find, inside, open_shard

ROUNDS = 6
ROOT = Path(__file__).resolve().parents[4]

WRITER = """
import sys
from pathlib import Path
from storage.operations.indexes import SaveIndexes
from tests.unit.storage.samples import applied, delete, open_shard, put
shard = open_shard(Path(sys.argv[1]), lock_timeout_s=30)
first = int(sys.argv[2])
for number in range(first, first + 100_000):
    new = [put(f"{number}-{part}") for part in range(3)]
    applied(shard, new)
    print("added", number, flush=True)
    applied(shard, [delete(f"{number}-1"), put(f"{number}-2", seed=f"new {number}", on_conflict="replace")])
    print("changed", number, flush=True)
    if number % 7 == 0:
        shard.ask(SaveIndexes())
"""


@pytest.mark.slow
def test_killed_at_random_moments_it_keeps_every_acknowledged_change(tmp_path: Path) -> None:
    chance = random.Random(20240601)
    added: set[int] = set()
    changed: set[int] = set()
    for round_number in range(ROUNDS):
        lines = run_and_kill(tmp_path, round_number * 100_000, chance.randint(1, 40))
        added |= {number for word, number in lines if word == "added"}
        changed |= {number for word, number in lines if word == "changed"}
        check(tmp_path, added, changed, epoch=2 * round_number + 2)


def run_and_kill(directory: Path, first: int, acknowledgements: int) -> list[tuple[str, int]]:
    """Kills the writer just after it has acknowledged so often, while it is at the next; what it has acknowledged."""
    command = [sys.executable, "-c", WRITER, str(directory), str(first)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(acknowledgements)]
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
    words = [line.split() for line in lines if line.endswith("\n")]
    return [(word, int(number)) for word, number in words]


def check(directory: Path, added: set[int], changed: set[int], epoch: int) -> None:
    shard = open_shard(directory, lock_timeout_s=30)
    assert inside(shard).live.ownership.epoch == epoch
    assert shard.ask(Verify()).problems == ()
    for number in added:
        kept, gone, replaced = shard.ask(Records(tuple(f"{number}-{part}" for part in range(3))))
        assert kept is not None
        assert replaced is not None
        assert [hit.id for hit in find(shard, f"{number}-0", max_distance=0)] == [f"{number}-0"]
        if number in changed:
            assert gone is None
            assert [hit.id for hit in find(shard, f"new {number}", max_distance=0)] == [f"{number}-2"]
    shard.close()
