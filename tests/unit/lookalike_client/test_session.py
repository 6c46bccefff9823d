from __future__ import annotations

from pathlib import Path

import pytest

from lookalike_client.errors import InvalidField
from lookalike_client.session import session
from tests.e2e.certificates import make_certificates


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


@pytest.mark.parametrize("address", ["https://127.0.0.1:8443", "https://photos:8443"])
def test_a_private_ca_is_trusted_on_this_machine_too(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(make_certificates(tmp_path).ca))
    context = session(address, None, 30, 2).options()["verify"]
    assert [dict(pair for [pair] in one["subject"]) for one in context.get_ca_certs()] == [
        {"commonName": "A private CA"}
    ]
    assert context.check_hostname


def test_a_file_of_certificates_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "none.pem", tmp_path / "empty.pem"):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        (tmp_path / "empty.pem").touch()
        with pytest.raises(InvalidField, match=rf"SSL_CERT_FILE: .*{path.name}"):
            session("https://photos", None, 30, 2).options()
        assert not session("http://photos", None, 30, 2).options()["verify"]
