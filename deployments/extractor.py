"""What an extractor is: the contract that every file in ``extractors/`` implements.

An extractor turns prepared pictures into features. It says which form of the picture it needs (`ImageInput`), and the
router or a batch job makes that form once from the working image, so that a decoded photo is never sent whole to an
extractor that looks at 96 x 96 pixels of it. Optional abilities are protocols of their own: `EmbedsText`,
`QueryViews`; an annotator labels and has no index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from storage.types import FeatureRows, FeatureSpec, Vectors

Pixels = NDArray[np.uint8]  # (H, W) gray or (H, W, 3) RGB


class ExtractorConfig(BaseModel):
    """Base of every extractor's settings: strict, so that a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The form of a picture that an extractor wants. size: (width, height), or None for the working image as it is."""

    color: Literal["gray", "rgb"]
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ExtractorDescription:
    """What is known of an extractor before it is built. spec is None where only the loaded model knows."""

    name: str
    image_input: ImageInput
    spec: FeatureSpec | None
    embeds_text: bool
    has_query_views: bool


class Extractor(Protocol):
    """Computes one feature. Built once a replica, model and all; ``extract`` may be called from several threads.

    A class that implements it takes its config as its only argument, and may have a class method ``spec_for(config)``
    that gives the spec without loading a model.
    """

    image_input: ImageInput

    @property
    def spec(self) -> FeatureSpec: ...

    def extract(self, images: Sequence[Pixels]) -> list[FeatureRows]:
        """One `FeatureRows` a picture, in order. The same picture gives the same rows in any batch."""

    def distance(self, a: Vectors, b: Vectors) -> float:
        """Distance of two rows, (D,) each: plain, slow and right; what indexes are tested against."""


@runtime_checkable
class QueryViews(Protocol):
    """An extractor whose query looks at a picture in more than one way. The static methods serve those who have no
    model.
    """

    def query_views(self, images: Sequence[Pixels], params: Mapping[str, Any]) -> list[FeatureRows]:
        """What to ask with for each picture: (V, D) rows, of which row 0 is the picture as given, and what belongs to
        them. Raises `storage.errors.InvalidField` for a bad parameter.
        """

    @staticmethod
    def select_views(stored: FeatureRows, params: Mapping[str, Any], config: Any) -> FeatureRows:
        """What to ask with for a stored picture under the same parameters. config: the extractor's own."""

    @staticmethod
    def view_name(view: int, params: Mapping[str, Any]) -> str:
        """What row ``view`` of a query is, for the evidence of a hit: "as_given", "mirrored", "rotated_90", ..."""


@runtime_checkable
class EmbedsText(Protocol):
    """An extractor that places a sentence among its pictures."""

    def embed_texts(self, texts: Sequence[str]) -> Vectors: ...


class Annotator(Protocol):
    """Labels a picture; has no index."""

    name: str
    image_input: ImageInput

    def annotate(self, images: Sequence[Pixels]) -> list[Mapping[str, Any]]: ...
