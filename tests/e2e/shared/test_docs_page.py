"""The documentation at ``/docs``, driven in a real browser: it shows every route, and sends requests of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.page_visit import PICTURES, WIDTH, Visit, visiting
from tests.e2e.running_service import RunningService

playwright_api = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
expect = playwright_api.expect
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

PICTURE = next(iter(PICTURES.values()))
IMAGE_ID = "docs page/<b>.jpg"
PATIENCE_MS = 60_000  # a route takes a browser a while to draw on a busy machine
ALL_AT_ONCE_MS = 200_000


@pytest.fixture
def visit(browser: Any, shared_service: RunningService) -> Iterator[Visit]:
    with visiting(browser, shared_service.url) as visit:
        visit.page.set_default_timeout(PATIENCE_MS)
        visit.page.goto(f"{visit.url}/docs")
        visit.page.locator(".opblock").first.wait_for()
        yield visit


class Route:
    """One route of the page."""

    def __init__(self, visit: Visit, method: str, path: str) -> None:
        self.shown = visit.page.locator(f".opblock-{method.lower()}").filter(
            has=visit.page.locator(f'[data-path="{path}"]')
        )

    def open(self) -> Route:
        self.shown.locator(".opblock-summary-control").click()
        return self

    def fill(self, name: str, value: str) -> Route:
        self.shown.locator(f'[data-param-name="{name}"], [data-property-name="{name}"]').locator("input").fill(value)
        return self

    def send(self) -> None:
        self.shown.get_by_role("button", name="Execute").click()

    def expect_status(self, status: int) -> None:
        expect(self.shown.locator(".live-responses-table .response-col_status").last).to_contain_text(
            str(status), timeout=PATIENCE_MS
        )

    def expect_answer(self, text: str) -> None:
        expect(self.shown.locator(".live-responses-table tbody")).to_contain_text(text, timeout=PATIENCE_MS)


def test_every_route_is_shown_and_opens(visit: Visit) -> None:
    paths = httpx.get(f"{visit.url}/openapi.json", trust_env=False).json()["paths"]
    routes = visit.page.locator(".opblock")
    expect(routes).to_have_count(sum(len(methods) for methods in paths.values()))
    visit.page.evaluate("document.querySelectorAll('.opblock-summary-control').forEach((control) => control.click())")
    expect(routes.locator(".execute")).to_have_count(routes.count(), timeout=ALL_AT_ONCE_MS)
    expect(routes.locator(".errors-wrapper, .renderer-error, .fallback")).to_have_count(0)
    assert Route(visit, "post", "/v1/jobs").shown.locator(".examples-select option").all_inner_texts() == [
        "index",
        "backfill",
        "import",
        "eval",
    ]


def test_a_picture_is_sent_searched_with_shown_and_deleted(visit: Visit) -> None:
    add = Route(visit, "post", "/v1/images").open().fill("id", IMAGE_ID)
    add.shown.locator("input[type=file]").set_input_files(
        {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": PICTURE}
    )
    add.send()
    add.expect_status(201)
    add.expect_answer('"outcome": "created"')

    search = Route(visit, "post", "/v1/search").open()
    search.shown.get_by_label("Request content type").select_option("application/json")
    search.shown.locator("textarea").fill(f'{{"id": "{IMAGE_ID}", "k": 1}}')
    search.send()
    search.expect_status(200)
    search.expect_answer(f'"id": "{IMAGE_ID}"')

    thumbnail = Route(visit, "get", "/v1/images/{id}/thumbnail").open().fill("id", IMAGE_ID)
    thumbnail.send()
    expect(thumbnail.shown.locator(".live-responses-table img")).to_have_js_property(
        "naturalWidth", WIDTH, timeout=PATIENCE_MS
    )

    delete = Route(visit, "delete", "/v1/images/{id}").open().fill("id", IMAGE_ID)
    delete.send()
    delete.expect_status(204)


def test_a_key_is_sent_with_every_request(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Authorize").first.click()
    visit.page.locator("#api_key_value").fill("a-long-key")
    visit.page.get_by_role("button", name="Apply credentials").last.click()
    visit.page.get_by_role("button", name="Close").last.click()
    with visit.page.expect_request("**/healthz") as request:
        Route(visit, "get", "/healthz").open().send()
    assert request.value.headers["x-api-key"] == "a-long-key"


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off_and_dark_is_dark(visit: Visit, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 800})
    visit.page.emulate_media(color_scheme="dark")
    Route(visit, "post", "/v1/search").open()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visit.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
