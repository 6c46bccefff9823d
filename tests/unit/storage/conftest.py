"""Shards and stores in the test's own folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from storage.kv.store import LmdbStore
from storage.shard.shard import Shard
from storage.types.features import FeatureSpec
from tests.unit.storage.samples import SPECS, open_shard

Reopen = Callable[..., Shard]
MakeStore = Callable[[Sequence[str]], LmdbStore]


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[Reopen]:
    """Opens the test's shard, closing it first where it is open; all are closed at the end."""
    opened: list[Shard] = []

    def open_again(specs: Sequence[FeatureSpec] = SPECS, **options: Any) -> Shard:
        for shard in opened:
            shard.close()
        shard = open_shard(tmp_path / "shard", specs, **options)
        opened.append(shard)
        return shard

    yield open_again
    for shard in opened:
        shard.close()


@pytest.fixture
def shard(reopen: Reopen) -> Shard:
    return reopen()


@pytest.fixture
def make_store(tmp_path: Path) -> Iterator[MakeStore]:
    """Makes the test's store with the tables named; it is closed at the end."""
    with ExitStack() as made:
        yield lambda tables: made.enter_context(closing(LmdbStore(tmp_path / "store", tables)))
