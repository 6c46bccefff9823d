"""The inside values as JSON: what `schemas` documents, written by hand because the search answer is on the hot path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic_core import PydanticSerializationError, to_json
from starlette.responses import Response

from graph.duplicates.pages import DuplicatePage
from graph.requests.messages import (
    AddAnswer,
    FeatureReport,
    ImagePage,
    PartReport,
    SearchAnswer,
    ServiceStats,
    ShardTraining,
    TrainingAnswer,
)
from storage.duplicates.messages import NearPicture
from storage.types.jobs import JobRecord
from storage.types.pictures import ImageRecord
from storage.types.reports import VerifyReport


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """UTF-8 JSON. Evidence may hold numpy values. Lone surrogates, which UTF-8 cannot write, are escaped; what is not a
    number is null.
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
    raise TypeError(f"{type(value).__name__} has no JSON form")


def utc(seconds: float) -> str:
    """Unix seconds as ISO 8601, UTC, to the millisecond: ``2026-01-31T12:00:00.000Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def image_row(record: ImageRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "width": record.width,
        "height": record.height,
        "sha256": record.sha256,
        "format": record.format,
        "bytes": record.byte_size,
        "added_at": utc(record.added_at),
        "features": dict(record.features),
        "metadata": dict(record.metadata),
        "annotations": dict(record.annotations),
        "path": None if record.source is None else record.source.path,
    }


def added(answer: AddAnswer) -> dict[str, Any]:
    record = answer.record
    return {
        "id": record.id,
        "width": record.width,
        "height": record.height,
        "sha256": record.sha256,
        "features": dict(record.features),
        "outcome": answer.outcome,
    }


def image_page(page: ImagePage) -> dict[str, Any]:
    return {"images": [image_row(record) for record in page.images], "next_cursor": page.next_cursor}


def duplicate_page(page: DuplicatePage) -> dict[str, Any]:
    groups = [
        {
            "keep": near_picture(group.keep),
            "duplicates": [{**near_picture(one), "distance": one.distance} for one in group.duplicates],
            "left_out": group.left_out,
        }
        for group in page.groups
    ]
    counts = {"looked_at": page.looked_at, "undecided": page.undecided}
    return {"groups": groups, "next_cursor": page.next_cursor, **counts}


def near_picture(picture: NearPicture) -> dict[str, Any]:
    return {name: getattr(picture, name) for name in ("id", "width", "height", "byte_size", "sha256", "path")}


def search_answer(answer: SearchAnswer) -> dict[str, Any]:
    return {
        "results": [
            {
                "id": result.id,
                "score": result.score,
                "matches": result.matches,
                "metadata": result.metadata,
                "annotations": result.annotations,
                "width": result.width,
                "height": result.height,
            }
            for result in answer.results
        ],
        "features": {name: part_report(report) for name, report in answer.features.items()},
        "partial": answer.partial,
        "missing_shards": answer.missing_shards,
        "took_ms": answer.took_ms,
    }


def part_report(report: PartReport) -> dict[str, Any]:
    shown: dict[str, Any] = {"status": report.status, "took_ms": report.took_ms}
    if report.reason:
        shown["reason"] = report.reason
    return shown


def feature_report(report: FeatureReport) -> dict[str, Any]:
    return asdict(report)


def service_stats(stats: ServiceStats) -> dict[str, Any]:
    return asdict(stats)


def verify_report(report: VerifyReport) -> dict[str, Any]:
    return asdict(report)


def training_answer(answer: TrainingAnswer) -> dict[str, Any]:
    return {"feature": answer.feature, "shards": [shard_training(shard) for shard in answer.shards]}


def shard_training(shard: ShardTraining) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "shard": shard.shard,
        "rows": shard.rows,
        "lists": shard.lists,
        "took_s": shard.took_s,
    }
    if shard.reason:
        shown["reason"] = shard.reason
    return shown


def job_row(job: JobRecord) -> dict[str, Any]:
    times = {"submitted_at": utc(job.submitted_at), "updated_at": utc(job.updated_at)}
    return {**asdict(job), **times, "started_at": None if job.started_at is None else utc(job.started_at)}
