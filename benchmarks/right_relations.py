"""Which words are right for the edits of the benchmarks: those of the product, and more."""

from __future__ import annotations

from collections.abc import Mapping

from graph.jobs.evaluating import relations
from graph.jobs.evaluating.edits import Copy
from graph.jobs.evaluating.relations import EDITED, EITHER, SAME, Relations

CHANGES: Mapping[str, Relations] = {
    **relations.CHANGES,
    **dict.fromkeys(["jpeg 70", "jpeg 90", "png", "webp", "resize 50 %", "resize 300 %"], SAME),
    **dict.fromkeys(["rotate 270", "overlap"], SAME),
    **dict.fromkeys(["jpeg 40", "mirror + jpeg 40", "upscaled thumbnail", "sharpen", "crop 95 %"], EITHER),
    **dict.fromkeys(["blur strong", "gamma", "white balance"], EITHER),
    **dict.fromkeys(["color tint", "sepia", "saturation", "noise", "crop 50 % + gray"], EITHER),
    **dict.fromkeys(["sticker", "watermark", "invert", "crop 50 % + text"], EDITED),
    **dict.fromkeys(["frame", "meme", "screenshot", "photo of a screen", "pasted into"], EDITED),
    **dict.fromkeys(["collage of 2", "collage of 4", "rotate 15", "rotate 45"], EDITED),
}


def right_relations(edit: str, copy: Copy, original: tuple[int, int]) -> Relations:
    """What may be said of the copy as a query when the original (width, height) is stored.

    Raises:
        KeyError: no such edit in `CHANGES`.
    """
    return relations.right_relations(CHANGES[edit], copy, original)
