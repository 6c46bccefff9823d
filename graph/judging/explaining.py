"""What a judgement follows from, in the words of an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping

from graph.judging.change import changed_boxes
from graph.judging.judge import Judgement
from graph.judging.placement import Size
from lookalike_client.matches import Changed, Evidence, Explanation

MOST_BOXES = 500

SAYS: Mapping[str, str] = {
    "same_bytes": "1: the two files are the same, byte by byte",
    "inliers": "keypoints that lie as one map says",
    "inlier_share": "share of the keypoints that look alike and lie as the map says",
    "error": "how far off they lie, in units of what finding a keypoint errs by: about 1 of a copy",
    "bend": "how much better a curved map would do: about 1 of a copy, more of another shot",
    "skew": "share of the picture's size by which the map does more than turn, scale and move",
    "blocks": "blocks of the picture that show something",
    "agreeing": "share of these blocks that agree",
    "median": "correlation of the middle block, 1 at most",
    "tenth": "correlation of the block that a tenth of them is below",
    "shift": "pixels of the thumbnail by which blocks lie off",
    "focus": "how much some blocks are sharper and others softer",
    "surprise": "how much nearer than strangers the hash is, in spreads of theirs",
}
LOGARITHMS = {"inliers", "bend", "skew", "blocks"}  # of what is shown


def explanation(judgement: Judgement, stored: Size) -> Explanation:
    """stored: the size of the stored picture, in whose pixels what has changed is given."""
    evidence = tuple(
        Evidence(name, round(math.exp(value) if name in LOGARITHMS else value, 4), says)
        for name, says in SAYS.items()
        if (value := judgement.evidence.get(name)) is not None
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
