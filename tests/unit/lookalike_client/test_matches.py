from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from lookalike_client import DistanceMatch, FoundWord, KeypointMatch, Match, SearchResult, WordMatch
from lookalike_client.parsing import reader

BOX = [[50, 20], [150, 20], [150, 100], [50, 100]]
CORNERS = ((50, 20), (150, 20), (150, 100), (50, 100))


def matches(**by_feature: Any) -> Any:
    """As the client reads them."""
    body = {"id": "x", "score": 1.0, "matches": by_feature, "width": 1, "height": 1}
    return reader(SearchResult)(body).matches


def test_a_distance_has_its_rank_and_its_view() -> None:
    found = matches(
        phash={"distance": 4, "rank": 1, "view": "mirrored"}, color={"distance": 0.12, "rank": 2, "farther": 0.98}
    )
    assert {type(match) for match in found.values()} == {DistanceMatch}
    assert (found["phash"].distance, found["phash"].rank, found["phash"].view) == (4, 1, "mirrored")
    assert (found["phash"].farther, found["color"].farther) == (None, 0.98)
    assert (found["color"].distance, found["color"].view, found["color"].inliers) == (0.12, None, None)


def test_keypoints_say_where_the_query_lies() -> None:
    rows = [[2, 0, -100], [0, 2, -40], [0, 0, 1]]
    match = matches(local={"inliers": 83, "rank": 1, "view": "as_given", "homography": rows, "box": BOX})["local"]
    assert isinstance(match, KeypointMatch)
    assert (match.inliers, match.box, match.distance) == (83, CORNERS, None)
    assert match.homography == ((2, 0, -100), (0, 2, -40), (0, 0, 1))


def test_words_say_how_and_where_they_were_read() -> None:
    word = {"query": "recieve", "word": "receive", "match": "misspelt", "confidence": 0.98, "box": BOX}
    match = matches(text={"distance": 0.17, "rank": 1, "words": [word | {"language": "en"}]})["text"]
    assert isinstance(match, WordMatch)
    assert (match.distance, match.words) == (0.17, (FoundWord("recieve", "receive", "misspelt", 0.98, CORNERS),))


def test_a_feature_and_a_field_that_came_later_are_read_by_name() -> None:
    found = matches(faces={"rank": 3, "people": ["Anna"]}, phash={"distance": 4, "rank": 1, "novelty": 0.93})
    assert type(found["faces"]) is Match
    assert (found["faces"].rank, found["faces"].distance, found["faces"]["people"]) == (3, None, ["Anna"])
    assert found["phash"]["novelty"] == 0.93


@pytest.mark.parametrize("fields", [{"distance": 4, "rank": 1}, {"rank": 1, "later": [{}]}])
def test_it_is_what_the_service_said_and_is_written_so(fields: dict[str, Any]) -> None:
    match = Match.of(fields)
    assert match == fields
    assert json.loads(json.dumps(match)) == fields
    assert asdict(SearchResult("x", 1.0, {"phash": match}, 1, 1))["matches"] == {"phash": fields}
