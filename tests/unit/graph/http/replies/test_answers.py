"""Whatever the store holds has a form in JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from graph.http.replies.answers import json_response
from lookalike_client import Tag


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"n": 10**40, "m": -(10**40)}, {"n": 10**40, "m": -(10**40)}),
        ([math.nan, math.inf, 1.5], [None, None, 1.5]),
        ({"inliers": np.int64(3), "homography": np.eye(2)}, {"inliers": 3, "homography": [[1.0, 0.0], [0.0, 1.0]]}),
        ("a file named \udcff", "a file named \udcff"),
        (Tag("\udcff", 0.5), {"label": "\udcff", "score": 0.5}),
        ({"tags": (Tag("bridge", math.nan),)}, {"tags": [{"label": "bridge", "score": None}]}),
    ],
)
def test_values_come_out_of_their_json_as_they_went_in(value: Any, expected: Any) -> None:
    assert json.loads(bytes(json_response(value).body)) == expected
