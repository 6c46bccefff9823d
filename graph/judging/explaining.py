"""What a judgement follows from, in the words of an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from graph.judging.change import changed_boxes
from graph.judging.judge import Judgement
from graph.judging.placement import Size
from lookalike_client.matches import Changed, Evidence, Explanation

MOST_BOXES = 500

SAYS: Mapping[str, tuple[str, Callable[[float], float]]] = {
    "same_bytes": ("1: the two files are the same, byte by byte", lambda value: value),
    "inliers": ("keypoints that lie as one map says", math.exp),
    "inlier_share": ("share of the keypoints that look alike and lie as the map says", lambda value: value),
    "error": (
        "how far off they lie, in units of what finding a keypoint errs by: about 1 of a copy",
        lambda value: value,
    ),
    "bend": ("how much better a curved map would do: about 1 of a copy, more of another shot", math.exp),
    "skew": ("share of the picture's size by which the map does more than turn, scale and move", math.exp),
    "blocks": ("blocks of the picture that show something", math.exp),
    "agreeing": ("share of these blocks that agree", lambda value: value),
    "median": ("correlation of the middle block, 1 at most", lambda value: value),
    "tenth": ("correlation of the block that a tenth of them is below", lambda value: value),
    "shift": ("pixels of the thumbnail by which blocks lie off", lambda value: value),
    "focus": ("how much some blocks are sharper and others softer", lambda value: value),
    "surprise": ("how much nearer than strangers the hash is, in spreads of theirs", lambda value: value),
}


def explanation(judgement: Judgement, stored: Size) -> Explanation:
    """stored: the size of the stored picture, in whose pixels what has changed is given."""
    evidence = tuple(
        Evidence(name, round(shown(judgement.evidence[name]), 4), says)
        for name, (says, shown) in SAYS.items()
        if name in judgement.evidence
    )
    change = judgement.change
    if change is None:
        return Explanation(evidence)
    width, height = stored
    boxes = tuple(
        (round(x * width), round(y * height), round(w * width), round(h * height))
        for x, y, w, h in changed_boxes(change)[:MOST_BOXES]
    )
    words = tuple(Evidence("change", None, says) for says in change.says)
    return Explanation((*evidence, *words), (), Changed(stored, boxes))
