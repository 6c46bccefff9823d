"""One picture by itself is found as in a shard that has no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from storage.shard.one_picture import hit_of
from storage.types.features import FeatureRows, FeatureSpec
from storage.types.searches import FeatureQuery, Hit, ImageSummary, ShardQuery
from tests.unit.storage.samples import COLOR, PHASH, applied, open_shard, picture_rows, put
from tests.unit.storage.scenes import LOCAL, PICTURES, feature, mirrored, query
from tests.unit.storage.words.word_samples import TEXT, ask_words, words_feature

HASHES, COLORS = (picture_rows("a")[name] for name in ("phash", "color"))
OTHER = picture_rows("b")
NO_WORDS = words_feature([])
NOTICE = words_feature(["please", "receive", "the", "goods"])
CASES = [
    (PHASH, HASHES, FeatureQuery("phash", np.concatenate([OTHER["phash"].rows, HASHES.rows]), 10), 1),
    (COLOR, COLORS, FeatureQuery("color", OTHER["color"].rows, 10), 1),
    (LOCAL, feature(PICTURES[3]), query(PICTURES[3]), 1),
    (LOCAL, feature(PICTURES[3]), query(mirrored(PICTURES[3])), 1),
    (LOCAL, feature(PICTURES[3]), query(PICTURES[4]), 0),
    (TEXT, NOTICE, ask_words("recieve goods"), 1),
    (TEXT, NOTICE, ask_words("else"), 0),
    (TEXT, NO_WORDS, ask_words("receive"), 0),
    (TEXT, NOTICE, ask_words(""), 0),
]


@pytest.mark.parametrize(("spec", "stored", "asked", "count"), CASES)
def test_it_is_found_as_in_a_shard_of_its_own(
    tmp_path: Path, spec: FeatureSpec, stored: FeatureRows, asked: FeatureQuery, count: int
) -> None:
    shard = open_shard(tmp_path, [spec])
    whole = put("a")
    record = replace(whole.record, width=1280, height=960, features={spec.name: "ok"})
    applied(shard, [replace(whole, record=record, features={spec.name: stored})])
    [answer] = shard.search([ShardQuery((asked,))])
    shard.close()
    hit = hit_of(spec, asked, stored, "a", ImageSummary.of(record))
    hits: list[Hit] = [] if hit is None else [hit]
    assert hits == list(answer.hits[spec.name])
    assert len(hits) == count
    assert not answer.errors
