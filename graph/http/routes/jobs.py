"""``/v1/jobs``: batch jobs, their progress and the files they could not take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from graph.ambience_data.point_ranges import is_connection
from graph.catalog.catalog import CatalogProvider
from graph.config.api_keys import Right
from graph.config.settings import AppSettings, Limits
from graph.http.forms.bodies import job_fields
from graph.http.forms.fields import SliceFields, check_at_most, query_fields
from graph.http.forms.job_fields import BackfillFields, EvalFields, ImportFields, IndexFields, JobFields, paths_of
from graph.http.guards.rights import GuardedRoute, check_right
from graph.http.guards.roots import check_roots
from graph.http.replies.answers import job_row, json_response
from graph.http.replies.openapi import (
    JobFailures,
    JobList,
    JobRow,
    JobSubmitted,
    documented,
    json_body,
    query_parameters,
    request_body,
)

# Whoever may start a job of a kind may stop it.
RIGHTS_OF_KINDS: Mapping[str, Right] = {"index": "write", "import": "write", "eval": "write", "backfill": "admin"}
JobId = Annotated[str, Path(alias="id", description="the job's id")]


def job_routes(catalog: CatalogProvider, settings: AppSettings) -> APIRouter:
    router = APIRouter(tags=["jobs"], route_class=GuardedRoute)
    _add_control_routes(router, catalog, settings)
    _add_progress_routes(router, catalog, settings.limits)
    return router


def right_of(fields: JobFields) -> Right:
    """Which right starting the job needs. What changes every answer from now on, or makes the service ask a database
    elsewhere, is more than writing.
    """
    match fields:
        case EvalFields(calibrate=True):
            return "admin"
        case ImportFields(keypoint_ranges=str(source)) if is_connection(source):
            return "admin"
    return RIGHTS_OF_KINDS[fields.kind]


def _add_control_routes(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
    @router.post(
        "/v1/jobs",
        summary="Start a batch job",
        responses=documented({202: ("started", JobSubmitted)}, 400, 413),
        openapi_extra=request_body(json_body(IndexFields, BackfillFields, ImportFields, EvalFields)),
        status_code=202,
    )
    async def submit(request: Request) -> Response:
        fields = await job_fields(request, settings)
        check_right(request.scope, right_of(fields))
        await check_roots(paths_of(fields), settings)
        jobs = catalog().jobs
        match fields:
            case IndexFields() as index:
                job_id = await jobs.submit_index(index.paths, **index.model_dump(exclude={"kind", "paths"}))
            case BackfillFields() as backfill:
                job_id = await jobs.submit_backfill(backfill.feature, allow_missing=backfill.allow_missing)
            case ImportFields() as original:
                job_id = await jobs.submit_import(
                    original.paths,
                    photos=original.photos,
                    dry_run=original.dry_run,
                    keypoint_ranges=original.keypoint_ranges,
                    features=original.features,
                )
            case EvalFields() as evaluation:
                job_id = await jobs.submit_eval(
                    path=evaluation.path,
                    n=evaluation.n,
                    seed=evaluation.seed,
                    strangers=evaluation.photos,
                    calibrate=evaluation.calibrate,
                )
        return json_response({"id": job_id}, 202)

    @router.post("/v1/jobs/{id}/stop", summary="Stop a job", responses=documented({200: ("the job", JobRow)}, 404))
    async def stop(request: Request, job_id: JobId) -> Response:
        parts = catalog()
        check_right(request.scope, RIGHTS_OF_KINDS.get((await parts.jobs.job(job_id)).kind, "admin"))
        await parts.library.stop(job_id)
        return json_response(job_row(await parts.jobs.job(job_id)))


def _add_progress_routes(router: APIRouter, catalog: CatalogProvider, limits: Limits) -> None:
    @router.get("/v1/jobs", summary="Every job", responses=documented({200: ("newest first", JobList)}))
    async def jobs() -> Response:
        found = sorted(await catalog().jobs.jobs(), key=lambda job: job.submitted_at, reverse=True)
        return json_response({"jobs": [job_row(job) for job in found]})

    @router.get("/v1/jobs/{id}", summary="A job's progress", responses=documented({200: ("the job", JobRow)}, 404))
    async def job(job_id: JobId) -> Response:
        return json_response(job_row(await catalog().jobs.job(job_id)))

    @router.get(
        "/v1/jobs/{id}/failures",
        summary="Files that a job could not take, and why",
        responses=documented({200: ("a page of them", JobFailures)}, 404),
        openapi_extra=query_parameters(SliceFields),
    )
    async def failures(request: Request, job_id: JobId) -> Response:
        fields = query_fields(request, SliceFields)
        check_at_most("limit", fields.limit, limits.max_page_size)
        found = await catalog().jobs.failures(job_id, fields.offset, fields.limit + 1)
        following = fields.offset + fields.limit if len(found) > fields.limit else None
        return json_response({"failures": found[: fields.limit], "next_offset": following})
