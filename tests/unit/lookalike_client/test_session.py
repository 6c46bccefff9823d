from __future__ import annotations

import pytest

from lookalike_client.errors import InvalidField
from lookalike_client.session import RetryPolicy, session


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


@pytest.mark.parametrize("retry_after", [None, "", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_without_a_number_of_seconds_backs_off(retry_after: str | None) -> None:
    policy = RetryPolicy(retries=3, backoff_s=0.2)
    pauses = [policy.pause_s(attempt, retry_after) for attempt in range(3)]
    assert all(
        0.1 * 2**attempt <= pause <= 0.2 * 2**attempt for attempt, pause in enumerate(pauses) if pause is not None
    )
    assert policy.pause_s(3, retry_after) is None


def test_a_negative_wait_is_none_at_all() -> None:
    assert RetryPolicy().pause_s(0, "-5") == 0
