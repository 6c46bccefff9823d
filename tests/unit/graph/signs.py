"""Pictures of signs, as a camera that is in no doubt would see them."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from tests.unit.graph.local_catalog import as_jpeg


def sign(text: str, size: tuple[int, int] = (1600, 800)) -> bytes:
    """Lines of black text on white, each an eighth of the height, from the top left corner; as JPEG."""
    picture = Image.new("RGB", size, "white")
    font = ImageFont.load_default(size[1] // 8)
    ImageDraw.Draw(picture).multiline_text((60, 60), text, fill="black", font=font, spacing=40)
    return as_jpeg(picture)
