"""``/v1/images``: adding, replacing, reading, listing, deleting, and the bytes of pictures."""

from __future__ import annotations

import hashlib

import httpx

from graph.http.replies.openapi import AddedImage, ImageRow, ImageRows
from tests.unit.graph.http.fake_catalog import ANNOTATIONS, JPEG, FakeCatalog

PICTURE = {"image": ("a.jpg", JPEG, "image/jpeg")}


async def test_an_added_image_answers_201_with_its_row(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    answer = await client.post("/v1/images", files=PICTURE, data={"id": "a/b.jpg", "metadata": '{"title": "ü"}'})
    assert answer.status_code == 201
    assert AddedImage.model_validate(answer.json()).id == "a/b.jpg"
    assert answer.json()["features"] == {"phash": "ok", "color": "pending"}
    assert catalog.images["a/b.jpg"].metadata == {"title": "ü"}


async def test_an_image_without_an_id_is_named_by_the_service(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/images", files=PICTURE)
    assert answer.json()["id"] == hashlib.sha256(JPEG).hexdigest()


async def test_a_taken_id_answers_409_unless_told_to_skip_or_replace(client: httpx.AsyncClient) -> None:
    await client.post("/v1/images", files=PICTURE, data={"id": "a"})
    taken = await client.post("/v1/images", files=PICTURE, data={"id": "a"})
    skipped = await client.post("/v1/images", files=PICTURE, data={"id": "a", "on_conflict": "skip"})
    replaced = await client.post("/v1/images", files=PICTURE, data={"id": "a", "on_conflict": "replace"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "image_exists")
    assert (skipped.status_code, skipped.json()["outcome"]) == (200, "skipped")
    assert (replaced.status_code, replaced.json()["outcome"]) == (200, "replaced")


async def test_put_creates_with_201_and_then_replaces_with_200(client: httpx.AsyncClient) -> None:
    first = await client.put("/v1/images/a%2Fb.jpg", files=PICTURE)
    again = await client.put("/v1/images/a%2Fb.jpg", files=PICTURE, data={"metadata": '{"n": 1}'})
    assert (first.status_code, first.json()["id"]) == (201, "a/b.jpg")
    assert again.status_code == 200
    assert (await client.get("/v1/images/a%2Fb.jpg")).json()["metadata"] == {"n": 1}


async def test_an_idempotency_key_becomes_the_operation_of_the_write(
    client: httpx.AsyncClient, catalog: FakeCatalog
) -> None:
    await client.post("/v1/images", files=PICTURE, data={"id": "a"}, headers={"Idempotency-Key": "k-1"})
    assert catalog.added[0].operation_id == "k-1"
    await client.delete("/v1/images/a", headers={"Idempotency-Key": "k-2"})
    assert catalog.deletions == ["k-2"]
    bad = {"Idempotency-Key": "a b"}
    assert (await client.post("/v1/images", files=PICTURE, headers=bad)).status_code == 422
    assert (await client.delete("/v1/images/a", headers=bad)).status_code == 422


async def test_a_row_shows_what_is_known_of_an_image(client: httpx.AsyncClient) -> None:
    await client.post("/v1/images", files=PICTURE, data={"id": "a"})
    row = (await client.get("/v1/images/a")).json()
    ImageRow.model_validate(row)
    assert row["added_at"] == "2023-11-14T22:13:20.000Z"
    assert row["path"] == "/photos/a"
    assert row["bytes"] == len(JPEG)
    assert row["annotations"] == ANNOTATIONS
    [listed] = (await client.get("/v1/images")).json()["images"]
    assert listed == row


async def test_pages_walk_through_every_image_once(client: httpx.AsyncClient) -> None:
    ids = ["a", "b/c", "é", "\U0001f600", "z&x=1#?", "100%"]
    for image_id in ids:
        await client.post("/v1/images", files=PICTURE, data={"id": image_id})
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params: dict[str, str | int] = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
        page = ImageRows.model_validate((await client.get("/v1/images", params=params)).json())
        seen += [row.id for row in page.images]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(ids, key=str.encode)


async def test_a_deleted_image_is_gone_and_a_second_delete_is_404(client: httpx.AsyncClient) -> None:
    await client.post("/v1/images", files=PICTURE, data={"id": "a"})
    deleted = await client.delete("/v1/images/a")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await client.delete("/v1/images/a")).status_code == 404
    assert (await client.get("/v1/images/a")).json()["error"]["code"] == "image_not_found"


async def test_a_thumbnail_is_a_jpeg_that_browsers_ask_for_again_by_its_etag(client: httpx.AsyncClient) -> None:
    await client.post("/v1/images", files=PICTURE, data={"id": "a"})
    first = await client.get("/v1/images/a/thumbnail")
    assert first.headers["content-type"] == "image/jpeg"
    assert first.headers["x-content-type-options"] == "nosniff"
    again = await client.get("/v1/images/a/thumbnail", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_an_original_carries_its_type_checksum_and_no_permission_to_run(client: httpx.AsyncClient) -> None:
    await client.post("/v1/images", files=PICTURE, data={"id": "a"})
    answer = await client.get("/v1/images/a/file")
    sha256 = hashlib.sha256(JPEG).hexdigest()
    assert answer.content == JPEG
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["etag"] == f'"{sha256}"'
    assert answer.headers["content-disposition"] == "inline"
    assert "sandbox" in answer.headers["content-security-policy"]
    again = await client.get("/v1/images/a/file", headers={"If-None-Match": f'W/"{sha256}"'})
    assert again.status_code == 304


async def test_an_original_that_is_not_a_plain_picture_is_a_download(
    client: httpx.AsyncClient, catalog: FakeCatalog
) -> None:
    await client.post("/v1/images", files=PICTURE, data={"id": "folder/ü.svg"})
    catalog.originals["folder/ü.svg"] = (b"<svg/>", "svg")
    answer = await client.get("/v1/images/folder%2F%C3%BC.svg/file")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%BC.svg"


async def test_an_original_that_cannot_be_read_any_more_is_404(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    await client.post("/v1/images", files=PICTURE, data={"id": "a"})
    del catalog.originals["a"]
    assert (await client.get("/v1/images/a/file")).status_code == 404


async def test_a_deleted_picture_stays_out_unless_it_is_said_otherwise(
    client: httpx.AsyncClient, catalog: FakeCatalog
) -> None:
    for name in ("a", "b"):
        await client.post("/v1/images", files=PICTURE, data={"id": name})
    assert (await client.delete("/v1/images/a")).status_code == 204
    assert (await client.delete("/v1/images/b", params={"stays_out": "false"})).status_code == 204
    assert catalog.kept_out == ["a"]
