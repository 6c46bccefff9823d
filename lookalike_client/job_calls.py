"""The requests for batch jobs and the folders that they look through, as in `lookalike_client.calls`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from lookalike_client import job_answers, parsing
from lookalike_client.calls import Call, present, segment

OnKnownFile = Literal["skip", "replace"]
IdFrom = Literal["path", "stem", "sha256", "int"]


def submit_index(
    paths: Sequence[str], id_from: IdFrom, on_conflict: OnKnownFile, watch: bool, exclude: Sequence[str], prune: bool
) -> Call[str]:
    body = {"kind": "index", "paths": list(paths), "id_from": id_from, "on_conflict": on_conflict, "watch": watch}
    body |= present(exclude=list(exclude) or None, prune=prune or None)
    return Call("POST", "/v1/jobs", parsing.text("id"), json=body, repeatable=False)


def submit_backfill(feature: str | None, allow_missing: bool) -> Call[str]:
    body = present(kind="backfill", feature=feature, allow_missing=allow_missing or None)
    return Call("POST", "/v1/jobs", parsing.text("id"), json=body, repeatable=False)


def submit_import(
    paths: Sequence[str],
    photos: str | None,
    dry_run: bool,
    keypoint_ranges: str | None,
    features: Mapping[str, str] | None,
) -> Call[str]:
    given = {"photos": photos, "keypoint_ranges": keypoint_ranges, "features": dict(features or {})}
    body = {"kind": "import", "paths": list(paths), "dry_run": dry_run}
    body |= {name: value for name, value in given.items() if value}
    return Call("POST", "/v1/jobs", parsing.text("id"), json=body, repeatable=False)


def submit_eval(path: str | None, n: int, strangers: int | None, seed: int, calibrate: bool) -> Call[str]:
    body = present(kind="eval", path=path, n=n, strangers=strangers, seed=seed, calibrate=calibrate or None)
    return Call("POST", "/v1/jobs", parsing.text("id"), json=body, repeatable=False)


def forget_thresholds() -> Call[None]:
    return Call("DELETE", "/v1/thresholds", parsing.nothing)


def library() -> Call[tuple[job_answers.LibraryRoot, ...]]:
    return Call("GET", "/v1/library", parsing.listed("roots", job_answers.LibraryRoot))


def forget_folder(path: str) -> Call[None]:
    return Call("DELETE", "/v1/library", parsing.nothing, params={"path": path})


def watch_folder(path: str) -> Call[str]:
    return Call("POST", "/v1/library/watch", parsing.text("id"), json={"path": path})


def unwatch_folder(path: str) -> Call[None]:
    return Call("POST", "/v1/library/unwatch", parsing.nothing, json={"path": path})


def jobs() -> Call[tuple[job_answers.Job, ...]]:
    return Call("GET", "/v1/jobs", parsing.listed("jobs", job_answers.Job))


def job(id: str) -> Call[job_answers.Job]:
    return Call("GET", f"/v1/jobs/{segment(id)}", parsing.one(job_answers.Job))


def stop_job(id: str) -> Call[job_answers.Job]:
    return Call("POST", f"/v1/jobs/{segment(id)}/stop", parsing.one(job_answers.Job))


def job_failures(id: str, offset: int, limit: int) -> Call[job_answers.JobFailures]:
    path, params = f"/v1/jobs/{segment(id)}/failures", {"offset": offset, "limit": limit}
    return Call("GET", path, parsing.one(job_answers.JobFailures), params=params)
