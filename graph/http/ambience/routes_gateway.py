"""What only the gateway had: ``/reverse_search`` and the routes that do the same with every feature."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from graph.catalog.catalog import CatalogProvider
from graph.config.settings import AppSettings
from graph.http.ambience.answers import search_response
from graph.http.ambience.bodies import read_fields
from graph.http.ambience.fields import CalculateFields, DeleteAllFields, ReverseSearchFields
from graph.http.ambience.openapi import ReverseSearchAnswer, Settled, answers, any_body, picture_body
from graph.http.ambience.reverse_search import find_duplicate, reverse_search
from graph.http.ambience.searching import configured
from graph.http.ambience.services import WRITE_ORDER
from graph.http.ambience.writing import calculate_all, delete_all
from graph.http.replies.answers import json_response


def add_gateway_routes(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
    @router.post(
        "/reverse_search",
        summary="Search every feature, or look for the same picture",
        responses=answers("by feature, the nearest first", ReverseSearchAnswer, 415),
        openapi_extra=picture_body(ReverseSearchFields),
    )
    async def reverse(request: Request) -> Response:
        fields = await read_fields(request, ReverseSearchFields, settings.limits)
        look = find_duplicate if fields.find_duplicate else reverse_search
        found = await look(catalog(), settings, fields.image)
        return search_response(found.body, found.missing)

    _add_write_routes(router, catalog, settings)


def _add_write_routes(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
    @router.post(
        "/calculate_all_image_features",
        summary="Add every feature of a picture",
        responses=answers("what came of each feature", list[Settled]),
        openapi_extra=picture_body(CalculateFields),
    )
    async def calculate(request: Request) -> Response:
        fields = await read_fields(request, CalculateFields, settings.limits)
        return json_response(await calculate_all(catalog(), configured(settings, WRITE_ORDER), fields))

    @router.post(
        "/delete_all_image_features",
        summary="Delete every feature of a picture",
        responses=answers("what came of each feature", list[Settled]),
        openapi_extra=any_body(DeleteAllFields),
    )
    async def delete(request: Request) -> Response:
        fields = await read_fields(request, DeleteAllFields, settings.limits)
        return json_response(await delete_all(catalog(), configured(settings, WRITE_ORDER), fields.image_id))
