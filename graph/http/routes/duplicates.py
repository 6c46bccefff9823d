"""``/v1/duplicates``: groups of the same picture."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from graph.catalog.catalog import CatalogProvider
from graph.config.settings import AppSettings
from graph.http.forms.fields import Fields, WholeNumber, check_at_most, query_fields
from graph.http.replies.answers import duplicate_page, json_response
from graph.http.replies.openapi import documented, query_parameters
from graph.http.replies.schemas import DuplicateGroups
from graph.same_picture import MOST_THRESHOLD_BITS, SAME_PICTURE_BITS


class DuplicatesFields(Fields):
    threshold: WholeNumber = Field(
        default=SAME_PICTURE_BITS, ge=0, le=MOST_THRESHOLD_BITS, description="bits of 576 that copies may differ by"
    )
    limit: WholeNumber = Field(default=100, ge=1, description="groups on a page at most, up to limits.max_page_size")
    cursor: str | None = Field(default=None, description="next_cursor of the page before")


def duplicate_routes(catalog: CatalogProvider, settings: AppSettings) -> APIRouter:
    router = APIRouter(tags=["images"])

    @router.get(
        "/v1/duplicates",
        summary="Groups of the same picture, page by page",
        responses=documented({200: ("a page", DuplicateGroups)}),
        openapi_extra=query_parameters(DuplicatesFields),
    )
    async def duplicates(request: Request) -> Response:
        fields = query_fields(request, DuplicatesFields)
        check_at_most("limit", fields.limit, settings.limits.max_page_size)
        page = await catalog().duplicates.page(fields.cursor, fields.limit, max_distance=fields.threshold)
        return json_response(duplicate_page(page))

    return router
