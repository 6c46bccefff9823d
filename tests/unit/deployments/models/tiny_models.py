"""Checkpoints of every architecture, small and untrained, as ``save_pretrained`` writes them: for tests.

Each function writes one into a folder that does not exist yet, or is empty, and returns it. The weights are random but
the same for the same ``seed``; the tokenizers are real ones, of the `tokenizers` library, that know few words.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

SIDE = 32  # pixels
PATCH = 8
WIDTH = 32
WORDS = """
    a an and at bicycle big bird black blue car cat circle dog green in is large made of on orange over picture photo
    purple red river bridge small square the triangle under warm up white with yellow what does image describe
"""

VISION: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": PATCH,
}
TEXT: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
}
CLIP_PICTURES: Mapping[str, Any] = {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": SIDE},
    "crop_size": {"height": SIDE, "width": SIDE},
    "do_center_crop": True,
    "resample": 3,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


def tiny_clip(folder: Path, seed: int = 0) -> Path:
    tokenizer = word_tokenizer()
    config = transformers.CLIPConfig(
        vision_config={**VISION, "projection_dim": 24},
        text_config={**TEXT, **_special_ids(tokenizer), "projection_dim": 24},
        projection_dim=24,
    )
    return save(folder, built(transformers.CLIPModel, config, seed), tokenizer, CLIP_PICTURES)


def tiny_siglip(folder: Path, seed: int = 0) -> Path:
    tokenizer = word_tokenizer(with_begin=False)
    config = transformers.SiglipConfig(vision_config=VISION, text_config={**TEXT, **_special_ids(tokenizer)})
    return save(folder, built(transformers.SiglipModel, config, seed), tokenizer, _pictures("Siglip", resample=3))


def tiny_siglip2(folder: Path, seed: int = 0) -> Path:
    """One that takes grids of any shape: of at most 20 patches, so 4 x 4 here."""
    tokenizer = piece_tokenizer()
    vision = {key: value for key, value in VISION.items() if key != "image_size"}
    config = transformers.Siglip2Config(
        vision_config={**vision, "num_patches": 16}, text_config={**TEXT, **_special_ids(tokenizer)}
    )
    settings = {**_pictures("Siglip2", resample=2), "patch_size": PATCH, "max_num_patches": 20}
    del settings["size"]
    return save(folder, built(transformers.Siglip2Model, config, seed), tokenizer, settings)


def tiny_dinov2(folder: Path, seed: int = 0) -> Path:
    config = transformers.Dinov2Config(**_without(VISION, "intermediate_size"), mlp_ratio=2)
    settings = {**CLIP_PICTURES, "image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 37}}
    return save(folder, built(transformers.Dinov2Model, config, seed), None, settings)


def tiny_dinov3(folder: Path, seed: int = 0) -> Path:
    config = transformers.DINOv3ViTConfig(**VISION, num_register_tokens=2)
    return save(folder, built(transformers.DINOv3ViTModel, config, seed), None, _pictures("DINOv3ViT"))


def tiny_vit(folder: Path, seed: int = 0, *, pooler: bool = True) -> Path:
    model = built(transformers.ViTModel, transformers.ViTConfig(**VISION), seed, add_pooling_layer=pooler)
    return save(folder, model, None, _pictures("ViT"))


def tiny_beit(folder: Path, seed: int = 0, *, pooler: bool = True) -> Path:
    model = built(transformers.BeitModel, transformers.BeitConfig(**VISION), seed, add_pooling_layer=pooler)
    return save(folder, model, None, _pictures("Beit", resample=3))


def tiny_swin(folder: Path, seed: int = 0) -> Path:
    config = transformers.SwinConfig(
        image_size=SIDE, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4
    )
    return save(folder, built(transformers.SwinModel, config, seed), None, _pictures("ViT", resample=3))


def tiny_convnext(folder: Path, seed: int = 0) -> Path:
    config = transformers.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, image_size=SIDE)
    settings = {**_pictures("ConvNext", resample=3), "size": {"shortest_edge": SIDE}, "crop_pct": 0.875}
    return save(folder, built(transformers.ConvNextModel, config, seed), None, settings)


def tiny_mobilenet(folder: Path, seed: int = 0) -> Path:
    config = transformers.MobileNetV2Config(depth_multiplier=0.25, image_size=SIDE)
    return save(folder, built(transformers.MobileNetV2Model, config, seed), None, _pictures("MobileNetV2"))


def tiny_classifier(folder: Path, seed: int = 0, *, multi_label: bool = False) -> Path:
    """A ViT with the classes "class 0" to "class 9"."""
    config = transformers.ViTConfig(**VISION, id2label={i: f"class {i}" for i in range(10)})
    config.problem_type = "multi_label_classification" if multi_label else "single_label_classification"
    return save(folder, built(transformers.ViTForImageClassification, config, seed), None, _pictures("ViT"))


def tiny_blip(folder: Path, seed: int = 0) -> Path:
    tokenizer = word_tokenizer()
    text = {**TEXT, **_special_ids(tokenizer), "encoder_hidden_size": WIDTH, "projection_dim": WIDTH}
    text["sep_token_id"] = text["eos_token_id"]
    config = transformers.BlipConfig(vision_config=VISION, text_config=text, projection_dim=WIDTH)
    config.image_text_hidden_size = WIDTH
    model = built(transformers.BlipForConditionalGeneration, config, seed)
    return save(folder, model, tokenizer, _pictures("Blip", resample=3))


def tiny_florence2(folder: Path, seed: int = 0) -> Path:
    tokenizer = word_tokenizer(extra=("<image>",))
    tokenizer.image_token = "<image>"
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    vision = transformers.models.florence2.Florence2VisionConfig(
        depths=(1, 1, 1, 1),
        embed_dim=(8, 8, 16, 16),
        num_heads=(1, 1, 2, 2),
        num_groups=(1, 1, 2, 2),
        window_size=4,
        projection_dim=WIDTH,
        max_position_embeddings=8,
        drop_path_rate=0.0,
    )
    ids = _special_ids(tokenizer)
    text = transformers.BartConfig(
        d_model=WIDTH,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=WIDTH,
        decoder_ffn_dim=WIDTH,
        max_position_embeddings=64,
        decoder_start_token_id=ids["eos_token_id"],
        forced_eos_token_id=ids["eos_token_id"],
        **ids,
    )
    config = transformers.Florence2Config(
        vision_config=vision.to_dict(),
        text_config=text.to_dict(),
        image_token_id=image_id,
        **_without(ids, "vocab_size"),
    )
    settings = {**CLIP_PICTURES, "size": {"height": 64, "width": 64}, "do_center_crop": False}
    model = built(transformers.Florence2ForConditionalGeneration, config, seed)
    return save(folder, model, tokenizer, {**settings, "image_seq_length": 5})


def tiny_git(folder: Path, seed: int = 0) -> Path:
    tokenizer = word_tokenizer()
    config = transformers.GitConfig(vision_config=VISION, **TEXT, **_special_ids(tokenizer))
    model = built(transformers.GitForCausalLM, config, seed)
    return save(folder, model, tokenizer, CLIP_PICTURES)


def tiny_vit_gpt2(folder: Path, seed: int = 0) -> Path:
    tokenizer = word_tokenizer()
    ids = _special_ids(tokenizer)
    decoder = transformers.GPT2Config(n_embd=WIDTH, n_layer=1, n_head=2, n_positions=32, **ids)
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        transformers.ViTConfig(**VISION), decoder
    )
    config.decoder_start_token_id, config.pad_token_id = ids["bos_token_id"], ids["pad_token_id"]
    model = built(transformers.VisionEncoderDecoderModel, config, seed)
    return save(folder, model, tokenizer, _pictures("ViT"))


def word_tokenizer(*, with_begin: bool = True, extra: tuple[str, ...] = ()) -> Any:
    """Lower case, one token a word of `WORDS`, ``<unk>`` for any other."""
    special = ["<pad>", "<s>", "</s>", "<unk>", *extra]
    words = {word: i for i, word in enumerate([*special, *dict.fromkeys(WORDS.split())])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>" if with_begin else "$A </s>",
        special_tokens=[("<s>", words["<s>"]), ("</s>", words["</s>"])],
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        model_max_length=TEXT["max_position_embeddings"],
        additional_special_tokens=list(extra),
    )


def piece_tokenizer() -> Any:
    """As SigLIP2 has it: lower case, pieces of words, which its class takes from tokenizer.json and sets up anew."""
    special = ["<pad>", "</s>", "<s>", "<unk>"]
    pieces = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    pieces.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    pieces.pre_tokenizer = tokenizers.pre_tokenizers.Split(" ", "merged_with_previous")
    trainer = tokenizers.trainers.BpeTrainer(special_tokens=special, vocab_size=120, show_progress=False)
    pieces.train_from_iterator([f"a {word} in the photo" for word in WORDS.split()], trainer)
    learnt = json.loads(pieces.to_str())["model"]
    tokenizer = transformers.Siglip2Tokenizer(
        vocab=learnt["vocab"],
        merges=[(left, right) for left, right in learnt["merges"]],  # type: ignore[misc]
        pad_token="<pad>",
        eos_token="</s>",
        bos_token="<s>",
        unk_token="<unk>",
        padding_side="right",
        model_max_length=TEXT["max_position_embeddings"],
        model_input_names=["input_ids"],
    )
    tokenizer.backend_tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", learnt["vocab"]["</s>"])]
    )
    return tokenizer


def built(model_class: Any, config: Any, seed: int, **options: Any) -> Any:
    """The model with random weights of an own generator; wide ones, so that pictures lie apart."""
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(seed)
        model = model_class(config, **options).eval()
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.data.normal_(0.0, 0.15)
    return model


def save(folder: Path, model: Any, tokenizer: Any | None, pictures: Mapping[str, Any] | None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        model.save_pretrained(folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
    if pictures is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(pictures), encoding="utf-8")
    return folder


@contextmanager
def quiet() -> Iterator[None]:
    """transformers warns of settings that tiny models have, and draws progress bars."""
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers.logging.set_verbosity(verbosity)


def _pictures(processor: str, *, resample: int = 2) -> dict[str, Any]:
    return {
        "image_processor_type": f"{processor}ImageProcessor",
        "size": {"height": SIDE, "width": SIDE},
        "do_center_crop": False,
        "resample": resample,
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.5, 0.25, 0.2],
    }


def _special_ids(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _without(settings: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != key}
