"""What an extractor is: the contract that every file in ``extractors/`` implements.

An extractor turns prepared pictures into features. It says which form of the picture it needs (`ImageInput`), and the
router or a batch job makes that form once from the working image, so that a decoded photo is never sent whole to an
extractor that looks at 96 x 96 pixels of it. Optional abilities are protocols of their own: `EmbedsText`,
`QueryViews`, `NeedsWeights`; an annotator labels and has no index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from storage.types.features import FeatureRows, FeatureSpec, Vectors

Pixels = NDArray[np.uint8]  # (H, W) gray or (H, W, 3) RGB
Resampling = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]

TOKENS_CUT = "tokens_cut"
LOGITS = "logits"


class ExtractorConfig(BaseModel):
    """Base of every extractor's settings: strict, so that a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The form of a picture that an extractor wants.

    size: (width, height) in pixels, or None for the working image as it is. short_side: None stretches the picture to
    ``size``, aspect ratio not kept; else the short side is made this long, aspect ratio kept, and the middle of
    ``size`` cut out, black where the picture does not reach. resample: the filter.
    """

    color: Literal["gray", "rgb"]
    size: tuple[int, int] | None = None
    short_side: int | None = None
    resample: Resampling = "lanczos"


class Extractor(Protocol):
    """Computes one feature. Built once a replica, model and all; ``extract`` may be called from several threads.

    A class that implements it takes its config as its only argument, and may have a class method ``spec_for(config)``
    that gives the spec without loading a model. One whose model decides has neither that nor ``image_input`` on the
    class, and says there which ``kind`` of feature it is, unless that is a dense vector.
    """

    image_input: ImageInput
    spec: FeatureSpec

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

    def embed_texts(self, texts: Sequence[str]) -> list[FeatureRows]:
        """One a text, in order; rows: (1, D) unit norm; of words (R, 64), a row each. The same text gives the same rows
        in any batch.

        extras ``TOKENS_CUT``: (1,) int64, how many tokens of the text were left out because the model takes no more;
        absent where none were. extras ``LOGITS``: (2,) float64 of a model that was trained to tell whether a text fits,
        see `deployments.annotators.zero_shot`.
        """


@runtime_checkable
class NeedsWeights(Protocol):
    """A part that loads a model from files, which may come later, or be others than before. One that has no use for a
    GPU says so on the class: ``cpu_only = True``.
    """

    @staticmethod
    def weights_mark(config: Any) -> str:
        """Changes whenever the files change that it would load. Quick, and imports nothing heavy.

        config: the part's own. Raises `storage.errors.ExtractorUnavailable` where files are missing or wrong, with the
        command that gets them.
        """


Annotation = Any  # what JSON can hold: of tags a list of {"label", "score"}, of a caption a text


class Annotator(Protocol):
    """Labels pictures; has no index. Built as an `Extractor` is.

    fingerprint: changes whenever the same picture would be labelled otherwise.
    """

    image_input: ImageInput
    fingerprint: str

    def annotate(self, images: Sequence[Pixels]) -> list[Annotation]:
        """One a picture, in order. The same picture gives the same annotation in any batch."""
