"""What a sentence fits: by a model that was trained, on pictures of which some kinds are left out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graph.judging.sentences import OrdinarySentences, ordinary_sentences
from graph.requests.messages import AddRequest, SearchAnswer, SearchRequest
from graph.search.sentences import SentenceFits
from storage.errors import DeadlineExceeded, ExtractorFailed
from storage.types.features import FeatureRows
from tests.unit.deployments.models.shapes_clip import COLORS, SHAPES, shape_picture
from tests.unit.graph.local_catalog import LocalService, as_jpeg, local_service

KINDS = [(color, shape) for color in COLORS for shape in SHAPES]
LEFT_OUT = KINDS[::3]
EACH = 4  # pictures
NOT_THERE = ("a dog", "a yellow bicycle", "a white cat on a bridge", "a photo of a large bird")


def test_ordinary_sentences_are_many_and_each_is_one() -> None:
    found = ordinary_sentences()
    assert len(found) == len(set(found)) > 150
    assert all(one == one.strip() and one for one in found)


def test_a_sentence_fits_what_it_is_as_near_to_as_ordinary_ones_come() -> None:
    rows = np.eye(4, dtype=np.float32)
    pictures = np.array([[0.9, 0.1, 0, 0], [0.1, 0.9, 0.1, 0], [0, 0.1, 0.1, 0.2]], np.float32)
    ordinary = OrdinarySentences.measured(rows[:3], pictures, 3)
    assert ordinary.pictures == 3
    assert ordinary.best == pytest.approx(0.9)
    assert ordinary.fit(rows[0], pictures).tolist() == [True, False, False]
    assert ordinary.fit(rows[3], pictures).tolist() == [False, False, False]


async def test_what_is_there_is_similar_and_of_what_is_not_nothing_is(tmp_path: Path, shapes_clip: Path) -> None:
    with local_service(tmp_path, {"image_text": {"model": str(shapes_clip)}}, shard_count=2) as service:
        await _ready(service)
        there = [kind for kind in KINDS if kind not in LEFT_OUT]
        for color, shape in there:
            await _add(service, color, shape)
        answers = {kind: await _asked(service, "a {} {}".format(*kind)) for kind in KINDS}
        right = [answers[kind].verdict == ("none" if kind in LEFT_OUT else "similar") for kind in KINDS]
        assert np.mean(right) >= 0.9, dict(zip(KINDS, right, strict=True))
        for color, shape in there:
            found = [one.id for one in answers[color, shape].results if one.relation == "similar"]
            assert all(image_id.startswith(f"{color} {shape}") for image_id in found)
        for sentence in NOT_THERE:
            assert (await _asked(service, sentence, relevance="likely")).results == ()
        # Filters and sentences to keep away from change what is listed, not what a sentence fits.
        away = await _asked(service, "a {} {}".format(*there[0]), text_not=("a dog",))
        assert away.verdict == "similar"


async def test_what_fits_follows_the_collection(tmp_path: Path, shapes_clip: Path) -> None:
    with local_service(tmp_path, {"image_text": {"model": str(shapes_clip)}}) as service:
        await _ready(service)
        assert (await _asked(service, "a red circle")).verdict == "none"
        await _add(service, "red", "circle")
        assert (await _asked(service, "a red circle")).verdict == "similar"
        await _add(service, "blue", "square")
        assert (await _asked(service, "a blue square")).verdict == "similar"


async def test_where_it_cannot_be_told_the_answer_is_partial(
    tmp_path: Path, shapes_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with local_service(tmp_path, {"image_text": {"model": str(shapes_clip)}}) as service:
        await _ready(service)
        await _add(service, "red", "circle")
        port = service.extractors["image_text"]
        embed = port.embed_text

        async def failing(text: str, *, timeout_s: float) -> FeatureRows:
            if text in ordinary_sentences():
                raise ExtractorFailed("the replica died")
            return await embed(text, timeout_s=timeout_s)

        monkeypatch.setattr(port, "embed_text", failing)
        answer = await _asked(service, "the red circle")
        assert (answer.verdict, answer.partial, len(answer.results)) == ("none", True, EACH)
        assert answer.features["image_text"].status == "error"


async def test_sentences_go_on_being_embedded_when_who_waits_gives_up(tmp_path: Path, shapes_clip: Path) -> None:
    with local_service(tmp_path, {"image_text": {"model": str(shapes_clip)}}) as service:
        await _ready(service)
        await _add(service, "red", "circle")
        port, go, embedded = service.extractors["image_text"], asyncio.Event(), list[str]()
        sentence = await port.embed_text("a red circle", timeout_s=60)
        embed = port.embed_text

        async def slow(text: str, *, timeout_s: float) -> FeatureRows:
            await go.wait()
            embedded.append(text)
            return await embed(text, timeout_s=timeout_s)

        port.embed_text = slow  # type: ignore[method-assign]
        fits = SentenceFits(service.catalog.searches._shards)
        fits.prepare([port])
        with pytest.raises(DeadlineExceeded):
            await fits.fitting(port, sentence, ["red circle 0"], EACH, timeout_s=0.05)
        go.set()
        assert await fits.fitting(port, sentence, ["red circle 0", "gone"], EACH, timeout_s=60) == {"red circle 0"}
        assert embedded == list(ordinary_sentences())


async def _ready(service: LocalService) -> None:
    for _ in range(600):
        await service.models.look()
        if (await service.catalog.service.features())[0].state == "ready":
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the model is not loaded")


async def _add(service: LocalService, color: str, shape: str) -> None:
    for number in range(EACH):
        picture = as_jpeg(Image.fromarray(shape_picture(color, shape, 500 + number)))
        await service.catalog.pictures.add(AddRequest(picture, id=f"{color} {shape} {number}"))


async def _asked(service: LocalService, text: str, **request: object) -> SearchAnswer:
    return await service.catalog.searches.search(SearchRequest(text=text, k=50, **request))  # type: ignore[arg-type]
