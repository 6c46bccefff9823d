"""RAW files of cameras, by LibRaw, which the extra ``raw`` brings: the rendering that the camera left in the file where
it is large enough, and a quick one of half the size otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from deployments.extractor import Pixels
from storage.errors import LookalikeError, UnreadableImage, UnsupportedImage

if TYPE_CHECKING:
    from rawpy import RawPy

RAW_SUFFIXES = frozenset([".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw"])
INSTALL = "pip install 'lookalike[raw]'"
CONVERT = "convert it to DNG or JPEG, or restore it from where it came from"
LEAST_PREVIEW = 1024  # pixels on its long side, as many as the working image has
ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}  # EXIF's numbers by those of LibRaw


@cache
def reads_raw() -> bool:
    """Whether this installation does."""
    return find_spec("rawpy") is not None


@dataclass(frozen=True, slots=True, eq=False)
class RawFile:
    """An open RAW file, for one thread. sensor: (width, height) in pixels of all that is in it. width, height: of the
    picture, upright. orientation: how its pixels lie, 1, 3, 6 or 8 as EXIF counts.
    """

    sensor: tuple[int, int]
    width: int
    height: int
    orientation: int
    _raw: RawPy

    def preview(self) -> bytes | None:
        """The camera's own rendering as JPEG, lying as the sensor does unless its EXIF says otherwise; None where there
        is none. It may be small.
        """
        import rawpy

        try:
            thumbnail = self._raw.extract_thumb()
        except rawpy.LibRawError:
            return None
        return bytes(thumbnail.data) if thumbnail.format == rawpy.ThumbFormat.JPEG else None

    def half_size(self) -> Pixels:
        """(H / 2, W / 2, 3) RGB, upright, with the white balance of the camera."""
        pixels = self._raw.postprocess(half_size=True, use_camera_wb=True)
        return np.broadcast_to(pixels, (*pixels.shape[:2], 3))  # from (H, W, 1) of a camera that sees no colours


@contextmanager
def open_raw(data: bytes) -> Iterator[RawFile]:
    """Raises `UnsupportedImage` without the extra, and for cameras that LibRaw does not know; `UnreadableImage` for
    whatever else is raised, here or within the block, but for errors of our own.
    """
    if not reads_raw():
        raise UnsupportedImage("this installation does not read RAW files", INSTALL)
    import rawpy

    try:
        with rawpy.imread(BytesIO(data)) as raw:
            sizes = raw.sizes
            width, height = (sizes.height, sizes.width) if sizes.flip in (5, 6) else (sizes.width, sizes.height)
            sensor = (sizes.raw_width, sizes.raw_height)
            yield RawFile(sensor, width, height, ORIENTATIONS.get(sizes.flip, 1), raw)
    except rawpy.LibRawFileUnsupportedError as error:
        raise UnsupportedImage("the RAW file is of a camera that is not known here, or damaged", CONVERT) from error
    except LookalikeError:
        raise
    except Exception as error:  # as in `decode`
        raise UnreadableImage(f"the RAW data cannot be decoded: {_reason(error)}", CONVERT) from error


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
