from __future__ import annotations

from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike_client import Client, calls
from lookalike_client.errors import InvalidField
from tests.suites.client_suite import ROW, URL, Service, reply

ids = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)


@given(ids | st.sampled_from([".", "..", "a/../b", "%2E", "a%2Fb", "?", "#", "a/similar"]))
def test_any_id_reaches_the_service_as_one_segment(image_id: str) -> None:
    service = Service(reply(ROW))
    with Client(URL, transport=httpx.MockTransport(service)) as client:
        client.get(image_id)
    prefix, segment = service.request.url.raw_path.decode().rsplit("/", 1)
    assert prefix == "/v1/images"
    assert unquote(segment) == image_id
    assert segment not in {".", ".."}


@pytest.mark.parametrize("image_id", ["", "\udcff"])
def test_an_id_that_cannot_be_sent_is_refused(image_id: str) -> None:
    with pytest.raises(InvalidField):
        calls.delete(image_id, True)
