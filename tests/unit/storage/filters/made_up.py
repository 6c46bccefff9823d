"""Filters made up by chance, of fields and values that occur in made-up pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import hypothesis.strategies as st

from storage.filters.fields import OPERATORS, Places, comparison
from storage.types.filters import AllOf, AnyOf, Filter, Not

HERE = Places("field", "op", "value")
TEXTS = [
    "2019",
    "IMG",
    "img_1",
    "É",
    "ß",
    "a/b.jpg",
    "/photos/2019",
    "/photos/2019/",
    "2019/06",
    "Canon",
    "canon eos",
    "",
]
TIMES = ["2019", "2019-06", "2019-06-30", "2019-06-30T12", "2019-06-30T12:00:00", "2019-06-30T12:00:00.5+02:00", "1970"]
NUMBERS = [0, 1, 640, 480, 307200, 1000, 1000.5, -3]
VALUES: Mapping[str, Sequence[str | int | float | bool]] = {
    **dict.fromkeys(("id", "path", "folder", "caption"), TEXTS),
    "format": ["jpeg", "PNG", "x"],
    "camera": ["Canon EOS 5D", "canon eos 5d", "eos", "Café 1"],
    "tags": ["night", "Night", "ight", "red car", "strasse"],
    "words": ["bridge", "BRIDGE", "bri", "straße", "red bridge"],
    **dict.fromkeys(("width", "height", "pixels", "bytes"), NUMBERS),
    **dict.fromkeys(("added_at", "taken_at"), TIMES),
    "missing": [True, False],
    "metadata.rating": [1, 4, "4", "four", 4.5],
    "metadata.a.b": ["x", "X", True, "true", 1],
    'metadata."odd key.1"': ["x", "y"],
    "gps": [],
}  # fmt: skip


def comparisons() -> st.SearchStrategy[Filter]:
    def of(field: str) -> st.SearchStrategy[Filter]:
        allowed = [op for op in OPERATORS if is_allowed(field, op)]
        values = st.sampled_from(VALUES[field]) if VALUES[field] else st.nothing()

        def made(op: str) -> st.SearchStrategy[Filter]:
            if op == "exists":
                return st.just(comparison(HERE, field, op, []))
            count = (0, 3) if op == "in" else (1, 1)
            lists = st.lists(values, min_size=count[0], max_size=count[1])
            return lists.map(lambda chosen: comparison(HERE, field, op, chosen))

        return st.sampled_from(allowed).flatmap(made)

    return st.sampled_from(list(VALUES)).flatmap(of)


def is_allowed(field: str, op: str) -> bool:
    try:
        comparison(HERE, field, op, [])
    except ValueError:
        return False
    return True


def filters() -> st.SearchStrategy[Filter]:
    return st.recursive(
        comparisons(),
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: AllOf(tuple(parts))),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        ),
        max_leaves=5,
    )
