"""A stand-in for the service, to develop and test the page without one: ``python -m tests.e2e.page_server [FOLDER]``.

It keeps pictures in memory and compares them crudely (an 8 x 8 average hash and an 8-bin gray histogram), so that its
answers have the shape of the real ones and a sensible order. It knows the routes that the page uses, and
``POST /v1/images``.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PAGE = Path(__file__).resolve().parents[2] / "graph" / "http" / "page"
CONTENT_SECURITY_POLICY = "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A stored picture with its two toy features: 64 bits, and a histogram of 8 bins that sums to 1."""

    original: bytes
    thumbnail: bytes
    size: tuple[int, int]
    bits: NDArray[np.bool_]  # (8, 8)
    histogram: NDArray[np.float64]  # (8,)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, original: bytes, metadata: Mapping[str, Any] | None = None) -> Picture:
        with Image.open(io.BytesIO(original)) as opened:
            image = opened.convert("RGB")
        gray = np.asarray(image.convert("L").resize((8, 8)), np.float64)
        counts, _ = np.histogram(gray, bins=8, range=(0, 256))
        small = image.copy()
        small.thumbnail((256, 256))
        encoded = io.BytesIO()
        small.save(encoded, "JPEG")
        return cls(original, encoded.getvalue(), image.size, gray > gray.mean(), counts / counts.sum(), metadata or {})

    @property
    def shape(self) -> dict[str, int]:
        return {"width": self.size[0], "height": self.size[1]}

    def matches(self, other: Picture) -> dict[str, dict[str, Any]]:
        as_given, mirrored = (int((self.bits != bits).sum()) * 9 for bits in (other.bits, other.bits[:, ::-1]))
        turned = "mirrored" if mirrored < as_given else "as_given"
        return {
            "phash": {"distance": min(as_given, mirrored), "rank": 1, "view": turned},
            "color": {"distance": float(np.abs(self.histogram - other.histogram).sum()), "rank": 1},
        }


class Refused(Exception):
    """An answer in the service's error shape."""

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.error = {"code": code, "message": message, "hint": hint, "request_id": "page-server"}


class Collection:
    """The pictures, and the answers that are the same whatever they are."""

    features: ClassVar[list[dict[str, Any]]] = [
        {"name": "phash", "state": "ready", "reason": "", "kind": "binary", "dim": 576, "metric": "hamming"},
        {"name": "color", "state": "ready", "reason": "", "kind": "dense", "dim": 512, "metric": "l1"},
        {"name": "image_text", "state": "unavailable", "reason": "run `lookalike models pull`", "kind": "dense"},
    ]

    def __init__(self) -> None:
        self.pictures: dict[str, Picture] = {}

    def search(self, query: Picture, k: int, features: list[str] | None) -> dict[str, Any]:
        names = features or ["phash", "color"]
        scored = []
        for image_id, picture in self.pictures.items():
            matches = {name: match for name, match in picture.matches(query).items() if name in names}
            scored.append((sum(match["distance"] for match in matches.values()), image_id, picture, matches))
        scored.sort(key=lambda entry: entry[:2])
        results = [
            {
                "id": image_id,
                "score": 1 / (60 + rank),
                "matches": matches,
                "metadata": picture.metadata,
                **picture.shape,
            }
            for rank, (_, image_id, picture, matches) in enumerate(scored[:k], start=1)
        ]
        statuses = {name: {"status": "ok", "took_ms": 1.0} for name in names}
        return {"results": results, "features": statuses, "partial": False, "missing_shards": [], "took_ms": 7.4}

    def picture(self, image_id: str) -> Picture:
        if image_id not in self.pictures:
            raise Refused(
                404, "image_not_found", f"There is no image {image_id!r}.", "List the ids with GET /v1/images."
            )
        return self.pictures[image_id]


def read_form(content_type: str, body: bytes) -> dict[str, bytes]:
    """The fields of a multipart or JSON body, as bytes; a list is joined by commas."""
    if content_type.startswith("application/json"):
        fields = json.loads(body).items()
        return {name: (",".join(value) if isinstance(value, list) else str(value)).encode() for name, value in fields}
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body, policy=HTTP)
    form: dict[str, bytes] = {}
    for part in message.iter_parts():
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            form[str(part.get_param("name", header="content-disposition"))] = payload
    return form


class Handler(BaseHTTPRequestHandler):
    collection: Collection
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(self.get)

    def do_POST(self) -> None:
        self.answer(self.post)

    def answer(self, route: Any) -> None:
        try:
            route(urlsplit(self.path).path)
        except Refused as refusal:
            self.send_json({"error": refusal.error}, refusal.status)

    def get(self, path: str) -> None:
        stored = self.collection
        images = [{"id": image_id, **picture.shape} for image_id, picture in sorted(stored.pictures.items())]
        answers = {
            "/v1/features": {"features": stored.features},
            "/v1/stats": {"images": len(images), "pending": {}, "missing_shards": []},
            "/v1/jobs": {"jobs": []},
            "/v1/images": {"images": images[:120], "next_cursor": None},
        }
        if path in answers:
            self.send_json(answers[path])
        elif found := re.fullmatch(r"/v1/images/([^/]+)/(thumbnail|file)", path):
            picture = stored.picture(unquote(found[1]))
            original = Image.MIME[Image.open(io.BytesIO(picture.original)).format or "JPEG"]
            is_thumbnail = found[2] == "thumbnail"
            self.send(
                picture.thumbnail if is_thumbnail else picture.original, "image/jpeg" if is_thumbnail else original
            )
        else:
            self.send_page(path)

    def post(self, path: str) -> None:
        form = read_form(self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"])))
        try:
            sent = Picture.read(form["image"], json.loads(form.get("metadata", b"{}"))) if "image" in form else None
        except OSError:
            raise Refused(
                415, "unsupported_image", "The file is not a picture.", "Send JPEG, PNG, WebP or GIF."
            ) from None
        if path == "/v1/images" and sent:
            image_id = form.get("id", hashlib.sha256(form["image"]).hexdigest().encode()).decode()
            self.collection.pictures[image_id] = sent
            self.send_json({"id": image_id}, 201)
        else:
            query = sent or self.collection.picture(form["id"].decode())
            names = form["features"].decode().split(",") if "features" in form else None
            self.send_json(self.collection.search(query, int(form.get("k", b"20")), names))

    def send_page(self, path: str) -> None:
        file = PAGE / ("index.html" if path == "/" else Path(path).name)
        if not file.is_file():
            raise Refused(404, "not_found", f"There is no {path}.")
        self.send(file.read_bytes(), TYPES[file.suffix])

    def send_json(self, content: Any, status: int = 200) -> None:
        self.send(json.dumps(content).encode(), "application/json", status)

    def send(self, body: bytes, content_type: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: a test's output is its own."""


@contextmanager
def running_page_server(port: int = 0) -> Iterator[str]:
    """Serve until the block ends; gives the base address. Port 0 takes a free one."""
    handler = type("BoundHandler", (Handler,), {"collection": Collection()})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    collection = Collection()
    for file in sorted(Path(sys.argv[1]).rglob("*.jpg")) if len(sys.argv) > 1 else []:
        try:
            collection.pictures[str(file.relative_to(sys.argv[1]))] = Picture.read(file.read_bytes())
        except OSError as error:
            print(f"{file}: {error}", file=sys.stderr)
    Handler.collection = collection
    print("http://127.0.0.1:8765")
    ThreadingHTTPServer(("127.0.0.1", 8765), Handler).serve_forever()


if __name__ == "__main__":
    main()
