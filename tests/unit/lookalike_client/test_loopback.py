from __future__ import annotations

import pytest

from lookalike_client.loopback import is_loopback


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_addresses_of_this_machine_alone(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "photos", "localhost.example.org", "127.0.0.1.nip.io"]
)
def test_addresses_that_others_reach(host: str) -> None:
    assert not is_loopback(host)
