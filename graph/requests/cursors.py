"""Cursors of listings: where a page ended, opaque to clients and of one listing alone."""

from __future__ import annotations

import base64
import json
from hashlib import blake2b

from graph.requests.messages import ListRequest
from storage.errors import InvalidField
from storage.filters.text_form import filter_text
from storage.types.listings import SortKey


def cursor_of(request: ListRequest, last: SortKey) -> str:
    """For the page behind the picture that stands there."""
    packed = json.dumps([_mark(request), *last], separators=(",", ":"))
    return base64.urlsafe_b64encode(packed.encode("ascii")).decode("ascii").rstrip("=")


def place_of(request: ListRequest) -> SortKey | None:
    """Where the page before ended; None for the first page. Raises `InvalidField` for a cursor that is none, or of
    another filter or order.
    """
    if request.cursor is None:
        return None
    try:
        padded = request.cursor.encode("ascii") + b"=" * (-len(request.cursor) % 4)
        mark, value, image_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError) as error:
        hint = "send next_cursor of the page before as it is"
        raise InvalidField("cursor: it is no cursor of a listing", hint) from error
    if mark != _mark(request):
        hint = "send the same filter, sort and order with each page"
        raise InvalidField("cursor: it is of a listing with another filter, sort or order", hint)
    if not isinstance(image_id, str) or not isinstance(value, str | float | int | None) or isinstance(value, bool):
        raise InvalidField("cursor: it is no cursor of a listing", "send next_cursor of the page before as it is")
    return SortKey(value, image_id)


def _mark(request: ListRequest) -> str:
    """Tells one listing from another."""
    of_filter = "" if request.filter is None else filter_text(request.filter)
    whole = json.dumps([of_filter, *request.sort])
    return blake2b(whole.encode("ascii"), digest_size=8).hexdigest()
