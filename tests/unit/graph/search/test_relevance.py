"""The order of judged results, which of them are wanted, and the verdict."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.requests.messages import Relevance, SearchResult
from graph.search.relevance import of_relevance, verdict
from lookalike_client.matches import STRONG, Relation


def result(name: str, relation: Relation | None = None, confidence: float | None = None) -> SearchResult:
    return SearchResult(name, 0.5, {}, 1, 1, relation=relation, confidence=confidence)


NOTHING = result("nothing")
SIMILAR = result("similar", "similar")
DOUBTED = result("doubted", "crop", 0.49)
SCENE = result("scene", "scene", 0.4)
SURER_SCENE = result("surer scene", "scene", 0.7)
UNSURE = result("unsure", "edited")  # what would have told did not answer
HALF = result("half", "edited", 0.5)
SURE = result("sure", "same", 1.0)
UNSURE_SCENE = result("unsure scene", "scene")
WORST_FIRST = [NOTHING, DOUBTED, SIMILAR, UNSURE_SCENE, SCENE, SURER_SCENE, UNSURE, HALF, SURE]
SCENES = [SURER_SCENE, SCENE, UNSURE_SCENE]


def names(results: list[SearchResult]) -> list[str]:
    return [one.id for one in results]


@pytest.mark.parametrize(
    ("relevance", "found"),
    [
        ("strong", [SURE, HALF, UNSURE]),
        ("likely", [SURE, HALF, UNSURE, *SCENES, SIMILAR]),
        ("all", [SURE, HALF, UNSURE, *SCENES, SIMILAR, NOTHING, DOUBTED]),
    ],
)
def test_strong_ones_come_first_then_scenes_then_similar_ones(relevance: Relevance, found: list[SearchResult]) -> None:
    assert of_relevance(WORST_FIRST, relevance) == found


def test_equal_confidences_and_what_has_none_keep_the_order_of_the_ranking() -> None:
    for relation, confidence in (("crop", 0.9), ("scene", 0.9), ("similar", None), (None, None)):
        ranked = [result(name, relation, confidence) for name in "bca"]  # type: ignore[arg-type]
        assert names(of_relevance(ranked, "all")) == list("bca")


def test_what_is_not_judged_is_of_no_narrower_relevance_and_stays_as_it_ranks() -> None:
    ranked = [result(name) for name in "bca"]
    assert of_relevance(ranked, "all") == ranked
    assert of_relevance(ranked, "likely") == of_relevance(ranked, "strong") == []


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([], "none"),
        ([NOTHING, DOUBTED], "none"),
        ([NOTHING, SIMILAR], "similar"),
        ([SCENE, DOUBTED], "similar"),
        ([SIMILAR, SCENE, HALF], "match"),
        ([UNSURE], "none"),
        ([UNSURE, NOTHING, SIMILAR], "similar"),
        ([UNSURE, HALF], "match"),
    ],
)
def test_the_verdict_is_that_of_the_best(results: list[SearchResult], said: str) -> None:
    assert verdict(results) == said


judged = st.lists(
    st.builds(
        result,
        st.text(max_size=3),
        st.none() | st.sampled_from(get_args(Relation)),
        st.none() | st.floats(0, 1),
    ),
    max_size=12,
)


@given(judged)
def test_each_narrower_relevance_is_the_beginning_of_the_wider_one(results: list[SearchResult]) -> None:
    strong, likely, whole = (of_relevance(results, relevance) for relevance in get_args(Relevance))
    assert strong == likely[: len(strong)]
    assert likely == whole[: len(likely)]
    assert sorted(names(whole)) == sorted(one.id for one in results)
    told = [one for one in likely if one.relation not in STRONG or one.confidence is not None]
    assert (verdict(results) == "match") == any(one.is_strong for one in strong)
    assert (verdict(results) == "none") == (not told)


def test_five_relations_are_strong() -> None:
    assert {one for one in get_args(Relation) if result("x", one, 0.5).is_strong} == STRONG
    assert len(STRONG) == 5


def test_no_judgement_is_not_strong() -> None:
    unjudged: Any = result("x", "same", None)
    assert not unjudged.is_strong
