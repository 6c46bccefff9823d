"""The fields of searches."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from graph.http.forms.fields import (
    FILTER_DESCRIPTION,
    Fields,
    FilterField,
    Ids,
    Names,
    Numbers,
    Sentence,
    Sentences,
    WholeNumber,
    json_if_text,
)
from graph.requests.messages import Combine
from lookalike_client.matches import Relevance

RELEVANCE: Any = Field(
    default="all",
    description="strong: results that are proven alone; likely: also scene and similar; all: the k best as they rank",
)


class SearchFields(Fields):
    """What to search with, beside the picture itself."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "bridge.jpg", "k": 20}, {"text": "a bridge", "text_not": ["at night"]}]}
    )

    id: Ids | None = Field(default=None, description="search with the stored features of this image, or of several")
    combine: Combine = Field(
        default="mean",
        description="of several pictures: those near to all of them together (mean), or near to each (all)",
    )
    text: Sentence | None = Field(default=None, description="search with a sentence")
    text_not: Sentences | None = Field(
        default=None, description="sentences to keep away from: one, or a list of at most 16"
    )
    features: Names | None = Field(
        default=None, description="features to ask: a list or comma-separated; all that can answer unless said"
    )
    k: WholeNumber = Field(default=20, ge=1, description="results wanted, at most limits.max_results")
    weights: Numbers = Field(
        default_factory=dict, description='weight of a feature in the ranking, 1 unless said: {"phash": 2}'
    )
    max_distance: Numbers = Field(default_factory=dict, description='leave out what is farther away: {"phash": 64}')
    params: Annotated[dict[str, dict[str, Any]], BeforeValidator(json_if_text)] = Field(
        default_factory=dict, description="search parameters by feature"
    )
    filter: FilterField | None = Field(default=None, description=FILTER_DESCRIPTION)
    distinct: bool = Field(default=False, description="of pictures that are the same only the best")
    cursor: str | None = Field(
        default=None, description="next_cursor of the page before, with the same request otherwise"
    )
    relevance: Relevance = RELEVANCE
    explain: bool = Field(default=False, description="whether results say what their relation follows from")


class SimilarFields(Fields):
    features: Names | None = Field(default=None, description="features to ask, comma-separated; all unless said")
    k: WholeNumber = Field(default=20, ge=1, description="results wanted, at most limits.max_results")
    filter: FilterField | None = Field(default=None, description=FILTER_DESCRIPTION)
    relevance: Relevance = RELEVANCE
