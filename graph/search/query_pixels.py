"""Where a picture was found, told in the pixels of the query as it was sent.

A shard knows the query's keypoints only in pixels of its working image.
"""

from __future__ import annotations

from collections.abc import Sequence

from storage.shard.search import QUERY_FRAME
from storage.types.searches import Hit

PictureSize = tuple[int, int]  # (width, height), pixels


def in_query_pixels(hits: Sequence[Hit], pictures: Sequence[PictureSize]) -> Sequence[Hit]:
    """The hits with homographies to pixels of the query. pictures: sizes of those the query is made of."""
    if not any(QUERY_FRAME in hit.evidence for hit in hits):
        return hits
    return [_in_pixels(hit, pictures) for hit in hits]


def _in_pixels(hit: Hit, pictures: Sequence[PictureSize]) -> Hit:
    evidence = dict(hit.evidence)
    frame, width, height = evidence.pop(QUERY_FRAME)
    scales = (pictures[frame][0] / width, pictures[frame][1] / height, 1.0)
    evidence["homography"] = [
        [scale * value for value in row] for scale, row in zip(scales, evidence["homography"], strict=True)
    ]
    return hit._replace(evidence=evidence)
