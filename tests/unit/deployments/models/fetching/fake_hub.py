"""A Hugging Face hub on loopback: the listing of a model and its files, whole or cut short."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

MODEL = "someone/small"
COMMIT = "c" * 40


def safetensors(values: int) -> bytes:
    """A file of one tensor of so many bytes."""
    header = json.dumps({"weight": {"dtype": "U8", "shape": [values], "data_offsets": [0, values]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(index % 251 for index in range(values))


FILES: Mapping[str, bytes] = {
    "config.json": b'{"model_type": "vit"}',
    "preprocessor_config.json": b"{}",
    "tokenizer.json": b'{"version": "1.0"}',
    "vocab.txt": b"a\nb\n",
    "model.safetensors": safetensors(300_000),
}
UNWANTED: Mapping[str, bytes] = {
    "README.md": b"words",
    "pytorch_model.bin": b"pickled",
    "tokenizer.py": b"code",
    "tokenizer.pt": b"pickled",
    "modeling_small.py": b"code",
    "model.fp16.safetensors": b"another form of the weights",
    "onnx/model.safetensors": b"of another library",
}


@dataclass
class FakeHub:
    """files: of the one model it has. cut_at: answers end after so many bytes of a file, and the connection with them;
    resets: without an orderly end, as where a router has forgotten it.

    refusal: status and X-Error-Code of every file. damage: what is sent differs from what is listed. page: what answers
    in place of the listing.
    """

    files: dict[str, bytes]
    url: str = ""
    commit: str = COMMIT
    cut_at: int | None = None
    resets: bool = False
    takes_ranges: bool = True
    damage: bool = False
    page: bytes | None = None
    refusal: tuple[int, str] | None = None
    listing_refusal: tuple[int, str] | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)  # path, Range

    @property
    def fetched(self) -> list[str]:
        return [path.rsplit("/", 1)[1] for path, _ in self.requests if "/resolve/" in path]

    def listing(self) -> dict[str, Any]:
        return {
            "id": MODEL,
            "modelId": MODEL,
            "sha": self.commit,
            "siblings": [_sibling(name, data) for name, data in self.files.items()],
        }


def _sibling(name: str, data: bytes) -> dict[str, Any]:
    row: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": git_blob(data)}
    if name.endswith((".safetensors", ".bin")):
        row["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return row


def git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def fake_hub(files: Mapping[str, bytes] | None = None) -> Iterator[FakeHub]:
    hub = FakeHub({**FILES, **UNWANTED} if files is None else dict(files))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(hub, self)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


def _answer(hub: FakeHub, handler: BaseHTTPRequestHandler) -> None:
    path = unquote(urlsplit(handler.path).path)
    hub.requests.append((path, handler.headers.get("Range", "")))
    files = f"/{MODEL}/resolve/{hub.commit}/"
    if path in (f"/api/models/{MODEL}", f"/api/models/{MODEL}/revision/{hub.commit}"):
        if hub.listing_refusal:
            _refuse(handler, *hub.listing_refusal)
        else:
            _send(handler, 200, hub.page or json.dumps(hub.listing()).encode())
    elif path.startswith(files):
        if hub.refusal:
            _refuse(handler, *hub.refusal)
        else:
            _send_file(hub, handler, hub.files[path.removeprefix(files)])
    elif path.startswith("/api/models/") and "/revision/" in path:
        _refuse(handler, 404, "RevisionNotFound")
    else:
        _refuse(handler, 401, "RepoNotFound")


def _send_file(hub: FakeHub, handler: BaseHTTPRequestHandler, data: bytes) -> None:
    start = 0
    if hub.takes_ranges and (asked := handler.headers.get("Range")):
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
    end = len(data) if hub.cut_at is None else max(start, min(len(data), hub.cut_at))
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Length", str(len(data) - start))
    handler.end_headers()
    sent = data[start:end]
    handler.wfile.write(bytes(len(sent)) if hub.damage else sent)
    if hub.resets and end < len(data):
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.close(handler.connection.detach())


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _refuse(handler: BaseHTTPRequestHandler, status: int, code: str) -> None:
    handler.send_response(status)
    handler.send_header("X-Error-Code", code)
    handler.send_header("X-Error-Message", code)
    handler.send_header("Content-Length", "0")
    handler.end_headers()
