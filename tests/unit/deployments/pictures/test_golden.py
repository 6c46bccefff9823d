"""Features against those of the original services, computed from pictures decoded in full."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
import sklearn

from deployments.extractors.color import Color
from deployments.extractors.phash import Phash
from deployments.pictures.images import MAX_SIDE, decode
from deployments.pictures.prepared import prepare_each

NUMBERS: dict[str, Any] = json.loads((Path(__file__).parent / "golden_numbers.json").read_text())
FOLDERS = {
    "skimage": Path(skimage.__file__).parent / "data",
    "sklearn": Path(sklearn.__file__).parent / "datasets/images",
}


def differences(data: bytes, golden: Mapping[str, Any]) -> tuple[float, float, float]:
    """Bits of the hash, bits of the mirrored hash, L1 of the colours."""
    phash, color, image = Phash(), Color(), decode(data)
    assert [image.width, image.height] == golden["size"]
    forms = prepare_each(image, (phash.image_input, color.image_input))
    views = phash.query_views([forms[phash.image_input]], {})[0].rows
    wanted = [np.frombuffer(bytes.fromhex(golden[key]), np.uint8) for key in ("phash", "phash_mirrored")]
    histogram = np.zeros(512, np.float32)
    for cell, share in golden["rgb_histogram"].items():
        histogram[int(cell)] = share
    colors = color.extract([forms[color.image_input]])[0].rows[0]
    return phash.distance(views[0], wanted[0]), phash.distance(views[1], wanted[1]), color.distance(colors, histogram)


def check(data: bytes, golden: Mapping[str, Any]) -> bool:
    """Whether the hash is equal bit for bit; raises where it is too far off."""
    bits, mirrored_bits, colors = differences(data, golden)
    small = max(golden["size"]) <= MAX_SIDE
    assert max(bits, mirrored_bits) <= (2 if small else 8)
    assert colors <= (0.05 if small else 0.35)
    return bits == mirrored_bits == 0


@pytest.mark.parametrize("name", NUMBERS)
def test_pictures_of_the_scientific_packages_have_the_original_features(name: str) -> None:
    folder, _, file = name.partition("/")
    path = FOLDERS[folder] / file
    if not path.is_file():
        pytest.skip(f"this release of {folder} does not bring {file}")
    check(path.read_bytes(), NUMBERS[name])


def test_the_photos_have_the_original_features(shared_dir: Path) -> None:
    goldens = json.loads((shared_dir / "golden/seed_features.json").read_text())
    photos = {name: golden for name, golden in goldens.items() if name.startswith("photos/")}
    equal = {name: check((shared_dir / name).read_bytes(), golden) for name, golden in photos.items()}
    small = [equal[name] for name, golden in photos.items() if max(golden["size"]) <= MAX_SIDE]
    assert len(small) > 40
    assert sum(small) / len(small) > 0.9
