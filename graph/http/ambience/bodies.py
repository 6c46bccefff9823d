"""Request bodies as fields, read as leniently as harmless: a form where the originals wanted JSON will do."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from graph.config.settings import Limits
from graph.http.forms.bodies import JSON, MULTIPART, content_type
from graph.http.forms.fields import Model, checked, json_object
from graph.http.forms.multipart import parse_multipart, text_of
from storage.errors import BodyTooLarge, InvalidField, InvalidRequest

IMAGE = "image"


async def read_fields(request: Request, model: type[Model], limits: Limits) -> Model:
    """Raises InvalidRequest for a broken form, InvalidField, BodyTooLarge."""
    kind, header = content_type(request)
    body = await request.body()
    if kind == MULTIPART:
        parts = parse_multipart(body, header, limits.max_form_fields)
        # Of a field that is given twice the last one counts, as in the originals.
        values: dict[str, Any] = {
            name: data if name == IMAGE else text_of(name, data) for name, data in parts if name in model.model_fields
        }
    elif len(body) > limits.max_json_bytes:
        raise BodyTooLarge(f"the body is over the limit of {limits.max_json_bytes} bytes", "send less at once")
    elif kind == JSON or body.lstrip()[:1] == b"{":
        values = _json_values(body)
    else:
        values = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    return checked(model, values)


def _json_values(body: bytes) -> dict[str, Any]:
    """What is no JSON object is a bad field here, as it was to the originals' clients."""
    try:
        return json_object(body)
    except InvalidRequest as fault:
        raise InvalidField(*fault.args) from fault
