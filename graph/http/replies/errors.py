"""The one table from errors to HTTP statuses, and the shape in which every error is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from graph.http.replies.answers import json_response
from storage import errors

REQUEST_ID = "lookalike.request_id"  # key of the request's id in an ASGI scope
RETRY_AFTER_S = 1

ErrorAnswers = Mapping[str, Callable[[Scope, BaseException], Response]]  # by path: errors in another shape than ours

STATUS: Mapping[type[errors.LookalikeError], int] = {
    errors.LookalikeError: 500,
    errors.InvalidRequest: 400,
    errors.InvalidField: 422,
    errors.UnknownFeature: 422,
    errors.UnreadableImage: 415,
    errors.UnsupportedImage: 415,
    errors.ImageTooLarge: 413,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.BodyTooLarge: 413,
    errors.NotFound: 404,
    errors.ImageNotFound: 404,
    errors.JobNotFound: 404,
    errors.ImageExists: 409,
    errors.Busy: 503,
    errors.RateLimited: 429,
    errors.DeadlineExceeded: 504,
    errors.Unavailable: 503,
    errors.ExtractorUnavailable: 503,
    errors.ExtractorFailed: 503,
    errors.ShardUnavailable: 503,
    errors.ShardBroken: 503,
    errors.Misconfigured: 500,
    errors.FingerprintMismatch: 503,
    errors.StorageFailure: 500,
    errors.DiskFull: 507,
    errors.DataFolderInUse: 503,
    errors.LostOwnership: 503,
    errors.CorruptData: 500,
    errors.ServiceUnreachable: 503,
}


def path_of(scope: Scope) -> str:
    """The path below what a proxy or a mount put before it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def status_of(error: BaseException) -> int:
    """500 for an error that is not ours. A class that is not in the table counts as its nearest base that is."""
    return next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), 500)


def error_response(scope: Scope, error: BaseException) -> Response:
    """An error as an answer. One that is the service's own fault shows the request id alone."""
    status, request_id = status_of(error), scope[REQUEST_ID]
    headers = {}
    if status == 500 or not isinstance(error, errors.LookalikeError):
        hint = f"the service's log has the details under request {request_id}"
        return error_answer(500, "internal", "something went wrong inside the service", hint, request_id)
    if status in (429, 503):
        headers["retry-after"] = str(getattr(error, "retry_after_s", RETRY_AFTER_S))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return error_answer(status, error.code, error.message, error.hint, request_id, headers, error.shell_hint)


def http_exception_response(scope: Scope, error: HTTPException) -> Response:
    """Errors of the framework itself, such as an unknown route, in the same shape."""
    code, message, hint = "invalid_request", str(error.detail), ""
    if error.status_code == HTTPStatus.NOT_FOUND:
        code, message, hint = "not_found", f"no route {scope['path']!r}", "GET /openapi.json lists the routes"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        code, message = "method_not_allowed", f"{scope['method']} is not a method of this route"
        hint = f"it has {allowed}" if allowed else ""
    return error_answer(error.status_code, code, message, hint, scope.get(REQUEST_ID, ""), error.headers)


def error_answer(
    status: int,
    code: str,
    message: str,
    hint: str,
    request_id: str,
    headers: Mapping[str, str] | None = None,
    shell_hint: str = "",
) -> Response:
    """shell_hint: shown where it says something else than the hint."""
    shown = {"code": code, "message": message, "hint": hint, "request_id": request_id}
    if shell_hint and shell_hint != hint:
        shown["shell_hint"] = shell_hint
    return json_response({"error": shown}, status, headers)
