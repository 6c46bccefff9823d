"""Models made up for the tests of features that come late: their specs, and what they say of pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from storage.operations.pictures import Records
from storage.shard.shard import Shard
from storage.types.features import FeatureRows, FeatureSpec
from storage.types.mutations import FillFeatures, PutImage
from storage.types.searches import FeatureQuery, ShardAnswer, ShardQuery
from tests.unit.storage.samples import put

ONE = FeatureSpec("global", "dense", 8, "cosine", "net-1")
TWO = FeatureSpec("global", "dense", 12, "cosine", "net-2")
THREE = FeatureSpec("global", "dense", 8, "cosine", "net-3")


def seen_by(model: FeatureSpec, seed: str) -> FeatureRows:
    """(1, D) what the model gives for the picture ``seed``."""
    digest = hashlib.sha256(f"{model.fingerprint} {seed}".encode()).digest()
    row = np.random.default_rng(int.from_bytes(digest[:4], "big")).standard_normal((1, model.dim)).astype(np.float32)
    return FeatureRows(np.asarray(row / np.linalg.norm(row), np.float32), fingerprint=model.fingerprint)


def put_seen(image_id: str, model: FeatureSpec | None = None, *, seed: str | None = None, **options: Any) -> PutImage:
    """A put with the model's rows; without a model the feature waits for one."""
    made = put(image_id, seed=seed, **{"pending": ["global"] if model is None else [], **options})
    if model is None:
        return made
    record = replace(made.record, features={**made.record.features, "global": "ok"})
    return replace(made, record=record, features={**made.features, "global": seen_by(model, seed or image_id)})


def fill_seen(image_id: str, model: FeatureSpec, *, operation: str | None = None) -> FillFeatures:
    digest = hashlib.sha256(image_id.encode()).hexdigest()
    name = operation or f"fill {image_id} {model.fingerprint}"
    return FillFeatures(name, image_id, digest, {"global": seen_by(model, image_id)})


def ask_seen(model: FeatureSpec, seed: str, k: int = 10, max_distance: float | None = 1e-5) -> ShardQuery:
    rows = seen_by(model, seed)
    return ShardQuery((FeatureQuery("global", rows.rows, k, max_distance, fingerprint=model.fingerprint),))


def answer(shard: Shard, model: FeatureSpec, seed: str) -> ShardAnswer:
    return shard.search([ask_seen(model, seed)])[0]


def seen_ids(shard: Shard, model: FeatureSpec, seed: str) -> list[str]:
    """Ids of the stored pictures that the model takes for exactly this one."""
    given = answer(shard, model, seed)
    assert dict(given.errors) == {}
    return [hit.id for hit in given.hits["global"]]


def states(shard: Shard, ids: Sequence[str]) -> list[str]:
    """The feature's state in each picture's record."""
    return [record.features["global"] for record in shard.ask(Records(tuple(ids))) if record is not None]
