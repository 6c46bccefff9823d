"""Models of real architectures with random weights, in folders: they cost what trained ones cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VIT_B16_FLOPS = 35.1e9  # two for each multiplication of ViT-B/16's forward pass at 224 px: 17.6 GMAC


def vit_base(folder: Path) -> Path:
    """ViT-B/16 at 224 px, 86 million weights."""
    import torch
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    _spread(ViTModel(ViTConfig())).save_pretrained(folder)
    _write_preprocessing(folder, "ViTImageProcessor")
    return folder


def clip_base(folder: Path) -> Path:
    """CLIP ViT-B/16, 150 million weights, with a tokenizer of a few words."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    config = CLIPConfig(vision_config={"patch_size": 16})
    _spread(CLIPModel(config)).save_pretrained(folder)
    _write_preprocessing(folder, "CLIPImageProcessor")
    _write_tokenizer(folder)
    return folder


def _spread(model: Any) -> Any:
    """Weights as spread as trained ones, so that pictures differ in their vectors."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and "embed" not in name:
                weight.mul_(2.0)
    return model.eval()


def _write_preprocessing(folder: Path, kind: str) -> None:
    size = {"height": 224, "width": 224}
    half = [0.5, 0.5, 0.5]
    fields = {"image_processor_type": kind, "size": size, "resample": 2, "image_mean": half, "image_std": half}
    (folder / "preprocessor_config.json").write_text(json.dumps({**fields, "do_resize": True, "do_normalize": True}))


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<|startoftext|>", "<|endoftext|>", "a", "photo", "of", "red", "bridge", "in", "the", "fog"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<|endoftext|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("<|startoftext|>", 0), ("<|endoftext|>", 1)]
    tokenizer.post_processor = processors.TemplateProcessing("<|startoftext|> $A <|endoftext|>", None, ends)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|endoftext|>", model_max_length=77
    )
    fast.save_pretrained(folder)
