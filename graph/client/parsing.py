"""HTTP answers to typed ones. Unknown fields are passed over, so that an older client reads a newer service.

What does not parse raises KeyError, TypeError or ValueError; `graph.client.session` turns those into one error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx

from graph.client import answers, job_answers
from graph.client.annotations import Tag
from graph.client.duplicate_answers import DuplicateGroup, DuplicatePage, DuplicatePicture

T = TypeVar("T")


def nothing(_response: httpx.Response) -> None:
    return None


def content(response: httpx.Response) -> bytes:
    return response.content


def added_image(response: httpx.Response) -> answers.AddedImage:
    return _build(answers.AddedImage, response.json())


def image_row(response: httpx.Response) -> answers.ImageRow:
    return _image_row(response.json())


def image_page(response: httpx.Response) -> answers.ImagePage:
    body = response.json()
    return answers.ImagePage(images=tuple(_image_row(row) for row in body["images"]), next_cursor=body["next_cursor"])


def duplicate_page(response: httpx.Response) -> DuplicatePage:
    body = response.json()
    return _build(DuplicatePage, body, groups=tuple(_duplicate_group(group) for group in body["groups"]))


def search_answer(response: httpx.Response) -> answers.SearchAnswer:
    body = response.json()
    return _build(
        answers.SearchAnswer,
        body,
        results=tuple(_build(answers.SearchResult, result) for result in body["results"]),
        features={name: _build(answers.PartReport, part) for name, part in body["features"].items()},
        missing_shards=tuple(body.get("missing_shards", ())),
    )


def feature_reports(response: httpx.Response) -> tuple[answers.FeatureReport, ...]:
    return tuple(_build(answers.FeatureReport, report) for report in response.json()["features"])


def service_stats(response: httpx.Response) -> answers.ServiceStats:
    body = response.json()
    return _build(
        answers.ServiceStats,
        body,
        shards=tuple(_shard_usage(shard) for shard in body["shards"]),
        missing_shards=tuple(body.get("missing_shards", ())),
    )


def tags(response: httpx.Response) -> tuple[Tag, ...]:
    return tuple(_build(Tag, tag) for tag in response.json()["tags"])


def caption(response: httpx.Response) -> str:
    return str(response.json()["caption"])


def readiness(response: httpx.Response) -> answers.Readiness:
    body = response.json()
    missing = body["missing"] if "missing" in body else [body["error"]["message"]] if "error" in body else []
    return answers.Readiness(ready=response.is_success, missing=tuple(missing))


def job_id(response: httpx.Response) -> str:
    return str(response.json()["id"])


def job(response: httpx.Response) -> job_answers.Job:
    return _job(response.json())


def jobs(response: httpx.Response) -> tuple[job_answers.Job, ...]:
    return tuple(_job(body) for body in response.json()["jobs"])


def job_failures(response: httpx.Response) -> job_answers.JobFailures:
    body = response.json()
    failures = tuple(_build(job_answers.JobFailure, row) for row in body["failures"])
    return job_answers.JobFailures(failures, next_offset=body["next_offset"])


def verification(response: httpx.Response) -> answers.Verification:
    body = response.json()
    checks = (_build(answers.ShardCheck, shard, problems=tuple(shard["problems"])) for shard in body["shards"])
    return answers.Verification(ok=bool(body["ok"]), shards=tuple(checks))


def training(response: httpx.Response) -> answers.Training:
    body = response.json()
    return answers.Training(body["feature"], tuple(_build(answers.ShardTraining, shard) for shard in body["shards"]))


def _build(kind: type[T], body: Mapping[str, Any], **given: Any) -> T:
    known = {field.name: body[field.name] for field in fields(kind) if field.name in body}  # type: ignore[arg-type]
    return kind(**(known | given))


def _duplicate_group(body: Mapping[str, Any]) -> DuplicateGroup:
    duplicates = tuple(_build(DuplicatePicture, one) for one in body["duplicates"])
    return _build(DuplicateGroup, body, keep=_build(DuplicatePicture, body["keep"]), duplicates=duplicates)


def _image_row(body: Mapping[str, Any]) -> answers.ImageRow:
    return _build(answers.ImageRow, body, byte_size=body.get("bytes"), added_at=_moment(body["added_at"]))


def _job(body: Mapping[str, Any]) -> job_answers.Job:
    started = body.get("started_at")
    return _build(
        job_answers.Job,
        body,
        submitted_at=_moment(body["submitted_at"]),
        updated_at=_moment(body["updated_at"]),
        started_at=None if started is None else _moment(started),
    )


def _shard_usage(body: Mapping[str, Any]) -> answers.ShardUsage:
    of_features = sum(feature.get("memory_bytes", 0) for feature in body.get("features", {}).values())
    return _build(answers.ShardUsage, body, memory_bytes=body.get("memory_bytes", of_features))


def _moment(text: str) -> datetime:
    """An ISO time as an aware datetime; UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
