"""Two pictures side by side, as a search with the first would see the second."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from graph.requests.messages import AddRequest, CompareRequest, SearchRequest
from storage.errors import ExtractorFailed, ImageNotFound, LookalikeError, UnreadableImage
from tests.unit.graph.local_catalog import LocalService, as_jpeg, local_service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    with local_service(tmp_path, {"phash": {}, "color": {}, "local": {}}) as running:
        yield running


def photo(seed: int) -> bytes:
    """A random picture with corners in it."""
    noise = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
    return as_jpeg(Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC))


async def test_it_says_what_a_search_says_of_the_stored_picture(service: LocalService) -> None:
    await service.catalog.pictures.add(AddRequest(photo(1), id="one"))
    await service.catalog.pictures.add(AddRequest(photo(2), id="two"))
    searches = service.catalog.searches
    for image, image_id in ((mirrored(photo(2)), None), (None, "one")):
        query = SearchRequest(images=(image,)) if image else SearchRequest(ids=("one",))
        found = {result.id: result for result in (await searches.search(query)).results}["two"]
        of_stored = await searches.compare(CompareRequest(image, image_id, None, "two"))
        of_file = await searches.compare(CompareRequest(image, image_id, photo(2)))
        for result in (of_stored, of_file):
            assert without_rank(result.matches) == without_rank(found.matches)
            assert ("local" in result.matches) == (image_id is None)
            assert (result.width, result.height, result.bytes) == (found.width, found.height, found.bytes)
        assert of_stored.id == "two"
        assert len(of_file.id) == 64


def without_rank(matches: object) -> object:
    assert isinstance(matches, dict)
    return {
        name: {key: value for key, value in match.items() if key not in ("rank", "farther")}
        for name, match in matches.items()
    }


def mirrored(data: bytes) -> bytes:
    file = io.BytesIO()
    ImageOps.mirror(Image.open(io.BytesIO(data))).save(file, "PNG")
    return file.getvalue()


async def test_equal_bytes_are_the_same_picture_for_certain(service: LocalService) -> None:
    await service.catalog.pictures.add(AddRequest(photo(1), id="one"))
    compare = service.catalog.searches.compare
    for request in (
        CompareRequest(a=photo(1), b=photo(1)),
        CompareRequest(a=photo(1), b_id="one"),
        CompareRequest(a_id="one", b=photo(1)),
        CompareRequest(a_id="one", b_id="one"),
    ):
        result = await compare(request)
        assert (result.relation, result.confidence, result.is_strong) == ("same", 1.0, True)
    assert (await compare(CompareRequest(a=photo(1), b=photo(2)))).confidence != 1.0


async def test_the_picture_that_cannot_be_read_is_named(service: LocalService) -> None:
    compare = service.catalog.searches.compare
    for name, request in {"a": CompareRequest(b"x", b=photo(1)), "b": CompareRequest(photo(1), b=b"x")}.items():
        with pytest.raises(UnreadableImage, match=f"^{name}: "):
            await compare(request)
    for lost in (CompareRequest(photo(1), b_id="lost"), CompareRequest(a_id="lost", b=photo(1))):
        with pytest.raises(ImageNotFound, match="lost"):
            await compare(lost)


async def test_what_fails_is_left_out_and_when_all_fails_nothing_is_said(service: LocalService) -> None:
    first, *others = service.extractors.values()
    first.failure = ExtractorFailed("broken")
    result = await service.catalog.searches.compare(CompareRequest(photo(1), b=photo(2)))
    assert set(result.matches) == {port.name for port in others} - {"local"}
    assert result.confidence is None
    for port in others:
        port.failure = ExtractorFailed("broken")
    with pytest.raises(LookalikeError, match="broken"):
        await service.catalog.searches.compare(CompareRequest(photo(1), b=photo(2)))
    assert (await service.catalog.searches.compare(CompareRequest(photo(1), b=photo(1)))).relation == "same"
