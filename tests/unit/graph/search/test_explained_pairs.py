"""The pairs of keypoints in an explanation lie where they are known to lie: in the picture as sent, and as stored."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from graph.requests.messages import AddRequest, CompareRequest, SearchRequest, SearchResult
from graph.search.ranking import MOST_PAIRS
from storage.keypoints.plane_maps import Floats, transformed
from tests.unit.graph.local_catalog import LocalService, local_service

STORED = (1600, 1200)  # larger than the working image
OFF = 3.0  # pixels

# What each query is to the stored picture: the true map from pixels of that to pixels of the query.
MAPS = {
    "as it is": np.eye(3),
    "shifted crop": np.array([[1, 0, -300], [0, 1, -200], [0, 0, 1.0]]),
    "scaled crop": np.array([[0.5, 0, -150], [0, 0.5, -100], [0, 0, 1.0]]),
    "mirrored crop": np.array([[-0.5, 0, 600], [0, 0.5, -100], [0, 0, 1.0]]),
    "on its side": np.array([[0, -0.5, 600], [0.5, 0, 0], [0, 0, 1.0]]),
    "turned": np.array([[0.6, -0.2, 300], [0.2, 0.6, -100], [0, 0, 1.0]]),
}
SIZES = {
    "as it is": STORED,
    "shifted crop": (1000, 800),
    "scaled crop": (500, 400),
    "mirrored crop": (500, 400),
    "on its side": (600, 800),
    "turned": (900, 800),
}


def photo(seed: int) -> Image.Image:
    """Blobs of several sizes at random places."""
    random = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(random.integers(0, 256, (height, width), np.uint8)).resize(STORED, Image.Resampling.BICUBIC)
        )
        for width, height in ((40, 30), (80, 60), (160, 120))
    ]
    return Image.fromarray(np.mean(layers, axis=0).astype(np.uint8)).convert("RGB")


def as_png(picture: Image.Image, turned: int | None = None) -> bytes:
    """turned: orientation as EXIF says it."""
    file, exif = io.BytesIO(), Image.Exif()
    if turned is not None:
        exif[0x0112] = turned
    picture.save(file, "PNG", exif=exif, compress_level=1)
    return file.getvalue()


def seen(picture: Image.Image, name: str) -> Image.Image:
    """The picture under the map of this name."""
    back = np.linalg.inv(MAPS[name])[:2].ravel().tolist()
    return picture.transform(SIZES[name], Image.Transform.AFFINE, back, Image.Resampling.BICUBIC)


def assert_true(result: SearchResult, true: Floats) -> None:
    assert result.explain is not None
    pairs = np.array(result.explain.matches)
    assert len(pairs) == min(result.matches["local"]["inliers"], MOST_PAIRS) >= 20
    off = np.linalg.norm(transformed(true, pairs[:, 2:]) - pairs[:, :2], axis=1)
    assert off.max() < OFF
    assert (pairs >= 0).all()
    assert (pairs[:, 2:] <= STORED).all()
    assert "pairs" not in result.matches["local"]


@pytest.fixture(params=[3])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalService]:
    extractors: dict[str, dict[str, object]] = {"phash": {}, "local": {}}
    with local_service(tmp_path, extractors, shard_count=request.param) as running:
        yield running


async def search(service: LocalService, **request: object) -> list[SearchResult]:
    answer = await service.catalog.searches.search(SearchRequest(**request))  # type: ignore[arg-type]
    return list(answer.results)


@pytest.mark.parametrize("service", [1, 3], indirect=True)
async def test_of_a_search_by_a_file_they_lie_in_it_as_it_was_sent(service: LocalService) -> None:
    stored = photo(1)
    await service.catalog.pictures.add(AddRequest(as_png(stored), id="stored"))
    await service.catalog.pictures.add(AddRequest(as_png(photo(2)), id="other"))
    for name, true in MAPS.items():
        best, *others = await search(service, images=(as_png(seen(stored, name)),), explain=True)
        assert best.id == "stored", name
        assert_true(best, true)
        for result in others:
            assert result.explain is not None
            assert len(result.explain.matches) == result.matches.get("local", {"inliers": 0})["inliers"]


async def test_a_file_that_is_turned_by_exif_counts_as_upright(service: LocalService) -> None:
    stored = photo(1)
    await service.catalog.pictures.add(AddRequest(as_png(ImageOps.mirror(stored), turned=2), id="stored"))
    name = "scaled crop"
    lying = seen(stored, name).transpose(Image.Transpose.ROTATE_90)
    [best] = await search(service, images=(as_png(lying, turned=6),), explain=True)
    assert_true(best, MAPS[name])


async def test_of_a_search_by_an_id_they_lie_in_that_picture(service: LocalService) -> None:
    stored = photo(1)
    name = "mirrored crop"
    await service.catalog.pictures.add(AddRequest(as_png(stored), id="stored"))
    await service.catalog.pictures.add(AddRequest(as_png(seen(stored, name)), id="crop"))
    found = {result.id: result for result in await search(service, ids=("crop",), explain=True)}
    assert_true(found["stored"], MAPS[name])
    itself = found["crop"]
    assert itself.explain is not None
    assert all(pair[:2] == pair[2:] for pair in itself.explain.matches)
    assert len(itself.explain.matches) >= 20


async def test_of_two_pictures_compared_they_lie_in_either(service: LocalService) -> None:
    stored = photo(1)
    compare = service.catalog.searches.compare
    await service.catalog.pictures.add(AddRequest(as_png(stored), id="stored"))
    for name in ("scaled crop", "mirrored crop"):
        crop = as_png(seen(stored, name))
        await service.catalog.pictures.add(AddRequest(crop, id=name))
        for request in (
            CompareRequest(crop, b=as_png(stored), explain=True),
            CompareRequest(crop, b_id="stored", explain=True),
            CompareRequest(a_id=name, b=as_png(stored), explain=True),
            CompareRequest(a_id=name, b_id="stored", explain=True),
        ):
            assert_true(await compare(request), MAPS[name])


async def test_of_several_pictures_they_lie_in_the_one_that_the_evidence_names(service: LocalService) -> None:
    stored = photo(1)
    await service.catalog.pictures.add(AddRequest(as_png(stored), id="stored"))
    pictures = as_png(photo(3).resize((800, 600))), as_png(seen(stored, "scaled crop"))
    best = (await search(service, images=pictures, explain=True))[0]
    assert best.matches["local"]["picture"] == 1
    assert_true(best, MAPS["scaled crop"])


async def test_where_nobody_asks_nothing_is_sent(service: LocalService) -> None:
    picture = as_png(photo(1))
    await service.catalog.pictures.add(AddRequest(picture, id="stored"))
    [best] = await search(service, images=(picture,))
    assert best.explain is None
    assert "pairs" not in best.matches["local"]
