"""Whether two pictures of one photograph have the same colours: pixels are compared in gray alone."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lookalike_client.matches import Transform

SIDE = 32  # pixels of the square that a picture is shrunk to
CELLS = 8  # along each side of that square
OTHER_COLOR = 8.0  # of chroma, 0 to 255, in a cell
MOST_CELLS = 0.05  # that may differ by accident

Rgb = NDArray[np.uint8]  # (H, W, 3)
Chroma = NDArray[np.float32]  # (CELLS, CELLS, 2)


def chroma(picture: Rgb) -> Chroma:
    """Of each cell of the picture, whatever its size: Cr and Cb."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    turned = cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(np.float32)
    return np.asarray(cv2.resize(turned, (CELLS, CELLS), interpolation=cv2.INTER_AREA), np.float32)


def colors_differ(query: Chroma, stored: Chroma, transform: Transform) -> bool:
    """transform: takes the stored picture, all of it, to all of the query by quarter turns."""
    laid = stored[:, ::-1] if transform.mirrored else stored
    laid = np.rot90(laid, -round(transform.rotation_deg / 90))
    away = np.linalg.norm(query - laid, axis=-1)
    return bool((away > OTHER_COLOR).mean() > MOST_CELLS)
