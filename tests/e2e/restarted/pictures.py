"""The pictures of the service that is started several times."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

from PIL import Image

from graph.client import Client, FeatureReport
from tests.unit.deployments.models.shapes_clip import shape_picture

FIRST_UNSEEN = 10_000  # seeds beyond those that the model was trained on
FOLDERS = {"skimage": "data/{}", "sklearn": "datasets/images/{}"}
PACKAGE_PHOTOS = {
    "skimage": ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "brick.png", "grass.png"),
    "sklearn": ("china.jpg", "flower.jpg"),
}
PART = (160, 60, 420, 300)  # of the astronaut, 512 x 512: left, top, right, bottom


def package_photo(package: str, name: str) -> Path:
    """A photograph that a Python package brings."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / FOLDERS[package].format(name)


def astronaut() -> Image.Image:
    return Image.open(package_photo("skimage", "astronaut.png")).convert("RGB")


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def shape_file(folder: Path, color: str, shape: str, number: int) -> Path:
    """A picture of a coloured shape that the model has not seen."""
    path = folder / f"{color}-{shape}-{number}.png"
    Image.fromarray(shape_picture(color, shape, FIRST_UNSEEN + number)).save(path)
    return path


def feature(client: Client, name: str) -> FeatureReport:
    return next(one for one in client.features() if one.name == name)
