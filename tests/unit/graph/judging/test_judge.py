"""What a stored photograph is to edits of it, to others, and to pictures that show nearly nothing."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.hard_pictures import hard_pictures
from benchmarks.judgement_pairs import Known, hash_surprise, known, placed
from benchmarks.photo_groups import photographs
from benchmarks.photo_sets import upright
from graph.jobs.evaluating.edits import EDITS
from graph.judging.hypotheses import Picture
from graph.judging.judge import Judgement, judge

RIGHT = {
    "jpeg 15": {"same", "edited"},
    "gray": {"same", "edited"},
    "brightness + contrast": {"same", "edited"},
    "overlay text": {"edited"},
    "border": {"contains"},
    "blur": {"same", "edited"},
    "thumbnail 200 px": {"same"},
    "rotate 5": {"contains"},
    "rotate 90": {"same"},
    "rotate 180": {"same"},
    "crop 80 %": {"crop"},
    "crop 50 %": {"crop"},
    "crop 50 % + jpeg 20": {"crop"},
    "crop 50 % + mirror": {"crop"},
    "mirror": {"same"},
}


@cache
def files() -> list[Path]:
    return [one.path for one in photographs() if one.path.stem in ("astronaut", "coffee", "chelsea", "china")]


@cache
def sample() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Hashes of strangers."""
    dice = np.random.default_rng(1)
    return dice.integers(0, 256, (500, 72), np.uint8)


def judged(query: Known, stored: Known, *, keypoints: bool = True, hashes: bool = True) -> Judgement | None:
    return judge(
        query.picture,
        stored.picture,
        placed=placed(query, stored) if keypoints else None,
        further={"surprise": hash_surprise(query, stored, sample())} if hashes else {},
    )


@pytest.mark.parametrize("edit", RIGHT)
def test_an_edit_is_told_for_what_it_is(edit: str) -> None:
    for path in files():
        copy = EDITS[edit](upright(path), random.Random(edit))
        found = judged(known(copy.jpeg(), as_query=True), known(path.read_bytes(), as_query=False))
        assert found is not None, path
        assert found.relation in RIGHT[edit], (path, found)
        assert found.confidence >= (0.7 if edit == "crop 50 % + jpeg 20" else 0.8), (path, found)
        assert found.transform is not None
        assert found.transform.mirrored == ("mirror" in edit)
        turn = {"rotate 90": 270.0, "rotate 180": 180.0, "rotate 5": 355.0}.get(edit, 0.0)
        assert abs((found.transform.rotation_deg - turn + 180) % 360 - 180) < 1


@pytest.mark.parametrize("edit", ["jpeg 15", "thumbnail 200 px", "mirror", "rotate 90"])
def test_pixels_alone_tell_a_copy(edit: str) -> None:
    for path in files():
        copy = EDITS[edit](upright(path), random.Random(edit))
        query, stored = known(copy.jpeg(), as_query=True), known(path.read_bytes(), as_query=False)
        found = judged(query, stored, keypoints=False, hashes=False)
        assert found is not None
        assert found.relation in RIGHT[edit], (path, found)
        assert found.confidence >= 0.5


def test_other_photographs_are_nothing_to_each_other() -> None:
    for one in files():
        for other in files():
            if one != other:
                found = judged(known(one.read_bytes(), as_query=True), known(other.read_bytes(), as_query=False))
                assert found is None or (found.relation == "scene" and found.confidence < 0.5), (one, other, found)


@pytest.mark.slow
@pytest.mark.parametrize("is_sent", [True, False])
@pytest.mark.parametrize("kind", ["blank", "nearly_blank", "black", "sky", "text_page", "form", "screenshot"])
def test_pictures_of_one_kind_are_not_taken_for_one_another(kind: str, is_sent: bool) -> None:
    """As a query's file is asked, and as a stored picture is, of which there is the thumbnail."""
    pictures = hard_pictures(kind, 5, 7)
    stored = [known(data, as_query=False) for data in pictures]
    queries = [known(data, as_query=True) for data in pictures] if is_sent else stored
    for at, query in enumerate(queries):
        for other, one in enumerate(stored):
            if other != at:
                found = judged(query, one)
                assert found is None or found.relation == "scene" or found.confidence < 0.5, (at, other, found)


def test_text_over_a_plain_sky_is_no_other_form() -> None:
    """A thing before a ground that shades off: most of its blocks are of one brightness, and the text differs."""
    across = np.linspace(60, 215, 640, dtype=np.float32)[None].repeat(480, axis=0)
    plane = Image.fromarray(across.astype(np.uint8)).convert("RGB")
    thing = upright(files()[0]).resize((260, 190))
    plane.paste(thing, (150, 180), Image.linear_gradient("L").resize((260, 190)).point(lambda level: 255 * (level > 8)))
    buffer = io.BytesIO()
    plane.save(buffer, "JPEG", quality=92)
    copy = EDITS["overlay text"](plane, random.Random(5))
    found = judged(known(copy.jpeg(), as_query=True), known(buffer.getvalue(), as_query=False))
    assert found is not None
    assert (found.relation, found.confidence > 0.9) == ("edited", True)


def test_another_gamma_is_not_another_focus() -> None:
    """It changes the contrast of dark blocks and of bright ones, as a focus that lies elsewhere does with near ones
    and far ones.
    """
    for path in files():
        picture = upright(path)
        stored = known(path.read_bytes(), as_query=False)
        for gamma in (0.55, 1.8):
            buffer = io.BytesIO()
            picture.point([round(255 * (level / 255) ** gamma) for level in range(256)] * 3).save(buffer, "JPEG")
            found = judged(known(buffer.getvalue(), as_query=True), stored)
            assert found is not None
            assert found.relation in ("same", "edited"), (path, gamma, found)
            assert found.evidence["focus"] < 0.15, (path, gamma)


def pairs_of(changed: Callable[[Image.Image], Image.Image]) -> Iterator[Judgement | None]:
    """Photographs beside changed ones, as files that were saved anew."""
    for path in files():
        buffer = io.BytesIO()
        changed(upright(path)).save(buffer, "JPEG", quality=92)
        yield judged(known(buffer.getvalue(), as_query=True), known(path.read_bytes(), as_query=False))


def other_colors(picture: Image.Image) -> Image.Image:
    hue, saturation, value = picture.convert("HSV").split()
    return Image.merge("HSV", (hue.point(lambda level: (level + 90) % 256), saturation, value)).convert("RGB")


def boxed(picture: Image.Image) -> Image.Image:
    left, top, side = picture.width // 3, picture.height // 3, max(picture.size) // 14
    picture.paste((0, 0, 0), (left, top, left + side, top + side))
    return picture


def stretched(picture: Image.Image) -> Image.Image:
    return picture.resize((round(picture.width * 1.3), picture.height))


@pytest.mark.parametrize("changed", [other_colors, boxed, stretched])
def test_what_a_person_would_see_is_never_called_the_same(changed: Callable[[Image.Image], Image.Image]) -> None:
    found = list(pairs_of(changed))
    assert sum(one is not None and one.relation == "edited" for one in found) >= 0.8 * len(found)
    assert not any(one is not None and one.relation == "same" for one in found)


def test_saved_anew_is_the_same() -> None:
    assert [one.relation for one in pairs_of(lambda picture: picture) if one is not None] == ["same"] * len(files())


def test_a_picture_of_few_pixels_proves_nothing() -> None:
    for found in pairs_of(lambda picture: picture.resize((32, 43))):
        assert found is None


def test_a_picture_of_nothing_proves_nothing() -> None:
    blank = Picture((640, 480), np.full((480, 640), 250, np.uint8))
    assert judge(blank, blank, placed=None, further={"surprise": 20.0}) is None


def test_only_equal_bytes_are_certain() -> None:
    """Equal pixels are not."""
    data = files()[0].read_bytes()
    found = judged(known(data, as_query=True), known(data, as_query=False))
    assert found is not None
    assert 0.999 < found.confidence < 1
