"""Training the index of a feature: lists of keypoints, which each shard trains for itself, and the whitening of
vectors, which is the same in all of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import numpy as np

from graph.ports.contract import ExtractorPort, ShardPort
from graph.requests.messages import ShardTraining, TrainingAnswer
from graph.requests.shards import outcome_of
from storage.errors import InvalidRequest, LookalikeError
from storage.index.whitening import Whitening
from storage.index.whitening import train_whitening as whitening_from
from storage.operations.features import SampleRows, WhiteningOf
from storage.operations.indexes import Train, Whiten
from storage.types.reports import TrainingReport

logger = logging.getLogger(__name__)

SAMPLE_ROWS = 20_000  # of all shards together: 60 MB at 768 numbers


async def train_shards(shards: Sequence[ShardPort], feature: str, *, timeout_s: float) -> TrainingAnswer:
    """Trains all at once. A shard that has nothing to train says why in the answer.

    Once every shard is done, raises the error of one that failed, or the refusal where every shard refused.
    """
    calls = [outcome_of(shard.ask(Train(feature), timeout_s=timeout_s)) for shard in shards]
    outcomes = await asyncio.gather(*calls)
    errors = [outcome for outcome in outcomes if isinstance(outcome, LookalikeError)]
    failures = [error for error in errors if not isinstance(error, InvalidRequest)]
    if failures or len(errors) == len(outcomes):
        raise (failures or errors)[0]
    return TrainingAnswer(feature, tuple(map(_shard_training, shards, outcomes)))


def _shard_training(shard: ShardPort, outcome: TrainingReport | LookalikeError) -> ShardTraining:
    if isinstance(outcome, LookalikeError):
        return ShardTraining(shard.index, reason=outcome.message)
    return ShardTraining(shard.index, outcome.rows, outcome.lists, outcome.took_s)


async def train_whitening(shards: Sequence[ShardPort], port: ExtractorPort, *, timeout_s: float) -> TrainingAnswer:
    """Learns the whitening from vectors of all shards and gives it to each, which builds its index anew meanwhile.

    Raises `InvalidRequest` where there are too few pictures, and the error of a shard that failed; then the others have
    what they had before, for distances with one whitening cannot be compared with those of another.
    """
    spec = port.served.spec
    if spec is None:
        raise InvalidRequest(f"{port.name!r} has no index yet", "GET /v1/features says why", "see `lookalike status`")
    model, share = (port.name, spec.fingerprint), -(-SAMPLE_ROWS // len(shards))
    former = await asyncio.gather(*(shard.ask(WhiteningOf(*model), timeout_s=timeout_s) for shard in shards))
    sampled = await asyncio.gather(*(shard.ask(SampleRows(*model, share), timeout_s=timeout_s) for shard in shards))
    rows = np.concatenate([np.zeros((0, spec.dim), np.float32), *(part for part in sampled if len(part))])
    whitening = await asyncio.to_thread(whitening_from, rows)
    outcomes = await _whiten(shards, *model, [whitening] * len(shards), timeout_s)
    failures = [outcome for outcome in outcomes if isinstance(outcome, LookalikeError)]
    if failures:
        await _put_back(shards, *model, former, timeout_s)
        raise failures[0]
    return TrainingAnswer(port.name, tuple(map(_shard_training, shards, outcomes)))


async def _put_back(
    shards: Sequence[ShardPort],
    feature: str,
    fingerprint: str,
    former: Sequence[Whitening | None],
    timeout_s: float,
) -> None:
    """In all shards: one that did not answer in time may have done it all the same. Raises nothing."""
    outcomes = await _whiten(shards, feature, fingerprint, former, timeout_s)
    for shard, outcome in zip(shards, outcomes, strict=True):
        if isinstance(outcome, LookalikeError):
            logger.warning("the former whitening of %r is not back in shard %d: %s", feature, shard.index, outcome)


async def _whiten(
    shards: Sequence[ShardPort],
    feature: str,
    fingerprint: str,
    whitenings: Sequence[Whitening | None],
    timeout_s: float,
) -> list[TrainingReport | LookalikeError]:
    """One whitening a shard, all at once."""
    asked = [Whiten(feature, fingerprint, whitening) for whitening in whitenings]
    calls = [outcome_of(shard.ask(one, timeout_s=timeout_s)) for shard, one in zip(shards, asked, strict=True)]
    return await asyncio.gather(*calls)
