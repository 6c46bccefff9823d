"""What the service says of itself: health, features, figures, verification; its upkeep; and annotators."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from graph.catalog.catalog import CatalogProvider
from graph.config.settings import AppSettings
from graph.http.forms.bodies import read_image_form, train_fields
from graph.http.forms.fields import Fields, TrainFields
from graph.http.guards.limits import PACE
from graph.http.guards.rights import GuardedRoute
from graph.http.replies.answers import json_response, training_answer
from graph.http.replies.errors import REQUEST_ID, RETRY_AFTER_S
from graph.http.replies.openapi import (
    Alive,
    Caption,
    FeatureList,
    NotReady,
    Ready,
    Stats,
    Tags,
    Trained,
    Verified,
    documented,
    form_body,
    json_body,
    request_body,
)
from storage.errors import LookalikeError, NotFound

HEALTH_PATHS = ("/healthz", "/readyz")


def service_routes(catalog: CatalogProvider, settings: AppSettings) -> APIRouter:
    router = APIRouter(tags=["service"], route_class=GuardedRoute)
    _add_health_routes(router, catalog)
    _add_report_routes(router, catalog, settings)
    _add_train_route(router, catalog, settings)
    _add_annotator_route(router, catalog, settings, "tags", Tags)
    _add_annotator_route(router, catalog, settings, "caption", Caption)
    return router


def _add_health_routes(router: APIRouter, catalog: CatalogProvider) -> None:
    @router.get("/healthz", summary="Alive", responses={200: {"description": "alive", "model": Alive}})
    async def healthz() -> Response:
        return json_response({"status": "ok"})

    @router.get(
        "/readyz",
        summary="Able to answer",
        responses=documented({200: ("ready", Ready), 503: ("what is missing", NotReady)}),
    )
    async def readyz(request: Request) -> Response:
        try:
            readiness = await catalog().service.readiness()
        except LookalikeError as error:
            return _not_ready(request, [error.message])
        return (
            json_response({"ready": True, "missing": []}) if readiness.ready else _not_ready(request, readiness.missing)
        )


def _not_ready(request: Request, missing: Any) -> Response:
    error = {
        "code": "unavailable",
        "message": f"not ready: {'; '.join(missing)}",
        "hint": "try again in a few seconds",
        "request_id": request.scope[REQUEST_ID],
    }
    body = {"ready": False, "missing": list(missing), "error": error}
    return json_response(body, 503, {"retry-after": str(RETRY_AFTER_S)})


def _add_report_routes(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
    @router.get(
        "/v1/features", summary="Extractors and annotators", responses=documented({200: ("each of them", FeatureList)})
    )
    async def features() -> Response:
        return json_response({"features": await catalog().service.features()})

    @router.get(
        "/v1/stats",
        summary="Counts, bytes, shards, pending features",
        responses=documented({200: ("the figures", Stats)}),
    )
    async def stats() -> Response:
        return json_response(await catalog().service.stats())

    @router.delete(
        "/v1/thresholds",
        summary="Take back what an evaluation stored",
        responses=documented({204: ("those of the package are in force again", None)}),
        status_code=204,
    )
    async def forget_thresholds() -> Response:
        await catalog().service.forget_thresholds()
        return Response(status_code=204)

    @router.post(
        "/v1/verify",
        summary="Compare the store with every index",
        responses=documented({200: ("what was found", Verified)}),
    )
    async def verify(request: Request) -> Response:
        request.scope[PACE].allow_long(settings.limits.verify_timeout_s)
        reports = await catalog().service.verify()
        ok = not any(report.problems for report in reports)
        return json_response({"ok": ok, "shards": reports})


def _add_train_route(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
    @router.post(
        "/v1/train",
        summary="Train the index of a local feature in every shard",
        responses=documented({200: ("what came of it", Trained)}, 400, 413),
        openapi_extra=request_body(json_body(TrainFields)),
    )
    async def train(request: Request) -> Response:
        fields = await train_fields(request, settings)
        request.scope[PACE].allow_long(settings.limits.train_timeout_s)
        return json_response(training_answer(await catalog().service.train(fields.feature)))


def _add_annotator_route(
    router: APIRouter, catalog: CatalogProvider, settings: AppSettings, name: str, answer: type[BaseModel]
) -> None:
    @router.post(
        f"/v1/{name}",
        name=name,
        summary=f"Annotate a picture: {name}",
        responses=documented({200: ("the annotation", answer)}, 400, 404, 413, 415),
        openapi_extra=request_body(form_body(Fields)),
    )
    async def annotate(request: Request) -> Response:
        if name not in settings.annotators:
            raise NotFound(f"no annotator {name!r} is configured", "list it under args.annotators in the configuration")
        image, _ = await read_image_form(request, Fields, settings.limits)
        return json_response({name: await catalog().service.annotate(name, image)})
