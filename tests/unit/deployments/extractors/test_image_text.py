from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import transformers

from deployments.extractor import LOGITS, TOKENS_CUT
from deployments.extractors.image_text import Config, ImageText
from deployments.pictures.images import WorkingImage
from deployments.pictures.prepared import prepare
from storage.errors import Misconfigured
from storage.index.unit_vectors import unit_rows
from tests.suites.extractor_suite import ExtractorSuite, make_pictures
from tests.unit.deployments.models import tiny_models
from tests.unit.deployments.models.shapes_clip import COLORS, SHAPES, shape_picture
from tests.unit.deployments.models.tiny_models import quiet


def loaded(folder: Path, **settings: Any) -> ImageText:
    return ImageText(Config.model_validate({"model": str(folder), "precision": "float", **settings}))


class ImageTextSuite(ExtractorSuite):
    tiny: ClassVar[Any]  # writes a checkpoint into a folder
    folder: ClassVar[Path]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.folder = cls.tiny(tmp_path_factory.mktemp("checkpoint"))

    def make_extractor(self) -> ImageText:
        return loaded(self.folder)

    def test_texts_from_many_threads_are_those_of_one(self) -> None:
        extractor = self.make_extractor()
        texts = [f"a {color} circle" + " on a bridge" * (n % 5) for n, color in enumerate([*COLORS] * 3)]
        wanted = [features.rows for features in extractor.embed_texts(texts)]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda text: extractor.embed_texts([text])[0].rows, texts))
        np.testing.assert_array_equal(found, wanted)


class TestClip(ImageTextSuite):
    tiny = staticmethod(tiny_models.tiny_clip)


class TestSiglip(ImageTextSuite):
    tiny = staticmethod(tiny_models.tiny_siglip)


class TestSiglip2(ImageTextSuite):
    tiny = staticmethod(tiny_models.tiny_siglip2)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_siglip(tmp_path_factory.mktemp("siglip"))


def text_features(folder: Path, texts: list[str], **options: Any) -> Any:
    """(N, D) by transformers alone."""
    with quiet(), torch.inference_mode():
        model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        tokens = tokenizer(texts, return_tensors="pt", **options)
        tokens.pop("token_type_ids", None)
        return unit_rows(model.get_text_features(**tokens).pooler_output.numpy())


def test_clip_texts_are_those_of_transformers(clip: Path) -> None:
    texts = ["a red circle", "a photo of a dog on a bridge"]
    rows = np.concatenate([features.rows for features in loaded(clip).embed_texts(texts)])
    np.testing.assert_allclose(rows, text_features(clip, texts, padding=True), atol=2e-6)


@pytest.mark.parametrize("tiny", [tiny_models.tiny_siglip, tiny_models.tiny_siglip2])
def test_siglip_texts_are_lower_case_and_padded_to_the_end(tmp_path: Path, tiny: Any) -> None:
    extractor = loaded(tiny(tmp_path))
    rows = np.concatenate([features.rows for features in extractor.embed_texts(["A RED Circle", "a dog"])])
    options = {"padding": "max_length", "max_length": 16, "return_attention_mask": False}
    np.testing.assert_allclose(rows, text_features(tmp_path, ["a red circle", "a dog"], **options), atol=2e-6)


def test_a_text_longer_than_the_model_takes_is_cut_and_says_so(clip: Path) -> None:
    extractor = loaded(clip)
    whole, cut, longer = extractor.embed_texts(["a dog " * 7, "a dog " * 8, "a dog " * 10])
    assert TOKENS_CUT not in whole.extras
    np.testing.assert_array_equal(cut.extras[TOKENS_CUT], [2])
    assert longer.extras[TOKENS_CUT].tolist() == [6]
    np.testing.assert_array_equal(cut.rows, longer.rows)


def test_only_a_model_trained_on_single_pairs_has_a_bias(clip: Path, siglip: Path) -> None:
    (softmax,) = loaded(clip).embed_texts(["a dog"])
    (sigmoid,) = loaded(siglip).embed_texts(["a dog"])
    assert softmax.extras[LOGITS][0] == pytest.approx(np.exp(2.6592), rel=1e-4)
    assert np.isnan(softmax.extras[LOGITS][1])
    assert np.isfinite(sigmoid.extras[LOGITS]).all()
    assert sigmoid.extras[LOGITS].shape == (2,)


def test_a_prompt_is_put_around_every_text(clip: Path) -> None:
    plain, prompted = loaded(clip), loaded(clip, prompt="a photo of {}")
    assert plain.spec == prompted.spec
    np.testing.assert_array_equal(
        prompted.embed_texts(["a dog"])[0].rows, plain.embed_texts(["a photo of a dog"])[0].rows
    )


@pytest.mark.parametrize("prompt", ["no place", "{} and {}", "{0}", "{x}"])
def test_a_prompt_without_exactly_one_place_is_refused(prompt: str) -> None:
    from deployments.extractors.registry import validate_config

    with pytest.raises(Misconfigured, match=r"extractors\.image_text\.prompt"):
        validate_config("image_text", {"model": "x", "prompt": prompt})


def test_pictures_are_those_of_the_extractor_global(clip: Path) -> None:
    from deployments.extractors.global_embedding import Config as GlobalConfig
    from deployments.extractors.global_embedding import Global

    text, alone = loaded(clip), Global(GlobalConfig.model_validate({"model": str(clip)}))
    pictures = make_pictures(text, 2)
    for one, other in zip(text.extract(pictures), alone.extract(pictures), strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)


@pytest.mark.slow
def test_words_find_the_pictures_that_they_describe(shapes_clip: Path) -> None:
    extractor = loaded(shapes_clip)
    kinds = [(color, shape) for color in COLORS for shape in SHAPES for _ in range(15)]
    pictures = [shape_picture(color, shape, seed) for seed, (color, shape) in enumerate(kinds)]
    forms = [prepare(WorkingImage(picture, 160, 160, "png"), extractor.image_input) for picture in pictures]
    rows = np.concatenate([features.rows for features in extractor.extract(forms)])
    precision = {}
    for wanted in dict.fromkeys(kinds):
        (text,) = extractor.embed_texts([f"a {wanted[0]} {wanted[1]}"])
        best = np.argsort(-(rows @ text.rows[0]))[:10]
        precision[wanted] = np.mean([kinds[i] == wanted for i in best])
    print(f"precision@10: red circle {precision['red', 'circle']}, mean {np.mean(list(precision.values())):.3f}")
    assert precision["red", "circle"] >= 0.9
    assert np.mean(list(precision.values())) >= 0.9
