from __future__ import annotations

import pytest

from lookalike_client.errors import InvalidField
from lookalike_client.session import session


@pytest.mark.parametrize("address", ["", "127.0.0.1:8000", "ftp://host", "http://", "http://host:port", "file:///etc"])
def test_an_address_that_is_not_http_is_refused(address: str) -> None:
    with pytest.raises(InvalidField, match="http://127"):
        session(address, None, 30, 2)


@pytest.mark.parametrize("key", ["with\nnewline", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    with pytest.raises(InvalidField, match="API key"):
        session("http://127.0.0.1", key, 30, 2)


def test_a_proxy_of_the_environment_is_not_used_on_loopback() -> None:
    assert not session("http://127.0.0.1:8000", None, 30, 2).options()["trust_env"]
    assert session("http://photos:8000", None, 30, 2).options()["trust_env"]


def test_certificates_are_checked_wherever_there_are_any() -> None:
    assert session("https://photos", None, 30, 2).options()["verify"]
