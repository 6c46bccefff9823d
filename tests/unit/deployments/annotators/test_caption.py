from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import transformers

from deployments.annotators.caption import Caption, Config
from deployments.annotators.registry import create_annotator
from deployments.extractor import NeedsWeights
from deployments.models.loading import cpu_cores
from storage.errors import ExtractorUnavailable, Misconfigured
from tests.suites.annotator_suite import AnnotatorSuite
from tests.suites.extractor_suite import make_pictures
from tests.unit.deployments.models import tiny_models
from tests.unit.deployments.models.tiny_models import quiet

pytestmark = pytest.mark.slow


def loaded(folder: Path, **settings: Any) -> Caption:
    return Caption(Config.model_validate({"model": str(folder), "max_tokens": 8, **settings}))


class CaptionSuite(AnnotatorSuite):
    tiny: ClassVar[Any]  # writes a checkpoint into a folder
    folder: ClassVar[Path]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.folder = cls.tiny(tmp_path_factory.mktemp("checkpoint"))

    def make_annotator(self) -> Caption:
        return loaded(self.folder)


class TestBlip(CaptionSuite):
    tiny = staticmethod(tiny_models.tiny_blip)

    def test_a_caption_goes_on_as_the_prompt_begins(self) -> None:
        captioner = loaded(self.folder, prompt="a photo of")
        captions = captioner.annotate(make_pictures(captioner, 2))
        assert all(caption.startswith("a photo of ") for caption in captions)
        assert captioner.fingerprint != self.make_annotator().fingerprint


class TestFlorence2(CaptionSuite):
    tiny = staticmethod(tiny_models.tiny_florence2)

    @pytest.mark.parametrize("prompt", [None, "<DETAILED_CAPTION>", "a photo"])
    def test_it_is_asked_as_its_processor_asks(self, prompt: str | None) -> None:
        captioner = loaded(self.folder, prompt=prompt, beams=3)
        (form,) = make_pictures(captioner, 1)
        settings = json.loads((self.folder / "preprocessor_config.json").read_text())
        with quiet(), torch.inference_mode():
            pictures = transformers.models.clip.image_processing_pil_clip.CLIPImageProcessorPil(**settings)
            tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
            tokenizer.image_token, tokenizer.image_token_id = "<image>", tokenizer.convert_tokens_to_ids("<image>")
            processor = transformers.Florence2Processor(pictures, tokenizer)
            asked = processor(images=form, text=prompt or "<CAPTION>", return_tensors="pt")
            pixels = torch.from_numpy(captioner._preprocessing.pixels([form]))
        ours = captioner._captioner._ask(captioner._captioner._model, pixels)
        assert ours["input_ids"].tolist() == asked["input_ids"].tolist()
        torch.testing.assert_close(pixels, asked["pixel_values"])

    def test_the_places_of_a_picture_are_counted_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        captioner = loaded(self.folder)  # which captions a picture
        model = captioner._captioner._model
        monkeypatch.setattr(model, "get_image_features", None)  # would be an error to call; generate has its own
        assert len(captioner.annotate(make_pictures(captioner, 3))) == 3


class TestGit(CaptionSuite):
    tiny = staticmethod(tiny_models.tiny_git)


class TestVitGpt2(CaptionSuite):
    tiny = staticmethod(tiny_models.tiny_vit_gpt2)

    def test_it_takes_no_prompt(self) -> None:
        with pytest.raises(ExtractorUnavailable, match=r"takes no prompt .*\(leave out prompt\)"):
            loaded(self.folder, prompt="a photo of")


def test_captions_are_those_of_transformers(tmp_path: Path) -> None:
    captioner = loaded(tiny_models.tiny_blip(tmp_path))
    pictures = make_pictures(captioner, 2)
    with quiet(), torch.inference_mode():
        model = transformers.BlipForConditionalGeneration.from_pretrained(tmp_path, local_files_only=True).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
        pixels = torch.from_numpy(captioner._preprocessing.pixels(pictures))
        written = model.generate(pixel_values=pixels, max_new_tokens=8, do_sample=False, num_beams=1)
    assert captioner.annotate(pictures) == tokenizer.batch_decode(written, skip_special_tokens=True)


def test_pictures_are_written_about_with_all_cores_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captioner = loaded(tiny_models.tiny_blip(tmp_path))
    seen: list[tuple[int, int]] = []
    generate = captioner._captioner._model.generate

    def noted(*, pixel_values: Any, **rest: Any) -> Any:
        seen.append((len(pixel_values), torch.get_num_threads()))
        return generate(pixel_values=pixel_values, **rest)

    monkeypatch.setattr(captioner._captioner._model, "generate", noted)
    pictures = make_pictures(captioner, 3)
    torch.set_num_threads(1)  # as a tower may have said in this thread
    captions = captioner._captioner(captioner._preprocessing.pixels(pictures))
    assert seen == [(1, cpu_cores())] * 3
    assert captions == [captioner.annotate([picture])[0] for picture in pictures]


def test_captions_have_no_int8(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"annotators\.caption\.precision"):
        create_annotator("caption", {"model": str(tmp_path), "precision": "int8"})


def test_a_model_that_writes_nothing_is_refused(tmp_path: Path) -> None:
    assert isinstance(Caption, NeedsWeights)
    with pytest.raises(ExtractorUnavailable, match="caption cannot use"):
        loaded(tiny_models.tiny_vit(tmp_path))
