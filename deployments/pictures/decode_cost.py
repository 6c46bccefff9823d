"""What a picture will cost to decode, told from its header: the router decodes on its event loop what is certain to be
quick, and nothing else, so that no upload holds up the others.
"""

from __future__ import annotations

QUICK_BYTES = 256 * 1024
QUICK_PIXELS = 1_000_000

START_OF_FRAME = range(0xC0, 0xD0)
NO_FRAME = (0xC4, 0xC8, 0xCC)  # tables and an extension, numbered among the frames
SEQUENTIAL = (0xC0, 0xC1)  # a progressive file may hold any number of passes over the same pixels


def decodes_quickly(data: bytes) -> bool:
    """Whether these are a sequential JPEG's bytes, few enough for a few milliseconds at worst, whatever they hold."""
    if len(data) > QUICK_BYTES or not data.startswith(b"\xff\xd8"):
        return False
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in START_OF_FRAME and marker not in NO_FRAME:
            height, width = _number(data, position + 5), _number(data, position + 7)
            return marker in SEQUENTIAL and width * height <= QUICK_PIXELS
        position += 2 + _number(data, position + 2)
    return False


def _number(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + 2], "big")
