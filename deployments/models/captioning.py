"""Models that write a text about a picture, each asked as its own processor in transformers asks it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from deployments.models.fetching.files import ModelFiles
from deployments.models.image_modules import features_of
from deployments.models.loading import Placement, Tensor, cpu_cores, guarded, load_model, load_tokenizer
from deployments.models.preprocessing import NormalisedPixels
from storage.errors import ExtractorUnavailable

CLASSES: Mapping[str, str] = {
    "blip": "BlipForConditionalGeneration",
    "florence2": "Florence2ForConditionalGeneration",
    "git": "GitForCausalLM",
    "vision-encoder-decoder": "VisionEncoderDecoderModel",
}
FLORENCE2_TASK = "<CAPTION>"
FLORENCE2_TASKS: Mapping[str, str] = {  # source: Florence2Processor in transformers
    "<CAPTION>": "What does the image describe?",
    "<DETAILED_CAPTION>": "Describe in detail what is shown in the image.",
    "<MORE_DETAILED_CAPTION>": "Describe with a paragraph what is shown in the image.",
}

Question = Callable[[Any, Tensor], dict[str, Tensor]]  # model, pixels: what else ``generate`` is given


class Captioner:
    """A loaded model with its tokenizer, called with (N, 3, H, W) pixels."""

    def __init__(
        self, files: ModelFiles, placement: Placement, *, prompt: str | None, max_tokens: int, beams: int
    ) -> None:
        """Raises `ExtractorUnavailable` for files of another model, and for a prompt that the model has no use for."""
        self._tokenizer = load_tokenizer(files)
        self._model, self._placement = load_model(files, CLASSES[files.model_type], placement).model, placement
        self._limits = {"max_new_tokens": max_tokens, "num_beams": beams, "do_sample": False}
        self._turn = Lock()
        _without_sampling(self._model)
        self._ask = guarded(files, lambda: _QUESTIONS[files.model_type](self._tokenizer, prompt))

    def __call__(self, pixels: NormalisedPixels) -> list[str]:
        """One text a picture, on one line. On a CPU each picture by itself, so that it has the same text in any batch,
        with all cores: texts are written one after the other.
        """
        step = 1 if self._placement.on_cpu else max(1, len(pixels))
        texts = [text for i in range(0, len(pixels), step) for text in self._written(pixels[i : i + step])]
        return [re.sub(r"\s+", " ", text).strip() for text in texts]

    def _written(self, pixels: NormalisedPixels) -> list[str]:
        with self._turn, self._placement.inference(cpu_cores()):
            given = self._placement.tensor(pixels)
            written = self._model.generate(pixel_values=given, **self._ask(self._model, given), **self._limits)
        return list(self._tokenizer.batch_decode(written, skip_special_tokens=True))


def _without_sampling(model: Any) -> None:
    """Some checkpoints bring settings for sampling, of which transformers warns where nothing is sampled."""
    for part in (model, getattr(model, "text_decoder", None)):
        settings = getattr(part, "generation_config", None)
        if settings is not None:
            settings.do_sample, settings.max_length = False, None
            settings.temperature = settings.top_p = settings.top_k = None


def _beginning(tokenizer: Any, prompt: str | None) -> Question:
    """BLIP goes on with a beginning, whose closing token its ``generate`` takes off."""
    return _tokens_a_picture(tokenizer(prompt, return_tensors="pt")["input_ids"]) if prompt else _nothing


def _open_beginning(tokenizer: Any, prompt: str | None) -> Question:
    """GIT goes on with a beginning that nothing closes. Source: the example of ``GitForCausalLM.forward``."""
    if not prompt:
        return _nothing
    import torch

    begin = [tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id]
    return _tokens_a_picture(torch.tensor([begin + tokenizer(prompt, add_special_tokens=False)["input_ids"]]))


def _task(tokenizer: Any, prompt: str | None) -> Question:
    """Florence-2 answers a question that follows as many places as the picture has vectors."""
    import torch

    asked = FLORENCE2_TASKS.get(prompt or FLORENCE2_TASK, prompt)
    text = f"{tokenizer.bos_token}{asked}{tokenizer.eos_token}"
    question = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]

    places: dict[tuple[int, ...], int] = {}  # by the size of pictures, which is one: a whole vision tower tells them

    def ask(model: Any, pixels: Tensor) -> dict[str, Tensor]:
        size = tuple(pixels.shape[2:])
        if size not in places:
            places[size] = features_of(model.get_image_features(pixels[:1])).shape[1]
        image = torch.full((1, places[size]), model.config.image_token_id, dtype=question.dtype)
        return _tokens_a_picture(torch.cat([image, question], dim=1))(model, pixels)

    return ask


def _no_question(tokenizer: Any, prompt: str | None) -> Question:
    if prompt:
        raise ExtractorUnavailable("this model takes no prompt for its captions", "leave out prompt")
    return _nothing


def _nothing(model: Any, pixels: Tensor) -> dict[str, Tensor]:
    return {}


def _tokens_a_picture(tokens: Tensor) -> Question:
    """The same (1, T) tokens beside each picture, all to be looked at."""

    def ask(model: Any, pixels: Tensor) -> dict[str, Tensor]:
        repeated = tokens.repeat(len(pixels), 1).to(pixels.device)
        return {"input_ids": repeated, "attention_mask": repeated.new_ones(repeated.shape)}

    return ask


_QUESTIONS: Mapping[str, Callable[[Any, str | None], Question]] = {
    "blip": _beginning,
    "florence2": _task,
    "git": _open_beginning,
    "vision-encoder-decoder": _no_question,
}
