"""A shard's searches and answers as bytes, for the hop between processes.

Ray would pickle dataclasses one object at a time, at several times the cost of the search itself; bytes it hands over
as they are. MessagePack of plain lists, in columns. Both ends are of one version, so there is no format version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgpack
import numpy as np

from storage.types import FeatureQuery, Hit, ImageSummary, ShardAnswer, ShardQuery, Vectors


def encode_queries(queries: Sequence[ShardQuery]) -> bytes:
    """Bytes that `decode_queries` turns back into equal queries."""
    packed: bytes = msgpack.packb([[_packed_query(part) for part in query.features] for query in queries])
    return packed


def decode_queries(data: bytes) -> list[ShardQuery]:
    """Inverse of `encode_queries`; the rows are views of ``data``."""
    return [ShardQuery(tuple(_query(part) for part in parts)) for parts in msgpack.unpackb(data)]


def encode_answers(answers: Sequence[ShardAnswer]) -> bytes:
    """Bytes that `decode_answers` turns back into equal answers."""
    packed: bytes = msgpack.packb([_packed_answer(answer) for answer in answers], default=_plain)
    return packed


def decode_answers(data: bytes) -> list[ShardAnswer]:
    """Inverse of `encode_answers`."""
    return [_answer(*packed) for packed in msgpack.unpackb(data)]


def _packed_query(query: FeatureQuery) -> list[Any]:
    rows = np.ascontiguousarray(query.rows)
    return [query.feature, rows.dtype.str, rows.shape, rows.tobytes(), query.k, query.max_distance, dict(query.params)]


def _query(packed: Sequence[Any]) -> FeatureQuery:
    feature, dtype, shape, data, k, max_distance, params = packed
    rows: Vectors = np.frombuffer(data, dtype).reshape(shape)
    return FeatureQuery(feature, rows, k, max_distance, params)


def _packed_answer(answer: ShardAnswer) -> list[Any]:
    hits = {name: _columns(found) for name, found in answer.hits.items()}
    summaries = {
        image_id: [summary.width, summary.height, summary.sha256, summary.metadata]
        for image_id, summary in answer.summaries.items()
    }
    return [hits, summaries, dict(answer.took_ms), dict(answer.errors)]


def _columns(hits: Sequence[Hit]) -> list[list[Any]]:
    evidence = [dict(hit.evidence) for hit in hits] if any(hit.evidence for hit in hits) else []
    return [[hit.id for hit in hits], [hit.distance for hit in hits], [hit.view for hit in hits], evidence]


def _answer(
    hits: Mapping[str, Any], summaries: Mapping[str, Any], took_ms: Mapping[str, float], errors: Mapping[str, str]
) -> ShardAnswer:
    return ShardAnswer(
        {name: _hits(*columns) for name, columns in hits.items()},
        {image_id: ImageSummary(*fields) for image_id, fields in summaries.items()},
        took_ms,
        errors,
    )


def _hits(
    ids: Sequence[str], distances: Sequence[float], views: Sequence[int], evidence: Sequence[Any]
) -> tuple[Hit, ...]:
    if not evidence:
        return tuple(map(Hit, ids, distances, views))
    return tuple(map(Hit, ids, distances, views, evidence))


def _plain(value: Any) -> Any:
    """Numpy numbers and arrays in the evidence, as plain ones."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"evidence cannot hold a {type(value).__name__}")
