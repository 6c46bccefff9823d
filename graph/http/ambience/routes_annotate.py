"""``/get_image_tags`` and ``/get_image_caption``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from graph.catalog.catalog import CatalogProvider
from graph.config.settings import AppSettings
from graph.http.ambience.bodies import read_fields
from graph.http.ambience.fields import ByImage
from graph.http.ambience.openapi import answers, picture_body
from graph.http.replies.answers import json_response
from storage.errors import ExtractorUnavailable


def add_annotate_routes(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
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
        openapi_extra=picture_body(ByImage),
    )
    async def tags(request: Request) -> Response:
        return json_response([tag["label"] for tag in await annotation("tags", request)])

    @router.post(
        "/get_image_caption",
        summary="A sentence about a picture",
        responses=answers("the sentence", str, 415),
        openapi_extra=picture_body(ByImage),
    )
    async def caption(request: Request) -> Response:
        return json_response(await annotation("caption", request))
