"""``*_get_similar_images_by_image_buffer``, ``_by_id`` and ``_by_text``."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from graph.catalog.catalog import CatalogProvider
from graph.config.settings import AppSettings
from graph.http.ambience.answers import search_response
from graph.http.ambience.bodies import read_fields
from graph.http.ambience.fields import (
    MostKeypointsById,
    MostKeypointsByImage,
    NearestById,
    NearestByImage,
    NearestVectorsById,
    NearestVectorsByImage,
    NearestVectorsByText,
)
from graph.http.ambience.openapi import Matched, Neighbor, answers, any_body, picture_body
from graph.http.ambience.searching import check_configured, search
from graph.http.ambience.services import COLOR, GLOBAL, IMAGE_TEXT, LOCAL, PHASH, Service

ById = type[NearestById] | type[NearestVectorsById] | type[MostKeypointsById]
ByImage = type[NearestByImage] | type[NearestVectorsByImage] | type[MostKeypointsByImage]
AnyFields = ById | ByImage | type[NearestVectorsByText]

BY_IMAGE: tuple[tuple[Service, ByImage], ...] = (
    (PHASH, NearestByImage),
    (COLOR, NearestByImage),
    (GLOBAL, NearestVectorsByImage),
    (IMAGE_TEXT, NearestVectorsByImage),
    (LOCAL, MostKeypointsByImage),
)
BY_ID: tuple[tuple[Service, ById], ...] = (
    (PHASH, NearestById),
    (COLOR, NearestById),
    (GLOBAL, NearestVectorsById),
    (IMAGE_TEXT, NearestVectorsById),
    (LOCAL, MostKeypointsById),
)


def add_search_routes(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
    for service, by_image in BY_IMAGE:
        _add(router, service.by_image, service, by_image, catalog, settings)
    for service, by_id in BY_ID:
        _add(router, service.by_id, service, by_id, catalog, settings)
    _add(router, IMAGE_TEXT.by_text, IMAGE_TEXT, NearestVectorsByText, catalog, settings)


def _add(
    router: APIRouter, path: str, service: Service, model: AnyFields, catalog: CatalogProvider, settings: AppSettings
) -> None:
    has_file = "image" in model.model_fields
    shape = Matched if service.scale is None else Neighbor

    @router.post(
        path,
        summary=f"Search one feature: {service.feature}",
        responses=answers("the nearest first", list[shape], 404, 415),  # type: ignore[valid-type]
        openapi_extra=picture_body(model) if has_file else any_body(model),
    )
    async def similar(request: Request) -> Response:
        check_configured(settings, service)
        fields = await read_fields(request, model, settings.limits)
        found = await search(catalog(), settings, service, fields)
        return search_response(found.rows, found.missing)
