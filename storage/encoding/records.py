"""Rows of pictures, mutations' outcomes and jobs as JSON. ASCII only, because a file's path may hold bytes that are
not UTF-8.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from storage.errors import CorruptData, InvalidField
from storage.types.jobs import JobFailure, JobRecord
from storage.types.mutations import MutationResult, Outcome
from storage.types.pictures import Exif, ImageRecord, SourceFile

T = TypeVar("T", JobRecord, JobFailure)

_OUTCOMES: Mapping[bytes, Outcome] = {outcome.encode(): outcome for outcome in get_args(Outcome)}
_DECODER = json.JSONDecoder()
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def encode_record(record: ImageRecord) -> bytes:
    """Raises `InvalidField` for metadata that JSON cannot hold."""
    source = record.source
    return encode_fields(
        {
            "id": record.id,
            "width": record.width,
            "height": record.height,
            "sha256": record.sha256,
            "format": record.format,
            "byte_size": record.byte_size,
            "added_at": record.added_at,
            "features": dict(record.features),
            "metadata": dict(record.metadata),
            "source": None if source is None else [source.path, source.size, source.mtime_ns],
            **({"annotations": dict(record.annotations)} if record.annotations else {}),
            **({} if record.exif is None else {"exif": packed_exif(record.exif)}),
            **({"missing": True} if record.missing else {}),
        }
    )


def decode_record(value: bytes) -> ImageRecord:
    """Inverse of `encode_record`. Raises `CorruptData`."""
    fields = decode_fields(value)
    try:
        source, exif = fields["source"], fields.get("exif")
        fields["source"] = None if source is None else SourceFile(*source)
        fields["exif"] = None if exif is None else unpacked_exif(exif)
        return ImageRecord(**fields)
    except (KeyError, TypeError, IndexError) as failure:
        raise CorruptData(f"an image's row does not decode: {failure!r}") from failure


def packed_exif(exif: Exif) -> dict[str, Any]:
    """What is known of it, as JSON."""
    return {name: value for name in Exif.__slots__ if (value := getattr(exif, name)) is not None}


def unpacked_exif(packed: Mapping[str, Any]) -> Exif:
    """Inverse of `packed_exif`. Raises `TypeError`."""
    gps = packed.get("gps")
    return Exif(**{**packed, "gps": None if gps is None else (gps[0], gps[1])})


def encode_result(outcome: Outcome, encoded_record: bytes | None) -> bytes:
    """encoded_record: as `encode_record` gave it."""
    return outcome.encode("ascii") + b"\0" + (encoded_record or b"")


def decode_result(value: bytes) -> MutationResult:
    """Inverse of `encode_result`. Raises `CorruptData`."""
    name, _, encoded = value.partition(b"\0")
    outcome = _OUTCOMES.get(name)
    if outcome is None:
        raise CorruptData(f"a mutation's outcome is {name[:40]!r}")
    return MutationResult(outcome, decode_record(encoded) if encoded else None)


def encode_job(job: JobRecord | JobFailure) -> bytes:
    return encode_fields(dataclasses.asdict(job))


def decode_job(value: bytes, kind: type[T]) -> T:
    """Raises `CorruptData`."""
    try:
        return kind(**decode_fields(value))
    except TypeError as failure:
        raise CorruptData(f"a job's row does not decode: {failure}") from failure


def encode_fields(fields: Mapping[str, Any]) -> bytes:
    """Raises `InvalidField` for values that JSON cannot hold."""
    try:
        return _ENCODER.encode(fields).encode("ascii")
    except (TypeError, ValueError, RecursionError) as failure:
        hint = "use text, finite numbers, true, false, null, lists and objects"
        raise InvalidField(f"a value that JSON cannot hold: {failure}", hint) from failure


def decode_fields(value: bytes) -> dict[str, Any]:
    """Raises `CorruptData`."""
    try:
        fields = _DECODER.decode(value.decode("ascii"))
    except (ValueError, RecursionError) as failure:
        raise CorruptData(f"a stored row is not JSON: {failure}") from failure
    if not isinstance(fields, dict):
        raise CorruptData("a stored row is not a JSON object")
    return fields
