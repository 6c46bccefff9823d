"""Training the index of a feature, which each shard does for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from graph.ports import ShardPort
from graph.requests import ShardTraining, TrainingAnswer
from storage.errors import InvalidRequest, LookalikeError


async def train_shards(shards: Sequence[ShardPort], feature: str, *, timeout_s: float) -> TrainingAnswer:
    """Trains all at once. A shard that has nothing to train says why in the answer.

    Once every shard is done, raises the error of one that failed, or the refusal where every shard refused.
    """
    outcomes = await asyncio.gather(*(_outcome(shard, feature, timeout_s) for shard in shards))
    errors = [outcome for outcome in outcomes if isinstance(outcome, LookalikeError)]
    failures = [error for error in errors if not isinstance(error, InvalidRequest)]
    if failures or len(errors) == len(outcomes):
        raise (failures or errors)[0]
    return TrainingAnswer(
        feature,
        tuple(
            ShardTraining(shard.index, reason=outcome.message) if isinstance(outcome, LookalikeError) else outcome
            for shard, outcome in zip(shards, outcomes, strict=True)
        ),
    )


async def _outcome(shard: ShardPort, feature: str, timeout_s: float) -> ShardTraining | LookalikeError:
    """The error as a value, so that the other shards are waited for."""
    try:
        report = await shard.train(feature, timeout_s=timeout_s)
    except LookalikeError as error:
        return error
    return ShardTraining(shard.index, report.rows, report.lists, report.took_s)
