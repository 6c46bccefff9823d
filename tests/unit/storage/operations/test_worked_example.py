"""A new question to a shard touches one file in ``storage/`` and nothing on the way: the example of CONTRIBUTING.md."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from storage.cluster.actor import ShardActor
from storage.shard.plan import ShardPlan, ShardSettings
from storage.shard.shard import Shard
from tests.twins.in_process import LocalShardPort
from tests.unit.storage.samples import SPECS, applied, put
from tests.unit.waiting import PATIENCE_S, wait_for

ROOT = Path(__file__).resolve().parents[4]
PIXELS = 640 * 480


@pytest.fixture
def count_larger(tmp_path: Path) -> Iterator[Any]:
    """The class of the example, from a module of its own."""
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)
    file = tmp_path / "worked_example.py"
    file.write_text(block)
    spec = importlib.util.spec_from_file_location("worked_example", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["worked_example"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module.CountLarger
    del sys.modules["worked_example"]


async def test_the_example_is_answered_by_a_shard_and_its_port(shard: Shard, count_larger: Any) -> None:
    applied(shard, [put("a"), put("b")])
    assert shard.ask(count_larger(PIXELS - 1)) == 2
    assert await LocalShardPort(0, shard).ask(count_larger(PIXELS), timeout_s=PATIENCE_S) == 0


def test_the_example_is_answered_by_an_actor(tmp_path: Path, count_larger: Any) -> None:
    actor: Any = ShardActor(ShardPlan(str(tmp_path / "shard"), 0, 1, ShardSettings(SPECS)))
    try:
        wait_for(lambda: actor._shard is not None, "the shard is open")
        applied(cast(Shard, actor._shard), [put("a")])
        assert actor.ask(count_larger(PIXELS - 1)) == 1
    finally:
        actor.close()
