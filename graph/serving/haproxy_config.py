"""What Ray Serve's HAProxy configuration lacks, and the program that starts HAProxy with it.

Serve writes the file and has no setting for any of this, so the program that it starts in HAProxy's place amends the
file first: ``python haproxy_config.py [--pem FILE] BINARY ARGUMENTS``.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

LOOPBACK = "127.0.0.1"
PEM_OPTION = "--pem"
FRONTEND = re.compile(r"^(frontend http_frontend\n    bind \S+)\n(?!    option forwardfor)", re.MULTILINE)
ANY_INTERFACE = re.compile(r"^(\s*bind )\*?:(\d+)", re.MULTILINE)
BACKEND = re.compile(r"^backend (\S+)\n((?:[ \t].*\n|\n)*)", re.MULTILINE)
SERVER = re.compile(r"^    server (\S+) .* check(?!.* backup)", re.MULTILINE)
FALLBACK = re.compile(r"^    server (\S+) .* check backup", re.MULTILINE)
NO_BACKEND = re.compile(r"^(    http-request return status )404\b.*", re.MULTILINE)
SERVES_ERRORS = re.compile(r"^(    errorfile )(502|503|504) (.*/)500\.http$", re.MULTILINE)


def _error(code: str, message: str) -> str:
    """As the service answers an error."""
    return json.dumps({"error": {"code": code, "message": message, "hint": "try again", "request_id": ""}})


AWAY = _error("unavailable", "a part of the service is starting again")
RETURN_AWAY = f"503 content-type application/json hdr Retry-After 1 string '{AWAY}'"
ERROR_FILES = {
    "503": ("Service Unavailable", "Retry-After: 1\r\n", AWAY),
    "504": ("Gateway Timeout", "", _error("deadline_exceeded", "the service did not answer in time")),
}


def amended(configuration: str, pem: str = "") -> str:
    """Serve's configuration with every port on loopback that it opens on all interfaces without a password, and with
    the first router that has nothing to do preferred: HAProxy's own choice would take idle routers in turns, and a
    process that has slept longest answers slowest.

    What is not there is said by a router alone. While none is known, HAProxy and Serve's own proxy, which takes the
    routers' place then, would answer 404 for any path, or 500; it becomes 503, and 504 stays. Routers are told the
    client's address. pem: a file with a certificate and its key, by which the service's own port speaks HTTPS.
    """
    tls = f" ssl crt {pem} ssl-min-ver TLSv1.2 alpn http/1.1" if pem else ""
    configuration = FRONTEND.sub(rf"\g<1>{tls}\n    option forwardfor\n", configuration)
    configuration = ANY_INTERFACE.sub(rf"\g<1>{LOOPBACK}:\2", configuration)
    configuration = SERVES_ERRORS.sub(lambda line: f"{line[1]}{line[2]} {line[3]}{_file_of(line[2])}", configuration)
    return BACKEND.sub(_amended_backend, configuration)


def write_error_files(folder: Path) -> None:
    """What an amended configuration names."""
    for status, (reason, header, body) in ERROR_FILES.items():
        head = f"HTTP/1.1 {status} {reason}\r\n{header}Content-Type: application/json\r\n"
        (folder / _file_of(status)).write_text(f"{head}Content-Length: {len(body)}\r\n\r\n{body}", newline="")


def _file_of(status: str) -> str:
    return f"{status if status in ERROR_FILES else '503'}.http"


def _amended_backend(backend: re.Match[str]) -> str:
    name, body = backend[1], backend[2]
    if name == "default_backend":
        return NO_BACKEND.sub(lambda line: line[1] + RETURN_AWAY, backend[0])
    return backend[0].rstrip("\n") + "\n" + "".join(_rules(name, body)) + "\n"


def _rules(backend: str, body: str) -> Iterator[str]:
    servers = SERVER.findall(body)
    if len(servers) > 1 and "use-server" not in body:
        for server in servers:
            yield f"    use-server {server} if {{ srv_conn({backend}/{server}) lt 1 }}\n"
    if "http-response return" not in body:
        for server in FALLBACK.findall(body):  # the service's own 404 is never plain text
            plain = "{ res.hdr(content-type) -m beg text/plain }"
            yield f"    http-response return status {RETURN_AWAY} if {{ srv_name {server} }} {{ status 404 }} {plain}\n"


def main(binary: str, arguments: list[str], pem: str = "") -> None:
    for option, file in pairwise(arguments):
        if option == "-f" and (path := Path(file)).is_file():
            write_error_files(path.parent)
            path.write_text(amended(path.read_text(), pem))
    os.execv(binary, [binary, *arguments])  # this process, which Serve watches, becomes HAProxy


if __name__ == "__main__":
    if sys.argv[1] == PEM_OPTION:
        main(sys.argv[3], sys.argv[4:], sys.argv[2])
    main(sys.argv[1], sys.argv[2:])
