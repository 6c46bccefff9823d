"""The original routes: searches, single features written, annotations, and what only the gateway had; and how their
errors are answered.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graph.catalog.catalog import CatalogProvider
from graph.config.settings import AppSettings
from graph.http.ambience import writing
from graph.http.ambience.answers import search_response
from graph.http.ambience.bodies import read_fields
from graph.http.ambience.errors import ambience_error
from graph.http.ambience.fields import (
    ByImage,
    CalculateFields,
    DeleteAllFields,
    DeleteFields,
    MostKeypointsById,
    MostKeypointsByImage,
    NearestById,
    NearestByImage,
    NearestVectorsById,
    NearestVectorsByImage,
    NearestVectorsByText,
    ReverseSearchFields,
)
from graph.http.ambience.openapi import (
    ID_TAKEN,
    TAG,
    Matched,
    Neighbor,
    ReverseSearchAnswer,
    Settled,
    answers,
    body_of,
)
from graph.http.ambience.reverse_search import find_duplicate, reverse_search
from graph.http.ambience.searching import check_configured, configured, search
from graph.http.ambience.services import COLOR, GLOBAL, IMAGE_TEXT, LOCAL, PHASH, WRITE_ORDER, Service
from graph.http.guards.rights import GuardedRoute
from graph.http.replies.answers import json_response
from graph.http.replies.errors import ErrorAnswers
from storage.errors import ExtractorUnavailable

AnyFields = (
    type[NearestByImage]
    | type[NearestById]
    | type[NearestVectorsByImage]
    | type[NearestVectorsById]
    | type[NearestVectorsByText]
    | type[MostKeypointsByImage]
    | type[MostKeypointsById]
)
SEARCHES: tuple[tuple[str, Service, AnyFields], ...] = (
    (PHASH.search("image_buffer"), PHASH, NearestByImage),
    (COLOR.search("image_buffer"), COLOR, NearestByImage),
    (GLOBAL.search("image_buffer"), GLOBAL, NearestVectorsByImage),
    (IMAGE_TEXT.search("image_buffer"), IMAGE_TEXT, NearestVectorsByImage),
    (LOCAL.search("image_buffer"), LOCAL, MostKeypointsByImage),
    (PHASH.search("id"), PHASH, NearestById),
    (COLOR.search("id"), COLOR, NearestById),
    (GLOBAL.search("id"), GLOBAL, NearestVectorsById),
    (IMAGE_TEXT.search("id"), IMAGE_TEXT, NearestVectorsById),
    (LOCAL.search("id"), LOCAL, MostKeypointsById),
    (IMAGE_TEXT.search("text"), IMAGE_TEXT, NearestVectorsByText),
)


def ambience_routes(catalog: CatalogProvider, settings: AppSettings) -> APIRouter:
    router = APIRouter(tags=[TAG], route_class=GuardedRoute)
    for path, service, model in SEARCHES:
        _add_search_route(router, path, service, model, catalog, settings)
    for service in WRITE_ORDER:
        _add_write_routes(router, service, catalog, settings)
    _add_annotate_routes(router, catalog, settings)
    _add_gateway_routes(router, catalog, settings)
    return router


def ambience_errors(router: APIRouter) -> ErrorAnswers:
    """By the paths of these routes."""
    return {route.path: ambience_error for route in router.routes if isinstance(route, Route)}


def _add_search_route(
    router: APIRouter, path: str, service: Service, model: AnyFields, catalog: CatalogProvider, settings: AppSettings
) -> None:
    shape = Matched if service.scale is None else Neighbor

    @router.post(
        path,
        summary=f"Search one feature: {service.feature}",
        responses=answers("the nearest first", list[shape], 404, 415),  # type: ignore[valid-type]
        openapi_extra=body_of(model),
    )
    async def similar(request: Request) -> Response:
        check_configured(settings, service)
        fields = await read_fields(request, model, settings.limits)
        found = await search(catalog(), settings, service, fields)
        return search_response(found.rows, found.missing)


def _add_write_routes(router: APIRouter, service: Service, catalog: CatalogProvider, settings: AppSettings) -> None:
    """Single features of a picture."""

    @router.post(
        service.calculate,
        summary=f"Add one feature of a picture: {service.feature}",
        responses={**answers("added; the body is empty", None, 415), **ID_TAKEN},
        response_class=Response,
        openapi_extra=body_of(CalculateFields),
    )
    async def add(request: Request) -> Response:
        check_configured(settings, service)
        fields = await read_fields(request, CalculateFields, settings.limits)
        await writing.calculate(catalog(), [service], fields)
        return Response(status_code=200)

    @router.post(
        service.delete,
        summary=f"Delete one feature of a picture: {service.feature}",
        responses=answers("deleted, or not there; the body is empty", None, 404),
        response_class=Response,
        openapi_extra=body_of(DeleteFields),
    )
    async def remove(request: Request) -> Response:
        check_configured(settings, service)
        fields = await read_fields(request, DeleteFields, settings.limits)
        await writing.delete(catalog(), [service], fields)
        return Response(status_code=200)


def _add_annotate_routes(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
    async def annotation(name: str, request: Request) -> Any:
        if name not in settings.annotators:
            hint = "list it under args.annotators in the configuration"
            raise ExtractorUnavailable(f"no annotator {name!r} is configured", hint)
        fields = await read_fields(request, ByImage, settings.limits)
        return await catalog().service.annotate(name, fields.image)

    @router.post(
        "/get_image_tags",
        summary="Labels of a picture",
        responses=answers("the labels", list[str], 415),
        openapi_extra=body_of(ByImage),
    )
    async def tags(request: Request) -> Response:
        return json_response([tag["label"] for tag in await annotation("tags", request)])

    @router.post(
        "/get_image_caption",
        summary="A sentence about a picture",
        responses=answers("the sentence", str, 415),
        openapi_extra=body_of(ByImage),
    )
    async def caption(request: Request) -> Response:
        return json_response(await annotation("caption", request))


def _add_gateway_routes(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
    """What only the gateway had: ``/reverse_search`` and the routes that do the same with every feature."""

    @router.post(
        "/reverse_search",
        summary="Search every feature, or look for the same picture",
        responses=answers("by feature, the nearest first", ReverseSearchAnswer, 415),
        openapi_extra=body_of(ReverseSearchFields),
    )
    async def reverse(request: Request) -> Response:
        fields = await read_fields(request, ReverseSearchFields, settings.limits)
        look = find_duplicate if fields.find_duplicate else reverse_search
        return await look(catalog(), settings, fields.image)

    @router.post(
        "/calculate_all_image_features",
        summary="Add every feature of a picture",
        responses=answers("what came of each feature", list[Settled]),
        openapi_extra=body_of(CalculateFields),
    )
    async def calculate(request: Request) -> Response:
        fields = await read_fields(request, CalculateFields, settings.limits)
        return json_response(await writing.calculate_all(catalog(), configured(settings, WRITE_ORDER), fields))

    @router.post(
        "/delete_all_image_features",
        summary="Delete every feature of a picture",
        responses=answers("what came of each feature", list[Settled]),
        openapi_extra=body_of(DeleteAllFields),
    )
    async def delete(request: Request) -> Response:
        fields = await read_fields(request, DeleteAllFields, settings.limits)
        return json_response(await writing.delete_all(catalog(), configured(settings, WRITE_ORDER), fields.image_id))
