"""The requests that have to do with batch jobs, as `graph.client.calls` has the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from graph.client import job_answers, parsing
from graph.client.calls import Call, segment

OnKnownFile = Literal["skip", "replace"]
IdFrom = Literal["path", "stem", "sha256", "int"]


def submit_index(paths: Sequence[str], id_from: IdFrom, on_conflict: OnKnownFile, watch: bool) -> Call[str]:
    body = {"kind": "index", "paths": list(paths), "id_from": id_from, "on_conflict": on_conflict, "watch": watch}
    return Call("POST", "/v1/jobs", parsing.text("id"), json=body, repeatable=False)


def submit_backfill(feature: str | None, allow_missing: bool) -> Call[str]:
    body: dict[str, Any] = {"kind": "backfill"}
    if feature is not None:
        body["feature"] = feature
    if allow_missing:
        body["allow_missing"] = True
    return Call("POST", "/v1/jobs", parsing.text("id"), json=body, repeatable=False)


def submit_import(
    paths: Sequence[str],
    photos: str | None,
    dry_run: bool,
    keypoint_ranges: str | None,
    features: Mapping[str, str] | None,
) -> Call[str]:
    body: dict[str, Any] = {"kind": "import", "paths": list(paths), "dry_run": dry_run}
    given = {"photos": photos, "keypoint_ranges": keypoint_ranges, "features": dict(features or {})}
    body |= {name: value for name, value in given.items() if value}
    return Call("POST", "/v1/jobs", parsing.text("id"), json=body, repeatable=False)


def jobs() -> Call[tuple[job_answers.Job, ...]]:
    return Call("GET", "/v1/jobs", parsing.listed("jobs", job_answers.Job))


def job(id: str) -> Call[job_answers.Job]:
    return Call("GET", f"/v1/jobs/{segment(id)}", parsing.one(job_answers.Job))


def stop_job(id: str) -> Call[job_answers.Job]:
    return Call("POST", f"/v1/jobs/{segment(id)}/stop", parsing.one(job_answers.Job))


def job_failures(id: str, offset: int, limit: int) -> Call[job_answers.JobFailures]:
    params = {"offset": offset, "limit": limit}
    return Call("GET", f"/v1/jobs/{segment(id)}/failures", parsing.one(job_answers.JobFailures), params=params)
