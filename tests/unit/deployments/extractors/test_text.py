from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np
import pytest

from benchmarks.rendered_words import CHINESE_FONT, CHINESE_GROUP, GROUPS, Group, photographed_page, rendered
from benchmarks.words import Recall, recall_of
from deployments.extractor import Pixels
from deployments.extractors.profile import ExtractorProfile
from deployments.extractors.registry import create_extractor
from deployments.extractors.text import Config, Text
from deployments.ocr import bundled_models
from deployments.ocr.tesseract import language_files
from storage.errors import ExtractorUnavailable, Misconfigured
from storage.types.features import FeatureRows
from storage.words.word_rows import decode_words
from tests.suites.extractor_suite import ExtractorSuite

ROOT = Path(__file__).resolve().parents[4]
BY_NAME = {group.name: group for group in GROUPS}

pytest.importorskip("rapidocr")
pytest.importorskip("onnxruntime")


def has_russian() -> bool:
    try:
        return bool(language_files(["rus"]))
    except ExtractorUnavailable:
        return False


@pytest.fixture(scope="module")
def text() -> Text:
    return Text()


def config(**options: object) -> Config:
    return Config.model_validate(options)


def words(features: FeatureRows) -> list[str]:
    return decode_words(features.rows)


def few(name: str, count: int) -> Group:
    group = BY_NAME[name]
    return Group(group.name, count, group.words, group.font_sizes, group.most_angle, group.over_photos)


def recall(extractor: Text, groups: Sequence[Group]) -> Recall:
    return recall_of(extractor, [picture for group in groups for picture in rendered(group)])


@pytest.mark.slow
class TestText(ExtractorSuite):
    def make_extractor(self) -> Text:
        return Text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clean", "rotated", "small, 14 px", "accented"])
def test_words_on_plain_grounds_are_found(text: Text, name: str) -> None:
    assert recall(text, [few(name, 6)]).share >= 0.95


@pytest.mark.slow
def test_words_over_photographs_are_found(text: Text) -> None:
    assert recall(text, [few("over photos", 8)]).share >= 0.9


@pytest.mark.slow
def test_words_of_a_photographed_page_are_found(text: Text) -> None:
    page = recall_of(text, [photographed_page()])
    assert page.share >= 0.95
    assert page.others <= 6  # the page ends with a line of code and half a line


@pytest.mark.slow
def test_greek_capitals_are_greek(text: Text) -> None:
    assert recall(text, [few("Greek capitals", 4)]).share >= 0.7


@pytest.mark.slow
@pytest.mark.skipif(not CHINESE_FONT.is_file(), reason="fonts-wqy-microhei is not installed")
def test_chinese_is_found_by_its_pairs_of_characters(text: Text) -> None:
    assert recall(text, [CHINESE_GROUP]).share >= 0.9


@pytest.mark.slow
@pytest.mark.skipif(not has_russian(), reason="tesseract-ocr-rus is not installed")
def test_russian_is_read_where_it_is_asked_for_and_latin_as_before(text: Text) -> None:
    both = Text(config(languages=("rus",)))
    assert recall(both, [few("Russian", 6)]).share >= 0.9
    assert recall(text, [few("Russian", 2)]).share <= 0.1
    for picture in rendered(few("clean", 3)):
        assert words(both.extract([picture.pixels])[0]) == words(text.extract([picture.pixels])[0])


@pytest.mark.slow
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_pictures_that_lie_on_their_side_or_head_are_read(text: Text, quarters: int) -> None:
    [picture] = rendered(few("clean", 1))
    [upright] = text.extract([picture.pixels])
    [turned] = text.extract([np.ascontiguousarray(np.rot90(picture.pixels, quarters))])
    assert sorted(words(turned)) == sorted(words(upright))


@pytest.mark.slow
def test_boxes_lie_around_the_words_and_begin_at_their_top_left(text: Text) -> None:
    overlaps = []
    for picture in rendered(few("rotated", 6)):
        [found] = text.extract([picture.pixels])
        assert found.extras["frame"].tolist() == [picture.pixels.shape[1], picture.pixels.shape[0]]
        assert picture.boxes is not None
        wanted = dict(zip(picture.words, picture.boxes, strict=True))
        for word, box in zip(words(found), found.extras["boxes"], strict=True):
            if word in wanted:
                overlaps.append(overlap(box, wanted[word]))
                assert np.linalg.norm(box[0] - wanted[word][0]) < np.linalg.norm(box[2] - wanted[word][0])
    assert np.median(overlaps) > 0.6
    assert np.percentile(overlaps, 5) > 0.4


def overlap(one: Any, other: Any) -> float:
    """Intersection over union of two quads."""
    one, other = one.astype(np.float32), other.astype(np.float32)
    shared, _ = cv2.intersectConvexConvex(one, other)
    return float(shared / (cv2.contourArea(one) + cv2.contourArea(other) - shared))


@pytest.mark.slow
def test_extras_say_of_each_word_its_line_and_how_sure_the_reading_is(text: Text) -> None:
    [picture] = rendered(few("clean", 1))
    [found] = text.extract([picture.pixels])
    count = len(found.rows)
    assert found.extras["boxes"].shape == (count, 4, 2)
    assert found.extras["boxes"].dtype == found.extras["confidence"].dtype == np.float32
    assert found.extras["line"].dtype == np.int32
    assert ((found.extras["confidence"] >= 0.5) & (found.extras["confidence"] <= 1)).all()
    assert found.extras["line"][0] == 0
    assert set(np.diff(found.extras["line"])) == {0, 1}


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1), (1, 1024), (1024, 1), (20, 300), (33, 40), (700, 1024)])
def test_a_picture_without_words_has_no_rows_whatever_its_shape(text: Text, shape: tuple[int, int]) -> None:
    picture: Pixels = np.full((*shape, 3), 120, np.uint8)
    [found] = text.extract([picture])
    assert found.rows.shape == (0, text.spec.dim)
    assert found.extras["boxes"].shape == (0, 4, 2)
    assert found.extras["line"].shape == found.extras["confidence"].shape == (0,)


@pytest.mark.slow
def test_texts_become_the_words_that_pictures_have(text: Text) -> None:
    spoken, silent = text.embed_texts(["Don't walk: bridge-market", "..."])
    assert words(spoken) == ["Don't", "walk", "bridge", "market"]
    assert silent.rows.shape == (0, text.spec.dim)


@pytest.mark.slow
def test_it_reads_without_a_network_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def no_network(*arguments: object) -> NoReturn:
        raise AssertionError("it connects")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    [picture] = rendered(few("clean", 1))
    assert len(Text().extract([picture.pixels])[0].rows)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_the_fingerprint_changes_with_what_changes_the_words(text: Text) -> None:
    assert Text(config(detector_side_px=512)).spec.fingerprint != text.spec.fingerprint
    assert Text(config(min_confidence=0.6)).spec.fingerprint != text.spec.fingerprint
    assert "decode-" in text.spec.fingerprint


def test_a_missing_package_makes_it_unavailable_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled_models, "find_spec", lambda name: None)
    for attempt in (Text, lambda: Text.weights_mark(config())):
        with pytest.raises(ExtractorUnavailable, match="rapidocr") as caught:
            attempt()
        assert "pip install 'lookalike[ocr]'" in caught.value.hint


def test_the_data_of_a_missing_language_make_it_unavailable_with_the_remedy() -> None:
    unknown = config(languages=["no_such_language"])
    for attempt in (lambda: Text(unknown), lambda: Text.weights_mark(unknown)):
        with pytest.raises(ExtractorUnavailable) as caught:
            attempt()
        assert "apt install tesseract-ocr-no-such-language" in caught.value.hint


def test_its_mark_stays_while_its_files_do() -> None:
    assert Text.weights_mark(config()) == Text.weights_mark(config(min_confidence=0.7))


def test_a_language_is_a_name_and_no_path() -> None:
    with pytest.raises(Misconfigured, match="languages"):
        create_extractor("text", {"languages": ["../rus"]})


def test_what_it_computes_is_known_once_its_models_are_there() -> None:
    profile = ExtractorProfile("text", {})
    assert profile.spec is None
    assert profile.embeds_text
    assert profile.image_input is None


def test_importing_it_imports_nothing_heavy() -> None:
    probe = (
        "import sys, deployments.extractors.text; print({'onnxruntime', 'rapidocr', 'tesserocr'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
