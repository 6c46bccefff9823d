"""What Ray Serve's HAProxy configuration lacks, and the program that starts HAProxy with it.

Serve writes the file and has no setting for any of this, so the program that it starts in HAProxy's place amends the
file first: ``python haproxy_config.py BINARY ARGUMENTS``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

LOOPBACK = "127.0.0.1"
ANY_INTERFACE = re.compile(r"^(\s*bind )\*?:(\d+)", re.MULTILINE)
BACKEND = re.compile(r"^backend (\S+)\n((?:[ \t].*\n|\n)*)", re.MULTILINE)
SERVER = re.compile(r"^    server (\S+) .* check(?!.* backup)", re.MULTILINE)


def amended(configuration: str) -> str:
    """Serve's configuration with every port on loopback that it opens on all interfaces without a password, and with
    the first router that has nothing to do preferred: HAProxy's own choice would take idle routers in turns, and a
    process that has slept longest answers slowest.
    """
    return BACKEND.sub(_idle_first, ANY_INTERFACE.sub(rf"\g<1>{LOOPBACK}:\2", configuration))


def _idle_first(backend: re.Match[str]) -> str:
    return backend[0].rstrip("\n") + "\n" + "".join(_rules(backend[1], backend[2])) + "\n"


def _rules(backend: str, body: str) -> Iterator[str]:
    servers = SERVER.findall(body)
    if len(servers) > 1 and "use-server" not in body:
        for server in servers:
            yield f"    use-server {server} if {{ srv_conn({backend}/{server}) lt 1 }}\n"


def main(binary: str, arguments: list[str]) -> None:
    for option, file in pairwise(arguments):
        if option == "-f" and (path := Path(file)).is_file():
            path.write_text(amended(path.read_text()))
    os.execv(binary, [binary, *arguments])  # this process, which Serve watches, becomes HAProxy


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
