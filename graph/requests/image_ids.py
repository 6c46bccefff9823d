"""What an image id may be, where one comes in."""

from __future__ import annotations

from storage.encoding import keys


def check_image_id(image_id: str) -> str:
    """Gives the id back. Raises InvalidField for one that the store would refuse."""
    keys.check_image_id(image_id)
    return image_id
