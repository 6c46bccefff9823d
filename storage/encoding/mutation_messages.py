"""A shard's writes and their outcomes as bytes, between processes. Why not pickle:
`storage.encoding.search_messages`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from storage.encoding.message_pack import pack, packed_array, unpack, unpacked_array
from storage.encoding.records import packed_exif, unpacked_exif
from storage.errors import LookalikeError
from storage.types.features import FeatureRows
from storage.types.mutations import (
    AddFeatures,
    DeleteImage,
    FillFeatures,
    Mutation,
    MutationResult,
    Outcome,
    PutImage,
    RemoveFeatures,
)
from storage.types.pictures import ImageRecord, SourceFile

EncodedResults = tuple[bytes, Mapping[int, LookalikeError]]


def encode_mutations(mutations: Sequence[Mutation]) -> bytes:
    """Bytes that `decode_mutations` turns back into equal mutations."""
    return pack([_packed(mutation) for mutation in mutations])


def decode_mutations(data: bytes) -> list[Mutation]:
    """Inverse of `encode_mutations`; arrays are views of ``data``."""
    return [_mutation(packed) for packed in unpack(data)]


def encode_results(results: Sequence[MutationResult | LookalikeError]) -> EncodedResults:
    """Results as bytes, and the errors of mutations that were refused, which are few, by their place."""
    refused = {place: result for place, result in enumerate(results) if isinstance(result, LookalikeError)}
    done = [None if isinstance(result, LookalikeError) else _packed_result(result) for result in results]
    return pack(done), refused


def decode_results(encoded: EncodedResults) -> list[MutationResult | LookalikeError]:
    """Inverse of `encode_results`."""
    data, refused = encoded
    return [refused[place] if packed is None else _result(*packed) for place, packed in enumerate(unpack(data))]


def _packed(mutation: Mutation) -> list[Any]:
    match mutation:
        case PutImage(operation_id, record, features, thumbnail, on_conflict, original):
            packed = [_packed_record(record), _packed_features(features)]
            return ["put", operation_id, *packed, thumbnail, on_conflict, original]
        case DeleteImage(operation_id, image_id):
            return ["delete", operation_id, image_id]
        case FillFeatures(operation_id, image_id, sha256, features, annotations):
            return ["fill", operation_id, image_id, sha256, _packed_features(features), dict(annotations)]
        case AddFeatures(operation_id, record, features, thumbnail, original):
            return ["add", operation_id, _packed_record(record), _packed_features(features), thumbnail, original]
        case RemoveFeatures(operation_id, image_id, names):
            return ["remove", operation_id, image_id, list(names)]
        case _:
            assert_never(mutation)


def _mutation(packed: list[Any]) -> Mutation:
    match packed:
        case ["put", operation_id, record, features, *rest]:
            return PutImage(operation_id, _record(record), _features(features), *rest)
        case ["delete", *rest]:
            return DeleteImage(*rest)
        case ["fill", operation_id, image_id, sha256, features, annotations]:
            return FillFeatures(operation_id, image_id, sha256, _features(features), annotations)
        case ["add", operation_id, record, features, *rest]:
            return AddFeatures(operation_id, _record(record), _features(features), *rest)
        case ["remove", operation_id, image_id, names]:
            return RemoveFeatures(operation_id, image_id, tuple(names))
        case _:
            raise ValueError(f"no mutation begins with {packed[:1]}")


def _packed_result(result: MutationResult) -> list[Any]:
    return [result.outcome, None if result.record is None else _packed_record(result.record)]


def _result(outcome: Outcome, record: Sequence[Any] | None) -> MutationResult:
    return MutationResult(outcome, None if record is None else _record(record))


def _packed_record(record: ImageRecord) -> list[Any]:
    source = record.source
    return [
        record.id,
        record.width,
        record.height,
        record.sha256,
        record.format,
        record.byte_size,
        record.added_at,
        dict(record.features),
        dict(record.metadata),
        None if source is None else [source.path, source.size, source.mtime_ns],
        dict(record.annotations),
        None if record.exif is None else packed_exif(record.exif),
        record.missing,
    ]


def _record(packed: Sequence[Any]) -> ImageRecord:
    *rest, source, annotations, exif, missing = packed
    source = None if source is None else SourceFile(*source)
    fields = [*rest, source, annotations, None if exif is None else unpacked_exif(exif), missing]
    return ImageRecord(*fields)


def _packed_features(features: Mapping[str, FeatureRows]) -> dict[str, Any]:
    return {
        name: [
            packed_array(one.rows),
            None if one.query_rows is None else packed_array(one.query_rows),
            {label: packed_array(array) for label, array in one.extras.items()},
            one.fingerprint,
        ]
        for name, one in features.items()
    }


def _features(packed: Mapping[str, Any]) -> dict[str, FeatureRows]:
    return {
        name: FeatureRows(
            unpacked_array(rows),
            None if query_rows is None else unpacked_array(query_rows),
            {label: unpacked_array(array) for label, array in extras.items()},
            fingerprint,
        )
        for name, (rows, query_rows, extras, fingerprint) in packed.items()
    }
