"""What the browser tests of the page share: a tab that watches itself, pictures, answers in the service's place."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from graph.client import Client
from tests.e2e.running_service import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Dialog, Error, Locator, Page, Request, Route


CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTH, HEIGHT = 200, 150  # below the size of a thumbnail, so that a thumbnail keeps it
HOSTILE = "page-test/<img src=x onerror=alert(1)>"
IDS = ["page-test/0.jpg", "page-test/1.jpg", "page-test/2.jpg", HOSTILE]
DROP_OR_PASTE = """([kind, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(bytes)], "sent.jpg", { type: "image/jpeg" }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}"""


def drawn_picture(seed: int) -> bytes:
    """A JPEG of coloured discs, another for each seed."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (WIDTH, HEIGHT), tuple(int(c) for c in random.integers(0, 256, 3)))
    canvas = ImageDraw.Draw(image)
    for x, y, radius in zip(
        random.integers(0, WIDTH, 12), random.integers(0, HEIGHT, 12), random.integers(8, 40, 12), strict=True
    ):
        colour = tuple(int(c) for c in random.integers(0, 256, 3))
        canvas.ellipse((int(x - radius), int(y - radius), int(x + radius), int(y + radius)), fill=colour)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=92)
    return encoded.getvalue()


PICTURES = {image_id: drawn_picture(seed) for seed, image_id in enumerate(IDS)}


def add_pictures(address: str, folder: Path) -> None:
    """Indexes them from files, so that there are originals to open; the hostile one is sent, with its metadata."""
    (folder / "page-test").mkdir()
    for image_id, picture in PICTURES.items():
        if image_id != HOSTILE:
            (folder / image_id).write_bytes(picture)
    with Client(address) as client:
        job_id = client.submit_index([str(folder)])
        wait_for(lambda: client.job(job_id).finished, "the pictures are indexed")
        client.replace(HOSTILE, PICTURES[HOSTILE], metadata={"title": f"<b>{HOSTILE}</b>"})


def remove_pictures(address: str) -> None:
    with Client(address) as client:
        for image_id in PICTURES:
            client.delete(image_id)


@dataclass
class Visit:
    """A page and what it did.

    refusals: statuses that the test provokes, which the browser's console reports as errors.
    """

    page: Page
    url: str
    foreign: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    refusals: set[int] = field(default_factory=set)

    def open(self, place: str = "") -> None:
        self.page.goto(f"{self.url}/{place}")
        self.page.locator("#collection:not(:empty)").wait_for()

    def cards(self) -> Locator:
        return self.page.locator("#results .card")

    def show_rest(self) -> None:
        """What is not likely to be meant, too."""
        self.page.locator("#results .rest").click()

    def pick(self, picture: bytes, name: str = "picked.jpg") -> None:
        self.page.set_input_files("#photo", {"name": name, "mimeType": "image/jpeg", "buffer": picture})

    def answer(self, pattern: str, content: Any, status: int = 200) -> None:
        """Answer requests in the service's place."""
        self.page.route(pattern, lambda route: route.fulfill(status=status, json=content))

    def note_request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "blob:", "data:")):
            self.foreign.append(request.url)

    def note_message(self, message: ConsoleMessage) -> None:
        expected = any(f"status of {status}" in message.text for status in self.refusals)
        if message.type in ("error", "warning") and not expected:
            self.problems.append(message.text)

    def note_error(self, error: Error) -> None:
        self.problems.append(str(error))

    def note_dialog(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@contextmanager
def visiting(browser: Any, url: str) -> Iterator[Visit]:
    """A fresh tab. Whatever a test does, nothing may go to another origin and nothing may go wrong in the page."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()
    visit = Visit(page, url)
    context.on("request", visit.note_request)
    page.on("console", visit.note_message)
    page.on("pageerror", visit.note_error)
    page.on("dialog", visit.note_dialog)
    yield visit
    context.close()
    assert visit.foreign == []
    assert visit.problems == []


def found(image_id: str, **matches: Any) -> dict[str, Any]:
    return {"id": image_id, "score": 0.5, "matches": matches, "metadata": {}, "width": WIDTH, "height": HEIGHT}


def search_answer(results: list[dict[str, Any]], features: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"results": results, "features": features, "partial": False, "missing_shards": [], "took_ms": 3.0, **parts}


def refuse_without(authorization: str) -> Callable[[Route], None]:
    refusal = {"error": {"code": "unauthorized", "message": "An API key is needed.", "hint": "", "request_id": "r"}}

    def answer(route: Route) -> None:
        if route.request.headers.get("authorization") == authorization:
            route.continue_()
        else:
            route.fulfill(status=401, json=refusal)

    return answer
