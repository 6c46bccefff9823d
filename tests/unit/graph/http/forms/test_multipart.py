"""Multipart forms, against the encoder of another library."""

from __future__ import annotations

import contextlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.http.forms.multipart import parse_multipart
from storage.errors import InvalidRequest


@given(
    st.lists(
        st.tuples(st.sampled_from(["image", "id", "k", "features"]), st.binary(max_size=300)), min_size=1, max_size=8
    )
)
def test_what_a_client_encodes_is_what_is_read(fields: list[tuple[str, bytes]]) -> None:
    request = httpx.Request("POST", "http://x", files=[(name, ("file.jpg", value)) for name, value in fields])
    assert parse_multipart(request.read(), request.headers["content-type"], 100) == fields


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        parse_multipart(body, "multipart/form-data; boundary=b", 10)


@given(st.data())
def test_a_form_that_was_cut_short_is_refused(data: st.DataObject) -> None:
    request = httpx.Request("POST", "http://x", files={"image": ("a.jpg", b"some bytes"), "k": (None, "7")})
    whole = request.read()
    cut = data.draw(st.integers(0, len(whole) - 5))  # the last bytes are the end mark and an optional line break
    with pytest.raises(InvalidRequest):
        parse_multipart(whole[:cut], request.headers["content-type"], 100)


def test_a_name_in_quotes_may_hold_other_signs() -> None:
    body = b'--b\r\ncontent-DISPOSITION: form-data; filename="a;b.jpg"; name="id"\r\n\r\nx\r\n--b--\r\n'
    assert parse_multipart(body, 'multipart/form-data; boundary="b"', 10) == [("id", b"x")]
