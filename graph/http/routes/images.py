"""``/v1/images``: add, replace, read, list, delete; a picture's bytes."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from graph.catalog.catalog import CatalogProvider
from graph.config.settings import AppSettings
from graph.http.forms.bodies import add_request, operation_id, read_image_form
from graph.http.forms.fields import (
    AddFields,
    DeleteFields,
    PageFields,
    ReplaceFields,
    check_at_most,
    query_fields,
)
from graph.http.forms.filters import list_request
from graph.http.forms.image_paths import Id, image_id
from graph.http.guards.rights import GuardedRoute
from graph.http.replies.answers import added, image_page, image_row, json_response
from graph.http.replies.openapi import (
    AddedImage,
    ImageRow,
    ImageRows,
    binary,
    documented,
    form_body,
    query_parameters,
    request_body,
)

MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "avif": "image/avif",
    "tiff": "image/tiff",
    "heif": "image/heif",
    "heic": "image/heic",
}
SHOWN_INLINE = frozenset(
    {"jpeg", "png", "webp", "gif", "bmp", "avif"}
)  # pictures only: nothing here can carry a script


def image_routes(catalog: CatalogProvider, settings: AppSettings) -> APIRouter:
    router = APIRouter(tags=["images"], route_class=GuardedRoute)
    _add_byte_routes(router, catalog)
    _add_write_routes(router, catalog, settings)
    _add_row_routes(router, catalog, settings)
    return router


def _add_write_routes(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
    limits = settings.limits

    @router.post(
        "/v1/images",
        summary="Add an image",
        responses=documented(
            {201: ("added", AddedImage), 200: ("the id was taken: skipped or replaced", AddedImage)}, 400, 409, 413, 415
        ),
        openapi_extra=request_body(form_body(AddFields)),
        status_code=201,
    )
    async def add(request: Request) -> Response:
        image, fields = await read_image_form(request, AddFields, limits)
        answer = await catalog().pictures.add(add_request(request, image, fields, limits))
        return json_response(added(answer), 201 if answer.outcome == "created" else 200)

    @router.put(
        "/v1/images/{id:path}",
        summary="Create or replace an image",
        responses=documented({201: ("created", AddedImage), 200: ("replaced", AddedImage)}, 400, 413, 415),
        openapi_extra=request_body(form_body(ReplaceFields)),
        status_code=201,
    )
    async def put(request: Request, id: Id) -> Response:
        wanted = image_id(request)
        image, sent = await read_image_form(request, ReplaceFields, limits)
        fields = AddFields(id=wanted, metadata=sent.metadata, on_conflict="replace")
        answer = await catalog().pictures.add(add_request(request, image, fields, limits))
        return json_response(added(answer), 201 if answer.outcome == "created" else 200)

    @router.delete(
        "/v1/images/{id:path}",
        summary="Delete an image",
        responses=documented({204: ("deleted", None)}, 404),
        openapi_extra=query_parameters(DeleteFields),
        status_code=204,
    )
    async def delete(request: Request, id: Id) -> Response:
        fields = query_fields(request, DeleteFields)
        await catalog().pictures.delete(
            image_id(request), stays_out=fields.stays_out, operation_id=operation_id(request)
        )
        return Response(status_code=204)


def _add_row_routes(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
    @router.get(
        "/v1/images",
        summary="List images, page by page",
        responses=documented({200: ("a page", ImageRows)}),
        openapi_extra=query_parameters(PageFields),
    )
    async def page(request: Request) -> Response:
        fields = query_fields(request, PageFields)
        check_at_most("limit", fields.limit, settings.limits.max_page_size)
        return json_response(image_page(await catalog().pictures.page(list_request(fields))))

    @router.get(
        "/v1/images/{id:path}", summary="An image's row", responses=documented({200: ("the row", ImageRow)}, 404)
    )
    async def get(request: Request, id: Id) -> Response:
        return json_response(image_row(await catalog().pictures.get(image_id(request))))


def _add_byte_routes(router: APIRouter, catalog: CatalogProvider) -> None:
    @router.get(
        "/v1/images/{id:path}/thumbnail",
        summary="A small JPEG, long side at most 256",
        responses={**documented({}, 304, 404), **binary("the thumbnail", "image/jpeg")},
        response_class=Response,
    )
    async def thumbnail(request: Request, id: Id) -> Response:
        jpeg = await catalog().pictures.thumbnail(image_id(request))
        return _picture(request, jpeg, "jpeg", hashlib.sha256(jpeg).hexdigest(), "thumbnail")

    @router.get(
        "/v1/images/{id:path}/file",
        summary="The original file, where the service can read it",
        responses={**documented({}, 304, 404), **binary("the file", *MEDIA_TYPES.values(), "application/octet-stream")},
        response_class=Response,
    )
    async def file(request: Request, id: Id) -> Response:
        wanted = image_id(request)
        record = await catalog().pictures.get(wanted)
        if _is_known(request, record.sha256):
            return _not_modified(record.sha256)
        data, format_name = await catalog().pictures.original(wanted)
        return _picture(request, data, format_name, record.sha256, wanted.rsplit("/", 1)[-1])


def _picture(request: Request, data: bytes, format_name: str, sha256: str, name: str) -> Response:
    if _is_known(request, sha256):
        return _not_modified(sha256)
    inline = format_name in SHOWN_INLINE
    headers = {
        **_cache_headers(sha256),
        "content-disposition": "inline" if inline else f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    return Response(data, 200, headers, MEDIA_TYPES.get(format_name, "application/octet-stream"))


def _not_modified(sha256: str) -> Response:
    return Response(status_code=304, headers=_cache_headers(sha256))


def _cache_headers(sha256: str) -> dict[str, str]:
    # An id can be given another picture at any time, so a browser asks each time; the answer is then 304.
    return {"etag": f'"{sha256}"', "cache-control": "private, no-cache"}


def _is_known(request: Request, sha256: str) -> bool:
    tags = request.headers.get("if-none-match", "")
    return any(tag.strip().removeprefix("W/") in (f'"{sha256}"', "*") for tag in tags.split(","))
