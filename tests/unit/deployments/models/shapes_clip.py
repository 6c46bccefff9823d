"""A real text-to-picture model that is made in half a minute: a small CLIP, trained on pictures of coloured shapes.

Its classes, loss and files are CLIP's own; only its size and what it has seen are small. For tests of whatever needs
words to find pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from tests.unit.deployments.models.tiny_models import quiet, save, word_tokenizer

COLORS = {
    "red": (220, 30, 30),
    "green": (30, 170, 50),
    "blue": (40, 70, 220),
    "purple": (150, 50, 170),
    "orange": (250, 140, 20),
}
SHAPES = ("circle", "square", "triangle")
SIDE = 32  # pixels that the model sees
STEPS = 420
SEEN = 120  # pictures of every colour and shape, of which each step shows four
AT_A_TIME = 4
RATE = 2e-3
PICTURE_SIDE = 160

Picture = NDArray[np.uint8]  # (H, W, 3) RGB


def shape_picture(color: str, shape: str, seed: int, side: int = PICTURE_SIDE) -> Picture:
    """(side, side, 3): one shape of some size somewhere on a background of some gray with noise."""
    rng = np.random.default_rng([seed, list(COLORS).index(color), SHAPES.index(shape)])
    background = rng.integers(90, 220) + rng.normal(0, 6, (side, side, 1)) + rng.normal(0, 3, (side, side, 3))
    picture = np.clip(background, 0, 255).astype(np.uint8)
    radius = int(side * rng.uniform(0.3, 0.42))
    x, y = (int(value) for value in rng.integers(radius, side - radius, 2))
    paint = tuple(int(value) for value in np.clip(np.array(COLORS[color]) + rng.integers(-20, 21, 3), 0, 255))
    if shape == "circle":
        cv2.circle(picture, (x, y), radius, paint, -1, cv2.LINE_AA)
    elif shape == "square":
        half = radius
        cv2.rectangle(picture, (x - half, y - half), (x + half, y + half), paint, -1)
    else:
        corners = np.array([[x, y - radius], [x - radius, y + int(0.8 * radius)], [x + radius, y + int(0.8 * radius)]])
        cv2.fillPoly(picture, [corners.astype(np.int32)], paint, cv2.LINE_AA)
    return picture


def train_shapes_clip(folder: Path, seed: int = 0) -> Path:
    """Trains it and writes it into ``folder`` as ``save_pretrained`` does, tokenizer and picture settings included."""
    tokenizer = word_tokenizer()
    tower: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    tower |= {"initializer_factor": 3.0, "initializer_range": 0.06}  # so small a model learns shapes no other way
    config = transformers.CLIPConfig(
        vision_config={**tower, "image_size": SIDE, "patch_size": SIDE, "projection_dim": 32},
        text_config={
            **tower,
            "num_hidden_layers": 1,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 16,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "projection_dim": 32,
        },
        projection_dim=32,
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # its matrices are too small to share: two threads mostly wait for each other
    try:
        with torch.random.fork_rng(), quiet():
            torch.manual_seed(seed)
            model = transformers.CLIPModel(config).train()
            _train(model, tokenizer, seed)
    finally:
        torch.set_num_threads(threads)
    settings = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": SIDE},
        "crop_size": {"height": SIDE, "width": SIDE},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
        "resample": 3,
    }
    return save(folder, model.eval(), tokenizer, settings)


def _train(model: Any, tokenizer: Any, seed: int) -> None:
    pairs = [(color, shape) for color in COLORS for shape in SHAPES]
    pictures = _training_pixels(pairs, seed)
    texts = tokenizer([f"a {color} {shape}" for color, shape in pairs], return_tensors="pt")
    wanted = torch.arange(len(pairs)).repeat_interleave(AT_A_TIME)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.15)
    for step in range(STEPS):
        chosen = torch.randint(0, SEEN, (len(pairs), AT_A_TIME))
        pixels = pictures[torch.arange(len(pairs))[:, None], chosen].flatten(0, 1)
        found = model(
            input_ids=texts["input_ids"],
            attention_mask=texts["attention_mask"],
            pixel_values=pixels.flip(3) if step % 2 else pixels,
        ).logits_per_image
        loss = torch.nn.functional.cross_entropy(found, wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


def _training_pixels(pairs: list[tuple[str, str]], seed: int) -> torch.Tensor:
    """(P, SEEN, 3, SIDE, SIDE), of seeds that no test asks for."""
    drawn = [
        [shape_picture(*pair, seed=1_000_000 * (seed + 1) + n, side=3 * SIDE) for n in range(SEEN)] for pair in pairs
    ]
    small = [[cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in several] for several in drawn]
    return (torch.from_numpy(np.array(small)).permute(0, 1, 4, 2, 3).float() / 255 - 0.5) / 0.25
