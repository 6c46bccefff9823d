"""The inside values as JSON, with the fields of the classes that the client reads them into."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic_core import PydanticSerializationError, to_json
from starlette.responses import Response

from graph.duplicates.pages import DuplicateGroup, DuplicatePage
from graph.requests.messages import AddAnswer, ImagePage, SearchAnswer, SearchResult, TrainingAnswer
from lookalike_client import answers, job_answers
from storage.types.decisions import Decision
from storage.types.jobs import JobRecord
from storage.types.pictures import Exif, ImageRecord

OF_DUPLICATES = frozenset({"distance", "relation", "confidence", "kept_because"})  # and not of the picture that is kept


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """UTF-8 JSON; dataclasses are objects. Evidence may hold numpy values. Lone surrogates, which UTF-8 cannot write,
    are escaped; what is not a number is null.
    """
    try:
        body = to_json(value, fallback=_plain, inf_nan_mode="null")
    except PydanticSerializationError:
        body = json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain).encode()
    return Response(body, status, dict(headers or {}), "application/json")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return written(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def utc(seconds: float) -> str:
    """Unix seconds as ISO 8601, UTC, to the millisecond: ``2026-01-31T12:00:00.000Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def written(value: Any, kind: Any = None, **given: Any) -> dict[str, Any]:
    """The fields of the client's class ``kind``, or of the value's own, as the value has them unless given."""
    shown = {}
    for name, json_name, left_out in _fields(kind or value.__class__):
        found = given[name] if name in given else getattr(value, name)
        if found or not left_out:
            shown[json_name] = found
    return shown


@cache
def _fields(kind: Any) -> list[tuple[str, str, bool]]:
    return [(field.name, answers.json_name(field), answers.LEFT_OUT in field.metadata) for field in fields(kind)]


def image_row(record: ImageRecord) -> dict[str, Any]:
    path = None if record.source is None else record.source.path
    exif = record.exif or Exif()
    said = {name: getattr(exif, name) for name in Exif.__slots__}
    return written(record, answers.ImageRow, added_at=utc(record.added_at), path=path, **said)


def added(answer: AddAnswer) -> dict[str, Any]:
    return written(answer.record, answers.AddedImage, outcome=answer.outcome)


def image_page(page: ImagePage) -> dict[str, Any]:
    return written(page, images=[image_row(record) for record in page.images])


def duplicate_page(page: DuplicatePage | answers.DuplicatePage) -> dict[str, Any]:
    return written(page, answers.DuplicatePage, groups=[_duplicate_group(group) for group in page.groups])


def _duplicate_group(group: DuplicateGroup | answers.DuplicateGroup) -> dict[str, Any]:
    keep, *others = (_duplicate_picture(one) for one in (group.keep, *group.duplicates))
    unjudged = {} if isinstance(group, answers.DuplicateGroup) else {"relation": None, "confidence": None}
    keep = {name: value for name, value in keep.items() if name not in OF_DUPLICATES}
    return written(group, answers.DuplicateGroup, keep=keep, duplicates=others, **unjudged)


def _duplicate_picture(one: Any) -> dict[str, Any]:
    if isinstance(one, answers.DuplicatePicture):
        return written(one)
    unjudged = {"format": None, "relation": None, "confidence": None, "kept_because": ()}
    return written(one, answers.DuplicatePicture, bytes=one.byte_size, **unjudged)


def decision_row(decision: Decision) -> dict[str, Any]:
    return written(decision, answers.Decision, decided_at=utc(decision.decided_at))


def search_answer(answer: SearchAnswer) -> dict[str, Any]:
    features = {name: written(report) for name, report in answer.features.items()}
    return written(answer, results=[search_result(result) for result in answer.results], features=features)


def search_result(result: SearchResult) -> dict[str, Any]:
    """By hand, because results are on the hot path: this takes two thirds of the time."""
    return {
        "id": result.id,
        "score": result.score,
        "matches": result.matches,
        "metadata": result.metadata,
        "annotations": result.annotations,
        "width": result.width,
        "height": result.height,
        "path": result.path,
        "bytes": result.bytes,
        "taken_at": result.taken_at,
        "camera": result.camera,
        "gps": result.gps,
        "missing": result.missing,
        "relation": result.relation,
        "confidence": result.confidence,
        "because": result.because,
        "transform": result.transform,
        "overlap": result.overlap,
        **({} if result.explain is None else {"explain": result.explain}),
    }


def training_answer(answer: TrainingAnswer) -> dict[str, Any]:
    return written(answer, shards=[written(shard) for shard in answer.shards])


def library_root(root: job_answers.LibraryRoot) -> dict[str, Any]:
    scanned = root.last_scan_at
    return written(root, job_answers.LibraryRoot, last_scan_at=None if scanned is None else utc(scanned.timestamp()))


def job_row(job: JobRecord) -> dict[str, Any]:
    started_at = None if job.started_at is None else utc(job.started_at)
    times = {"submitted_at": utc(job.submitted_at), "updated_at": utc(job.updated_at), "started_at": started_at}
    return written(job, job_answers.Job, **times)
