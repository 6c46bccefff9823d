"""One picture by itself, as if a shard had no other: what a query finds in it."""

from __future__ import annotations

import numpy as np

from storage.keypoints.search import locate
from storage.shard.search import located_hit, search_feature, word_hit
from storage.types.features import FeatureRows, FeatureSpec
from storage.types.searches import FeatureQuery, Hit, ImageSummary
from storage.upkeep.factory import build_index
from storage.words.word_index import WordIndex
from storage.words.word_search import find_words


def hit_of(
    spec: FeatureSpec, query: FeatureQuery, stored: FeatureRows, image_id: str, summary: ImageSummary
) -> Hit | None:
    """What a search by one feature says of the picture; None where it does not find it. stored: its rows."""
    handles = np.zeros(len(stored.rows), np.int64)
    index = build_index(spec).with_changes(remove=handles[:0], add=handles, rows=stored.rows)
    if isinstance(index, WordIndex):
        return next((word_hit(one, image_id, summary) for one in find_words(index, query, lambda _: stored)), None)
    if spec.kind == "local":
        return next((located_hit(one, image_id, summary) for one in locate(index, query, lambda _: stored)), None)
    [(found, _)] = search_feature(index, [query], allowed=None, sample_size=1, pictures=1)
    return next((Hit(image_id, one.distance, one.view) for one in found), None)
