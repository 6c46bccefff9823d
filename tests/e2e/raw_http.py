"""HTTP without the client's care, for requests that a client would not send."""

from __future__ import annotations

from typing import Any

import httpx


def raw_client(url: str, **options: Any) -> httpx.Client:
    """Checks of every answer that an error has the one shape and is not the service's own fault."""
    return httpx.Client(base_url=url, timeout=60, trust_env=False, event_hooks={"response": [check_shape]}, **options)


def check_shape(response: httpx.Response) -> None:
    if response.status_code < 400:
        return
    response.read()
    error = response.json()["error"]
    assert set(error) - {"shell_hint"} == {"code", "message", "hint", "request_id"}
    assert error["message"]
    assert error["request_id"]
    assert response.status_code not in (500, 502), error


def outcome(response: httpx.Response) -> tuple[int, str]:
    """The status and the code of an error."""
    return response.status_code, response.json()["error"]["code"]


def form(image: bytes, name: str = "photo.jpg") -> dict[str, Any]:
    """The file field of a multipart form."""
    return {"image": (name, image, "image/jpeg")}
