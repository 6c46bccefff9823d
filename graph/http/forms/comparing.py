"""The form of two pictures that are to be compared."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request

from graph.config.settings import Limits
from graph.http.forms.bodies import MULTIPART, content_type
from graph.http.forms.fields import Fields, checked
from graph.http.forms.multipart import read_form, text_of
from graph.requests.messages import CompareRequest, check_image_id
from storage.errors import InvalidRequest, UnsupportedImage

FILES = ("a", "b")


class CompareFields(Fields):
    """What stands in the place of a file."""

    a_id: str | None = Field(default=None, description="a stored image as the query, in the place of a")
    b_id: str | None = Field(default=None, description="a stored image to compare it with, in the place of b")
    explain: bool = Field(default=False, description="whether the result says what its relation follows from")


async def compare_request(request: Request, limits: Limits) -> CompareRequest:
    """Raises InvalidRequest, InvalidField, UnsupportedImage."""
    kind, header = content_type(request)
    if kind != MULTIPART:
        raise InvalidRequest(f"the Content-Type is {kind or 'missing'}", f"send {MULTIPART} with two pictures, a and b")
    known = (*FILES, *CompareFields.model_fields)
    form = read_form(await request.body(), header, limits.max_form_fields, known)
    images = {name: form.pop(name)[0] for name in FILES if name in form}
    fields = checked(CompareFields, {name: text_of(name, values[0]) for name, values in form.items()})
    ids = {"a": fields.a_id, "b": fields.b_id}
    for name, image_id in ids.items():
        if (name in images) == (image_id is not None):
            raise InvalidRequest(
                f"two pictures are compared, {' and '.join(FILES)}", f"send either {name} or {name}_id"
            )
        if images.get(name) == b"":
            raise UnsupportedImage(f"{name}: the picture is empty: 0 bytes", "send the bytes of an image file")
        if image_id is not None:
            check_image_id(image_id)
    return CompareRequest(images.get("a"), fields.a_id, images.get("b"), fields.b_id, fields.explain)
