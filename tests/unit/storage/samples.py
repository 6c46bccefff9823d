"""Pictures' rows and features made up for the tests of shards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from storage.errors import InvalidRequest
from storage.index.vector_index import VectorIndex
from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.shard.plan import ShardPlan, ShardSettings
from storage.shard.shard import Shard
from storage.tables.pending import pending_page
from storage.types.features import FeatureRows, FeatureSpec, Vectors
from storage.types.mutations import DeleteImage, FillFeatures, Mutation, MutationResult, OnConflict, PutImage
from storage.types.pictures import ImageRecord, PendingImage, SourceFile
from storage.types.searches import FeatureQuery, Hit, ShardQuery

PHASH = FeatureSpec("phash", "binary", 576, "hamming", "phash-1")
COLOR = FeatureSpec("color", "dense", 512, "l1", "color-1")
SPECS = (PHASH, COLOR)


def picture_rows(seed: str) -> dict[str, FeatureRows]:
    """Both features of a made-up picture, the same for the same seed; its query looks mirrored too."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big"))
    codes = rng.integers(0, 256, (2, 72), dtype=np.uint8)
    histogram = rng.random((1, 512), dtype=np.float32)
    histogram[histogram < 0.8] = 0
    histogram /= histogram.sum()
    return {"phash": FeatureRows(codes[:1], codes), "color": FeatureRows(histogram)}


def record(image_id: str, features: Mapping[str, Any], **fields: Any) -> ImageRecord:
    digest = hashlib.sha256(str(fields.pop("seed", image_id)).encode()).hexdigest()
    values: dict[str, Any] = {"metadata": {"title": image_id}, "source": SourceFile(f"/photos/{image_id}", 10, 20)}
    return ImageRecord(image_id, 640, 480, digest, "jpeg", 1000, 1.5, features, **{**values, **fields})


def put(
    image_id: str,
    *,
    seed: str | None = None,
    operation: str | None = None,
    on_conflict: OnConflict = "error",
    pending: Sequence[str] = (),
    original: bytes | None = None,
    **fields: Any,
) -> PutImage:
    """A put of the picture ``seed``, with all its features but the pending ones."""
    rows = {name: value for name, value in picture_rows(seed or image_id).items() if name not in pending}
    states = {**dict.fromkeys(rows, "ok"), **dict.fromkeys(pending, "pending")}
    made = record(image_id, states, seed=seed or image_id, **fields)
    thumbnail = b"thumbnail of " + (seed or image_id).encode()
    return PutImage(operation or f"put {image_id} {seed}", made, rows, thumbnail, on_conflict, original)


def delete(image_id: str, operation: str | None = None) -> DeleteImage:
    return DeleteImage(operation or f"delete {image_id}", image_id)


def fill(image_id: str, names: Sequence[str], *, seed: str | None = None, operation: str = "fill") -> FillFeatures:
    rows = {name: value for name, value in picture_rows(seed or image_id).items() if name in names}
    return FillFeatures(operation, image_id, hashlib.sha256((seed or image_id).encode()).hexdigest(), rows)


def ask(feature: str, rows: Vectors, k: int = 10, max_distance: float | None = None) -> ShardQuery:
    return ShardQuery((FeatureQuery(feature, rows, k, max_distance),))


def find(shard: Shard, seed: str, feature: str = "phash", k: int = 10, max_distance: float | None = None) -> list[Hit]:
    """Hits of the picture ``seed`` by one feature."""
    rows = picture_rows(seed)[feature]
    queries = rows.rows if rows.query_rows is None else rows.query_rows
    return list(shard.search([ask(feature, queries, k, max_distance)])[0].hits[feature])


def found_ids(shard: Shard, seed: str, feature: str = "phash") -> list[str]:
    """Ids of the stored pictures that are exactly this one."""
    return [hit.id for hit in find(shard, seed, feature, max_distance=1e-6)]


def outcomes(results: Sequence[MutationResult]) -> list[str]:
    return [result.outcome for result in results]


def open_shard(directory: Path, specs: Sequence[FeatureSpec] = SPECS, **options: Any) -> Shard:
    """options: of `ShardPlan`, of `ShardSettings`, and of `Shard.open`."""
    opening = {"lock_timeout_s": options.pop("lock_timeout_s", 5.0)}
    index, shard_count = options.pop("index", 0), options.pop("shard_count", 1)
    late, annotations = tuple(options.pop("late", ())), tuple(options.pop("annotations", ()))
    settings = ShardSettings(tuple(specs), late, annotations, **options)
    return Shard.open(ShardPlan(str(directory), index, shard_count, settings), **opening)


def applied(shard: Shard, mutations: Sequence[Mutation]) -> list[MutationResult]:
    """Raises the first refusal."""
    results = []
    for result in shard.apply(mutations):
        if isinstance(result, InvalidRequest):
            raise result
        results.append(result)
    return results


class Inside(Operation[OpenShard]):
    """The shard from inside, for tests of what stands in it."""

    def run(self, shard: OpenShard) -> OpenShard:
        return shard


def inside(shard: Shard) -> OpenShard:
    return shard.ask(Inside())


def index_of(shard: Shard, feature: str) -> VectorIndex:
    moment = inside(shard).moment
    return moment.indexes[moment.versions.in_use[feature]]


def waiting(shard: Shard, limit: int, start: int = 0) -> list[PendingImage]:
    """Pictures that wait for anything at all, oldest first."""
    with inside(shard).read() as (transaction, moment):
        kept = frozenset(moment.versions.kept)
        return list(pending_page(transaction, moment.versions, kept, start, limit).images)
