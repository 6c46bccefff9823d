"""Searching a shard by words: who is found, in which order, and with what evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from storage.errors import InvalidField, InvalidRequest
from storage.filters.text_form import parse_filter
from storage.operations.features import Features
from storage.operations.indexes import SaveIndexes
from storage.operations.reports import Verify
from storage.shard.shard import Shard
from storage.types.mutations import PutImage
from storage.types.searches import FeatureQuery, Hit, ShardQuery
from storage.words.word_search import WordParams
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.samples import PHASH, applied, delete, put
from tests.unit.storage.words.word_samples import TEXT, ask_words, words_feature


def put_words(image_id: str, words: Sequence[str]) -> PutImage:
    whole = put(image_id, pending=["color"])
    record = replace(whole.record, features={"phash": "ok", "text": "ok"})
    features = {"phash": whole.features["phash"], "text": words_feature(words)}
    return replace(whole, record=record, features=features)


@pytest.fixture
def library(reopen: Reopen) -> Shard:
    shard = reopen((PHASH, TEXT))
    shelves = {
        "notice": "please receive the goods at Smyth street",
        "menu": "Café menu soup salad",
        "sign": "Москва Вокзал",
        "poster": "the red circle and the blue square",
        "page": "the cat sat on the mat",
        "blank": "",
    }
    applied(shard, [put_words(image_id, words.split()) for image_id, words in shelves.items()])
    return shard


def hits(shard: Shard, query: FeatureQuery) -> list[Hit]:
    [answer] = shard.search([ShardQuery((query,))])
    assert answer.errors == {}
    return list(answer.hits["text"])


def ids(shard: Shard, text: str, **options: object) -> list[str]:
    return [hit.id for hit in hits(shard, ask_words(text, **options))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("receive", "notice"), ("RECEIVE", "notice"), ("recieve", "notice"), ("Smith", "notice"), ("rece", "notice"),
        ("cafe", "menu"), ("café", "menu"), ("москва", "sign"), ("Масква", "sign"), ("вокз", "sign"),
    ],
)  # fmt: skip
def test_words_are_found_as_people_type_them(library: Shard, query: str, found: str) -> None:
    assert ids(library, query) == [found]


def test_the_very_word_is_nearest(library: Shard) -> None:
    applied(library, [put_words("typo", ["recieve"])])
    found = hits(library, ask_words("recieve"))
    assert [hit.id for hit in found] == ["typo", "notice"]
    assert found[0].distance == 0
    assert 0 < found[1].distance < 0.5


def test_rare_words_count_more(library: Shard) -> None:
    assert ids(library, "the circle") == ["poster"]  # "the" alone is too little of it
    assert ids(library, "the circle", min_score=0.1) == ["poster", "notice", "page"]
    assert ids(library, "a red circle")[0] == "poster"


def test_one_of_two_words_is_enough(library: Shard) -> None:
    assert ids(library, "zeppelin salad") == ["menu"]
    assert ids(library, "zeppelin salad airport") == []


def test_nothing_is_found_of_words_that_nobody_has(library: Shard) -> None:
    assert ids(library, "zeppelin") == []
    assert ids(library, "") == []


def test_the_evidence_is_the_words_and_where_they_are(library: Shard) -> None:
    [hit] = hits(library, ask_words("recieve Smith"))
    words = hit.evidence["words"]
    assert [(one["query"], one["word"], one["match"]) for one in words] == [
        ("recieve", "receive", "misspelt"),
        ("Smith", "Smyth", "misspelt"),
    ]
    # the frame was 320 x 240, the picture is 640 x 480: the second word lies at 20 to 40 pixels of the frame
    assert words[0]["box"] == [[20, 40], [120, 40], [120, 80], [20, 80]]
    assert words[0]["confidence"] == pytest.approx(0.9)


def test_every_place_of_a_word_is_shown(library: Shard) -> None:
    [hit] = hits(library, ask_words("the mat"))
    assert [one["word"] for one in hit.evidence["words"]] == ["the", "the", "mat"]


@pytest.mark.parametrize(
    ("params", "query"),
    [({"misspelt": False, "sounds": False}, "recieve"), ({"prefix": False, "misspelt": False}, "rece")],
)
def test_a_search_may_be_strict(library: Shard, params: dict[str, bool], query: str) -> None:
    assert ids(library, query, **params) == []


def test_max_distance_and_k_bound_the_answer(library: Shard) -> None:
    assert ids(library, "recieve", max_distance=0.0) == []
    assert len(ids(library, "the", k=1)) == 1


@pytest.mark.parametrize("params", [{"min_score": 2}, {"prefix": 1}, {"fuzzy": True}, {"min_score": True}])
def test_a_wrong_parameter_is_named(params: dict[str, object]) -> None:
    with pytest.raises(InvalidField, match="text"):
        WordParams.of(params)


def test_a_picture_is_searched_by_the_words_of_another(library: Shard) -> None:
    stored = library.ask(Features("menu", ("text",)))
    assert stored is not None
    query = FeatureQuery("text", stored["text"].rows, 10)
    assert [(hit.id, hit.distance) for hit in hits(library, query)] == [("menu", 0.0)]


def test_words_survive_a_restart_and_leave_with_their_picture(library: Shard, reopen: Reopen) -> None:
    library.ask(SaveIndexes())
    applied(library, [put_words("late", ["zeppelin"]), delete("menu")])
    shard = reopen((PHASH, TEXT))
    assert (ids(shard, "zeppelin"), ids(shard, "cafe"), ids(shard, "receive")) == (["late"], [], ["notice"])
    assert shard.ask(Verify()).problems == ()


def test_words_without_places_are_refused(library: Shard) -> None:
    mutation = put_words("bad", ["word"])
    rows = words_feature(["word", "more"])
    bare = replace(rows, extras={**rows.extras, "boxes": np.zeros((1, 4, 2), np.float32)})
    with pytest.raises(InvalidRequest, match="boxes"):
        applied(library, [replace(mutation, features={**mutation.features, "text": bare})])


def test_only_a_few_unknown_words_of_a_long_query_are_looked_for_in_other_spellings(library: Shard) -> None:
    unknown = [f"qqq{letter}zzz" for letter in "abcdefgh"]
    few = hits(library, ask_words(" ".join([*unknown[:7], "recieve", "goods"]), min_score=0.05))
    assert "recieve" in [word["query"] for hit in few for word in hit.evidence["words"]]
    found = hits(library, ask_words(" ".join([*unknown, "recieve", "goods"]), min_score=0.05))
    assert "recieve" not in [word["query"] for hit in found for word in hit.evidence["words"]]


def test_only_pictures_that_a_filter_means_are_found_and_rare_words_count_as_before(library: Shard) -> None:
    query = ShardQuery((ask_words("the red", min_score=0.05),), parse_filter('id in ["page", "menu"]'))
    [hit] = library.search([query])[0].hits["text"]
    [same] = [one for one in hits(library, ask_words("the red", min_score=0.05)) if one.id == "page"]
    assert hit == same
