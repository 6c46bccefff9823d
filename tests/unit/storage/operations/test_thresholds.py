"""What a collection asks of a match stays until it is taken back, over restarts, too."""

from __future__ import annotations

from pathlib import Path

from lookalike_client.job_answers import Thresholds
from storage.operations.thresholds import FindThresholds, PutThresholds
from tests.unit.storage.samples import open_shard

STORED = Thresholds(least_confidence=0.93, risk=0.01, certainty=0.95, strangers=400, called_match=1, job="eval-7")


def test_thresholds_are_there_after_a_restart_until_they_are_taken_back(tmp_path: Path) -> None:
    for asked, found in ((STORED, STORED), (None, None)):
        shard = open_shard(tmp_path)
        shard.ask(PutThresholds(asked))
        shard.close()
        shard = open_shard(tmp_path)
        assert shard.ask(FindThresholds()) == found
        shard.close()
