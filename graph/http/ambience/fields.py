"""The fields of requests, as the original services took them: numbers may be strings, unknown fields do not matter."""

from __future__ import annotations

from typing import Annotated, Any, Protocol, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from graph.http.forms.fields import not_boolean

LARGEST_ID = 2**63 - 1  # of the original indexes
FEWEST_INLIERS, MOST_INLIERS = 4, 1000  # of `local`
FEWEST_CHECKED, MOST_CHECKED = 24, 100  # candidates of `local`: as many as results are wanted


def _blank_is_absent(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


ImageNumber = Annotated[int, Field(ge=0, le=LARGEST_ID), BeforeValidator(not_boolean)]
ImageNumberOrBlank = Annotated[ImageNumber | None, BeforeValidator(not_boolean), BeforeValidator(_blank_is_absent)]
Count = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(not_boolean), BeforeValidator(_blank_is_absent)]
CountOrZero = Annotated[
    Annotated[int, Field(ge=0)] | None, BeforeValidator(not_boolean), BeforeValidator(_blank_is_absent)
]
Number = Annotated[
    Annotated[float, Field(ge=0, allow_inf_nan=False)] | None,
    BeforeValidator(not_boolean),
    BeforeValidator(_blank_is_absent),
]
Flag = Annotated[int | None, BeforeValidator(_blank_is_absent)]
NO_EFFECT = "checked, and without effect here"


class AmbienceFields(BaseModel):
    """Base of all of them. FastAPI passed over fields that it did not know."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class SearchFields(Protocol):
    """What the fields of every search have in common."""

    @property
    def k(self) -> int | None:
        """Results wanted; None for all."""

    @property
    def distance_threshold(self) -> float | None:
        """Wanted are all that are no farther away; None where ``k`` says how many."""

    def subject(self) -> dict[str, Any]:
        """What to search with, as in a `graph.requests.messages.SearchRequest`."""

    def params(self) -> dict[str, Any]:
        """Of the feature, likewise."""


class ByImage(AmbienceFields):
    image: bytes = Field(description="the picture's file")

    def subject(self) -> dict[str, Any]:
        return {"images": (self.image,)}


class ById(AmbienceFields):
    image_id: ImageNumber = Field(description="of a stored picture", examples=[12])

    def subject(self) -> dict[str, Any]:
        return {"ids": (str(self.image_id),)}


class ByText(AmbienceFields):
    text: Annotated[str, Field(min_length=1)] = Field(description="a sentence", examples=["a bridge"])

    def subject(self) -> dict[str, Any]:
        return {"text": self.text}


class Nearest(AmbienceFields):
    k: Count = Field(
        default=None, description="results wanted, at most limits.max_results; or distance_threshold", examples=[20]
    )
    distance_threshold: Number = Field(default=None, description="all that are no farther away than this; or k")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.k is None) == (self.distance_threshold is None):
            raise ValueError("send exactly one of k and distance_threshold")
        return self

    def params(self) -> dict[str, Any]:
        return {}


class NearestVectors(Nearest):
    aqe_n: CountOrZero = Field(default=None, description="results to expand the query with; only with aqe_alpha")
    aqe_alpha: Number = Field(default=None, description="power of their likeness that weighs them; only with aqe_n")

    def params(self) -> dict[str, Any]:
        if self.aqe_n is None or self.aqe_alpha is None:
            return {}
        return {"aqe_n": self.aqe_n, "aqe_alpha": self.aqe_alpha}


class MostKeypoints(AmbienceFields):
    k: Count = Field(
        default=None, description="results wanted, at most limits.max_results; all of them unless said", examples=[20]
    )
    knn_min_matches: CountOrZero = Field(
        default=None, description="keypoints that must agree, at least 4 and at most 1000 of them; 8 unless said"
    )
    k_clusters: Count = Field(default=None, description=NO_EFFECT)
    matching_threshold: Number = Field(default=None, description=NO_EFFECT)
    use_smnn_matching: Flag = Field(default=None, description=NO_EFFECT)
    smnn_match_threshold: Number = Field(default=None, description=NO_EFFECT)
    use_ransac: Flag = Field(default=None, description=NO_EFFECT)

    @property
    def distance_threshold(self) -> None:
        return None

    def params(self) -> dict[str, Any]:
        checked = {"candidates": max(FEWEST_CHECKED, min(self.k or MOST_CHECKED, MOST_CHECKED))}
        if self.knn_min_matches is None:
            return checked
        return {**checked, "min_inliers": min(max(self.knn_min_matches, FEWEST_INLIERS), MOST_INLIERS)}


class NearestByImage(Nearest, ByImage):
    pass


class NearestById(Nearest, ById):
    pass


class NearestVectorsByImage(NearestVectors, ByImage):
    pass


class NearestVectorsById(NearestVectors, ById):
    pass


class NearestVectorsByText(NearestVectors, ByText):
    pass


class MostKeypointsByImage(MostKeypoints, ByImage):
    pass


class MostKeypointsById(MostKeypoints, ById):
    pass


class CalculateFields(ByImage, ById):
    """A picture and the id that it gets."""


class DeleteFields(AmbienceFields):
    image_id: ImageNumberOrBlank = Field(default=None, description="of a stored picture; or file_name", examples=[12])
    file_name: str | None = Field(default=None, description="of a stored picture; counts where both are given")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.image_id is None and not self.file_name:
            raise ValueError("send image_id or file_name")
        return self


class DeleteAllFields(AmbienceFields):
    image_id: ImageNumber = Field(description="of a stored picture", examples=[12])


class ReverseSearchFields(ByImage):
    find_duplicate: Flag = Field(default=None, description="1: only whether the picture is there already")
