"""What a shard says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from storage.types.features import FeatureSpec

VersionRole = Literal["in_use", "following", "replaced"]


@dataclass(frozen=True, slots=True)
class FeatureStats:
    """Of the version in use. whitening: checksum of the one that its index has; 0 where it has none."""

    images: int
    rows: int
    pending: int
    index_kind: str
    memory_bytes: int
    whitening: int = 0


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One of the models that a feature was computed with, and what the shard has of it.

    spec: under the feature's own name. origin: the options that it was made with. images, pending: with its rows, and
    waiting for them.
    """

    spec: FeatureSpec
    role: VersionRole
    origin: Mapping[str, Any]
    images: int
    pending: int


@dataclass(frozen=True, slots=True)
class ShardStats:
    """versions: by feature, the one in use first; empty while no model has said what it computes."""

    shard: int
    images: int
    sequence: int
    disk_bytes: int
    features: Mapping[str, FeatureStats]
    versions: Mapping[str, tuple[ModelVersion, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """problems: one line each; empty means that the store and every index agree."""

    shard: int
    images: int
    checked_rows: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What training an index came to. rows: that it holds; lists: that they are sorted into."""

    shard: int
    feature: str
    rows: int
    lists: int
    took_s: float
