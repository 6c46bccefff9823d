"""The certificate and key of a service that answers HTTPS."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import Misconfigured

CERTIFICATE, KEY = "ssl_certfile", "ssl_keyfile"  # as Ray Serve calls them
NOT_TAKEN = ("ssl_keyfile_password", "ssl_ca_certs")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. certificate: the service's own first, then those between it and the CA."""

    certificate: Path
    key: Path

    def as_one(self) -> bytes:
        """The two in one file, as HAProxy wants them."""
        return self.certificate.read_bytes().rstrip() + b"\n" + self.key.read_bytes()


def tls_files(http: Mapping[str, Any], fault: Callable[[str, str, str], Misconfigured]) -> TlsFiles | None:
    """Of ``http_options``; None where it names none. fault: makes the error for one of its keys. Raises Misconfigured
    for files that cannot be used together.
    """
    for name in NOT_TAKEN:
        if http.get(name):
            raise fault(
                name, f"http_options.{name} is not supported", "give a key without a password, and a proxy for more"
            )
    given = {name: http.get(name) for name in (CERTIFICATE, KEY)}
    if not any(given.values()):
        return None
    for name, file in given.items():
        if not file or not isinstance(file, str):
            raise fault(name, f"http_options.{name} is {file!r}", f"give both {CERTIFICATE} and {KEY}, as paths")
    files = TlsFiles(*(Path(str(file)).expanduser().absolute() for file in given.values()))
    for name, path in ((CERTIFICATE, files.certificate), (KEY, files.key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise fault(name, f"{path} cannot be read: {error.strerror}", "give the path of a PEM file") from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key, password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or "no certificate with its key"
        raise fault(
            CERTIFICATE,
            f"{files.certificate} and {files.key} are not a certificate and its key: {reason}",
            "give PEM files; the key without a password",
        ) from error
    return files
