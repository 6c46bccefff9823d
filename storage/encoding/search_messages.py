"""A shard's searches and answers as bytes, for the hop between processes.

Ray would pickle dataclasses one object at a time, at several times the cost of the search itself; bytes it hands over
as they are. MessagePack of plain lists, in columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from storage.encoding.message_pack import pack, packed_array, unpack, unpacked_array
from storage.encoding.summaries import Summaries
from storage.filters.json_form import filter_from_json, filter_json
from storage.types.features import FeatureRows, Vectors
from storage.types.filters import Filter
from storage.types.searches import FeatureQuery, Hit, SampledDistances, ShardAnswer, ShardQuery


def encode_queries(queries: Sequence[ShardQuery]) -> bytes:
    """Bytes that `decode_queries` turns back into equal queries."""
    return pack([[[_packed_query(part) for part in query.features], _packed_filter(query.filter)] for query in queries])


def decode_queries(data: bytes) -> list[ShardQuery]:
    """Inverse of `encode_queries`; the rows are views of ``data``."""
    return [
        ShardQuery(tuple(_query(part) for part in parts), None if filter is None else filter_from_json(filter))
        for parts, filter in unpack(data)
    ]


def encode_answers(answers: Sequence[ShardAnswer]) -> bytes:
    """Bytes that `decode_answers` turns back into equal answers."""
    return pack([_packed_answer(answer) for answer in answers])


def decode_answers(data: bytes) -> list[ShardAnswer]:
    """Inverse of `encode_answers`."""
    return [_answer(*packed) for packed in unpack(data)]


def _packed_filter(filter: Filter | None) -> dict[str, Any] | None:
    return None if filter is None else filter_json(filter)


def _packed_query(query: FeatureQuery) -> list[Any]:
    rows, extras = _packed_rows(query.rows, query.extras)
    others = [_packed_rows(other.rows, other.extras) for other in query.others]
    params = dict(query.params)
    told = query.fingerprint, others, query.with_pairs
    return [query.feature, rows, query.k, query.max_distance, params, extras, *told]


def _packed_rows(rows: Vectors, extras: Mapping[str, NDArray[Any]]) -> list[Any]:
    return [packed_array(rows), {name: packed_array(array) for name, array in extras.items()}]


def _query(packed: Sequence[Any]) -> FeatureQuery:
    feature, rows, k, max_distance, params, extras, fingerprint, others, with_pairs = packed
    more = tuple(FeatureRows(unpacked_array(rows), extras=_arrays(extras)) for rows, extras in others)
    own = unpacked_array(rows), k, max_distance, params, _arrays(extras)
    return FeatureQuery(feature, *own, fingerprint, more, with_pairs)


def _arrays(packed: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    return {name: unpacked_array(array) for name, array in packed.items()}


def _packed_answer(answer: ShardAnswer) -> list[Any]:
    hits = {name: _columns(found) for name, found in answer.hits.items()}
    samples = {name: _packed_sample(sample) for name, sample in answer.samples.items()}
    return [hits, Summaries.of(answer.summaries).packed, dict(answer.took_ms), dict(answer.errors), samples]


def _packed_sample(sample: SampledDistances) -> list[Any]:
    return [None if sample.distances is None else packed_array(sample.distances), sample.pictures]


def _sample(distances: Any, pictures: int) -> SampledDistances:
    return SampledDistances(None if distances is None else unpacked_array(distances), pictures)


def _columns(hits: Sequence[Hit]) -> list[list[Any]]:
    evidence = [dict(hit.evidence) for hit in hits] if any(hit.evidence for hit in hits) else []
    return [[hit.id for hit in hits], [hit.distance for hit in hits], [hit.view for hit in hits], evidence]


def _answer(
    hits: Mapping[str, Any],
    summaries: dict[str, bytes],
    took_ms: Mapping[str, float],
    errors: Mapping[str, str],
    samples: Mapping[str, Any],
) -> ShardAnswer:
    return ShardAnswer(
        {name: _hits(*columns) for name, columns in hits.items()},
        Summaries(summaries),
        took_ms,
        errors,
        {name: _sample(*packed) for name, packed in samples.items()},
    )


def _hits(
    ids: Sequence[str], distances: Sequence[float], views: Sequence[int], evidence: Sequence[Any]
) -> tuple[Hit, ...]:
    if not evidence:
        return tuple(map(Hit, ids, distances, views))
    return tuple(map(Hit, ids, distances, views, evidence))
