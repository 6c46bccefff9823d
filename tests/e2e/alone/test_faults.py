"""Random faults under load: whatever dies or freezes, nothing that was acknowledged is lost, nothing that was deleted
comes back, no answer that calls itself complete is wrong, and the service goes on.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from graph.client import Client
from tests.e2e.ledger import Ledger, Load, check_everything, progress
from tests.e2e.running_service import RunningService, service, wait_for
from tests.e2e.service_config import write_config

pytestmark = [pytest.mark.e2e]

SHARD, PHASH, COLOR = "ray::ShardActor", "ray::ServeReplica:lookalike:phash", "ray::ServeReplica:lookalike:color"
ROUTER, HAPROXY, STARTER = "ray::ServeReplica:lookalike:router", "bin/haproxy", "ray::HAProxyManager"
PROXY, CONTROLLER = "ray::ProxyActor", "ray::ServeController"
ENDS, FREEZES, ALL_ROUTERS, EVERYTHING = "one dies", "one freezes", "all routers die", "everything dies"
FROZEN_S = 2.0
AGAIN_S = 120.0

Fault = tuple[str, tuple[str, ...]]
FAULTS: dict[str, Fault] = {
    **{
        f"death: {title}": (ENDS, (title,))
        for title in (SHARD, PHASH, COLOR, ROUTER, HAPROXY, STARTER, PROXY, CONTROLLER)
    },
    **{f"frozen: {title}": (FREEZES, (title,)) for title in (SHARD, PHASH, ROUTER, CONTROLLER)},
    "death: a shard and an extractor": (ENDS, (SHARD, PHASH)),
    "death: a shard and a router": (ENDS, (SHARD, ROUTER)),
    "death: all routers": (ALL_ROUTERS, (ROUTER,)),
    "death: every process": (EVERYTHING, ()),
}


@dataclass
class Outcome:
    """Seconds, by kind of fault: without any answer, and until searches and writes go on."""

    silent: dict[str, list[float]] = field(default_factory=dict)
    again: dict[str, list[float]] = field(default_factory=dict)

    def table(self) -> str:
        lines = [f"{'fault':45} {'times':>5} {'silent s: middle, most':>24} {'going on after s: middle, most':>32}"]
        for kind, silent in sorted(self.silent.items()):
            again = self.again[kind]
            cells = [f"{sorted(seconds)[len(seconds) // 2]:.1f}, {max(seconds):.1f}" for seconds in (silent, again)]
            lines.append(f"{kind:45} {len(silent):5} {cells[0]:>24} {cells[1]:>32}")
        return "\n".join(lines)


def strike(running: RunningService, kind: str, dice: random.Random) -> None:
    how, titles = FAULTS[kind]
    if how == EVERYTHING:
        running.kill_everything()
        running.start()
        return
    for title in titles:
        victims = running.processes_named(title)
        for victim in victims if how == ALL_ROUTERS else dice.sample(victims, min(1, len(victims))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGSTOP if how == FREEZES else signal.SIGKILL)
                if how == FREEZES:
                    time.sleep(FROZEN_S)
                    os.kill(victim, signal.SIGCONT)


def suffer(data: Path, folder: Path, kinds: list[str], seed: int) -> tuple[Ledger, Outcome]:
    """4 writers and 8 searchers, and one fault after the other; then everything is compared."""
    dice, ledger, outcome = random.Random(seed), Ledger(), Outcome()
    config = write_config(folder / "config.yaml", deployments={"router": {"num_replicas": 2}})
    with service(data, config=config) as running:
        with Load(running.url, ledger, writers=4, searchers=8, seed=seed).running():
            wait_for(progress(ledger, 10), "the load runs")
            for kind in kinds:
                ledger.longest_silence_s, began = 0.0, time.monotonic()
                strike(running, kind, dice)
                wait_for(progress(ledger, 10), f"the service goes on after {kind}", AGAIN_S)
                outcome.again.setdefault(kind, []).append(time.monotonic() - began)
                outcome.silent.setdefault(kind, []).append(ledger.longest_silence_s)
                time.sleep(dice.uniform(0, 1))
        wait_for(_answers(running), "the service answers in the end", AGAIN_S)
        with Client(running.url, timeout_s=30) as client:
            check_everything(client, ledger)
    return ledger, outcome


def _answers(running: RunningService) -> Callable[[], bool]:
    return lambda: running.run("status").returncode == 0


@pytest.mark.timeout(600)
def test_ten_faults_lose_nothing(tmp_path: Path) -> None:
    dice = random.Random(16)
    kinds = dice.sample([kind for kind in FAULTS if kind != "death: every process"], 10)
    ledger, outcome = suffer(tmp_path / "data", tmp_path, kinds, seed=16)
    print(outcome.table())
    assert ledger.searches > 50


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_many_faults_lose_nothing(tmp_path: Path) -> None:
    """LOOKALIKE_FAULTS and LOOKALIKE_FAULTS_SEED repeat a run, or make a shorter one."""
    count, seed = (int(os.environ.get(f"LOOKALIKE_FAULTS{end}", usual)) for end, usual in (("", 500), ("_SEED", 1)))
    dice = random.Random(seed)
    weights = [0.2 if kind == "death: every process" else 1.0 for kind in FAULTS]
    kinds = dice.choices(list(FAULTS), weights, k=count)
    ledger, outcome = suffer(tmp_path / "data", tmp_path, kinds, seed)
    print(outcome.table())
    print(
        f"{count} faults, {len(ledger.added)} stored, {len(ledger.deleted)} deleted, {ledger.searches} searches, "
        f"{ledger.partial} of them partial, {ledger.refused} requests refused or not answered"
    )
