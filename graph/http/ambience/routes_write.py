"""``/calculate_*_features`` and ``/delete_*_features``: single features of a picture."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from graph.catalog.catalog import CatalogProvider
from graph.config.settings import AppSettings
from graph.http.ambience.bodies import read_fields
from graph.http.ambience.fields import CalculateFields, DeleteFields
from graph.http.ambience.openapi import ID_TAKEN, answers, any_body, picture_body
from graph.http.ambience.searching import check_configured
from graph.http.ambience.services import WRITE_ORDER, Service
from graph.http.ambience.writing import calculate, delete


def add_write_routes(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
    for service in WRITE_ORDER:
        _add_calculate(router, service, catalog, settings)
        _add_delete(router, service, catalog, settings)


def _add_calculate(router: APIRouter, service: Service, catalog: CatalogProvider, settings: AppSettings) -> None:
    @router.post(
        service.calculate,
        summary=f"Add one feature of a picture: {service.feature}",
        responses={**answers("added; the body is empty", None, 415), **ID_TAKEN},
        openapi_extra=picture_body(CalculateFields),
    )
    async def add(request: Request) -> Response:
        check_configured(settings, service)
        fields = await read_fields(request, CalculateFields, settings.limits)
        await calculate(catalog(), [service], fields)
        return Response(status_code=200)


def _add_delete(router: APIRouter, service: Service, catalog: CatalogProvider, settings: AppSettings) -> None:
    @router.post(
        service.delete,
        summary=f"Delete one feature of a picture: {service.feature}",
        responses=answers("deleted, or not there; the body is empty", None, 404),
        openapi_extra=any_body(DeleteFields),
    )
    async def remove(request: Request) -> Response:
        check_configured(settings, service)
        fields = await read_fields(request, DeleteFields, settings.limits)
        await delete(catalog(), [service], fields)
        return Response(status_code=200)
