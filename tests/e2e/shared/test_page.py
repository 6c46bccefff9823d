"""The page at ``/``, driven in a real browser.

Runs against the service that the tests share, or the one at ``LOOKALIKE_PAGE_URL``, which gets a few pictures under
``page-test/``. What a healthy service does not do on demand (partial answers, keys, running jobs) is answered in its
place by intercepted requests.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.page_visit import (
    DROP_OR_PASTE,
    HOSTILE,
    IDS,
    PICTURES,
    WIDTH,
    Visit,
    add_pictures,
    found,
    refuse_without,
    remove_pictures,
    search_answer,
    visiting,
)
from tests.e2e.running_service import ROOT

playwright_api = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
expect = playwright_api.expect
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PAGE = ROOT / "graph" / "http" / "page"
EVERY_ORIENTATION = {"phash": {"orientations": "all"}}


@pytest.fixture(scope="module")
def service_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, browser: Any
) -> Iterator[str]:
    """Base address of a service with the pictures of this module in it and no others, which would crowd them out of
    the answers. browser: asked for first, so that no service is started where there is none.
    """
    given = os.environ.get("LOOKALIKE_PAGE_URL")
    address = given.rstrip("/") if given else request.getfixturevalue("shared_service").url
    add_pictures(address, tmp_path_factory.mktemp("page-photos"))
    yield address
    remove_pictures(address)


@pytest.fixture
def visit(browser: Any, service_url: str) -> Iterator[Visit]:
    with visiting(browser, service_url) as visit:
        yield visit


def test_page_loads_with_the_collection_and_nothing_from_elsewhere(visit: Visit) -> None:
    visit.open()
    expect(visit.page.get_by_role("heading", name="Find a photo by its looks")).to_be_visible()
    expect(visit.page.locator("#collection")).to_have_text(re.compile(r"^[\d,]+ photos"))
    expect(visit.page.locator("#sample-list img").first).to_have_js_property("complete", True)


def test_picked_photo_finds_itself_first_with_every_distance(visit: Visit) -> None:
    visit.open()
    visit.pick(PICTURES[IDS[0]])
    visit.show_rest()
    first = visit.cards().first
    expect(first.locator(".id")).to_have_text(IDS[0])
    expect(first.locator(".evidence li").filter(has_text="phash")).to_contain_text("0 bits")
    expect(first.locator(".evidence li").filter(has_text="color")).to_contain_text("0.00")
    expect(first.locator("img")).to_have_js_property("naturalWidth", WIDTH)
    expect(visit.page.locator("#preview")).to_have_js_property("naturalWidth", WIDTH)
    expect(visit.page.locator("#answer-summary")).to_contain_text("photos in")


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_pasted_and_dropped_photos_are_searched(visit: Visit, kind: str) -> None:
    visit.open()
    visit.page.evaluate(DROP_OR_PASTE, [kind, list(PICTURES[IDS[1]])])
    visit.show_rest()
    expect(visit.cards().first.locator(".id")).to_have_text(IDS[1])


def test_dragging_a_file_over_the_page_says_where_it_may_fall(visit: Visit) -> None:
    visit.open()
    cover = visit.page.get_by_text("Drop to search with this photo")
    visit.page.evaluate(DROP_OR_PASTE, ["dragenter", []])
    expect(cover).to_be_visible()
    visit.page.evaluate(DROP_OR_PASTE, ["dragleave", []])
    expect(cover).to_be_hidden()


def test_search_goes_on_from_a_result_and_back_returns_to_the_photo(visit: Visit) -> None:
    visit.open()
    visit.pick(PICTURES[IDS[0]])
    visit.show_rest()
    expect(visit.cards().first.locator(".id")).to_have_text(IDS[0])
    visit.page.get_by_role("list").get_by_role("button", name=f"Search from {IDS[2]}").click()
    expect(visit.page.get_by_role("heading", name=f"Photos like {IDS[2]}")).to_be_focused()
    visit.show_rest()
    expect(visit.cards().first.locator(".id")).to_have_text(IDS[2])
    assert visit.page.url.endswith("#id=page-test%2F2.jpg")
    visit.page.go_back()
    expect(visit.page.get_by_role("heading", name="Photos like yours")).to_be_visible()
    visit.show_rest()
    expect(visit.cards().first.locator(".id")).to_have_text(IDS[0])
    visit.page.go_back()
    expect(visit.page.get_by_role("heading", name="Find a photo by its looks")).to_be_visible()


def test_address_of_a_stored_photo_shows_its_lookalikes_at_once(visit: Visit) -> None:
    visit.open("#id=page-test%2F1.jpg")
    visit.show_rest()
    expect(visit.cards().first.locator(".id")).to_have_text(IDS[1])


def test_keyboard_alone_searches_from_a_result(visit: Visit) -> None:
    visit.open("#id=page-test%2F1.jpg")
    visit.show_rest()
    visit.cards().first.get_by_role("button").focus()
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_role("heading", name=f"Photos like {IDS[1]}")).to_be_visible()


def test_original_opens_in_a_new_tab(visit: Visit) -> None:
    visit.open("#id=page-test%2F1.jpg")
    visit.show_rest()
    with visit.page.context.expect_page() as opened:
        visit.cards().first.get_by_role("link", name="Open original").click()
    opened.value.wait_for_url("**/v1/images/page-test%2F1.jpg/file")


def test_options_reach_the_service(visit: Visit) -> None:
    visit.open("#id=page-test%2F0.jpg")
    visit.show_rest()
    expect(visit.cards().first).to_be_visible()
    with visit.page.expect_request("**/v1/search"):
        visit.page.get_by_label("All orientations").check()
    with visit.page.expect_request("**/v1/search"):
        visit.page.get_by_role("checkbox", name="color").uncheck()
    with visit.page.expect_request("**/v1/search") as request:
        visit.page.get_by_label("Number of results").fill("2")
        visit.page.keyboard.press("Tab")
    sent = json.loads(request.value.post_data or "")
    assert (sent["id"], sent["k"], sent["relevance"], sent["params"]) == (IDS[0], 2, "all", EVERY_ORIENTATION)
    assert "phash" in sent["features"]
    assert "color" not in sent["features"]
    expect(visit.cards()).to_have_count(2)


def test_unavailable_feature_is_shown_disabled_with_its_reason(visit: Visit) -> None:
    ready = {"name": "phash", "state": "ready", "reason": "", "kind": "binary"}
    absent = {
        "name": "global",
        "state": "unavailable",
        "reason": "no weights; run `lookalike models pull`",
        "kind": "dense",
    }
    visit.answer("**/v1/features", {"features": [ready, absent]})
    visit.open()
    visit.page.get_by_text("Options").click()
    expect(visit.page.get_by_role("checkbox", name="phash")).to_be_checked()
    expect(visit.page.get_by_role("checkbox", name="global")).to_be_disabled()
    expect(visit.page.locator("#features")).to_contain_text("Not available: no weights; run lookalike models pull")


def test_hostile_ids_and_metadata_are_text(visit: Visit) -> None:
    visit.open()
    visit.pick(PICTURES[HOSTILE])
    visit.show_rest()
    first = visit.cards().first
    expect(first.locator(".id")).to_have_text(HOSTILE)
    expect(first.locator(".shot img")).to_have_js_property("naturalWidth", WIDTH)
    first.get_by_text("Metadata").click()
    expect(first.locator("dd")).to_have_text(f"<b>{HOSTILE}</b>")
    first.get_by_role("button").click()
    expect(visit.page.get_by_role("heading", name=f"Photos like {HOSTILE}")).to_be_visible()
    expect(visit.page.locator("img[src=x], .caption b, script:not([src])")).to_have_count(0)


def test_hostile_file_names_features_and_reasons_are_text(visit: Visit) -> None:
    evil = "<img src=x onerror=alert(1)>"
    matches = {evil: {"distance": 0.5, "view": evil}}
    visit.answer(
        "**/v1/search", search_answer([found("..", **matches)], {evil: {"status": evil, "reason": evil}}, partial=True)
    )
    visit.open()
    visit.pick(PICTURES[IDS[0]], name=f"{evil}.jpg")
    expect(visit.cards()).to_contain_text(evil)
    expect(visit.cards().locator("img")).to_have_class("missing")
    expect(visit.page.locator("img[src=x]")).to_have_count(0)


def test_partial_answer_names_what_is_missing_and_keeps_the_evidence(visit: Visit) -> None:
    features = {"phash": {"status": "ok"}, "color": {"status": "timeout", "reason": "no answer in 2 s"}}
    mirrored = found(IDS[0], phash={"distance": 4, "rank": 1, "view": "mirrored"}) | judged("same", mirrored=True)
    visit.answer("**/v1/search", search_answer([mirrored], features, partial=True, missing_shards=[1]))
    visit.open("#id=page-test%2F0.jpg")
    notice = visit.page.locator(".notice.warning")
    expect(notice).to_contain_text("This answer is incomplete.")
    expect(notice).to_contain_text("Shard 1 did not answer")
    expect(notice).to_contain_text("color did not answer in time: no answer in 2 s")
    expect(visit.cards().first).to_contain_text("4 bits")
    expect(visit.cards().first.locator(".badge")).to_have_text("Same picture, 98 %")
    expect(visit.cards().first.locator(".placement")).to_have_text("Mirrored")


def judged(relation: str, *, shares: tuple[float, float] = (1, 1), degrees: float = 0, **said: Any) -> dict[str, Any]:
    """What the service says of a result as a whole. shares: of the query, and of the stored picture, in the other."""
    transform = {"mirrored": False, "rotation_deg": degrees, "scale": 1.0} | said
    overlap = {"of_query": shares[0], "of_stored": shares[1]}
    return {"relation": relation, "confidence": 0.984, "because": [], "transform": transform, "overlap": overlap}


def lies(homography: list[list[float]], box: list[list[float]], view: str = "as_given") -> dict[str, Any]:
    """Evidence of `local`; box: the corners of the photo that was searched with, in pixels of the stored one."""
    return {"inliers": 83, "rank": 1, "view": view, "homography": homography, "box": box}


CROP = lies([[2, 0, -100], [0, 2, -40], [0, 0, 1]], [[50, 20], [150, 20], [150, 100], [50, 100]])
MIRRORED = lies([[-1, 0, 120], [0, 1, -30], [0, 0, 1]], [[120, 30], [20, 30], [20, 105], [120, 105]], "mirrored")
TURNED = lies([[0, -1, 100], [1, 0, -50], [0, 0, 1]], [[50, 100], [50, 25], [110, 25], [110, 100]])
OVERLAP = lies([[1, 0, -100], [0, 1, 0], [0, 0, 1]], [[100, 0], [300, 0], [300, 150], [100, 150]])
SAME = lies([[3, 0, 0], [0, 3, 0], [0, 0, 1]], [[0, 0], [200, 0], [200, 150], [0, 150]])
FRAMED = lies([[1, 0, 100], [0, 1, 75], [0, 0, 1]], [[-100, -75], [300, -75], [300, 225], [-100, 225]])


@pytest.mark.parametrize(
    ("match", "said", "badge", "words", "outlines"),
    [
        (CROP, judged("crop", shares=(1, 0.267)), "Crop, 98 %", "27 % of it", 1),
        (MIRRORED, judged("crop", shares=(1, 0.25), mirrored=True), "Crop, 98 %", "25 % of it, mirrored", 1),
        (TURNED, judged("crop", shares=(1, 0.15), degrees=90.4), "Crop, 98 %", "15 % of it, rotated 90° clockwise", 1),
        (OVERLAP, judged("overlap", shares=(0.5, 0.5)), "Overlaps it, 98 %", "50 % of it", 1),
        (SAME, judged("same", degrees=-180.2), "Same picture, 98 %", "Rotated 180°", 0),
        (FRAMED, judged("contains", shares=(0.25, 1)), "Contains it, 98 %", "It fills 25 % of the searched photo", 0),
    ],
    ids=["crop", "mirrored", "turned", "overlap", "same", "framed"],
)
def test_result_says_what_the_searched_photo_is_of_it(
    visit: Visit, match: dict[str, Any], said: dict[str, Any], badge: str, words: str, outlines: int
) -> None:
    answer = search_answer([found(IDS[1], local=match) | said], {"local": {"status": "ok"}}, verdict="match")
    visit.answer("**/v1/search", answer)
    visit.open("#id=page-test%2F0.jpg")
    expect(visit.cards().first.locator(".badge.strong")).to_have_text(badge)
    expect(visit.cards().first.locator(".placement")).to_have_text(words)
    expect(visit.cards().first.locator(".outline")).to_have_count(outlines)


def test_results_of_a_kind_stand_under_their_heading(visit: Visit) -> None:
    kinds = [
        judged("same") | {"confidence": 1},
        judged("scene"),
        judged("similar") | {"confidence": None, "because": ["color", "global"]},
        judged("crop") | {"confidence": 0.3},
    ]
    results = [found(image_id, local=CROP) | said for image_id, said in zip(IDS, kinds, strict=True)]
    visit.answer("**/v1/search", search_answer(results, {"local": {"status": "ok"}}, verdict="match"))
    visit.open("#id=page-test%2F0.jpg")
    groups = visit.page.locator("#results .group")
    expect(groups.locator("h3")).to_have_text(["The same scene", "Similar", "The nearest, whatever they are"])
    expect(groups.locator(".badge")).to_have_text(["Same picture, 100 %", "Same scene, 98 %", "Similar", "Crop, 30 %"])
    expect(groups.nth(2).locator(".placement")).to_have_text("By color, global")
    expect(visit.page.locator(".badge.strong")).to_have_count(1)
    expect(visit.page.locator(".outline")).to_have_count(1)  # what is not proven is not drawn


def test_what_hangs_on_a_part_that_did_not_answer_is_perhaps_the_same(visit: Visit) -> None:
    unsure = found(IDS[1], phash={"distance": 4, "rank": 1}) | judged("edited") | {"confidence": None}
    features = {"phash": {"status": "ok"}, "local": {"status": "timeout", "took_ms": 0, "reason": "no answer in 2 s"}}
    visit.answer("**/v1/search", search_answer([unsure], features, verdict="none", partial=True))
    visit.open("#id=page-test%2F0.jpg")
    expect(visit.page.locator("#answer-summary")).to_have_text("Perhaps the same picture is here. 1 photo in 3 ms")
    expect(visit.page.locator("#results h3")).to_have_text(
        "Perhaps the same picture: a part of the service did not answer"
    )
    expect(visit.cards().first.locator(".badge")).to_have_text("Edited, perhaps")
    expect(visit.page.locator(".badge.strong")).to_have_count(0)
    expect(visit.page.locator(".notice.warning")).to_contain_text("local did not answer in time")


def test_no_match_is_said_and_the_nearest_come_when_asked_for(visit: Visit) -> None:
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(json.loads(route.request.post_data)["relevance"])
        results = [found(IDS[1], phash={"distance": 250, "rank": 1})] if asked[-1] == "all" else []
        route.fulfill(json=search_answer(results, {"phash": {"status": "ok"}}, verdict="none"))

    visit.page.route("**/v1/search", answer)
    visit.open("#id=page-test%2F0.jpg")
    expect(visit.page.locator("#answer-summary")).to_have_text("No match. No photo in the collection stands out.")
    visit.page.get_by_role("button", name="Show the nearest all the same").click()
    expect(visit.page.locator("#answer-summary")).to_have_text("No match. 1 photo in 3 ms")
    expect(visit.page.get_by_role("heading", name="Photos like page-test/0.jpg")).to_be_focused()
    expect(visit.cards().locator(".badge")).to_have_count(0)
    expect(visit.page.locator(".rest")).to_have_count(0)
    visit.cards().first.get_by_role("button").click()
    expect(visit.page.locator("#answer-summary")).to_have_text("No match. No photo in the collection stands out.")
    assert asked == ["likely", "all", "likely"]


def test_similar_photos_are_not_passed_off_as_the_same(visit: Visit) -> None:
    similar = found(IDS[1], color={"distance": 0.1, "rank": 1}) | judged("similar") | {"confidence": None}
    features = {"color": {"status": "ok"}, "local": {"status": "not_needed", "took_ms": 0}}
    visit.answer("**/v1/search", search_answer([similar], features, verdict="similar"))
    visit.open("#id=page-test%2F0.jpg")
    expect(visit.page.locator("#answer-summary")).to_have_text("Nothing here is the same picture. 1 photo in 3 ms")
    expect(visit.page.get_by_role("heading", name="Similar", exact=True)).to_be_visible()
    expect(visit.page.get_by_role("button", name="Show the rest")).to_be_visible()
    expect(visit.page.locator(".notice")).to_have_count(0)


def test_outline_lies_where_the_searched_photo_does_in_the_thumbnail(visit: Visit) -> None:
    upright = found(IDS[1], local=CROP) | judged("crop") | {"width": 150, "height": 200}
    visit.answer("**/v1/search", search_answer([upright], {"local": {"status": "ok"}}))
    visit.open("#id=page-test%2F0.jpg")
    frame = visit.cards().first.locator(".shot img").bounding_box()
    edge = visit.cards().first.locator(".outline .edge").bounding_box()
    assert frame is not None
    assert edge is not None
    pixel = frame["height"] / 200  # an upright photo fills the height of its frame and stands in the middle
    left = frame["x"] + (frame["width"] - 150 * pixel) / 2
    corners = [edge["x"], edge["y"], edge["x"] + edge["width"], edge["y"] + edge["height"]]
    wanted = [left + 50 * pixel, frame["y"] + 20 * pixel, left + 150 * pixel, frame["y"] + 100 * pixel]
    assert corners == pytest.approx(wanted, abs=2)


@pytest.mark.parametrize(
    "damage", [{"box": None}, {"homography": [[None] * 3] * 3}, {"box": [[0, 0]] * 4}, {"box": "x"}]
)
def test_evidence_that_does_not_say_where_draws_nothing(visit: Visit, damage: dict[str, Any]) -> None:
    crop = found(IDS[1], local=MIRRORED | damage) | judged("crop") | {"overlap": None, "transform": None}
    visit.answer("**/v1/search", search_answer([crop], {"local": {"status": "ok"}}))
    visit.open("#id=page-test%2F0.jpg")
    expect(visit.cards().first).to_contain_text("83 points")
    expect(visit.page.locator(".outline, .placement")).to_have_count(0)


def test_partial_answer_without_results_is_not_called_no_matches(visit: Visit) -> None:
    visit.answer("**/v1/search", search_answer([], {"phash": {"status": "error", "reason": "it broke"}}, partial=True))
    visit.open("#id=page-test%2F0.jpg")
    expect(visit.page.locator("#answer-summary")).to_have_text(
        "The parts that answered found nothing. The others were not searched."
    )
    expect(visit.page.locator(".notice.warning")).to_contain_text("phash failed: it broke")


def test_complete_answer_without_results_says_so(visit: Visit) -> None:
    visit.answer("**/v1/search", search_answer([], {"phash": {"status": "ok"}}))
    visit.open("#id=page-test%2F0.jpg")
    expect(visit.page.locator("#answer-summary")).to_have_text("No match. No photo in the collection stands out.")


def test_file_that_is_not_a_picture_is_refused_in_the_services_words(visit: Visit) -> None:
    visit.refusals |= {400, 415}
    visit.open()
    visit.pick(b"these are words", name="words.jpg")
    expect(visit.page.get_by_role("alert")).to_be_visible()
    expect(visit.cards()).to_have_count(0)
    visit.pick(PICTURES[IDS[0]])
    visit.show_rest()
    expect(visit.cards().first).to_be_visible()
    expect(visit.page.get_by_role("alert")).to_have_count(0)


def test_busy_service_offers_to_try_again(visit: Visit) -> None:
    visit.refusals.add(503)
    error = {"code": "busy", "message": "The queue is full.", "hint": "Try again in a moment.", "request_id": "r-1"}
    visit.answer("**/v1/search", {"error": error}, status=503)
    visit.open("#id=page-test%2F0.jpg")
    alert = visit.page.get_by_role("alert")
    for text in ("The queue is full.", "Try again in a moment.", "Request r-1"):
        expect(alert).to_contain_text(text)
    visit.page.unroute("**/v1/search")
    alert.get_by_role("button", name="Try again").click()
    visit.show_rest()
    expect(visit.cards().first.locator(".id")).to_have_text(IDS[0])


def test_key_is_asked_for_and_sent_with_every_request(visit: Visit) -> None:
    visit.refusals.add(401)
    visit.page.context.route("**/v1/**", refuse_without("Bearer right"))
    visit.page.goto(f"{visit.url}/#id=page-test%2F0.jpg")
    key = visit.page.get_by_label("API key")
    expect(key).to_be_focused()
    key.fill("wrong")
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_text("The service did not accept that key.")).to_be_visible()
    key.fill("right")
    visit.page.get_by_role("button", name="Continue").click()
    visit.show_rest()
    first = visit.cards().first
    expect(first.locator("img")).to_have_attribute("src", re.compile("^blob:"))
    expect(first.locator("img")).to_have_js_property("naturalWidth", WIDTH)
    expect(key).to_be_hidden()
    asked_for: list[str | None] = []

    def original(route: Any) -> None:  # a picture that came over HTTP has none to give
        asked_for.append(route.request.headers.get("authorization"))
        route.fulfill(body=PICTURES[IDS[0]], content_type="image/png")

    visit.page.context.route("**/file", original)
    with visit.page.context.expect_page() as opened:
        first.get_by_role("link", name="Open original").click()
    opened.value.wait_for_url(re.compile("^blob:"))
    assert asked_for == ["Bearer right"]
    visit.page.reload()
    visit.show_rest()
    expect(visit.cards().first.locator(".id")).to_have_text(IDS[0])


def test_indexing_is_seen_from_start_to_end(visit: Visit) -> None:
    job = {"id": "job-1", "kind": "index", "total": 10, "added": 3, "failed": 1}
    states = [{"state": "running", "done": 4}, {"state": "running", "done": 8}, {"state": "succeeded", "done": 10}]
    answers = iter(states)
    last = dict(states[-1])
    visit.page.route("**/v1/jobs", lambda route: route.fulfill(json={"jobs": [job | next(answers, last)]}))
    visit.open()
    bar = visit.page.get_by_role("progressbar", name="Indexing photos")
    expect(bar).to_have_js_property("value", 4)
    expect(visit.page.locator("#jobs")).to_contain_text("4 of 10 files · 3 added · 1 could not be taken")
    expect(bar).to_have_js_property("value", 8)
    expect(visit.page.get_by_text("Indexing photos: finished")).to_be_visible()
    expect(bar).to_be_hidden()
    visit.page.get_by_role("button", name="Dismiss").click()
    expect(visit.page.locator("#jobs")).to_be_hidden()


def test_a_watched_folder_is_said_and_can_be_stopped(visit: Visit) -> None:
    told = {"paths": ["/photos/2019"], "watch": True}
    job = {"id": "job-1", "kind": "index", "state": "running", "total": 5, "done": 5, "failed": 0, "arguments": told}
    job["updated_at"] = "2026-01-31T12:00:07.000Z"
    job["report"] = {"moved": 2, "missing": {"count": 1, "examples": ["/photos/2019/a.jpg"]}}
    stopped: list[str] = []

    def stop(route: Any) -> None:
        stopped.append(route.request.method)
        route.fulfill(json=job | {"state": "stopped"})

    visit.page.route("**/v1/jobs", lambda route: route.fulfill(json={"jobs": [] if stopped else [job]}))
    visit.page.route("**/v1/jobs/job-1/stop", stop)
    visit.open()
    jobs = visit.page.locator("#jobs")
    expect(jobs).to_contain_text("Watching /photos/2019")
    expect(jobs).to_contain_text("5 of 5 files · 2 moved · 1 whose file is gone · last looked at")
    expect(jobs).to_contain_text(":00:07")
    expect(jobs.get_by_role("progressbar")).to_be_hidden()
    jobs.get_by_role("button", name="Stop watching").click()
    expect(jobs).to_contain_text("Watched no longer: /photos/2019")
    expect(jobs).not_to_contain_text("last looked at")
    assert stopped == ["POST"]


def test_empty_collection_says_how_to_index(visit: Visit) -> None:
    visit.answer("**/v1/stats", {"images": 0, "pending": {}, "missing_shards": []})
    visit.answer("**/v1/images?*", {"images": [], "next_cursor": None})
    visit.open()
    expect(visit.page.get_by_text("lookalike index ~/Pictures")).to_be_visible()


def test_nothing_is_cut_off_on_a_phone(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 360, "height": 740})
    visit.open("#id=page-test%2F0.jpg")
    visit.show_rest()
    expect(visit.cards().first).to_be_visible()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_page_files_hold_to_the_content_security_policy() -> None:
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|\bstyle=|\bon\w+=|<script(?![^>]*\bsrc=)", html)
    for file in PAGE.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), (
            file.name
        )
