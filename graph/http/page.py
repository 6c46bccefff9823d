"""The page at ``/`` and the interactive documentation at ``/docs``.

Plain files that ship with the package, read once when the service starts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from graph.http.replies.answers import json_response

HERE = Path(__file__).parent
FOLDERS = (("/page", "page"), ("/docs", "docs_page"), ("/docs/swagger-ui", "docs_page/swagger-ui"))
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
GREETING = {"Hello": "World"}  # of the original services
VARIES = {"vary": "Accept"}
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


@dataclass(frozen=True, slots=True)
class StaticFile:
    data: bytes
    media_type: str
    etag: str


def static_files(folder: Path = HERE) -> dict[str, StaticFile]:
    """By path: ``/``, ``/docs`` and the files that those two load."""
    files = {
        f"{prefix}/{path.name}": _read(path)
        for prefix, source in FOLDERS
        for path in sorted((folder / source).glob("*"))
        if path.suffix in MEDIA_TYPES
    }
    for path, index in (("/", "/page/index.html"), ("/docs", "/docs/index.html")):
        if index in files:
            files[path] = files.pop(index)
    if "/page/favicon.svg" in files:
        files["/favicon.ico"] = files["/page/favicon.svg"]
    return files


def _read(path: Path) -> StaticFile:
    data = path.read_bytes()
    return StaticFile(data, MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(data).hexdigest()[:32]}"')


def page_routes(files: dict[str, StaticFile], *, greets_programs: bool = False) -> APIRouter:
    """A route a file: there is no path that a request could make up.

    greets_programs: the page is for those who ask for HTML; others get the greeting of the original services.
    """
    router = APIRouter(include_in_schema=False)
    for path, file in files.items():
        _add_file_route(router, path, file, greets=greets_programs and path == "/")
    return router


def _add_file_route(router: APIRouter, path: str, file: StaticFile, *, greets: bool) -> None:
    headers = {
        **(VARIES if greets else {}),
        "etag": file.etag,
        "cache-control": "no-cache",
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "referrer-policy": "no-referrer",
    }

    @router.get(path)
    async def answer(request: Request) -> Response:
        if greets and "text/html" not in request.headers.get("accept", ""):
            return json_response(GREETING, headers=VARIES)
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.data, 200, headers, file.media_type)
