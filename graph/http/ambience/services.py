"""The original services that search: what each is called, where it was asked, how its distances are counted.

Distances were Hamming bits, L1 of histograms that sum to ten million, and squared L2 of unit vectors, which is twice
the cosine distance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

COLOR_SCALE = 10_000_000
SQUARED_L2_OF_COSINE = 2


@dataclass(frozen=True, slots=True)
class Service:
    """feature: what it computes. stem: how its search routes begin. result_key: its list in an answer of the gateway.

    scale: an original distance by one of ours; None where keypoints are counted. whole: distances are whole numbers.
    params_by_id: parameters of a search by a stored picture, where that differs from one by a file.
    """

    feature: str
    stem: str
    result_key: str
    scale: float | None
    whole: bool = False
    params_by_id: Mapping[str, Any] = field(default_factory=dict)

    def search(self, by: Literal["image_buffer", "id", "text"]) -> str:
        return f"/{self.stem}_get_similar_images_by_{by}"

    @property
    def calculate(self) -> str:
        return f"/calculate_{self.feature}_features"

    @property
    def delete(self) -> str:
        return f"/delete_{self.feature}_features"


# A search by a file also looked for the mirrored picture, one by id did not.
PHASH = Service("phash", "phash", "phash_res", 1, whole=True, params_by_id={"orientations": "none"})
COLOR = Service("color", "color", "color_res", COLOR_SCALE)
GLOBAL = Service("global", "global_features", "global_features_res", SQUARED_L2_OF_COSINE)
IMAGE_TEXT = Service("image_text", "image_text_features", "image_text_res", SQUARED_L2_OF_COSINE)
LOCAL = Service("local", "local_features", "local_features_res", None, whole=True)

WRITE_ORDER = (GLOBAL, LOCAL, COLOR, PHASH, IMAGE_TEXT)  # of the gateway's answers to calculate and delete
SEARCH_ORDER = (PHASH, GLOBAL, LOCAL, COLOR, IMAGE_TEXT)  # of the lists in its answers to a search
