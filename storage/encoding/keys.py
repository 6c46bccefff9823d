"""Keys of the tables. They are at most 511 bytes, while an id has up to 1024."""

from __future__ import annotations

import hashlib
import struct
import unicodedata

from storage.errors import CorruptData, InvalidField

MAX_ID_CHARACTERS = 256
PREFIX_BYTES = 400
_NUMBER = struct.Struct(">Q")


def check_image_id(image_id: str) -> None:
    """Raises `InvalidField` unless the id is 1 to 256 characters of text without control characters."""
    if not 1 <= len(image_id) <= MAX_ID_CHARACTERS:
        raise InvalidField(
            f"an image id of {len(image_id)} characters", f"ids have 1 to {MAX_ID_CHARACTERS} characters"
        )
    is_plain = image_id.isascii() and image_id.isprintable()
    if not is_plain and any(unicodedata.category(character) in ("Cc", "Cs") for character in image_id):
        raise InvalidField(f"image id {image_id!r} has control characters", "use printable text")


def text_key(text: str) -> bytes:
    """The key of an id: its UTF-8 bytes, or their first 400 and a digest where there are more.

    0xFF is no byte of UTF-8, so a shortened key never equals a whole one.
    """
    whole = text.encode("utf-8", "surrogatepass")
    if len(whole) <= PREFIX_BYTES:
        return whole
    return whole[:PREFIX_BYTES] + b"\xff" + digest_key(whole)


def text_key_start(text: str) -> bytes:
    """Where to look from for ids after ``text``: every id that sorts after it has a key of at least this."""
    return text.encode("utf-8", "surrogatepass")[:PREFIX_BYTES]


def digest_key(*parts: bytes) -> bytes:
    """16 bytes for text of any length."""
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).digest()


def number_key(number: int) -> bytes:
    """8 bytes that sort as the numbers do."""
    return _NUMBER.pack(number)


def number_of(key: bytes) -> int:
    """Inverse of `number_key`. Raises `CorruptData`."""
    if len(key) != _NUMBER.size:
        raise CorruptData(f"a number of {len(key)} bytes instead of {_NUMBER.size}")
    number: int = _NUMBER.unpack(key)[0]
    return number
